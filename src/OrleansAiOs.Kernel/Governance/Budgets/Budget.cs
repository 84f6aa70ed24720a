using System.Globalization;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>How long a budget lasts before it begins anew. Days and months are those of UTC.</summary>
public enum BudgetPeriod
{
    /// <summary>It never begins anew.</summary>
    Total,
    Day,
    Month,
}

/// <summary>What becomes of a call that a spent budget does not cover.</summary>
public enum WhenSpent
{
    /// <summary>It fails.</summary>
    Deny,

    /// <summary>It waits for the next period, or until the budget is raised.</summary>
    Wait,

    /// <summary>It is held until somebody in one of the budget's roles signs it.</summary>
    Approve,
}

[StoredAs("budget-set")]
public sealed record BudgetSet(string Id, IReadOnlyDictionary<string, decimal> Limits, BudgetPeriod Period, string? Principal = null, string? Tool = null, WhenSpent WhenSpent = WhenSpent.Deny, IReadOnlyList<string>? Roles = null) : KernelEvent;

[StoredAs("budget-removed")]
public sealed record BudgetRemoved(string Id) : KernelEvent;

/// <summary>What may be spent together by all runs that it applies to, in one period.</summary>
/// <param name="Limits">By unit; what is not named here is not limited.</param>
/// <param name="Principal">Only what is done by or for this principal; null for all of the tenant.</param>
/// <param name="Tool">Only calls of this tool; null for all.</param>
/// <param name="Roles">Who may sign for more, if <see cref="WhenSpent.Approve"/>.</param>
public sealed record Budget(string Tenant, string Id, IReadOnlyDictionary<string, decimal> Limits, BudgetPeriod Period, string? Principal, string? Tool, WhenSpent WhenSpent, IReadOnlyList<string> Roles)
{
    internal static Budget Of(string tenant, BudgetSet set) => new(tenant, set.Id, set.Limits, set.Period, set.Principal, set.Tool, set.WhenSpent, set.Roles ?? []);

    /// <param name="chain">The run's: principals as histories name them.</param>
    public bool AppliesTo(IReadOnlyList<string> chain, string tool)
    {
        if (Tool is not null && Tool != tool) return false;
        if (Principal is null) return true;
        for (var i = 0; i < chain.Count; i++)
            if (PrincipalId.Of(chain[i]) == Principal) return true;
        return false;
    }

    /// <summary>The period that a moment is in: "total", "2026-11" or "2026-11-29".</summary>
    public string PeriodAt(DateTimeOffset at) => Period switch
    {
        BudgetPeriod.Day => at.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        BudgetPeriod.Month => at.UtcDateTime.ToString("yyyy-MM", CultureInfo.InvariantCulture),
        _ => "total",
    };

    /// <summary>When the period that a moment is in is over; null if never.</summary>
    public DateTimeOffset? EndAt(DateTimeOffset at) => Period switch
    {
        BudgetPeriod.Day => new DateTimeOffset(at.UtcDateTime.Date.AddDays(1), TimeSpan.Zero),
        BudgetPeriod.Month => new DateTimeOffset(new DateTime(at.UtcDateTime.Year, at.UtcDateTime.Month, 1, 0, 0, 0, DateTimeKind.Utc).AddMonths(1), TimeSpan.Zero),
        _ => null,
    };

    internal string PeriodInWords => Period switch
    {
        BudgetPeriod.Day => " today",
        BudgetPeriod.Month => " this month",
        _ => "",
    };
}
