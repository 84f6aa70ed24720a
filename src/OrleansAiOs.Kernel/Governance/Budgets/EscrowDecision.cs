using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>What one append of a budget's escrow is to move, decided on what stands there: who asks is served in turn, from what is free and what those who are over give back.</summary>
internal sealed class EscrowDecision(EscrowState on, Budget? budget)
{
    // A run asks for sixteen times what it has, but for a small part of what is free: few ask twice, and nobody takes the last of it in advance.
    private const int Growth = 16;
    private const int Part = 64;

    private readonly Dictionary<string, Dictionary<string, Held>> granted = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> resets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, decimal> freed = new(StringComparer.Ordinal);
    private readonly Dictionary<string, IReadOnlyList<string>> signed = new(StringComparer.Ordinal);
    private readonly List<EscrowReturn> returns = [];
    private readonly HashSet<string> over = new(StringComparer.Ordinal);
    private readonly List<(EscrowAsk Ask, BudgetRefusal? Refusal)> answers = [];
    private readonly List<(EscrowAsk Ask, Passage Passage)> passed = [];

    /// <summary>Somebody got less than they asked for.</summary>
    public bool IsShort { get; private set; }

    /// <summary>What is to be appended; null for nothing.</summary>
    public EscrowMoved? Event => granted.Count + returns.Count == 0 ? null : new EscrowMoved(
        granted.Count == 0 ? null : [.. granted.Select(run => new EscrowHolding(run.Key, run.Value, signed.GetValueOrDefault(run.Key)))], null, returns.Count == 0 ? null : returns);

    /// <summary>What the runs that asked hold once it is appended.</summary>
    public IEnumerable<KeyValuePair<string, (int Resets, IReadOnlyDictionary<string, Held> Units)>> Granted =>
        granted.Select(run => KeyValuePair.Create(run.Key, (resets[run.Key], (IReadOnlyDictionary<string, Held>)run.Value)));

    /// <summary>A run is over: what it has not spent is free.</summary>
    public void Return(string run, RunSpending spent)
    {
        if (!over.Add(run) || !on.Runs.TryGetValue(run, out var holding)) return;
        var came = holding.Units.ToDictionary(unit => unit.Key, unit => budget is null ? unit.Value.Granted : EscrowAsk.Behind(budget, spent, unit.Key, unit.Value), StringComparer.Ordinal);
        foreach (var (unit, held) in holding.Units) freed[unit] = freed.GetValueOrDefault(unit) + held.Granted - came[unit];
        returns.Add(new EscrowReturn(run, came));
    }

    public void Cover(EscrowAsk ask, Passage passage)
    {
        // Nobody limits it any more.
        if (budget is null)
        {
            answers.Add((ask, null));
            return;
        }
        var run = ask.Intent.Run.Id;
        var before = granted.GetValueOrDefault(run) ?? (!over.Contains(run) ? on.Runs.GetValueOrDefault(run)?.Units : null);
        var after = before is null ? new Dictionary<string, Held>(StringComparer.Ordinal) : new Dictionary<string, Held>(before, StringComparer.Ordinal);
        lock (passage)
        {
            foreach (var (unit, limit) in budget.Limits)
            {
                var amount = ask.Amount(unit);
                if (amount <= 0) continue;
                var held = after.GetValueOrDefault(unit);
                var since = Math.Min(held?.Since ?? decimal.MaxValue, ask.Before(unit));
                var spent = passage.Needs(ask, unit) - since;
                var missing = Math.Max(0, spent - (held?.Granted ?? 0));
                var free = on.Free(unit, limit) + freed.GetValueOrDefault(unit);
                if (missing > free && missing > 0 && ask.SignedBy is null)
                {
                    IsShort = true;
                    answers.Add((ask, Refuse(ask, unit, limit, missing, free, amount)));
                    return;
                }
                var block = missing == 0 ? 0 : Math.Max(missing, Rounded(Math.Min(Growth * Math.Max(amount, held?.Granted ?? 0), free / Part), amount, limit));
                after[unit] = new Held((held?.Granted ?? 0) + block, since, spent);
            }
            if (passage.Pass(ask)) passed.Add((ask, passage));
        }
        // It limits other units by now than those it was asked for: there is nothing to hold.
        if (after.Count == 0)
        {
            answers.Add((ask, null));
            return;
        }
        foreach (var (unit, held) in after) freed[unit] = freed.GetValueOrDefault(unit) - held.Granted + (before?.GetValueOrDefault(unit)?.Granted ?? 0);
        granted[run] = after;
        resets[run] = ask.Intent.Resets;
        if (ask.SignedBy is { } by) signed[run] = by;
        answers.Add((ask, null));
    }

    /// <summary>Nothing of it was appended.</summary>
    public void TakeBack()
    {
        foreach (var (ask, passage) in passed)
            lock (passage) passage.TakeBack(ask);
        passed.Clear();
    }

    public void Tell()
    {
        foreach (var (ask, refusal) in answers) ask.Answer.TrySetResult(refusal);
    }

    private BudgetRefusal Refuse(EscrowAsk ask, string unit, decimal limit, decimal missing, decimal free, decimal amount)
    {
        var idle = 0m;
        foreach (var (run, holding) in on.Runs)
            if (run != ask.Intent.Run.Id && !over.Contains(run) && holding.Units.TryGetValue(unit, out var held)) idle += Math.Max(0, held.Granted - held.Spent);
        foreach (var (run, units) in granted)
            if (run != ask.Intent.Run.Id && units.TryGetValue(unit, out var held)) idle += Math.Max(0, held.Granted - held.Spent - (on.Runs.GetValueOrDefault(run)?.Units.GetValueOrDefault(unit) is { } was ? Math.Max(0, was.Granted - was.Spent) : 0));
        return idle > 0 && amount <= limit
            ? BudgetRefusal.SetAside(budget!, unit, limit, missing, idle, ask.Intent)
            : BudgetRefusal.Spent(budget!, unit, limit, missing, limit - free, amount, ask.Intent);
    }

    // No finer than the budget and its calls are.
    private static decimal Rounded(decimal block, decimal amount, decimal limit) => decimal.Round(block, Math.Min(Charge.DecimalsMax, Math.Max((int)amount.Scale, limit.Scale)), MidpointRounding.ToZero);
}
