using System.Collections.Concurrent;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Identity;

/// <summary>Tenants, principals and grants, as this host knows them.</summary>
public sealed class IdentityView : IKernelView
{
    private readonly ConcurrentDictionary<string, Tenant> tenants = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Tenant, string Id), Principal> principals = new();
    private readonly ConcurrentDictionary<(string Tenant, string Role), IReadOnlyList<Grant>> roles = new();

    public IdentityView() => tenants[Tenants.Platform] = new Tenant(Tenants.Platform, null, null);

    public void Apply(RecordedEvent e)
    {
        if (e.Stream.StartsWith(Principal.StreamPrefix, StringComparison.Ordinal))
        {
            var key = (e.Tenant, e.Stream[Principal.StreamPrefix.Length..]);
            if (Principal.Apply(principals.GetValueOrDefault(key), e) is { } principal) principals[key] = principal;
        }
        else if (e.Stream.StartsWith(Grant.RoleStreamPrefix, StringComparison.Ordinal))
        {
            var key = (e.Tenant, e.Stream[Grant.RoleStreamPrefix.Length..]);
            roles[key] = Grant.Apply(roles.GetValueOrDefault(key) ?? [], e);
        }
        else if (e.Stream.StartsWith(Tenant.StreamPrefix, StringComparison.Ordinal))
        {
            if (Tenant.Apply(tenants.GetValueOrDefault(e.Tenant), e) is { } tenant) tenants[e.Tenant] = tenant;
        }
    }

    public Tenant? FindTenant(string id) => tenants.GetValueOrDefault(id);

    public IReadOnlyList<Tenant> AllTenants => [.. tenants.Values.OrderBy(tenant => tenant.Id, StringComparer.Ordinal)];

    public Principal? Find(string tenant, string id) => principals.GetValueOrDefault((tenant, id));

    public IReadOnlyList<Principal> PrincipalsOf(string tenant) => [.. principals.Values.Where(principal => principal.Tenant == tenant).OrderBy(principal => principal.Id, StringComparer.Ordinal)];

    public IReadOnlyList<Grant> GrantsOf(string tenant) =>
    [
        .. principals.Where(pair => pair.Key.Tenant == tenant).SelectMany(pair => pair.Value.Grants)
            .Concat(roles.Where(pair => pair.Key.Tenant == tenant).SelectMany(pair => pair.Value)).OrderBy(grant => grant.At).ThenBy(grant => grant.Id, StringComparer.Ordinal),
    ];

    internal IReadOnlyList<Grant> GrantsOfRole(string tenant, string role) => roles.IsEmpty ? [] : roles.GetValueOrDefault((tenant, role)) ?? [];
}
