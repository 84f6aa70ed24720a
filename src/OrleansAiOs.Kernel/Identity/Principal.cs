using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Identity;

/// <summary>Who acts, as its stream tells.</summary>
/// <param name="Disabled">Why it is disabled; null if it is not. A disabled principal may do nothing, and nobody may do anything for it.</param>
/// <param name="Keys">Keys that were issued and not revoked; some may have expired.</param>
public sealed record Principal(string Tenant, string Id, IReadOnlyList<string> Roles, string? Disabled, IReadOnlyList<Grant> Grants, IReadOnlyList<IssuedKey> Keys, DateTimeOffset AddedAt)
{
    public const string StreamPrefix = "principal/";

    public static string StreamOf(string id) => StreamPrefix + id;

    /// <summary>Whether a key was issued to it and not revoked since; it may have expired.</summary>
    /// <param name="hash">The beginning of the key's hash.</param>
    public bool Holds(string hash)
    {
        foreach (var key in Keys)
            if (key.Hash == hash) return true;
        return false;
    }

    public static Principal? Of(IEnumerable<RecordedEvent> stream) => stream.Aggregate(null as Principal, Apply);

    internal static Principal? Apply(Principal? now, RecordedEvent e) => e.Event switch
    {
        PrincipalAdded added => new Principal(e.Tenant, added.Id, added.Roles, null, [], [], e.At),
        _ when now is null => null,
        PrincipalRolesChanged changed => now with { Roles = changed.Roles },
        PrincipalDisabled disabled => now with { Disabled = disabled.Why },
        PrincipalEnabled => now with { Disabled = null },
        KeyIssued issued => now with { Keys = [.. now.Keys.Where(key => key.Name != issued.Name), new IssuedKey(issued.Name, issued.Hash, issued.Expires, e.By, e.At)] },
        KeyRevoked revoked => now with { Keys = [.. now.Keys.Where(key => key.Hash != revoked.Hash)] },
        GrantGiven or GrantTaken => now with { Grants = Grant.Apply(now.Grants, e) },
        _ => now,
    };
}

/// <param name="Hash">The beginning of its hash.</param>
public sealed record IssuedKey(string Name, string Hash, DateTimeOffset? Expires, string? By, DateTimeOffset At);

/// <summary>A right that was given: who may do what to what, until when.</summary>
public sealed record Grant(string Id, string To, IReadOnlyList<string> Actions, string Resource, DateTimeOffset? Expires, string? By, DateTimeOffset At, string? Why)
{
    public const string RoleStreamPrefix = "role/";

    internal static IReadOnlyList<Grant> Apply(IReadOnlyList<Grant> grants, RecordedEvent e) => e.Event switch
    {
        GrantGiven given => [.. grants, new Grant(given.Grant, given.To, given.Actions, given.Resource, given.Expires, e.By, e.At, given.Why)],
        GrantTaken taken => [.. grants.Where(grant => grant.Id != taken.Grant)],
        _ => grants,
    };

    internal bool Covers(string action, string resource, DateTimeOffset now) => CoversSome(action, now) && Matches(Resource, resource);

    internal bool CoversSome(string action, DateTimeOffset now)
    {
        if (Expires <= now) return false;
        foreach (var pattern in Actions)
            if (Names(pattern, action)) return true;
        return false;
    }

    /// <summary>Whether an action pattern names an action: exactly, "run.*", "*.read" or "*". To act for somebody is named by itself only: nobody gets it with the rest.</summary>
    internal static bool Names(string pattern, string action) =>
        pattern == action || action != Rights.ActFor && (pattern == "*"
            || pattern.EndsWith(".*", StringComparison.Ordinal) && action.AsSpan().StartsWith(pattern.AsSpan(0, pattern.Length - 1), StringComparison.Ordinal)
            || pattern.StartsWith("*.", StringComparison.Ordinal) && action.AsSpan().EndsWith(pattern.AsSpan(1), StringComparison.Ordinal));

    /// <summary>Whether a resource pattern covers a resource, or all that another pattern covers.</summary>
    internal static bool Matches(string pattern, string resource) =>
        pattern.EndsWith('*') ? resource.AsSpan().StartsWith(pattern.AsSpan(0, pattern.Length - 1), StringComparison.Ordinal) : pattern == resource;
}
