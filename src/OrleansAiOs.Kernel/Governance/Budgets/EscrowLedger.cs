using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>
/// One budget in one period, as one host keeps it: what its runs were granted and may spend without asking, and the queue of those that ask.
/// <see cref="Escrow"/> tells the protocol.
/// </summary>
internal sealed class EscrowLedger(EventStreams streams, EscrowRuns runs, BudgetView view, TimeProvider time, EscrowPace pace, string tenant, string budget, string period)
{
    private const int BatchMax = 1000;
    private const int SweepShare = 9; // the queue stands still for a tenth of the time at most

    private readonly LedgerBook<EscrowState> book = new(streams, tenant, $"{EventStreams.Ledger}{budget}/{period}/", number => new EscrowState(budget, period, number));
    private readonly ConcurrentDictionary<string, Lease> leases = new(StringComparer.Ordinal);
    private readonly ConditionalWeakTable<Departure, Passage> passages = [];
    private readonly Batches<Message> waiting = new(BatchMax);
    private EscrowState? state;
    private long? sweptAt;
    private TimeSpan sweepTook;

    public string Period => period;

    /// <summary>Whether what the run was granted covers a call: no database, no waiting.</summary>
    public bool Covers(EscrowAsk ask)
    {
        if (!leases.TryGetValue(ask.Intent.Run.Id, out var lease) || lease.Resets != ask.Intent.Resets || !lease.Holds(time, pace.Lease)) return false;
        var passage = PassageOf(ask);
        lock (passage)
        {
            foreach (var unit in ask.Budget.Limits.Keys)
            {
                if (ask.Amount(unit) <= 0) continue;
                if (!lease.Units.TryGetValue(unit, out var held) || ask.Before(unit) < held.Since || passage.Needs(ask, unit) - held.Since > held.Granted) return false;
            }
            passage.Pass(ask);
        }
        return true;
    }

    /// <summary>Asks for what a call needs.</summary>
    /// <exception cref="System.Data.Common.DbException">The database does not answer; nothing may be sent.</exception>
    public Task<BudgetRefusal?> AskAsync(EscrowAsk ask)
    {
        waiting.Add(new Message(ask, null), HandleAsync);
        return ask.Answer.Task;
    }

    /// <summary>A run is over.</summary>
    public void Release(RunKey run, RunSpending spent)
    {
        var held = leases.TryRemove(run.Id, out _);
        if (!held && Volatile.Read(ref state)?.Runs.ContainsKey(run.Id) is not true) return;
        waiting.Add(new Message(null, (run, spent)), HandleAsync);
    }

    /// <summary>What stands in the store now.</summary>
    public Task<EscrowState> ReadAsync(CancellationToken cancellation) => book.LoadAsync(cancellation);

    private async Task HandleAsync(List<Message> batch)
    {
        EscrowDecision? decision = null;
        try
        {
            var swept = false;
            (int Number, long Version)? lost = null;
            while (true)
            {
                var on = state ??= await book.LoadAsync(default);
                decision = await DecideAsync(on, batch);
                if (decision.IsShort && !swept && MaySweep(on, batch))
                {
                    decision.TakeBack();
                    swept = await SweepAsync();
                    continue;
                }
                if (decision.Event is null) break;
                // Before the append: by the store's clock what is granted is then at least as young as we take it for.
                var (stamp, wall) = (time.GetTimestamp(), time.GetUtcNow());
                if (!await AppendAsync(on, on.Version == 0 ? [new EscrowOpened(budget, period, new Dictionary<string, decimal>()), decision.Event] : [decision.Event]))
                {
                    decision.TakeBack();
                    // Whoever was faster has left something to read.
                    if (lost == (on.Number, on.Version)) throw await book.TornAsync(on);
                    lost = (on.Number, on.Version);
                    continue;
                }
                foreach (var (run, (resets, units)) in decision.Granted) leases[run] = new Lease(units, resets, stamp, wall);
                break;
            }
            decision.Tell();
        }
        catch (Exception e)
        {
            state = null;
            decision?.TakeBack();
            foreach (var message in batch) message.Ask?.Answer.TrySetException(e);
            return;
        }
        await FoldIfLongAsync();
    }

