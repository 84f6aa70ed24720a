using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

internal sealed record BulkFilter(string? Status = null, string? Workflow = null, string? BusinessKey = null, Dictionary<string, string>? Attributes = null,
    DateTimeOffset? StartedFrom = null, DateTimeOffset? StartedBefore = null, DateTimeOffset? ClosedBefore = null, bool? AwaitsApproval = null);

internal sealed record BulkRequest(string Action, BulkFilter Filter, string? Reason = null, string? Signal = null, JsonElement? Value = null, bool DryRun = false, string? Cursor = null, int Limit = 200);

internal sealed record BulkRefusal(string Id, string Why);

/// <param name="Matched">Runs of this page the action is for; of a dry run: all of them.</param>
/// <param name="Next">Where to go on; null at the end.</param>
internal sealed record BulkView(int Matched, int Done, IReadOnlyList<BulkRefusal> Refused, string? Next);

/// <summary>
/// One command to many runs, found by the filter of a list. A request acts on one page and says where the next begins, so whoever is
/// interrupted goes on from there; sent again under the same key, a run is commanded once. A run that refuses is reported and holds up no other.
/// </summary>
internal static class BulkApi
{
    private const int PageMax = 500;
    private const int CountMax = 1_000_000;
    private static readonly string[] Actions = ["cancel", "terminate", "pause", "resume", "unpark", "signal", "purge"];

    public static void Map(RouteGroupBuilder api) =>
        api.MapPost("/runs:bulk", ActAsync).Needs("run.read").WithSummary("One command to every run that a filter finds, page by page").Produces<BulkView>().ProducesProblem(403).ProducesProblem(422);

    private static async Task<BulkView> ActAsync(BulkRequest request, WorkflowHost host, KernelGate gate, Caller caller, HttpContext context, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        if (!Actions.Contains(request.Action)) throw new ProblemException(422, "Unknown action", $"action: one of {string.Join(", ", Actions)}.");
        if (request.Action == "signal" && request.Signal is null) throw new ProblemException(422, "No signal", "signal: name the signal to send.");
        if (request.Signal is { } signal) RunsApi.CheckSignal(signal);
        if (request.Limit is < 1 or > PageMax) throw new ProblemException(422, "Bad limit", $"limit: 1 to {PageMax}, not {request.Limit}.");
        // Attributes that name none filter nothing.
        var filter = request.Filter is { Attributes.Count: 0 } ? request.Filter with { Attributes = null } : request.Filter;
        if (filter == new BulkFilter()) throw new ProblemException(422, "No filter", "filter: narrow it by at least one of status, workflow, businessKey, attributes, startedFrom, startedBefore, closedBefore, awaitsApproval.");
        caller.Demand($"run.{request.Action}", "run/*");
        RunsApi.CheckAttributes(filter.Attributes);
        var query = new RunQuery(caller.Tenant, RunsApi.ParseStatus(filter.Status), RunsApi.NoNul("filter.workflow", filter.Workflow), RunsApi.NoNul("filter.businessKey", filter.BusinessKey), filter.Attributes,
            filter.StartedFrom, filter.StartedBefore, filter.AwaitsApproval, RunSort.OldestFirst, RunsApi.ParseCursor(request.Cursor), request.Limit, filter.ClosedBefore);
        if (request.Action == "signal" && !request.DryRun) await gate.TakeInAsync(caller.Tenant);
        return request.DryRun ? await CountAsync(request.Action, query with { Limit = PageMax }, host, context.RequestAborted) : await PageAsync(request, query, host, caller, context, key);
    }

    private static async Task<BulkView> CountAsync(string action, RunQuery query, WorkflowHost host, CancellationToken cancellation)
    {
        for (var matched = 0; ;)
        {
            var rows = await host.Store.ListAsync(query, cancellation);
            matched += rows.Count(row => IsFor(action, query, row));
            if (rows.Count < query.Limit || matched >= CountMax) return new BulkView(matched, 0, [], null);
            query = query with { After = new RunCursor(rows[^1].StartedAt, rows[^1].Run.Id) };
        }
    }

    private static async Task<BulkView> PageAsync(BulkRequest request, RunQuery query, WorkflowHost host, Caller caller, HttpContext context, string? key)
    {
        var rows = await host.Store.ListAsync(query, context.RequestAborted);
        List<RunKey> runs = [.. rows.Where(row => IsFor(request.Action, query, row)).Select(row => row.Run)];
        var refused = new List<BulkRefusal>();
        if (request.Action == "purge")
        {
            var gone = runs.Count == 0 ? [] : (await host.Store.PurgeAsync(runs, $"purged by {caller.By}", context.RequestAborted)).ToHashSet();
            refused.AddRange(runs.Where(run => !gone.Contains(run)).Select(run => new BulkRefusal(run.Id, "It is kept while its parent or a child of it is open, or was gone already.")));
        }
        else
        {
            // Many runs' appends share a transaction when they are asked for at once.
            var value = request.Value is { } given ? JsonBody.From(given) : default;
            await Task.WhenAll(runs.Select(async run =>
            {
                try
                {
                    await SendAsync(request, run, value, host, caller.By, key);
                }
                catch (CommandRefusedException e)
                {
                    lock (refused) refused.Add(new BulkRefusal(run.Id, e.Message));
                }
            }));
        }
        return new BulkView(runs.Count, runs.Count - refused.Count, [.. refused.OrderBy(one => one.Id, StringComparer.Ordinal)], rows.Count == query.Limit ? RunsApi.CursorOf(rows[^1]) : null);
    }

    private static Task<long> SendAsync(BulkRequest request, RunKey run, JsonText value, WorkflowHost host, string by, string? key)
    {
        var reason = request.Reason ?? "no reason given";
        return request.Action switch
        {
            "cancel" => host.CancelAsync(run, reason, by, key),
            "terminate" => host.TerminateAsync(run, reason, by, key),
            "pause" => host.PauseAsync(run, reason, by, key),
            "resume" => host.ResumeAsync(run, by, key),
            "unpark" => host.UnparkAsync(run, by, key),
            _ => host.SignalAsync(run, request.Signal!, value, by, key),
        };
    }

    // What it can do nothing about is not meant; the engine's own runs are meant only by their name.
    private static bool IsFor(string action, RunQuery query, RunRow row) => (query.Workflow is not null || !row.Workflow.StartsWith(Activity.EnginesOwn, StringComparison.Ordinal)) && action switch
    {
        "purge" => row.ClosedAt is not null,
        _ when row.IsImported => false,
        "unpark" => row.Status is RunStatus.Parked,
        "resume" => row.Status is RunStatus.Paused,
        _ => row.ClosedAt is null,
    };
}
