namespace OrleansAiOs.Kernel.Identity;

/// <summary>
/// What a chain of principals may do: the first is the one on whose behalf, each next one acts for the one before it, the last is the one
/// that acts. Its rights are the intersection along it: each of them must be permitted by its own roles or grants, and each from the
/// second on must hold the grant "act-for" on the one before. Nothing is remembered between two questions, so a right that is taken away
/// is gone at the next one, also for a run that slept for a month.
///
/// Everything here is in memory, as new as the catalogue: who asks before an effect awaits <see cref="Streams.Catalogue.FreshAsync"/> first.
/// </summary>
/// <param name="view">Who is who.</param>
/// <param name="time">The clock that grants end by.</param>
/// <param name="uses">Is told which grants are of use; null to tell nobody.</param>
public sealed class Rights(IdentityView view, TimeProvider time, GrantUses? uses = null)
{
    /// <summary>The action of acting for somebody, whose id is the resource. Only a grant that names it gives it.</summary>
    public const string ActFor = "act-for";

    /// <summary>The action of calling a tool or activity; the resource is "tool/NAME".</summary>
    public const string CallTool = "tool.call";

    /// <summary>Longer chains are permitted nothing.</summary>
    public const int HopsMax = 20;

    public bool Permits(string tenant, IReadOnlyList<string> chain, string action, string resource) => Objection(tenant, chain, action, resource) is null;

    /// <summary>Why a chain may not do something; null if it may.</summary>
    /// <param name="tenant">The tenant all of them belong to: the resource is looked for nowhere else.</param>
    /// <param name="chain">At least one principal, as a run's chain has them (<see cref="PrincipalId.Of(string)"/>).</param>
    /// <param name="action">"run.start", <see cref="CallTool"/>, …</param>
    /// <param name="resource">"run/ID", "tool/NAME", …; "run/*" for all there are.</param>
    public string? Objection(string tenant, IReadOnlyList<string> chain, string action, string resource)
    {
        if (ObjectionOnPaper(tenant, chain, action, resource) is { } objection) return objection;
        if (uses is not null && chain is not [PrincipalId.Engine]) Note(tenant, chain, action, resource);
        return null;
    }

    // The same where nothing is done by it: what somebody could do is no use of what lets them.
    private string? ObjectionOnPaper(string tenant, IReadOnlyList<string> chain, string action, string resource)
    {
        if (Broken(tenant, chain) is { } broken) return broken;
        if (chain is [PrincipalId.Engine]) return null;
        var now = time.GetUtcNow();
        foreach (var link in chain)
            if (!Allows(view.Find(tenant, PrincipalId.Of(link))!, action, resource, now)) return $"{PrincipalId.Of(link)} may not '{action}' on {resource}: none of its roles and grants allows it.";
        return null;
    }

    // Once all of a chain may: which grants it took, also those to act for one another. What a role gives takes none.
    private void Note(string tenant, IReadOnlyList<string> chain, string action, string resource)
    {
        var now = time.GetUtcNow();
        for (var i = 0; i < chain.Count; i++)
        {
            var principal = view.Find(tenant, PrincipalId.Of(chain[i]))!;
            if (!ByRole(principal, action) && GrantFor(principal, action, resource, now) is { } grant) uses!.Note(tenant, grant.Id, action, now);
            if (i > 0 && !PrincipalId.HasJoined(chain[i]) && GrantFor(principal, ActFor, PrincipalId.Of(chain[i - 1]), now) is { } acting) uses!.Note(tenant, acting.Id, ActFor, now);
        }
    }

    /// <summary>Why a chain may do something to nothing at all; null if there may be something.</summary>
    public string? ObjectionToAny(string tenant, IReadOnlyList<string> chain, string action)
    {
        if (Broken(tenant, chain) is { } broken) return broken;
        var now = time.GetUtcNow();
        foreach (var link in chain)
            if (!Allows(view.Find(tenant, PrincipalId.Of(link))!, action, null, now)) return $"{PrincipalId.Of(link)} may not '{action}': none of its roles and grants allows it.";
        return null;
    }

