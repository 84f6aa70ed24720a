using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Retention;

/// <summary>
/// Deletes runs whose time to be kept is over: a run of the engine's own, woken by its timer like any other. The rules are the host's;
/// each host that starts with some tells it to look. A sweep goes batch by batch, each of its own transaction; a crash leaves the rest
/// for the next attempt, and what is gone is not found again.
/// </summary>
[Workflow(Name)]
internal sealed class RetentionWorkflow : Workflow<string, string>
{
    public const string Name = "aios.retention";
    public const string Run = "aios:retention";

    public static readonly Signal<string> Look = new("look");

    private const int Page = 100;
    private static readonly TimeSpan SoonestAgain = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LatestAgain = TimeSpan.FromDays(1);

    private sealed record Sweep(long Purged, TimeSpan? Again);

    private static readonly Activity<string, Sweep> Purge = new("aios.purge", Effect.Idempotent, (_, _, context, _) => SweepAsync(context.Host!, context), new ActivityOptions
    {
        StartToClose = TimeSpan.FromHours(1),
        Heartbeat = TimeSpan.FromMinutes(5),
    });

    protected override async Task<string> RunAsync(string input) => (await Loop(0L, async purged =>
    {
        var sweep = await Call(Purge, "");
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        List<Task> any = [Receive(Look, over.Token)];
        if (sweep.Again is { } again) any.Add(Sleep(again, over.Token));
        await Task.WhenAny(any);
        over.Cancel();
        Cancellation.ThrowIfCancellationRequested();
        return Iteration.Next(purged + sweep.Purged);
    })).ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static async Task<Sweep> SweepAsync(WorkflowHost host, ActivityContext context)
    {
        var rules = host.Options.Retention;
        if (rules.Min(rule => rule.Keep) is not { } shortest) return new Sweep(0, null);
        var purged = 0L;
        var now = host.Now;
        RunCursor? after = null;
        while (true)
        {
            var rows = await host.Store.ListAsync(new RunQuery(context.Tenant, ClosedBefore: now - shortest, Sort: RunSort.OldestFirst, After: after, Limit: Page), context.Cancellation);
            if (rows.Count == 0) break;
            foreach (var over in rows.GroupBy(row => rules.FirstOrDefault(rule => rule.Fits(row))).Where(over => over.Key?.Keep is not null))
            {
                List<RunKey> runs = [.. over.Where(row => row.ClosedAt < now - over.Key!.Keep!.Value).Select(row => row.Run)];
                if (runs.Count > 0) purged += (await host.Store.PurgeAsync(runs, $"retention {over.Key}", context.Cancellation)).Count;
            }
            after = new RunCursor(rows[^1].StartedAt, rows[^1].Run.Id);
            context.Heartbeat();
        }
        var often = shortest / 10;
        return new Sweep(purged, often < SoonestAgain ? SoonestAgain : often > LatestAgain ? LatestAgain : often);
    }
}
