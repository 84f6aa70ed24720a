using System.Collections.Concurrent;
using System.Data.Common;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Quotas;

/// <summary>
/// How many runs may be open at once: over all hosts never more than a quota allows.
///
/// What is stored. A quota's ledger, "escrow/{quota}/runs/{n}", names the runs that it counts. A run is entered before its start is appended,
/// at the expected version, with all that this host is to start at the time: one append more for a start where there is such a quota, and
/// for nothing else. (Grants to hosts in advance, as for calls, would be wrong here: a run outlives its host and ends on another, so a host
/// cannot know what of its grant is free again; and near the limit, where it counts, every grant is one.) An end writes nothing. Runs that
/// are over by their own rows are taken out by the append that lets others in; all are looked at when there is no room, before anybody is refused.
///
/// The invariant. Runs that are named ≤ quota in each event's fold; and every run that was started from outside is named from before its
/// start to behind its end. Children are part of the run that started them, and are not counted: a parent that could not start its child would never end.
/// The engine's own runs, which delete what is old, are not counted either.
///
/// A crash
///   before the append: nothing is counted, nothing was started;
///   between the append and the start: the run is named and not there. Who lives says so when its start was refused; of a dead host it is
///   dropped a minute later, when no start of it can be on its way any more;
///   after the start: its row says whether it is open.
/// A run that was over and is reset is entered anew: for a minute, or until it has ended behind that, its row is not believed.
/// </summary>
public sealed class OpenRuns(EventStreams streams, DbDataSource source, IRunStore store, QuotaView view, Func<CancellationToken, ValueTask> fresh, string host, TimeProvider time)
{
    private const int FoldAfter = 500;

    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(5);

    private readonly int foldAfter = FoldAfter;
    private readonly ConcurrentDictionary<(string Tenant, string Quota), OpenRunLedger> ledgers = new();

    internal OpenRuns(EventStreams streams, DbDataSource source, IRunStore store, QuotaView view, Func<CancellationToken, ValueTask> fresh, string host, TimeProvider time, int foldAfter) : this(streams, source, store, view, fresh, host, time) =>
        this.foldAfter = foldAfter;

    /// <inheritdoc cref="IEffectGate.AdmitAsync"/>
    public async ValueTask AdmitAsync(RunKey run, IReadOnlyList<string> chain, bool wasOver)
    {
        await fresh(default);
        var entered = new List<OpenRunLedger>();
        foreach (var quota in view.List(run.Tenant))
        {
            if (quota.Runs is null || !quota.AppliesTo(chain)) continue;
            var ledger = LedgerOf(quota);
            if (await ledger.EnterAsync(run.Id, wasOver) is { } refusal)
            {
                foreach (var other in entered) other.Check(run.Id);
                throw new QuotaExceededException(refusal, AskAgainAfter);
            }
            entered.Add(ledger);
        }
    }

    /// <summary>A quota was set: what is open by then is counted with.</summary>
    public Task BeginAsync(Quota quota) => LedgerOf(quota).BeginAsync();

    /// <inheritdoc cref="IEffectGate.CameToNothing"/>
    public void CameToNothing(RunKey run)
    {
        foreach (var ledger in Of(run.Tenant)) ledger.Check(run.Id);
    }

    /// <inheritdoc cref="IEffectGate.Ended"/>
    public void Ended(RunKey run)
    {
        foreach (var ledger in Of(run.Tenant)) ledger.Ended(run.Id);
    }

    /// <summary>How many runs a quota counts as open, by what is in the store.</summary>
    public async Task<RunsStanding> StandingAsync(Quota quota, CancellationToken cancellation = default) => new(quota.Runs!.Value, await LedgerOf(quota).CountAsync(cancellation));

    private IEnumerable<OpenRunLedger> Of(string tenant) => ledgers.Where(ledger => ledger.Key.Tenant == tenant).Select(ledger => ledger.Value);

    private OpenRunLedger LedgerOf(Quota quota) =>
        ledgers.GetOrAdd((quota.Tenant, quota.Id), of => new OpenRunLedger(streams, source, store, view, host, time, of.Tenant, of.Quota, foldAfter));
}

/// <summary>How a quota of open runs stands.</summary>
public sealed record RunsStanding(int Limit, int Open)
{
    public int Free => Math.Max(0, Limit - Open);
}