    /// <summary>Why a chain may not give roles and grants to others; null if it holds all that is in them. To act for somebody is given by who holds everything.</summary>
    public string? ObjectionToGiving(string tenant, IReadOnlyList<string> chain, IReadOnlyList<string> roles, IReadOnlyList<Grant> grants)
    {
        foreach (var role in roles)
        {
            foreach (var action in BuiltInRole.ActionsOf(role))
                if (ObjectionOnPaper(tenant, chain, action, "*") is not null) return $"Only who holds all that is in the role '{role}' may give it.";
            if (ObjectionToGiving(tenant, chain, [], view.GrantsOfRole(tenant, role)) is { } objection) return objection;
        }
        foreach (var grant in grants)
            foreach (var action in grant.Actions)
                if (ObjectionOnPaper(tenant, chain, action == ActFor ? "*" : action, action == ActFor ? "*" : grant.Resource) is not null)
                    return $"Only who may '{action}' on {grant.Resource} may give it.";
        return null;
    }

    /// <summary>Why a chain is none; null if it holds.</summary>
    public string? Broken(string tenant, IReadOnlyList<string> chain)
    {
        if (view.FindTenant(tenant) is not { Disabled: null }) return $"The tenant '{tenant}' is disabled.";
        if (chain.Count is 0 or > HopsMax) return $"A chain has 1 to {HopsMax} principals; this one has {chain.Count}.";
        if (chain is [PrincipalId.Engine]) return null; // the engine looks after its own runs
        var now = time.GetUtcNow();
        for (var i = 0; i < chain.Count; i++)
        {
            var id = PrincipalId.Of(chain[i]);
            var principal = view.Find(tenant, id);
            if (!PrincipalId.HasJoined(chain[i]))
            {
                for (var j = 0; j < i; j++)
                    if (PrincipalId.Of(chain[j]) == id) return $"{id} stands twice in the chain.";
                // Somebody unknown and somebody it may not act for are the same to who asks.
                if (i > 0 && (principal is null || PrincipalId.HasJoined(chain[i - 1]) || !HoldsActFor(principal, PrincipalId.Of(chain[i - 1]), now) || view.Find(tenant, PrincipalId.Of(chain[i - 1])) is null))
                    return $"{id} may not act for {PrincipalId.Of(chain[i - 1])}.";
            }
            if (principal is null && (i + 1 == chain.Count || PrincipalId.HasJoined(chain[i + 1]))) return $"There is no {id}.";
            if (principal?.Disabled is not null) return $"{id} is disabled.";
        }
        return null;
    }

    private bool Allows(Principal principal, string action, string? resource, DateTimeOffset now) => ByRole(principal, action) || GrantFor(principal, action, resource, now) is not null;

    private static bool ByRole(Principal principal, string action)
    {
        if (BuiltInRole.AllowsAnybody(action)) return true;
        foreach (var role in principal.Roles)
            if (BuiltInRole.Allows(principal.Tenant, role, action)) return true;
        return false;
    }

    // The principal's own roles do not give it: to act for somebody is granted by name.
    private bool HoldsActFor(Principal principal, string whom, DateTimeOffset now) => GrantFor(principal, ActFor, whom, now) is not null;

    private Grant? GrantFor(Principal principal, string action, string? resource, DateTimeOffset now)
    {
        if (Find(principal.Grants) is { } own) return own;
        foreach (var role in principal.Roles)
            if (Find(view.GrantsOfRole(principal.Tenant, role)) is { } through) return through;
        return null;

        Grant? Find(IReadOnlyList<Grant> grants)
        {
            for (var i = 0; i < grants.Count; i++)
            {
                if (!(resource is null ? grants[i].CoversSome(action, now) : grants[i].Covers(action, resource, now))) continue;
                if (BuiltInRole.IsPlatforms(action)) continue; // the platform's; no grant gives it
                return grants[i];
            }
            return null;
        }
    }
}
