using System.Collections.Concurrent;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.RunLimits;

/// <summary>Which limits each tenant has set for its runs. A stream for each tool, "limit/{tool}", and "limit/*".</summary>
public sealed class RunLimitView : IKernelView
{
    private readonly ConcurrentDictionary<(string Tenant, string Tool), RunLimitSet> limits = new();

    public void Apply(RecordedEvent e)
    {
        if (e.Event is RunLimitSet set) limits[(e.Tenant, set.Tool)] = set;
        else if (e.Event is RunLimitRemoved removed) limits.TryRemove((e.Tenant, removed.Tool), out _);
    }

    public RunLimitSet? Find(string tenant, string tool) => limits.GetValueOrDefault((tenant, tool));

    public IReadOnlyList<RunLimitSet> List(string tenant) => [.. limits.Where(limit => limit.Key.Tenant == tenant).Select(limit => limit.Value).OrderBy(limit => limit.Tool, StringComparer.Ordinal)];
}
