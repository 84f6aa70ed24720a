using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Host.Keys;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Host.Api;

internal static class PayloadsApi
{
    private const long BytesMax = 64L * 1024 * 1024;

    public static void Map(RouteGroupBuilder api) =>
        api.MapPost("/payloads", async (HttpContext context, IPayloadStore payloads) =>
        {
            var stored = await payloads.PutAsync(RunKey.DefaultTenant, context.Request.Body, BytesMax, context.RequestAborted);
            return Results.Created($"/api/v1/payloads/{stored.Sha256}", new PayloadView(stored.Sha256, stored.Size));
        })
        .WithMetadata(new RequestSizeLimitAttribute(BytesMax + 1)).WithSummary("Store a document; it travels as a reference").Accepts<byte[]>("application/octet-stream", "application/xml")
        .Produces<PayloadView>(201).ProducesProblem(413);
}

internal static class ApprovalsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/approvals", ListAsync).WithSummary("What awaits a person's decision").Produces<PageView<ApprovalView>>();
        api.MapPost("/runs/{id}/approvals/{step:int}", DecideAsync).WithSummary("Decide").Produces<VersionView>().ProducesProblem(403).ProducesProblem(404).ProducesProblem(409);
    }

    private static async Task<PageView<ApprovalView>> ListAsync(WorkflowHost host, HttpContext context)
    {
        var rows = await host.Store.ListAsync(new RunQuery(RunKey.DefaultTenant, AwaitsApproval: true, Sort: RunSort.OldestFirst, Limit: 500), context.RequestAborted);
        return new PageView<ApprovalView>([.. rows.SelectMany(row => row.Waits.Where(wait => wait.Kind == "approval").Select(wait => new ApprovalView(row.Run.Id, row.Workflow,
            row.BusinessKey, wait.Step!.Value, wait.Name!, wait.Role!, wait.NotBy ?? [], wait.Until, wait.Digest!, wait.Subject?.ToElement(), wait.Since)))]);
    }

    private static async Task<VersionView> DecideAsync(string id, int step, DecisionRequest request, WorkflowHost host, HttpContext context,
        [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return new VersionView(await host.DecideAsync(RunsApi.KeyOf(id), step, request.Granted, Caller.Of(context), request.Comment, request.Digest, key));
    }
}

internal static class KeysApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/keys", async (ApiKeys keys, HttpContext context) =>
        {
            DemandOwner(context);
            return new PageView<KeyView>([.. (await keys.ListAsync(context.RequestAborted)).Select(key => new KeyView(key.Name, key.Roles, null, key.CreatedAt, key.RevokedAt))]);
        }).WithSummary("Who holds a key");
        api.MapPost("/keys", async (NewKeyRequest request, ApiKeys keys, HttpContext context) =>
        {
            DemandOwner(context);
            CheckName("name", request.Name);
            if (request.Roles.Count > 20) throw new ProblemException(422, "Too many roles", "A key has at most 20 roles.");
            foreach (var role in request.Roles) CheckName("roles", role);
            var key = await keys.AddAsync(request.Name, request.Roles, context.RequestAborted)
                ?? throw new ProblemException(409, "Name taken", $"There is a key named '{request.Name}' already. Revoke it first, or choose another name.");
            return Results.Created($"/api/v1/keys/{Uri.EscapeDataString(request.Name)}", new KeyView(request.Name, request.Roles, key));
        }).WithSummary("Make a named key; it is shown once").Produces<KeyView>(201).ProducesProblem(409);
        api.MapDelete("/keys/{name}", async (string name, ApiKeys keys, HttpContext context) =>
        {
            DemandOwner(context);
            return await keys.RevokeAsync(name, context.RequestAborted) ? Results.NoContent() : throw new ProblemException(404, "Not found", $"There is no key named '{name}'.");
        }).WithSummary("Revoke a key").Produces(204).ProducesProblem(404);
    }

    private static void DemandOwner(HttpContext context)
    {
        if (!Caller.Of(context).Roles.Contains(ApiKeys.OwnerRole)) throw new ProblemException(403, "Not allowed", "Only the owner's key may manage keys.");
    }

    private static void CheckName(string field, string name)
    {
        if (name is not { Length: > 0 and <= 64 } || name.All(c => c is '.') || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '@'))
            throw new ProblemException(422, "Bad name", $"{field}: 1 to 64 letters, digits, '-', '_', '.' or '@'.");
    }
}

/// <summary>Server-sent events: what is appended, as it is appended. A follower that comes late gets the history first.</summary>
internal static class EventsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/runs/{id}/events", FollowRunAsync).WithSummary("Follow a run (server-sent events)").Produces(200, contentType: "text/event-stream").ProducesProblem(404);
        api.MapGet("/events", FollowAllAsync).WithSummary("Follow the list (server-sent events)").Produces(200, contentType: "text/event-stream");
    }

    private static async Task FollowRunAsync(string id, WorkflowHost host, HttpContext context, JsonSerializerOptions json)
    {
        var run = RunsApi.KeyOf(id);
        if (await host.Store.FindAsync(run, context.RequestAborted) is null) throw new ProblemException(404, "Not found", $"There is no run '{id}'.");
        var from = long.TryParse(context.Request.Headers["Last-Event-ID"], out var seen) ? seen + 1 : 1;
        // A nudge, not the data: whatever was appended, here or on another host, is read from the store, in order and once.
        using var nudges = new Nudges(host, append => append.Run == run);
        Begin(context);
        while (true)
        {
            var closed = (await host.Store.FindAsync(run, context.RequestAborted))?.ClosedAt is not null;
            foreach (var e in await host.Store.ReadAsync(run, from, context.RequestAborted))
            {
                var view = new EventView(e.Version, e.Type, e.At, new JsonText(e.Body).ToElement());
                await WriteAsync(context, e.Version.ToString(null, null), e.Type, JsonSerializer.Serialize(view, json));
                from = e.Version + 1;
                if (e.Type is "run-completed" or "run-failed" or "run-cancelled" or "run-terminated") return;
            }
            if (closed) return; // a follower that had seen the end already
            await nudges.NextAsync(host.Options.Shared, context);
        }
    }

    private static async Task FollowAllAsync(WorkflowHost host, HttpContext context, JsonSerializerOptions json)
    {
        using var nudges = new Nudges(host, append => append.Row is not null && append.Run.Tenant == RunKey.DefaultTenant);
        Begin(context);
        while (true)
        {
            if (await nudges.NextAsync(false, context) is { } changed && await host.Store.FindAsync(changed, context.RequestAborted) is { } row)
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
        private readonly WorkflowHost host;
        private readonly Action<RunAppend> onAppend;

        public Nudges(WorkflowHost host, Func<RunAppend, bool> concerns)
        {
            this.host = host;
            onAppend = append =>
            {
                if (concerns(append)) queue.Writer.TryWrite(append.Run);
            };
            host.Appended += onAppend;
        }

        /// <returns>Null when only time has passed.</returns>
        public async Task<RunKey?> NextAsync(bool othersMayAppend, HttpContext context)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
            limit.CancelAfter(othersMayAppend ? TimeSpan.FromSeconds(1) : TimeSpan.FromSeconds(15));
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

        public void Dispose() => host.Appended -= onAppend;
    }
}
