using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Approvals;

/// <summary>
/// What the signatures on a hold are worth. Nothing that stands in the database is believed but the registered public keys: the statement is
/// made anew from what is about to be sent, and each signature is verified against it. Whoever signed must still be there, be a user, and
/// hold the role now; a person counts once, whatever accounts they have, and whoever signed for another counts as that other too.
/// </summary>
public sealed class SignatureCheck(SigningKeyView keys, IdentityView identity, DelegationView delegations)
{
    /// <summary>Why a signature counts for nothing; null if it counts for something.</summary>
    /// <param name="intent">What is about to be sent.</param>
    /// <param name="signed">The decision.</param>
    /// <param name="demands">Of the policies in force, not of the history.</param>
    /// <param name="expires">The deadline that stands in the statement.</param>
    /// <param name="statementDigest">Of the statement as it is now.</param>
    public string? Objection(EffectIntent intent, EffectSigned signed, IReadOnlyList<HoldDemand> demands, DateTimeOffset expires, string statementDigest)
    {
        var tenant = intent.Run.Tenant;
        var (approver, signature) = (PrincipalId.Of(signed.By.Id), signed.Signature);
        if (!string.Equals(signature.Digest, statementDigest, StringComparison.Ordinal)) return $"it is over {signature.Digest}, and what would be sent has the digest {statementDigest}";
        if (keys.Find(tenant, signature.Key) is not { } key) return $"the key {signature.Key} is registered nowhere";
        if (key.RevokedAt is not null) return $"the key {signature.Key} was revoked";
        if (key.Principal != approver) return $"the key {signature.Key} is not {approver}'s";
        if (!SigningKey.Verifies(key.PublicKey, ApprovalStatement.SignedBytes(signed.Granted, approver, signature, signed.Comment), signature.Value)) return $"it does not verify with the key {signature.Key}";
        if (signature.At >= expires) return $"it was signed at {signature.At:u}, after the deadline {expires:u}";
        if (Standing(tenant, approver) is { } gone) return gone;
        if (signature.For is not { } other) return demands.Any(demand => Fits(intent, demand, approver, null)) ? null : $"{approver} meets none of the demands: {string.Join(" and ", demands)}";
        if (Standing(tenant, PrincipalId.Of(other)) is { } absent) return absent;
        if (!delegations.MaySign(tenant, PrincipalId.Of(other), approver, intent.At)) return $"{other} has not handed the right to sign on to {approver}, or no longer";
        return demands.Any(demand => Fits(intent, demand, approver, PrincipalId.Of(other))) ? null : $"{approver}, for {other}, meets none of the demands that may be handed on: {string.Join(" and ", demands)}";
    }

    /// <summary>Whether the signatures meet every demand.</summary>
    /// <param name="intent">What is about to be sent.</param>
    /// <param name="demands">Of the policies in force.</param>
    /// <param name="expires">The deadline that stands in the statement.</param>
    /// <param name="statementDigest">Of the statement as it is now.</param>
    /// <param name="signers">Whose signatures count.</param>
    /// <param name="objections">Why others do not.</param>
    public bool IsMet(EffectIntent intent, IReadOnlyList<HoldDemand> demands, DateTimeOffset expires, string statementDigest, out List<string> signers, out List<string> objections)
    {
        (signers, objections) = ([], []);
        var valid = new List<EffectSigned>();
        foreach (var signed in intent.Signatures.Where(signed => signed.Granted))
            if (Objection(intent, signed, demands, expires, statementDigest) is { } objection) objections.Add($"{signed.By.Id}: {objection}");
            else valid.Add(signed);
        signers.AddRange(valid.Select(signed => signed.Signature.For is { } other ? $"{PrincipalId.Of(signed.By.Id)} for {PrincipalId.Of(other)}" : PrincipalId.Of(signed.By.Id)));
        return demands.All(demand => People(intent, demand, valid) >= demand.Quorum);
    }

    // How many different people, none of whom counts for two: neither by another account nor by somebody who signs for them.
    private int People(EffectIntent intent, HoldDemand demand, List<EffectSigned> valid)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        var count = 0;
        foreach (var signed in valid)
        {
            var (approver, other) = (PrincipalId.Of(signed.By.Id), signed.Signature.For is { } given ? PrincipalId.Of(given) : null);
            if (!Fits(intent, demand, approver, other)) continue;
            var people = new[] { approver, other }.OfType<string>().Select(principal => keys.PersonOf(intent.Run.Tenant, principal)).ToList();
            if (people.Any(taken.Contains)) continue;
            taken.UnionWith(people);
            count++;
        }
        return count;
    }

    private bool Fits(EffectIntent intent, HoldDemand demand, string approver, string? other)
    {
        var tenant = intent.Run.Tenant;
        if (other is not null && !demand.Delegable) return false;
        if (identity.Find(tenant, other ?? approver) is not { } holder || !holder.Roles.Intersect(demand.Roles, StringComparer.Ordinal).Any()) return false;
        var excluded = (demand.NotBy ?? []).Select(PrincipalId.Of).Select(principal => keys.PersonOf(tenant, principal)).ToHashSet(StringComparer.Ordinal);
        return !excluded.Contains(keys.PersonOf(tenant, approver)) && (other is null || !excluded.Contains(keys.PersonOf(tenant, other)));
    }

    private string? Standing(string tenant, string principal) =>
        !PrincipalId.TryParse(principal, out var kind) || kind is not PrincipalKind.User ? $"{principal} is no person: only users sign"
        : identity.Find(tenant, principal) is not { } found ? $"there is no {principal}"
        : found.Disabled is not null ? $"{principal} is disabled"
        : null;
}
