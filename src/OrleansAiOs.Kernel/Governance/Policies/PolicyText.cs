using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>A text of policies that has been read. Immutable.</summary>
public sealed class PolicyText
{
    private PolicyText(string text, IReadOnlyList<Policy> policies) => (Text, Policies, Hash) = (text, policies, HashOf(text));

    public string Text { get; }

    /// <summary>The SHA-256 of the text as UTF-8: 64 hexadecimal digits.</summary>
    public string Hash { get; }

    internal IReadOnlyList<Policy> Policies { get; }

    /// <summary>The policies' ids, in the order of the text.</summary>
    public IReadOnlyList<string> Ids => [.. Policies.Select(policy => policy.Id)];

    /// <summary>Reads a text. Takes time in proportion to its length, whatever is in it.</summary>
    /// <exception cref="PolicySyntaxException">It is not a text of the language. Each error says where, what was found, what may stand there, and the cure.</exception>
    public static PolicyText Parse(string text)
    {
        var (policies, errors) = new PolicyParser(text).Read();
        return errors.Count == 0 ? new PolicyText(text, policies) : throw new PolicySyntaxException(errors);
    }

    /// <summary>The same text with policies that are watched.</summary>
    internal PolicyText With(IReadOnlyList<Policy> policies) => new(Text, policies);

    public static string HashOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>Line and column of a place in a text, both from 1.</summary>
    internal static (int Line, int Column) Place(string text, int at)
    {
        var line = 1 + text.AsSpan(0, at).Count('\n');
        return (line, at - text.LastIndexOf('\n', Math.Max(0, at - 1), Math.Max(0, at)));
    }
}
