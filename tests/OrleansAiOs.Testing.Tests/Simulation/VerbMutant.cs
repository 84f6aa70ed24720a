using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Tests.Simulation;

/// <summary>Events of one kind are stored otherwise than the engine said.</summary>
internal sealed class StoredOtherwise<T>(IRunStore inner, Func<T, T> otherwise) : StoreMutant(inner) where T : WorkflowEvent
{
    public override ValueTask<AppendResult> AppendAsync(RunAppend append) => Inner.AppendAsync(append with { Events = [.. append.Events.Select(Otherwise)] });

    private NewEvent Otherwise(NewEvent e) => EventNames.Read(1, e.Type, e.Body) is T read ? e with { Body = EventNames.Write(otherwise(read)).Body } : e;
}

/// <summary>Who loads a run reads events of one kind otherwise than they are stored.</summary>
internal sealed class ReadOtherwise<T>(IRunStore inner, Func<T, T> otherwise) : StoreMutant(inner) where T : WorkflowEvent
{
    public override async ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation) =>
        [.. (await Inner.LoadAsync(run, cancellation)).Select(stored => stored.Read() is T read ? stored with { Body = EventNames.Write(otherwise(read)).Body } : stored)];
}

/// <summary>The sender of an update has its answer while the append that holds it is on its way.</summary>
internal sealed class UpdateAnsweredBeforeTheCommit(IRunStore inner) : StoreMutant(inner)
{
    public override ValueTask<AppendResult> AppendAsync(RunAppend append)
    {
        if (!append.Events.Any(e => e.Type is "update-accepted" or "update-completed" or "update-failed")) return Inner.AppendAsync(append);
        _ = Inner.AppendAsync(append).AsTask();
        return new(AppendResult.Appended);
    }
}

/// <summary>Every other load is of a copy that lags behind: what the last append added is not there yet.</summary>
internal sealed class LoadsLagBehind(IRunStore inner) : StoreMutant(inner)
{
    private readonly Dictionary<RunKey, int> before = [];
    private int loads;

    public override async ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation)
    {
        var history = await Inner.LoadAsync(run, cancellation);
        var last = before.GetValueOrDefault(run);
        before[run] = history.Count;
        return ++loads % 2 == 0 && last > 0 && last < history.Count ? [.. history.Take(last)] : history;
    }
}

/// <summary>A start that finds its run there starts another.</summary>
internal sealed class StartedUnderAFreshId(IRunStore inner) : StoreMutant(inner)
{
    private int starts;

    public override async ValueTask<AppendResult> AppendAsync(RunAppend append)
    {
        var result = await Inner.AppendAsync(append);
        if (result is not AppendResult.Conflict || append.Expected != 0 || EventNames.Read(1, append.Events[0].Type, append.Events[0].Body) is not RunStarted { By: { } by } || !by.StartsWith("schedule:", StringComparison.Ordinal)) return result;
        var fresh = append.Run with { Id = $"{append.Run.Id}-{++starts}" };
        return await Inner.AppendAsync(append with { Run = fresh, Row = append.Row! with { Run = fresh } });
    }
}

/// <summary>Whether a run that a schedule started is open, nobody can say: it is taken to be over.</summary>
internal sealed class OpenTakenForOver(IRunStore inner) : StoreMutant(inner)
{
    public override async ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation) =>
        await Inner.FindAsync(run, cancellation) is { } row && row.ClosedAt is null && row.Attributes?.ContainsKey("scheduled") is true ? row with { ClosedAt = row.UpdatedAt } : await Inner.FindAsync(run, cancellation);
}

/// <summary>Deletes what it is asked to, whether or not that is over: rows that keep it from that are made to say so first.</summary>
internal sealed class DeletesTheOpen(IRunStore inner, bool alsoOfKin) : StoreMutant(inner)
{
    public override async ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation) => query.ClosedBefore is null || alsoOfKin
        ? await Inner.ListAsync(query, cancellation)
        : [.. (await Inner.ListAsync(query with { ClosedBefore = null }, cancellation)).Select(row => row.ClosedAt is null && row.Workflow != "aios.retention" ? row with { ClosedAt = row.StartedAt } : row)];

    public override async ValueTask<IReadOnlyCollection<RunKey>> PurgeAsync(IReadOnlyList<RunKey> runs, string why, CancellationToken cancellation)
    {
        var mended = new List<RunRow>();
        foreach (var row in alsoOfKin ? await Inner.ListAsync(new RunQuery(RunKey.DefaultTenant, Workflow: "sim-vigil"), cancellation) : [.. (await RowsOf(runs, cancellation))])
            if (row.ClosedAt is null && await SayAsync(row with { ClosedAt = row.StartedAt, Busy = false })) mended.Add(row);
        var gone = await Inner.PurgeAsync(runs, why, cancellation);
        foreach (var row in mended.Where(row => !gone.Contains(row.Run))) await SayAsync(row);
        return gone;
    }

    private async Task<List<RunRow>> RowsOf(IReadOnlyList<RunKey> runs, CancellationToken cancellation)
    {
        var rows = new List<RunRow>();
        foreach (var run in runs)
            if (await Inner.FindAsync(run, cancellation) is { } row) rows.Add(row);
        return rows;
    }

    private async Task<bool> SayAsync(RunRow row) =>
        await Inner.AppendAsync(new RunAppend(row.Run, (await Inner.ReadAsync(row.Run, 1, CancellationToken.None)).Count, [], row, null)) is AppendResult.Appended;
}

/// <summary>What is over is deleted at once, whatever the rules say of its time.</summary>
internal sealed class DeletedBeforeItsTime(IRunStore inner) : StoreMutant(inner)
{
    public override async ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation) => query.ClosedBefore is null
        ? await Inner.ListAsync(query, cancellation)
        : [.. (await Inner.ListAsync(query with { ClosedBefore = query.ClosedBefore + TimeSpan.FromDays(2) }, cancellation)).Select(row => row.ClosedAt is { } at ? row with { ClosedAt = at - TimeSpan.FromDays(2) } : row)];
}
