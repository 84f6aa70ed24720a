using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Host.Api;

internal static class PayloadsApi
{
    private const long BytesMax = 64L * 1024 * 1024;

    public static void Map(RouteGroupBuilder api) =>
        api.MapPost("/payloads", async (HttpContext context, Caller caller, KernelGate gate, IPayloadStore payloads) =>
        {
            await gate.TakeInAsync(caller.Tenant);
            var stored = await payloads.PutAsync(caller.Tenant, context.Request.Body, BytesMax, context.RequestAborted);
            return Results.Created($"/api/v1/payloads/{stored.Sha256}", new PayloadView(stored.Sha256, stored.Size));
        })
        .Needs("payload.write").WithMetadata(new RequestSizeLimitAttribute(BytesMax + 1)).WithSummary("Store a document; it travels as a reference").Accepts<byte[]>("application/octet-stream", "application/xml")
        .Produces<PayloadView>(201).ProducesProblem(413).ProducesProblem(429);
}

internal static class ApprovalsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/approvals", ListAsync).Needs("approval.read").WithSummary("What awaits a person's decision").Produces<PageView<ApprovalView>>();
        api.MapPost("/runs/{id}/approvals/{step:int}", DecideAsync).Needs("approval.decide").WithSummary("Decide").Produces<VersionView>().ProducesProblem(403).ProducesProblem(404).ProducesProblem(409);
    }

    private static async Task<PageView<ApprovalView>> ListAsync(WorkflowHost host, Caller caller, HttpContext context)
    {
        var rows = await host.Store.ListAsync(new RunQuery(caller.Tenant, AwaitsApproval: true, Sort: RunSort.OldestFirst, Limit: 500), context.RequestAborted);
        return new PageView<ApprovalView>([.. rows.SelectMany(row => row.Waits.Where(wait => wait.Kind is "approval" or "signature").Select(wait => new ApprovalView(row.Run.Id, row.Workflow,
            row.BusinessKey, wait.Step!.Value, wait.Name!, wait.Role!, wait.NotBy ?? [], wait.Until, wait.Digest!, wait.Subject?.ToElement(), wait.Since)))]);
    }

    private static async Task<VersionView> DecideAsync(string id, int step, DecisionRequest request, WorkflowHost host, Caller caller, HttpContext context,
        [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return new VersionView(await host.DecideAsync(caller.Run(id), step, request.Granted, caller.Decider, request.Comment, request.Digest, key));
    }
}

/// <summary>Server-sent events: what is appended, as it is appended. A follower that comes late gets the history first.</summary>
internal static class EventsApi
{
    // So that nothing on the way takes the connection for dead.
    private static readonly TimeSpan StillHere = TimeSpan.FromSeconds(15);

    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/runs/{id}/events", FollowRunAsync).Needs("run.read").WithSummary("Follow a run (server-sent events)").Produces(200, contentType: "text/event-stream").ProducesProblem(404);
        api.MapGet("/events", FollowAllAsync).Needs("run.read").WithSummary("Follow the list (server-sent events)").Produces(200, contentType: "text/event-stream");
    }

    private static async Task FollowRunAsync(string id, WorkflowHost host, Caller caller, Identification identification, HttpContext context, JsonSerializerOptions json)
    {
        var run = caller.Run(id);
        if (await host.Store.FindAsync(run, context.RequestAborted) is null) throw new ProblemException(404, "Not found", $"There is no run '{id}'.");
        var from = long.TryParse(context.Request.Headers["Last-Event-ID"], out var seen) ? seen + 1 : 1;
        // A nudge, not the data: whatever was appended, here or on another host, is read from the store, in order and once.
        using var nudges = new Nudges(host, run.Tenant, change => change.Run == run);
        Begin(context);
        while (await identification.StillMayAsync(context))
        {
            var closed = (await host.Store.FindAsync(run, context.RequestAborted))?.ClosedAt is not null;
            var ended = closed; // for a follower that had seen the end already
            foreach (var e in await host.Store.ReadAsync(run, from, context.RequestAborted))
            {
                var view = new EventView(e.Version, e.Type, e.At, new JsonText(e.Body).ToElement());
                await WriteAsync(context, e.Version.ToString(null, null), e.Type, JsonSerializer.Serialize(view, json));
                from = e.Version + 1;
                // An end with something behind it may not be the last: a run that is reset goes on.
                ended = closed || e.Type is "run-completed" or "run-failed" or "run-cancelled" or "run-terminated";
            }
            if (ended) return;
            await nudges.NextAsync(!host.Options.Shared ? StillHere : host.Live.HearsOthers ? TimeSpan.FromSeconds(5) : TimeSpan.FromSeconds(1), context);
        }
    }

    private static async Task FollowAllAsync(WorkflowHost host, Caller caller, Identification identification, HttpContext context, JsonSerializerOptions json)
    {
        using var nudges = new Nudges(host, caller.Tenant, change => change.RowChanged);
        Begin(context);
        while (true)
        {
            var changed = await nudges.NextAsync(StillHere, context);
            if (!await identification.StillMayAsync(context)) return;
            if (changed is { } run && await host.Store.FindAsync(run, context.RequestAborted) is { } row)
                await WriteAsync(context, null, "run", JsonSerializer.Serialize(RunView.Of(row), json));
        }
    }

    private static void Begin(HttpContext context)
    {
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers["X-Accel-Buffering"] = "no";
    }

    private static async Task WriteAsync(HttpContext context, string? id, string type, string data)
    {
        await context.Response.WriteAsync($"{(id is null ? "" : $"id: {id}\n")}event: {type}\ndata: {data}\n\n", context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    private sealed class Nudges : IDisposable
    {
        private readonly Channel<RunKey> queue = Channel.CreateBounded<RunKey>(new BoundedChannelOptions(1000) { FullMode = BoundedChannelFullMode.DropOldest });
        private readonly IDisposable watching;

        public Nudges(WorkflowHost host, string tenant, Func<RunChange, bool> concerns) => watching = host.Live.Watch(tenant, change =>
        {
            if (concerns(change)) queue.Writer.TryWrite(change.Run);
        });

        /// <returns>Null when only time has passed.</returns>
        public async Task<RunKey?> NextAsync(TimeSpan atMost, HttpContext context)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
            limit.CancelAfter(atMost);
            try
            {
                return await queue.Reader.ReadAsync(limit.Token);
            }
            catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
            {
                await context.Response.WriteAsync(": still here\n\n", context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                return null;
            }
        }

        public void Dispose() => watching.Dispose();
    }
}
