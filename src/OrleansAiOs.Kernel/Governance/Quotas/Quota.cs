using System.Collections.Concurrent;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Quotas;

[StoredAs("quota-set")]
public sealed record QuotaSet(string Id, int? Calls = null, int? Runs = null, string? Principal = null, long? Bytes = null) : KernelEvent;

[StoredAs("quota-removed")]
public sealed record QuotaRemoved(string Id) : KernelEvent;

/// <summary>How much there may be of something at one time: unlike of a budget, nothing of it is spent, and what ends makes room.</summary>
/// <param name="Calls">So many calls under way.</param>
/// <param name="Runs">So many runs open.</param>
/// <param name="Principal">Only what is done by or for this principal; null for all of the tenant.</param>
/// <param name="RunsSince">Which setting has limited the runs first: what was open then is counted with.</param>
/// <param name="Bytes">So many bytes stored.</param>
/// <param name="BytesSince">Which setting has limited the bytes first.</param>
public sealed record Quota(string Tenant, string Id, int? Calls, int? Runs, string? Principal, long RunsSince, long? Bytes, long BytesSince)
{
    /// <param name="chain">The run's: principals as histories name them.</param>
    public bool AppliesTo(IReadOnlyList<string> chain)
    {
        if (Principal is null) return true;
        for (var i = 0; i < chain.Count; i++)
            if (PrincipalId.Of(chain[i]) == Principal) return true;
        return false;
    }

    internal string InWords => $"quota '{Id}'{(Principal is null ? "" : $" of {Principal}")}";
}

/// <summary>Which quotas there are. A stream for each, "quota/{id}", under its tenant.</summary>
public sealed class QuotaView : IKernelView
{
    private readonly ConcurrentDictionary<string, Quota[]> quotas = new(StringComparer.Ordinal);

    public void Apply(RecordedEvent e)
    {
        if (e.Event is QuotaSet set)
        {
            var before = Find(e.Tenant, set.Id);
            Replace(e.Tenant, set.Id, new Quota(e.Tenant, set.Id, set.Calls, set.Runs, set.Principal, set.Runs is null ? 0 : before is { Runs: not null } ? before.RunsSince : e.Seq,
                set.Bytes, set.Bytes is null ? 0 : before is { Bytes: not null } ? before.BytesSince : e.Seq));
        }
        else if (e.Event is QuotaRemoved removed)
        {
            Replace(e.Tenant, removed.Id, null);
        }
    }

    public Quota? Find(string tenant, string id) => Array.Find(Of(tenant), quota => quota.Id == id);

    /// <summary>In the order of their ids.</summary>
    public IReadOnlyList<Quota> List(string tenant) => Of(tenant);

    /// <summary>The one that allows a tenant the fewest bytes; null if none limits them.</summary>
    public Quota? SmallestOfBytes(string tenant) => Of(tenant) is { Length: > 0 } some ? some.Where(quota => quota.Bytes is not null).MinBy(quota => quota.Bytes) : null;

    private Quota[] Of(string tenant) => quotas.GetValueOrDefault(tenant) ?? [];

    private void Replace(string tenant, string id, Quota? by) =>
        quotas[tenant] = [.. Of(tenant).Where(quota => quota.Id != id).Concat(by is null ? [] : [by]).OrderBy(quota => quota.Id, StringComparer.Ordinal)];
}
