namespace OrleansAiOs.Kernel.Governance.Policies;

public enum PolicyDecision : byte
{
    Deny,

    Allow,

    /// <summary>Permitted, but not alone: see <see cref="PolicyVerdict.Autonomy"/>.</summary>
    Hold,
}

/// <summary>Which policies were in force.</summary>
/// <param name="Number">Counts the changes of a tenant's policies; 0 for the built-in base alone.</param>
/// <param name="Hash">Over the names, numbers and texts of all that are in force: 64 hexadecimal digits.</param>
public readonly record struct PolicyVersion(long Number, string Hash)
{
    public override string ToString() => $"{Number}:{Hash}";
}

/// <summary>What the policies say to one request.</summary>
public sealed class PolicyVerdict
{
    internal PolicyVerdict(PolicyDecision decision, Autonomy autonomy, PolicyVersion version, EntityUid principal, IReadOnlyList<string> policies, IReadOnlyList<ApprovalDemand> approvals, PolicyFault? fault) =>
        (Decision, Autonomy, Version, Principal, Policies, Approvals, Fault) = (decision, autonomy, version, principal, policies, approvals, fault);

    public PolicyDecision Decision { get; }

    /// <summary>
    /// Of what is permitted, how much is done alone: <see cref="Policies.Autonomy.Auto"/> with Allow; with Hold
    /// <see cref="Policies.Autonomy.Approve"/> (do it when <see cref="Approvals"/> are all there) or
    /// <see cref="Policies.Autonomy.Suggest"/> (record it, and do nothing). Suggest with Deny, where it means nothing.
    /// </summary>
    public Autonomy Autonomy { get; }

    /// <summary>What has to be signed: each of them. One signature counts for every demand that it fits.</summary>
    public IReadOnlyList<ApprovalDemand> Approvals { get; }

    /// <summary>The policies that made it so, <c>name/id</c>: the permits or the forbids that matched; none if nothing did.</summary>
    public IReadOnlyList<string> Policies { get; }

    public PolicyVersion Version { get; }

    /// <summary>Whose request it is; in a chain, the one who was denied, or else the last.</summary>
    public EntityUid Principal { get; }

    /// <summary>Set if something could not be judged, which denies whatever else matched.</summary>
    public PolicyFault? Fault { get; }

    /// <summary>One sentence for whoever reads the verdict.</summary>
    public string Reason => this switch
    {
        { Fault: { } fault } => $"Denied to {Principal}: a policy could not be judged ({fault}).",
        { Decision: PolicyDecision.Deny, Policies: [] } => $"Denied to {Principal}: no policy permits it.",
        { Decision: PolicyDecision.Deny } => $"Denied to {Principal}: forbidden by {string.Join(", ", Policies)}.",
        { Decision: PolicyDecision.Allow } => $"Permitted by {string.Join(", ", Policies)}.",
        { Autonomy: Autonomy.Suggest } => $"Only to be suggested: {string.Join(", ", Policies)}.",
        _ => $"To be signed for ({string.Join("; ", Approvals)}): {string.Join(", ", Policies)}.",
    };

    /// <summary>A verdict that denies because the policies cannot be asked: the store does not answer, or not in time.</summary>
    public static PolicyVerdict Unavailable(PolicyVersion version, EntityUid principal, string message) =>
        new(PolicyDecision.Deny, Autonomy.Suggest, version, principal, [], [], new PolicyFault(null, PolicyFaultCode.PoliciesUnavailable, 0, 0, message));

    /// <summary>Of a chain that acts together: what one is denied, all are; else the least autonomy of all, and the demands of all.</summary>
    /// <exception cref="ArgumentException">There is none: nobody acts.</exception>
    public static PolicyVerdict Together(IReadOnlyList<PolicyVerdict> verdicts)
    {
        if (verdicts.Count == 0) throw new ArgumentException("There is no verdict to be joined: a chain has at least one principal.", nameof(verdicts));
        if (verdicts.Count == 1) return verdicts[0];
        if (verdicts.FirstOrDefault(verdict => verdict.Decision is PolicyDecision.Deny) is { } denied) return denied;
        var autonomy = verdicts.Min(verdict => verdict.Autonomy);
        return new PolicyVerdict(autonomy is Autonomy.Auto ? PolicyDecision.Allow : PolicyDecision.Hold, autonomy, verdicts[^1].Version, verdicts[^1].Principal,
            [.. verdicts.SelectMany(verdict => verdict.Policies).Distinct(StringComparer.Ordinal)], [.. verdicts.SelectMany(verdict => verdict.Approvals).Distinct()], null);
    }
}
