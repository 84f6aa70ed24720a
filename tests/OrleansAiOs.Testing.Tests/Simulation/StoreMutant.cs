using System.Data.Common;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Tests.Simulation;

/// <summary>A store with one thing wrong. What a mutant does not override is right.</summary>
internal abstract class StoreMutant(IRunStore inner) : IRunStore
{
    protected IRunStore Inner => inner;

    public virtual ValueTask<AppendResult> AppendAsync(RunAppend append) => inner.AppendAsync(append);

    public virtual ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation) => inner.ReadAsync(run, fromVersion, cancellation);

    public virtual ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation) => inner.LoadAsync(run, cancellation);

    public virtual ValueTask<IReadOnlyCollection<RunKey>> PurgeAsync(IReadOnlyList<RunKey> runs, string why, CancellationToken cancellation) => inner.PurgeAsync(runs, why, cancellation);

    public virtual ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation) => inner.ListAsync(query, cancellation);

    public virtual ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation) => inner.FindAsync(run, cancellation);

    public ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => inner.WakeUpsAsync(before, limit, buckets, cancellation);

    public ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => inner.NextWakeUpAsync(from, buckets, cancellation);

    public ValueTask<IReadOnlyList<RunRow>> ParkedAsync(IReadOnlyCollection<string> reasons, RunKey? after, int limit, CancellationToken cancellation) => inner.ParkedAsync(reasons, after, limit, cancellation);

    public virtual ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation) => inner.OrphansAsync(livingHosts, cancellation);

    public virtual ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation) => inner.BeatAsync(host, alone, deadAfter, cancellation);

    public ValueTask RetireAsync(string host, CancellationToken cancellation) => inner.RetireAsync(host, cancellation);

    public virtual ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<DbTransaction, Task<JsonText>> work, CancellationToken cancellation) =>
        inner.TransactAsync(run, key, work, cancellation);

    /// <summary>Appends wherever the stream has got to by now.</summary>
    protected async ValueTask<AppendResult> AppendAtTheEndAsync(RunAppend append)
    {
        while (true)
        {
            var history = await inner.ReadAsync(append.Run, 1, CancellationToken.None);
            if (await inner.AppendAsync(append with { Expected = history.Count }) is not AppendResult.Conflict and var result) return result;
        }
    }
}

internal sealed class NoFence(IRunStore inner) : StoreMutant(inner)
{
    public override async ValueTask<AppendResult> AppendAsync(RunAppend append) =>
        await Inner.AppendAsync(append) is not AppendResult.Conflict and var result ? result : await AppendAtTheEndAsync(append);
}

internal sealed class BlindSecondAppend(IRunStore inner) : StoreMutant(inner)
{
    private uint ids;

    public override async ValueTask<AppendResult> AppendAsync(RunAppend append)
    {
        if (await Inner.AppendAsync(append) is not AppendResult.Unknown and var result) return result;
        return await AppendAtTheEndAsync(append with { Events = [.. append.Events.Select(e => e with { Id = new Guid(++ids, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) })] });
    }
}

internal sealed class AcknowledgedBeforeTheCommit(IRunStore inner) : StoreMutant(inner)
{
    public override ValueTask<AppendResult> AppendAsync(RunAppend append)
    {
        _ = Inner.AppendAsync(append).AsTask();
        return new(AppendResult.Appended);
    }
}

internal sealed class ConflictReportedAsAppended(IRunStore inner) : StoreMutant(inner)
{
    public override async ValueTask<AppendResult> AppendAsync(RunAppend append) =>
        await Inner.AppendAsync(append) is AppendResult.Unknown ? AppendResult.Unknown : AppendResult.Appended;
}

internal sealed class UnknownReportedAsAppended(IRunStore inner) : StoreMutant(inner)
{
    public override async ValueTask<AppendResult> AppendAsync(RunAppend append) =>
        await Inner.AppendAsync(append) is AppendResult.Conflict ? AppendResult.Conflict : AppendResult.Appended;
}

internal sealed class UnknownReportedAsConflict(IRunStore inner) : StoreMutant(inner)
{
    public override async ValueTask<AppendResult> AppendAsync(RunAppend append) =>
        await Inner.AppendAsync(append) is AppendResult.Appended ? AppendResult.Appended : AppendResult.Conflict;
}

internal sealed class WakeUpDropped(IRunStore inner) : StoreMutant(inner)
{
    public override ValueTask<AppendResult> AppendAsync(RunAppend append) => Inner.AppendAsync(append with { WakeUp = null });
}

internal sealed class BusyFlagLost(IRunStore inner) : StoreMutant(inner)
{
    public override ValueTask<AppendResult> AppendAsync(RunAppend append) => Inner.AppendAsync(append with { Row = append.Row is null ? null : append.Row with { Busy = false } });
}

internal sealed class RowNotInTheTransaction(IRunStore inner) : StoreMutant(inner)
{
    private int appends;

    public override ValueTask<AppendResult> AppendAsync(RunAppend append) =>
        Inner.AppendAsync(++appends % 10 == 0 && append.Expected > 0 ? append with { Row = null, WakeUp = null } : append);
}

internal sealed class ReadBackMissesTheTail(IRunStore inner) : StoreMutant(inner)
{
    public override async ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation) =>
        fromVersion > 1 ? [] : await Inner.ReadAsync(run, fromVersion, cancellation);
}

/// <summary>Who loads a run from its checkpoint finds something else in it than was written.</summary>
internal sealed class CheckpointMaimed(IRunStore inner, Func<LoopCheckpoint, LoopCheckpoint> maim) : StoreMutant(inner)
{
    public override async ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation) =>
        [.. (await Inner.LoadAsync(run, cancellation)).Select(stored => stored.Read() is LoopCheckpoint checkpoint ? stored with { Body = EventNames.Write(maim(checkpoint)).Body } : stored)];
}

internal sealed class OrphansForgotten(IRunStore inner) : StoreMutant(inner)
{
    public override ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation) => new([]);
}

internal sealed class EndedOrphansForgotten(IRunStore inner) : StoreMutant(inner)
{
    public override async ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation)
    {
        var open = new List<RunKey>();
        foreach (var run in await Inner.OrphansAsync(livingHosts, cancellation))
            if (await Inner.FindAsync(run, cancellation) is { ClosedAt: null }) open.Add(run);
        return open;
    }
}

internal sealed class TheLivingCalledDead(IRunStore inner) : StoreMutant(inner)
{
    private int beats;

    public override async ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation) =>
        await Inner.BeatAsync(host, alone, deadAfter, cancellation) is var beat && ++beats % 4 == 0 ? beat with { Living = [host] } : beat;
}

internal sealed class StoreClockAhead(IRunStore inner) : StoreMutant(inner)
{
    public override async ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation) =>
        await Inner.BeatAsync(host, alone, deadAfter, cancellation) is var beat ? beat with { StoreTime = beat.StoreTime + TimeSpan.FromSeconds(10) } : throw new InvalidOperationException();
}

internal sealed class OutcomeRowNotUnique(IRunStore inner) : StoreMutant(inner)
{
    private int transactions;

    public override ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<DbTransaction, Task<JsonText>> work, CancellationToken cancellation) =>
        Inner.TransactAsync(run, $"{key}-{GetHashCode()}-{++transactions}", work, cancellation);
}
