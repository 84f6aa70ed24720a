using System.Text.Json.Serialization;

namespace OrleansAiOs.Workflows.Gating;

// Stored for ever inside StepScheduled and AttemptStarted: members are only ever added.

/// <summary>What the gate answered to an attempt, and on what grounds.</summary>
/// <param name="Chain">Who acts, on whose behalf.</param>
/// <param name="Policy">The version of the policy that judged.</param>
/// <param name="Rules">The rules in it that decided.</param>
/// <param name="Autonomy">How freely the last in the chain may do this: "suggest", "approve" or "auto".</param>
/// <param name="Charge">What the attempt costs and moves; set aside before it is sent. Of one that may not be sent: what it would.</param>
/// <param name="Why">In words, for people.</param>
/// <param name="Hold">What a person has to sign, if one has to.</param>
/// <param name="SignedBy">Whose signatures let it through.</param>
/// <param name="RetryAt">When it is asked again, if it has to wait.</param>
public sealed record GateRecord(GateAnswer Answer, IReadOnlyList<string>? Chain = null, string? Policy = null, IReadOnlyList<string>? Rules = null, string? Autonomy = null,
    Charge? Charge = null, string? Why = null, HoldTerms? Hold = null, IReadOnlyList<string>? SignedBy = null, DateTimeOffset? RetryAt = null);

public enum GateAnswer
{
    /// <summary>It may be sent.</summary>
    Allow,

    /// <summary>It may not; the step fails.</summary>
    Deny,

    /// <summary>Somebody has to sign it first.</summary>
    Hold,

    /// <summary>Not now: it is asked again later.</summary>
    Wait,
}

/// <summary>What an attempt costs and moves, in units such as "calls", "tokens", "cost:USD", "amount:EUR".</summary>
/// <param name="Target">Whom it reaches: an account, a customer.</param>
public sealed record Charge(IReadOnlyDictionary<string, decimal> Units, string? Target = null)
{
    /// <summary>The most that can be counted of a unit without loss, with <see cref="DecimalsMax"/> decimal places.</summary>
    public const decimal AmountMax = 1_000_000_000_000_000_000;

    public const int DecimalsMax = 9;

    internal const string Calls = "calls";

    /// <summary>What units of money that is moved begin with; the currency comes behind it.</summary>
    internal const string Moved = "amount:";

    /// <summary>Money that the effect moves: unit "amount:EUR" for the currency EUR.</summary>
    public static Charge Amount(string currency, decimal amount, string? target = null) => new(new Dictionary<string, decimal> { [$"{Moved}{currency}"] = amount }, target);

    /// <summary>What the call itself costs: unit "cost:USD" for the currency USD.</summary>
    public static Charge Cost(string currency, decimal cost) => new(new Dictionary<string, decimal> { [$"cost:{currency}"] = cost });
}

/// <summary>What has to be signed before an attempt may be sent.</summary>
/// <param name="Title">What it does, in words made from the arguments by code.</param>
/// <param name="Digest">Over everything the signature binds: what is signed.</param>
/// <param name="Nonce">Makes the digest one of its kind.</param>
/// <param name="Expires">Later signatures count for nothing.</param>
/// <param name="Demands">Who has to sign: each of these is to be met. One signature counts for every demand that it fits.</param>
/// <param name="EscalatesAt">When it is asked of others.</param>
/// <param name="Level">How often it was.</param>
/// <param name="Beyond">What it oversteps, if anything ("budget 'month'"); the signature binds it.</param>
public sealed record HoldTerms(string Title, string Digest, string Nonce, DateTimeOffset Expires, IReadOnlyList<HoldDemand> Demands, DateTimeOffset? EscalatesAt = null, int Level = 0, IReadOnlyList<string>? Beyond = null)
{
    /// <summary>Who has to sign, for people.</summary>
    [JsonIgnore]
    public string Who => string.Join(" and ", Demands);
}

/// <param name="Roles">Whoever signs holds one of these.</param>
/// <param name="Quorum">So many different people.</param>
/// <param name="NotBy">Who may not sign.</param>
/// <param name="Delegable">Whoever may sign may have handed that on.</param>
public sealed record HoldDemand(IReadOnlyList<string> Roles, int Quorum = 1, IReadOnlyList<string>? NotBy = null, bool Delegable = false)
{
    public override string ToString() => $"{(Quorum > 1 ? $"{Quorum} × " : "")}{string.Join(" or ", Roles)}";
}

/// <summary>A decision on a hold, as its sender signed it. The engine carries it; the gate says what it is worth.</summary>
/// <param name="Digest">What was signed.</param>
/// <param name="Key">The signing key's id.</param>
/// <param name="Value">The signature, in base64.</param>
/// <param name="At">When its sender says it was signed.</param>
/// <param name="For">On whose behalf, where the right to sign was delegated.</param>
public sealed record DecisionSignature(string Digest, string Key, string Value, DateTimeOffset At, string? For = null);
