using System.Collections.Concurrent;
using System.Data.Common;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>
/// Budgets that nobody overspends, without an append for each call.
///
/// What is stored. A run's own history holds the charge of each attempt, from the append that lets it through on (SpendingLedger): what a
/// run has spent is what its history folds to, and needs no other write. A budget's stream of its period, "escrow/{budget}/{period}/{n}",
/// holds what each run was granted: a run may be sent on its way only as long as what it has spent is no more than that. When it is not, it
/// asks for a block: one append, for all runs of this host that ask at the time, at the expected version, so that of two hosts one decides
/// on what the other did.
///
/// The invariant. Granted to runs that are not settled + spent by those that are ≤ limit, in each event's fold; and for each run, charges of
/// attempts that were sent ≤ granted. So what is spent is never more than the limit. A charge is an upper bound: a tool that says afterwards
/// that it came to more than it had set aside ("settled") has spent that, and its run gets nothing further before it is covered; a person who
/// signs for more than there is (<see cref="Overdraft"/>) has let it be spent.
///
/// The check, just before an attempt leaves. Its charge is in its history by then. Spent is then: what is over, what other turns let go
/// (whether it was sent or not), those of its own departure that have passed, and itself. What the run had spent on what was over when the budget first
/// saw it counts elsewhere ("since": in an earlier period, before there was the budget, before a reset opened it again): never what can still be sent. A check
/// with an older idea of the run (a host that lost it) lowers "since" rather than pass for nothing.
///
/// A crash
///   before the append of a grant: nothing is granted, nothing was sent;
///   between the append and the send: the run holds more than it needs; its next host reads that, and need not be granted it again;
///   after the send: the charge is in the history, and what covers it in the stream;
///   around an append whose answer is lost: it is read back by its event id; if that fails too, nothing is sent, and the stream is read anew;
///   between a run's end and its return, or when nobody tells the end at all: the run is held to be open until a sweep finds its row closed
///   and settles it by its history. A sweep comes when a budget runs short (at most every second, and for a tenth of the time) and when its stream is folded.
/// Nothing is returned twice: a return takes the run's line away, at an expected version, and one who has none returns nothing.
///
/// Runs that sleep on what they were granted. A grant is good for two minutes without asking again (by this host's clocks, from before its
/// append); two further minutes later, by the store's, a sweep trims it to what the run's history says is spent. Every attempt that passed
/// the check in those two minutes stands in that history, since it was recorded before it was checked.
///
/// Streams end. One with 500 events is closed by an event, which fences it, and the next begins with what it folds to; whoever finds a
/// closed one without a next one begins it. A new period begins with nothing.
/// </summary>
public sealed class Escrow(EventStreams streams, DbDataSource source, IRunStore store, BudgetView view, TimeProvider time)
{
    private readonly EscrowPace pace = EscrowPace.Usual;
    private readonly EscrowRuns runs = new(source, store, EscrowPace.Usual);
    private readonly ConcurrentDictionary<(string Tenant, string Budget), EscrowLedger> ledgers = new();

    internal Escrow(EventStreams streams, DbDataSource source, IRunStore store, BudgetView view, TimeProvider time, EscrowPace pace) : this(streams, source, store, view, time) =>
        (this.pace, runs) = (pace, new EscrowRuns(source, store, pace));

    /// <summary>Whether the budgets cover a call that is about to be sent. From memory as long as what the run was granted lasts; else it asks the store.</summary>
    /// <param name="intent">As it is checked again: with what the run has spent, this attempt included.</param>
    /// <param name="charge">The attempt's, as it is recorded.</param>
    /// <param name="overdraft">What people have signed for: there what is missing is granted beyond the limit, in their names.</param>
    /// <param name="cancellation">Gives up; what was asked for may be granted all the same, and is not lost.</param>
    /// <returns>Null if they do.</returns>
    /// <exception cref="DbException">The store does not answer: nothing may be sent.</exception>
    public ValueTask<BudgetRefusal?> CoverAsync(EffectIntent intent, Charge charge, Overdraft? overdraft = null, CancellationToken cancellation = default)
    {
        if (ChargeRules.Objection(charge) is { } objection) return new(BudgetRefusal.Malformed(objection));
        if (intent.IsInquiry) return default; // it asks of what was charged already
        List<Task<BudgetRefusal?>>? asked = null;
        foreach (var budget in view.List(intent.Run.Tenant))
        {
            if (!Concerns(budget, intent, charge)) continue;
            var ask = new EscrowAsk(budget, intent, charge, overdraft?.Budgets.Contains(budget.Id) is true ? overdraft.SignedBy : null);
            var ledger = LedgerOf(budget, intent.At);
            if (!ledger.Covers(ask)) (asked ??= []).Add(ledger.AskAsync(ask));
        }
        return asked is null ? default : new ValueTask<BudgetRefusal?>(WorstAsync(asked, cancellation));
    }

