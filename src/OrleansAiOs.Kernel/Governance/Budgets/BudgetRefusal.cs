using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>A budget does not cover a call.</summary>
/// <param name="Budget">Its id; null if the charge itself is wrong.</param>
/// <param name="Unit">The unit that there is too little of.</param>
/// <param name="Then">What becomes of the call.</param>
/// <param name="Why">In words, for people.</param>
/// <param name="RetryAt">When to ask again, if it waits.</param>
/// <param name="Overdrafts">Who may sign for it, if it is to be approved: for each budget that is short.</param>
public sealed record BudgetRefusal(string? Budget, string? Unit, WhenSpent Then, string Why, DateTimeOffset? RetryAt = null, IReadOnlyList<(string Budget, HoldDemand Demand)>? Overdrafts = null)
{
    // A budget that was raised is noticed by whoever waits for it.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan ShortWait = TimeSpan.FromSeconds(5);

    internal static BudgetRefusal Malformed(string why) => new(null, null, WhenSpent.Deny, $"The call's charge cannot be counted. {why} Mend the tool that says what its calls cost.");

    /// <summary>Enough is free or not spent, but set aside for other runs.</summary>
    internal static BudgetRefusal SetAside(Budget budget, string unit, decimal limit, decimal asked, decimal idle, EffectIntent intent) => new(budget.Id, unit, WhenSpent.Wait,
        $"Budget '{budget.Id}' for {unit}{budget.PeriodInWords}: {Write(asked)} more is needed, and up to {Write(idle)} of {Write(limit)} is set aside for other runs that have not spent it. It is asked again in a moment.",
        intent.At + ShortWait);

    internal static BudgetRefusal Spent(Budget budget, string unit, decimal limit, decimal asked, decimal taken, decimal charge, EffectIntent intent)
    {
        var then = budget.WhenSpent;
        // No next period lets through what is larger than the whole budget.
        if (then is WhenSpent.Wait && charge > limit) then = WhenSpent.Deny;
        // What undoes an effect is not given up: it waits until there is something again.
        if (then is WhenSpent.Deny && intent.IsUndo) then = WhenSpent.Wait;
        var why = $"Budget '{budget.Id}' for {unit}{budget.PeriodInWords}: {Write(taken)} granted of {Write(limit)}, and {Write(asked)} more is needed. Ask whoever may raise it: aios budget set {budget.Id} --limit {unit}=…";
        return then switch
        {
            WhenSpent.Wait => new BudgetRefusal(budget.Id, unit, then, why, Earlier(budget.EndAt(intent.At), intent.At + LongestWait)),
            WhenSpent.Approve => new BudgetRefusal(budget.Id, unit, then, why, Overdrafts: [(budget.Id, Signers.Others(intent, budget.Roles))]),
            _ => new BudgetRefusal(budget.Id, unit, then, why),
        };
    }

    /// <summary>What becomes of a call that several budgets do not cover: what fails for good goes before what may pass later; who has to sign, has to for each.</summary>
    internal static BudgetRefusal? Worst(IEnumerable<BudgetRefusal?> refusals)
    {
        var all = refusals.OfType<BudgetRefusal>().OrderBy(refusal => refusal.Then switch { WhenSpent.Deny => 0, WhenSpent.Wait => 1, _ => 2 }).ToList();
        return all is [{ Then: WhenSpent.Approve } first, _, ..] ? first with { Why = string.Join(" ", all.Select(refusal => refusal.Why)), Overdrafts = [.. all.SelectMany(refusal => refusal.Overdrafts!)] } : all.FirstOrDefault();
    }

    private static DateTimeOffset Earlier(DateTimeOffset? end, DateTimeOffset longest) => end < longest ? end.Value : longest;

    private static string Write(decimal amount) => ChargeRules.Write(amount);
}
