using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>Makes, changes and removes budgets.</summary>
public sealed class Budgets(EventStreams streams)
{
    public const int LimitsMax = ChargeRules.UnitsMax;

    /// <summary>Every call asks all of its tenant's.</summary>
    public const int PerTenantMax = 100;

    /// <summary>Sets a budget. A changed limit holds for what is granted from then on, on every host within 500 ms; what runs hold stays theirs.</summary>
    /// <returns>False if it stood so already.</returns>
    /// <exception cref="CommandRefusedException">It is not a budget, or there is one of this name for something else; the message says what to write.</exception>
    public Task<bool> SetAsync(string tenant, BudgetSet budget, string by, CancellationToken cancellation = default)
    {
        if (Objection(budget) is { } objection) throw new CommandRefusedException(Refusal.Invalid, objection);
        return streams.DecideAsync(tenant, StreamOf(budget.Id), history =>
        {
            // Its escrow counts what it was made for; that is not to be taken for something else.
            if (history.Select(e => e.Event).OfType<BudgetSet>().LastOrDefault() is { } before && (before.Principal != budget.Principal || before.Tool != budget.Tool))
                throw new CommandRefusedException(Refusal.Conflict, $"The budget '{before.Id}' counts what {before.Principal ?? "the whole tenant"} spends{(before.Tool is null ? "" : $" on {before.Tool}")}. Give one for something else a name of its own.");
            return history is [.., { Event: BudgetSet last }] && Same(last, budget) ? [] : [budget];
        }, by, cancellation: cancellation);
    }

    /// <returns>False if there is none.</returns>
    public Task<bool> RemoveAsync(string tenant, string id, string by, CancellationToken cancellation = default) =>
        streams.DecideAsync(tenant, StreamOf(id), history => history is [.., { Event: BudgetSet }] ? [new BudgetRemoved(id)] : [], by, cancellation: cancellation);

    /// <summary>Why something is no budget; null if it is one.</summary>
    public static string? Objection(BudgetSet budget)
    {
        if (!PrincipalId.IsName(budget.Id)) return $"id: a budget's name is {PrincipalId.NameRule}; '{ChargeRules.Cut(budget.Id)}' is none.";
        if (budget.Limits.Count is 0 or > LimitsMax) return $"limits: a budget limits 1 to {LimitsMax} units; this one {budget.Limits.Count}.";
        if (ChargeRules.Objection("limits", budget.Limits) is { } objection) return objection;
        if (!Enum.IsDefined(budget.Period)) return "period: total, day or month.";
        if (!Enum.IsDefined(budget.WhenSpent)) return "whenSpent: deny, wait or approve.";
        if (budget.Principal is { } principal && !PrincipalId.TryParse(principal, out _)) return $"principal: '{ChargeRules.Cut(principal)}' is no principal; write user/NAME, service/NAME or agent/NAME.";
        if (budget.Tool is { } tool && ChargeRules.ToolObjection(tool) is { } unnamed) return unnamed;
        return ChargeRules.RolesObjection(budget.Roles, budget.WhenSpent is WhenSpent.Approve, "whenSpent");
    }

    private static bool Same(BudgetSet a, BudgetSet b) => a.Period == b.Period && a.WhenSpent == b.WhenSpent && (a.Roles ?? []).SequenceEqual(b.Roles ?? []) &&
        a.Limits.Count == b.Limits.Count && a.Limits.All(limit => b.Limits.TryGetValue(limit.Key, out var other) && other == limit.Value);

    private static string StreamOf(string id) => $"budget/{id}";
}
