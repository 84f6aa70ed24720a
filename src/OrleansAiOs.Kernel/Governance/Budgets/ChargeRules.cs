using System.Globalization;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>
/// What can be counted without loss. A decimal holds 28 digits exactly: amounts of up to 10^18 with at most 9 decimal places can be added
/// up to that size and nothing is rounded. There is no infinity and no not-a-number in decimals; what is negative is refused, since it
/// would make room for more.
/// </summary>
public static class ChargeRules
{
    public const int UnitsMax = 16;
    public const int UnitCharsMax = 64;
    public const int TargetCharsMax = 256;
    public const int ToolCharsMax = 200;
    public const int RolesMax = 20;

    /// <summary>Why a charge cannot be counted; null if it can.</summary>
    public static string? Objection(Charge charge)
    {
        if (charge.Units.Count > UnitsMax) return $"A call is charged in at most {UnitsMax} units; this one has {charge.Units.Count}.";
        if (charge.Target is { Length: 0 or > TargetCharsMax }) return $"A target has 1 to {TargetCharsMax} characters; this one has {charge.Target.Length}.";
        var moved = 0;
        foreach (var (unit, amount) in charge.Units)
        {
            if ((UnitObjection(unit) ?? AmountObjection(unit, amount)) is { } objection) return objection;
            if (SpendingLedger.Moves(unit)) moved++;
        }
        // Policies are told one amount: a second would pass every rule about amounts.
        return moved <= 1 ? null : $"A call moves one currency; this one moves {string.Join(" and ", charge.Units.Keys.Where(SpendingLedger.Moves).Order(StringComparer.Ordinal))}. Make a call for each.";
    }

    /// <summary>Why what a run would have spent with a charge cannot be counted; null if it can.</summary>
    internal static string? TotalObjection(string unit, decimal total) =>
        total > Charge.AmountMax ? $"With this call the run would have spent more {unit} than can be counted (10^18)." : null;

    /// <summary>Why amounts that somebody set cannot be limits; null if they can.</summary>
    internal static string? Objection(string field, IReadOnlyDictionary<string, decimal> limits)
    {
        foreach (var (unit, amount) in limits)
            if ((UnitObjection(unit) ?? AmountObjection(unit, amount)) is { } objection) return $"{field}: {objection}";
        return null;
    }

    internal static string? ToolObjection(string tool) =>
        tool.Length is 0 or > ToolCharsMax || tool.Any(char.IsControl) || tool.Any(char.IsSurrogate) ? $"tool: the name of an activity or tool has 1 to {ToolCharsMax} characters (\"bank.pay\", \"tool:crm/update\"); '{Cut(tool)}' is none."
        // As lists name it; under that name nothing would be counted.
        : tool.IndexOf('/', StringComparison.Ordinal) is > 0 and var slash && !tool.AsSpan(0, slash).ContainsAny('.', ':') ? $"tool: '{Cut(tool)}' is counted under another name: write tool:{Cut(tool)}." : null;

    /// <param name="roles">Who may sign for more.</param>
    /// <param name="needed">Somebody has to.</param>
    /// <param name="field">What says so.</param>
    internal static string? RolesObjection(IReadOnlyList<string>? roles, bool needed, string field)
    {
        if (needed && roles is not { Count: > 0 }) return $"roles: {field} is approve, so say who may sign for more.";
        if (!needed && roles is { Count: > 0 }) return $"roles: nobody signs unless {field} is approve.";
        if (roles is { Count: > RolesMax }) return $"roles: at most {RolesMax}.";
        return roles?.FirstOrDefault(role => !PrincipalId.IsName(role)) is { } bad ? $"roles: '{Cut(bad)}' is no role's name: {PrincipalId.NameRule}." : null;
    }

    public static string? UnitObjection(string unit) => unit.Length is > 0 and <= UnitCharsMax && unit.All(c => char.IsAsciiLetterOrDigit(c) || c is ':' or '-' or '_' or '.' or '/') ? null
        : $"A unit has 1 to {UnitCharsMax} letters, digits and : - _ . / (\"calls\", \"tokens\", \"cost:USD\", \"amount:EUR\"); '{Cut(unit)}' is none.";

    public static string? AmountObjection(string unit, decimal amount)
    {
        if (amount < 0) return $"{unit}: {Write(amount)} is negative.";
        if (amount > Charge.AmountMax) return $"{unit}: {Write(amount)} is more than can be counted (10^18).";
        return amount.Scale > Charge.DecimalsMax && decimal.Round(amount, Charge.DecimalsMax) != amount ? $"{unit}: {amount.ToString(CultureInfo.InvariantCulture)} has more than {Charge.DecimalsMax} decimal places." : null;
    }

    /// <summary>For people: "10,000.50".</summary>
    internal static string Write(decimal amount) => amount.ToString("#,0.#########", CultureInfo.InvariantCulture);

    /// <summary>As much of a text from outside as an error repeats.</summary>
    public static string Cut(string text) => text.Length <= UnitCharsMax ? text : text[..UnitCharsMax] + "…";
}
