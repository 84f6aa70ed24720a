using System.Collections.Concurrent;
using System.Collections.Immutable;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>What stands under one name.</summary>
/// <param name="Latest">The number that was put last; 0 for the built-in base.</param>
/// <param name="Active">The number in force; null if none is, 0 for the built-in base.</param>
/// <param name="ActiveHash">The SHA-256 of the text in force.</param>
/// <param name="By">Who changed it last.</param>
/// <param name="At">When.</param>
public sealed record PolicyStanding(string Name, long Latest, long? Active, string? ActiveHash, string? By, DateTimeOffset? At);

/// <summary>
/// The policies in force, of every tenant, compiled when they come into force. Whoever asks gets them as they are now, without waiting; a
/// change is seen by all hosts within the catalogue's half second, without a restart.
/// </summary>
public sealed class PolicyView : IKernelView
{
    private static readonly Tenant NothingOfItsOwn = new(0, ImmutableSortedDictionary.Create<string, Named>(StringComparer.Ordinal));

    private readonly ConcurrentDictionary<string, Tenant> tenants = new(StringComparer.Ordinal);

    // Text is null if this build cannot read what is in force.
    private sealed record Named(PolicyStanding Standing, PolicyText? Text, string? Trouble);

    private sealed class Tenant(long changes, ImmutableSortedDictionary<string, Named> names)
    {
        public long Changes => changes;

        public ImmutableSortedDictionary<string, Named> Names => names;

        public ActivePolicies Active { get; } = Compile(changes, names);
    }

    /// <summary>What a tenant is judged by: its policies, and the built-in base if it has none of that name.</summary>
    public ActivePolicies ActiveFor(string tenant) => Of(tenant).Active;

    /// <summary>What there is under each name, the built-in base among it.</summary>
    public IReadOnlyList<PolicyStanding> List(string tenant)
    {
        var standings = Of(tenant).Names.Values.Select(named => named.Standing).ToList();
        if (standings.All(standing => standing.Name != BasePolicy.Name || standing.Active is null))
        {
            standings.RemoveAll(standing => standing.Name == BasePolicy.Name);
            standings.Insert(0, new PolicyStanding(BasePolicy.Name, Of(tenant).Names.GetValueOrDefault(BasePolicy.Name)?.Standing.Latest ?? 0, 0, BasePolicy.Text.Hash, null, null));
        }
        return standings;
    }

    /// <summary>What a tenant would be judged by with another text under a name.</summary>
    internal ActivePolicies With(string tenant, string name, long number, PolicyText text)
    {
        var now = Of(tenant);
        return Compile(now.Changes + 1, now.Names.SetItem(name, new Named(new PolicyStanding(name, number, number, text.Hash, null, null), text, null)));
    }

    public void Apply(RecordedEvent e)
    {
        if (e.Event is not (PolicyProposed or PolicyActivated or PolicyRetired)) return;
        var name = e.Stream["policy/".Length..];
        var tenant = Of(e.Tenant);
        var before = tenant.Names.GetValueOrDefault(name) ?? new Named(new PolicyStanding(name, 0, null, null, null, null), null, null);
        var changed = before with { Standing = before.Standing with { By = e.By, At = e.At } };
        changed = e.Event switch
        {
            PolicyProposed proposed => changed with { Standing = changed.Standing with { Latest = proposed.Number } },
            PolicyActivated activated => Read(changed with { Standing = changed.Standing with { Active = activated.Number, ActiveHash = activated.Hash } }, activated),
            _ => changed with { Standing = changed.Standing with { Active = null, ActiveHash = null }, Text = null, Trouble = null },
        };
        tenants[e.Tenant] = new Tenant(tenant.Changes + (e.Event is PolicyProposed ? 0 : 1), tenant.Names.SetItem(name, changed));
    }

    private Tenant Of(string tenant) => tenants.GetValueOrDefault(tenant, NothingOfItsOwn);

    // Whatever is wrong with what is in force must not leave the tenant with what was in force before, or without it.
    private static Named Read(Named named, PolicyActivated activated)
    {
        var what = $"Policy '{named.Standing.Name}', number {activated.Number},";
        if (PolicyText.HashOf(activated.Text) != activated.Hash) return named with { Text = null, Trouble = $"{what} is not the text that was activated: its hash differs. Activate it anew." };
        try
        {
            return named with { Text = PolicyText.Parse(activated.Text), Trouble = null };
        }
        catch (PolicySyntaxException e)
        {
            return named with { Text = null, Trouble = $"{what} cannot be read by this build ({e.Errors[0]}). Run the build that took it, or activate a text that this one reads." };
        }
    }

    private static ActivePolicies Compile(long changes, ImmutableSortedDictionary<string, Named> names)
    {
        var active = names.Values.Where(named => named.Standing.Active is not null).ToList();
        var hashes = active.Select(named => (named.Standing.Name, named.Standing.Active!.Value, named.Standing.ActiveHash!));
        if (active.FirstOrDefault(named => named.Text is null) is { } broken) return ActivePolicies.Unavailable(new PolicyVersion(changes, ActivePolicies.HashOf(hashes)), broken.Trouble!);
        var texts = active.Select(named => (named.Standing.Name, named.Standing.Active!.Value, named.Text!));
        return ActivePolicies.Of(changes, names.GetValueOrDefault(BasePolicy.Name)?.Standing.Active is null ? texts.Prepend((BasePolicy.Name, 0, BasePolicy.Text)) : texts);
    }
}