    private async Task<EscrowDecision> DecideAsync(EscrowState on, List<Message> batch)
    {
        var ended = batch.Where(message => message.Ended is { } ended && on.Runs.ContainsKey(ended.Run.Id)).Select(message => message.Ended!.Value).ToList();
        // Only of runs that are over by their own rows: one that was opened again goes on to spend.
        var open = ended.Count == 0 ? null : (await runs.OpenAsync(tenant, [.. ended.Select(e => e.Run.Id)])).Open;
        var decision = new EscrowDecision(on, view.Find(tenant, budget));
        foreach (var (run, spent) in ended)
            if (!open!.Contains(run.Id)) decision.Return(run.Id, spent);
        foreach (var message in batch)
            if (message.Ask is { } ask) decision.Cover(ask, PassageOf(ask));
        return decision;
    }

    /// <returns>False if somebody else was faster: what stands there now has to be read.</returns>
    private async Task<bool> AppendAsync(EscrowState on, IReadOnlyList<KernelEvent> events)
    {
        if (await book.AppendAsync(on, events, time.GetUtcNow())) return true;
        state = null;
        return false;
    }

    private async Task FoldIfLongAsync()
    {
        if (state is not { } on || on.Version < pace.FoldAfter || on.Version < 2 * on.Runs.Count) return;
        foreach (var (run, lease) in leases)
            if (!lease.Holds(time, pace.Lease)) leases.TryRemove(KeyValuePair.Create(run, lease));
        try
        {
            await SweepAsync(); // what is over need not be carried on
            // A time that is our own clock's guess is not carried on: the store's own is read back.
            if (state is { } now && await AppendAsync(now, [new EscrowClosed()])) state = null;
        }
        catch (Exception)
        {
            state = null; // the stream stays long until the next try
        }
    }

    // ---- what is left over ----

    private bool MaySweep(EscrowState on, List<Message> batch) =>
        (sweptAt is not { } at || time.GetElapsedTime(at) >= pace.BetweenSweeps + SweepShare * sweepTook) && on.Runs.Keys.Any(run => !batch.Exists(message => message.Ask?.Intent.Run.Id == run));

    /// <summary>Settles runs whose end nobody told, and takes back what others have not asked for in a long time and not spent.</summary>
    /// <returns>False if somebody else was faster: there may be more to take back.</returns>
    private async Task<bool> SweepAsync()
    {
        sweptAt = time.GetTimestamp();
        var on = state = await book.LoadAsync(default); // with the store's own times
        if (on.Version == 0 || view.Find(tenant, budget) is not { } now) return true;
        var moved = await runs.LeftOverAsync(tenant, now, on);
        var done = moved is null || await AppendAsync(on, [moved]);
        sweepTook = time.GetElapsedTime(sweptAt.Value);
        return done;
    }

    // Who leaves alone needs no memory: what it needs is the same, however often it asks.
    private Passage PassageOf(EscrowAsk ask) => ask.Intent.Departure is { First.Count: > 1 } departure ? passages.GetValue(departure, _ => new Passage()) : new Passage();

    private sealed record Message(EscrowAsk? Ask, (RunKey Run, RunSpending Spent)? Ended);

    /// <summary>What a run may spend without asking again, for a while: whoever holds on to more than it spends is trimmed after that.</summary>
    private sealed record Lease(IReadOnlyDictionary<string, Held> Units, int Resets, long Stamp, DateTimeOffset Wall)
    {
        // Both clocks: one stands still while a machine is suspended, the other can be set.
        public bool Holds(TimeProvider time, TimeSpan lease) => time.GetElapsedTime(Stamp) < lease && (time.GetUtcNow() - Wall).Duration() < lease;
    }
}
