namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>To which principals, actions or resources a policy applies.</summary>
/// <param name="Equal">Only this one.</param>
/// <param name="In">Only what is in one of these.</param>
/// <param name="Type">Only those of this type.</param>
internal sealed record PolicyScope(EntityUid? Equal = null, IReadOnlyList<EntityUid>? In = null, string? Type = null)
{
    public static readonly PolicyScope Any = new();

    public bool Admits(PolicyEntity entity)
    {
        if (Equal is { } one && !entity.Uid.Equals(one)) return false;
        if (Type is not null && !string.Equals(entity.Uid.Type, Type, StringComparison.Ordinal)) return false;
        if (In is null) return true;
        for (var i = 0; i < In.Count; i++)
            if (entity.IsIn(In[i])) return true;
        return false;
    }
}

/// <summary>A <c>when { … }</c> or <c>unless { … }</c>.</summary>
internal sealed record PolicyCondition(bool IsWhen, PolicyExpression Test);

/// <summary>One permit or forbid, as it stands in its text.</summary>
internal sealed record Policy(
    string Id,
    string? Note,
    bool IsPermit,
    PolicyScope Principal,
    PolicyScope Action,
    PolicyScope Resource,
    IReadOnlyList<PolicyCondition> Conditions,
    Autonomy Autonomy,
    ApprovalDemand? Approval,
    int At,
    int End);
