using System.Collections.Concurrent;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>Which budgets there are. A stream for each, "budget/{id}", under its tenant.</summary>
public sealed class BudgetView : IKernelView
{
    private readonly ConcurrentDictionary<string, Budget[]> budgets = new(StringComparer.Ordinal);

    public void Apply(RecordedEvent e)
    {
        if (e.Event is BudgetSet set) Replace(e.Tenant, set.Id, Budget.Of(e.Tenant, set));
        else if (e.Event is BudgetRemoved removed) Replace(e.Tenant, removed.Id, null);
    }

    public Budget? Find(string tenant, string id)
    {
        foreach (var budget in List(tenant))
            if (budget.Id == id) return budget;
        return null;
    }

    /// <summary>In the order of their ids.</summary>
    public IReadOnlyList<Budget> List(string tenant) => budgets.GetValueOrDefault(tenant) ?? [];

    private void Replace(string tenant, string id, Budget? by) =>
        budgets[tenant] = [.. List(tenant).Where(budget => budget.Id != id).Concat(by is null ? [] : [by]).OrderBy(budget => budget.Id, StringComparer.Ordinal)];
}
