using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>A call that a budget is asked to cover.</summary>
/// <param name="SignedBy">Who lets it have more than there is; null for nobody.</param>
internal sealed record EscrowAsk(Budget Budget, EffectIntent Intent, Charge Charge, IReadOnlyList<string>? SignedBy)
{
    public TaskCompletionSource<BudgetRefusal?> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public decimal Amount(string unit) => Charge.Units.GetValueOrDefault(unit);

    /// <summary>What the run has spent on what is over. Nothing of it can be sent any more.</summary>
    public decimal Before(string unit) => Spent(unit) - (Intent.Departure is { } departure ? Math.Max(In(departure.Pending, unit), Amount(unit)) : Amount(unit));

    /// <summary>What the run has spent, with all that was set aside for attempts under way.</summary>
    public decimal Spent(string unit) => In(Intent.Spent, unit);

    private decimal In(RunSpending spending, string unit) => In(Budget, spending, unit);

    public static decimal In(Budget budget, RunSpending spending, string unit) =>
        budget.Tool is { } tool ? spending.Tools.TryGetValue(tool, out var of) ? of.Units.GetValueOrDefault(unit) : 0 : spending.Total(unit);

    /// <summary>
    /// What a run has spent of what it holds. Its history also counts attempts that a dead host may or may not have sent; but none was sent
    /// that what it held did not cover. More than that can only be what tools came to beyond what they had set aside.
    /// </summary>
    public static decimal Behind(Budget budget, RunSpending spending, string unit, Held held)
    {
        var beyond = budget.Tool is { } tool ? spending.Tools.GetValueOrDefault(tool)?.Beyond?.GetValueOrDefault(unit) ?? 0 : spending.Beyond(unit);
        return Math.Clamp(In(budget, spending, unit) - held.Since, 0, held.Granted + beyond);
    }
}

/// <summary>
/// Which attempts of one departure (those that a turn let go together) have passed a budget. What a run "has spent" holds the charges of all
/// of them; those that have not passed yet are not spent, and if they never pass, never were: so the last of a budget goes to as many as it covers.
/// </summary>
internal sealed class Passage
{
    private readonly HashSet<int> steps = [];
    private readonly Dictionary<string, decimal> together = new(StringComparer.Ordinal);
    private readonly Dictionary<string, decimal> passed = new(StringComparer.Ordinal);

    /// <summary>What the run will have spent once the call is made: all that was sent, or may have been, and the call.</summary>
    public decimal Needs(EscrowAsk ask, string unit)
    {
        if (ask.Intent.Departure is not { } departure) return ask.Spent(unit);
        if (!together.TryGetValue(unit, out var all)) together.Add(unit, all = departure.First.Values.Sum(first => ask.Budget.Tool is null || ask.Budget.Tool == first.Tool ? first.Charge.Units.GetValueOrDefault(unit) : 0));
        var own = departure.First.TryGetValue(ask.Intent.Step, out var mine) && !steps.Contains(ask.Intent.Step) ? mine.Charge.Units.GetValueOrDefault(unit) : 0;
        return ask.Spent(unit) - all + passed.GetValueOrDefault(unit) + own;
    }

    /// <returns>Whether it had not passed before.</returns>
    public bool Pass(EscrowAsk ask) => Change(ask, 1);

    public void TakeBack(EscrowAsk ask) => Change(ask, -1);

    private bool Change(EscrowAsk ask, int sign)
    {
        if (ask.Intent.Departure?.First.TryGetValue(ask.Intent.Step, out var mine) is not true) return false;
        if (!(sign > 0 ? steps.Add(ask.Intent.Step) : steps.Remove(ask.Intent.Step))) return false;
        foreach (var (unit, amount) in mine.Charge.Units) passed[unit] = passed.GetValueOrDefault(unit) + sign * amount;
        return true;
    }
}
