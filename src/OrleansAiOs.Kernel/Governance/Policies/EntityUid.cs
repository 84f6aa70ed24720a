using System.Text;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>Names one principal, action or resource, or a group of them, as policies do: <c>Principal::"user/ana"</c>.</summary>
/// <param name="Type">Its type, with its namespaces: <c>Principal</c>, <c>Bank::Account</c>.</param>
/// <param name="Id">Which one; any text.</param>
public readonly record struct EntityUid(string Type, string Id)
{
    public bool Equals(EntityUid other) => string.Equals(Id, other.Id, StringComparison.Ordinal) && string.Equals(Type, other.Type, StringComparison.Ordinal);

    // The ids of one type differ: theirs is the hash that tells entities apart.
    public override int GetHashCode() => string.GetHashCode(Id, StringComparison.Ordinal);

    public override string ToString() => $"{Type}::{Quote(Id)}";

    /// <summary>A text as a string of the language.</summary>
    public static string Quote(string text)
    {
        var quoted = new StringBuilder(text.Length + 2).Append('"');
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is '"' or '\\') quoted.Append('\\').Append((char)rune.Value);
            else if (Rune.IsControl(rune) || PolicyTokens.TurnsText(rune.Value)) quoted.Append($"\\u{{{rune.Value:x}}}");
            else quoted.Append(rune.ToString());
        }
        return quoted.Append('"').ToString();
    }
}
