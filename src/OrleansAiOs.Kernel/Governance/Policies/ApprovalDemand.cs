using System.Globalization;
using System.Xml;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>How much of an action its principal does alone. Less is stricter.</summary>
public enum Autonomy : byte
{
    /// <summary>The proposal is recorded, and nothing is done.</summary>
    Suggest,

    /// <summary>It is done when the demanded signatures are there.</summary>
    Approve,

    /// <summary>It is done.</summary>
    Auto,
}

/// <summary>
/// Signatures that have to be there before something is done, as a policy demands them:
/// <c>@approval("controller|treasurer, quorum=2, not=initiator, within=PT24H, escalate=director, delegate=yes")</c>.
/// </summary>
public sealed class ApprovalDemand : IEquatable<ApprovalDemand>
{
    public const int RolesMax = 10;
    public const int QuorumMax = 20;
    private const int RoleCharsMax = 100;
    private static readonly TimeSpan WithinMin = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan WithinMax = TimeSpan.FromDays(366);

    private ApprovalDemand(IReadOnlyList<string> roles, int quorum, bool notInitiator, TimeSpan? within, string? escalateTo, bool mayBeDelegated) =>
        (Roles, Quorum, NotInitiator, Within, EscalateTo, MayBeDelegated) = (roles, quorum, notInitiator, within, escalateTo, mayBeDelegated);

    /// <summary>Who may sign: whoever has one of them.</summary>
    public IReadOnlyList<string> Roles { get; }

    /// <summary>How many different people have to sign, from 1 to 20.</summary>
    public int Quorum { get; }

    /// <summary>Four eyes: nobody in the chain that asks may sign.</summary>
    public bool NotInitiator { get; }

    /// <summary>How long there is to sign; null for as long as it takes.</summary>
    public TimeSpan? Within { get; }

    /// <summary>Who may sign as well when <see cref="Within"/> is over; without it, it is refused then.</summary>
    public string? EscalateTo { get; }

    /// <summary>Whether who may sign may hand that on to somebody else.</summary>
    public bool MayBeDelegated { get; }

    /// <exception cref="FormatException">It says what is wrong and what to write.</exception>
    public static ApprovalDemand Parse(string text)
    {
        var items = text.Split(',', StringSplitOptions.TrimEntries);
        var roles = items[0].Split('|', StringSplitOptions.TrimEntries);
        if (items[0].Contains('=', StringComparison.Ordinal)) throw new FormatException($"'{items[0]}' is no role; the roles that may sign come first: \"controller, quorum=2\".");
        if (roles.Length > RolesMax) throw new FormatException($"{roles.Length} roles are named; at most {RolesMax} may be.");
        foreach (var role in roles) CheckRole(role);
        if (roles.Distinct(StringComparer.Ordinal).Count() != roles.Length) throw new FormatException("A role is named twice.");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var item in items.Skip(1))
        {
            var at = item.IndexOf('=', StringComparison.Ordinal);
            if (at < 1) throw new FormatException($"'{item}' is no setting; behind the roles stand settings like quorum=2. Several roles are written controller|treasurer.");
            if (!settings.TryAdd(item[..at].Trim(), item[(at + 1)..].Trim())) throw new FormatException($"'{item[..at].Trim()}' is set twice.");
        }
        var demand = new ApprovalDemand(
            [.. roles.Order(StringComparer.Ordinal)],
            settings.Remove("quorum", out var quorum) ? ReadQuorum(quorum) : 1,
            settings.Remove("not", out var not) && (not == "initiator" ? true : throw new FormatException($"not={not}: who may not sign can only be 'initiator'.")),
            settings.Remove("within", out var within) ? ReadDuration(within) : null,
            settings.Remove("escalate", out var escalate) ? CheckRole(escalate) : null,
            settings.Remove("delegate", out var delegates) && (delegates is "yes" or "no" ? delegates == "yes" : throw new FormatException($"delegate={delegates}: write delegate=yes, or leave it out.")));
        if (settings.Keys.FirstOrDefault() is { } unknown) throw new FormatException($"There is no setting '{unknown}': there are quorum, not, within, escalate and delegate.");
        if (demand is { EscalateTo: not null, Within: null }) throw new FormatException("escalate needs a time after which it happens: add within=PT24H.");
        return demand;
    }

    private static string CheckRole(string role)
    {
        if (role.Length is 0 or > RoleCharsMax || role.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.' or '/')))
            throw new FormatException($"'{role}' is no role: a role has 1 to {RoleCharsMax} letters, digits, '-', '_', '.' and '/'.");
        return role;
    }

    private static int ReadQuorum(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var quorum) && quorum is >= 1 and <= QuorumMax
            ? quorum
            : throw new FormatException($"quorum={text}: write a number from 1 to {QuorumMax}.");

    private static TimeSpan ReadDuration(string text)
    {
        var date = text.Split('T')[0];
        try
        {
            // A month is no length of time, and a year is not one either.
            if (text.StartsWith('P') && !date.Contains('M', StringComparison.Ordinal) && !date.Contains('Y', StringComparison.Ordinal)
                && XmlConvert.ToTimeSpan(text) is var span && span >= WithinMin && span <= WithinMax) return span;
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            // Told below, in the same words.
        }
        throw new FormatException($"within={text}: write a duration from PT1M to P366D, such as PT24H or P3D.");
    }

    private string? written;

    /// <summary>As it would be written; two that say the same are written the same.</summary>
    public override string ToString() => written ??=
        string.Join('|', Roles)
        + (Quorum == 1 ? "" : $", quorum={Quorum}")
        + (NotInitiator ? ", not=initiator" : "")
        + (Within is { } within ? $", within={XmlConvert.ToString(within)}" : "")
        + (EscalateTo is { } role ? $", escalate={role}" : "")
        + (MayBeDelegated ? ", delegate=yes" : "");

    public bool Equals(ApprovalDemand? other) => other is not null && ToString() == other.ToString();

    public override bool Equals(object? obj) => Equals(obj as ApprovalDemand);

    public override int GetHashCode() => string.GetHashCode(ToString(), StringComparison.Ordinal);
}
