namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>A principal, an action or a resource, with what policies may ask of it. Immutable; make it once and use it often.</summary>
public sealed class PolicyEntity
{
    // Few are found fastest by looking at each.
    private const int LookedThrough = 8;

    private readonly EntityUid[] ancestors;
    private readonly HashSet<EntityUid>? index;

    /// <param name="uid">Its name.</param>
    /// <param name="attributes">What <c>principal.kind</c> reads.</param>
    /// <param name="ancestors">All it is <c>in</c>: its roles, groups, tenant, and all that these are in. Itself need not be named.</param>
    public PolicyEntity(EntityUid uid, PolicyRecord? attributes = null, IEnumerable<EntityUid>? ancestors = null)
    {
        (Uid, Attributes, AsValue) = (uid, attributes ?? PolicyRecord.Empty, PolicyValue.From(uid));
        this.ancestors = ancestors is null ? [] : [.. ancestors];
        if (this.ancestors.Length > LookedThrough) index = [.. this.ancestors];
    }

    public EntityUid Uid { get; }

    public PolicyRecord Attributes { get; }

    public ReadOnlySpan<EntityUid> Ancestors => ancestors;

    internal PolicyValue AsValue { get; }

    /// <summary>Everything is in itself.</summary>
    public bool IsIn(EntityUid other)
    {
        if (Uid.Equals(other)) return true;
        if (index is not null) return index.Contains(other);
        foreach (var ancestor in ancestors)
            if (ancestor.Equals(other)) return true;
        return false;
    }
}

/// <summary>What is asked: may this principal do this action to this resource, under these circumstances?</summary>
/// <param name="Principal">Who acts: <c>Principal::"user/ana"</c>.</param>
/// <param name="Action">What is done: <c>Action::"call"</c>.</param>
/// <param name="Resource">To what: <c>Tool::"bank.pay"</c>.</param>
/// <param name="Context">The circumstances: <c>context.args</c> and the like.</param>
/// <param name="Others">Entities that attributes point to, by name; what is not there is unknown, and reading it is a fault.</param>
public readonly record struct PolicyRequest(
    PolicyEntity Principal,
    PolicyEntity Action,
    PolicyEntity Resource,
    PolicyRecord Context,
    IReadOnlyDictionary<EntityUid, PolicyEntity>? Others = null)
{
    internal PolicyEntity? Find(EntityUid uid)
    {
        if (Principal.Uid.Equals(uid)) return Principal;
        if (Resource.Uid.Equals(uid)) return Resource;
        if (Action.Uid.Equals(uid)) return Action;
        return Others?.GetValueOrDefault(uid);
    }
}