    /// <summary>Who could sign for a call if the budgets that it concerns were spent.</summary>
    public IReadOnlyList<HoldDemand> Signers(EffectIntent intent, Charge charge) =>
        [.. view.List(intent.Run.Tenant).Where(budget => budget.WhenSpent is WhenSpent.Approve && Concerns(budget, intent, charge)).Select(budget => Approvals.Signers.Others(intent, budget.Roles))];

    /// <summary>A run is over: what it was granted and has not spent is free again, in a moment. Told twice, it counts once; not told, it is found out.</summary>
    public void Release(RunKey run, RunSpending spent)
    {
        foreach (var ((tenant, _), ledger) in ledgers)
            if (tenant == run.Tenant) ledger.Release(run, spent);
    }

    /// <summary>How a budget stands, by what is in the store.</summary>
    /// <param name="at">In the period of this moment.</param>
    public async Task<BudgetStanding> StandingAsync(Budget budget, DateTimeOffset at, CancellationToken cancellation = default)
    {
        var state = await new EscrowLedger(streams, runs, view, time, pace, budget.Tenant, budget.Id, budget.PeriodAt(at)).ReadAsync(cancellation);
        return new BudgetStanding(budget, budget.PeriodAt(at),
            [.. budget.Limits.OrderBy(limit => limit.Key, StringComparer.Ordinal).Select(limit => new UnitStanding(limit.Key, limit.Value, state.Spent.GetValueOrDefault(limit.Key), state.Outstanding.GetValueOrDefault(limit.Key)))],
            [.. state.Runs.SelectMany(run => run.Value.Units.Select(unit => new RunStanding(run.Key, unit.Key, unit.Value.Granted, unit.Value.Spent, run.Value.At))).OrderByDescending(run => run.Granted).ThenBy(run => run.Run, StringComparer.Ordinal)]);
    }

    private static async Task<BudgetRefusal?> WorstAsync(List<Task<BudgetRefusal?>> asked, CancellationToken cancellation) => BudgetRefusal.Worst(await Task.WhenAll(asked).WaitAsync(cancellation));

    private static bool Concerns(Budget budget, EffectIntent intent, Charge charge) => budget.AppliesTo(intent.Chain, intent.Activity) && Limits(budget, charge);

    private static bool Limits(Budget budget, Charge charge)
    {
        foreach (var (unit, amount) in charge.Units)
            if (amount > 0 && budget.Limits.ContainsKey(unit)) return true;
        return false;
    }

    // Hosts' clocks differ by a little: once one has come to a period, none is held in the one before.
    private EscrowLedger LedgerOf(Budget budget, DateTimeOffset at)
    {
        var (key, period) = ((budget.Tenant, budget.Id), budget.PeriodAt(at));
        return ledgers.TryGetValue(key, out var ledger) && string.CompareOrdinal(ledger.Period, period) >= 0 && ledger.Period.Length == period.Length ? ledger
            : ledgers.AddOrUpdate(key, Make, (_, now) => string.CompareOrdinal(now.Period, period) >= 0 && now.Period.Length == period.Length ? now : Make(key));

        EscrowLedger Make((string Tenant, string Budget) of) => new(streams, runs, view, time, pace, of.Tenant, of.Budget, period);
    }
}

/// <summary>What people have signed: that a call may cost more than there is.</summary>
/// <param name="Budgets">The budgets that they may sign for.</param>
/// <param name="SignedBy">Who they are.</param>
public sealed record Overdraft(IReadOnlyList<string> Budgets, IReadOnlyList<string> SignedBy);

/// <param name="Period">"total", "2026-11" or "2026-11-29".</param>
/// <param name="Runs">Those that hold something, with the most first.</param>
public sealed record BudgetStanding(Budget Budget, string Period, IReadOnlyList<UnitStanding> Units, IReadOnlyList<RunStanding> Runs);

/// <param name="Settled">Spent by runs that are over.</param>
/// <param name="Granted">Granted to runs that are not.</param>
public sealed record UnitStanding(string Unit, decimal Limit, decimal Settled, decimal Granted)
{
    public decimal Free => Limit - Settled - Granted;
}

/// <param name="Spent">At least so much: what it had spent when it last asked.</param>
public sealed record RunStanding(string Run, string Unit, decimal Granted, decimal Spent, DateTimeOffset AskedAt);
