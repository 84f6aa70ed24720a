using System.Text;
using System.Text.RegularExpressions;

namespace OrleansAiOs.Kernel.Tools.Secrets;

/// <summary>secret://NAME inside a text: a secret's place, held by its name until the moment it leaves.</summary>
internal static partial class SecretHandle
{
    public const string Form = "secret://NAME, with a name of 1 to 64 of a-z, 0-9, '.', '_' and '-'";

    public static bool IsIn(string template) => template.Contains("secret:", StringComparison.OrdinalIgnoreCase);

    public static bool IsName(string name) => Name().IsMatch(name);

    /// <summary>What speaks against a template; null if nothing does.</summary>
    public static string? Objection(string template) =>
        IsIn(template) && IsIn(Handle().Replace(template, "")) ? $"a secret is named as {Form}" : null;

    public static async Task<string> ReplaceAsync(string template, Func<string, Task<string>> reveal)
    {
        var text = new StringBuilder();
        var at = 0;
        foreach (Match match in Handle().Matches(template))
        {
            text.Append(template, at, match.Index - at).Append(await reveal(match.Groups[1].Value));
            at = match.Index + match.Length;
        }
        return text.Append(template, at, template.Length - at).ToString();
    }

    [GeneratedRegex("secret://([a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?)(?![A-Za-z0-9])", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 100)]
    private static partial Regex Handle();

    [GeneratedRegex("^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 100)]
    private static partial Regex Name();
}
