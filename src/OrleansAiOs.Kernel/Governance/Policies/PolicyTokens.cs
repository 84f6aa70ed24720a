using System.Globalization;
using System.Text;

namespace OrleansAiOs.Kernel.Governance.Policies;

internal enum PolicyTokenKind : byte
{
    Name,
    Number,
    String,
    Sign,
    End,
}

/// <summary>A word of a text. <paramref name="Raw"/> is what stands there; a string's is without its quotes, its escapes still in it.</summary>
internal readonly record struct PolicyToken(PolicyTokenKind Kind, int At, int End, string Raw)
{
    public bool Is(string sign) => Kind is PolicyTokenKind.Sign && Raw == sign;

    public bool IsWord(string word) => Kind is PolicyTokenKind.Name && Raw == word;

    public override string ToString() => Kind switch
    {
        PolicyTokenKind.End => "the end of the text",
        PolicyTokenKind.String => $"the string \"{(Raw.Length <= 40 ? Raw : $"{Raw[..40]}…")}\"",
        PolicyTokenKind.Number => $"the number {(Raw.Length <= 40 ? Raw : $"{Raw[..40]}…")}",
        _ => $"'{(Raw.Length <= 60 ? Raw : $"{Raw[..60]}…")}'",
    };
}

/// <summary>Cuts a text into words, as Cedar does; strings may not run over a line's end.</summary>
internal static class PolicyTokens
{
    private static readonly string[] Signs = ["::", "==", "!=", "<=", ">=", "&&", "||", "@", ".", ",", ";", ":", "(", ")", "{", "}", "[", "]", "<", ">", "+", "-", "*", "!", "?", "=", "/", "%", "&", "|"];

    /// <summary>Characters that show a reader another text than the one that is read (CVE-2021-42574).</summary>
    public static bool TurnsText(int c) => c is (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069);

    /// <exception cref="PolicyUnreadableException">Something that is no word.</exception>
    public static PolicyToken Next(string text, int at)
    {
        at = SkipBlanks(text, at);
        if (at == text.Length) return new PolicyToken(PolicyTokenKind.End, at, at, "");
        var c = text[at];
        if (c == '"') return String(text, at);
        if (char.IsAsciiLetter(c) || c == '_') return Run(PolicyTokenKind.Name, text, at, static c => char.IsAsciiLetterOrDigit(c) || c == '_');
        if (char.IsAsciiDigit(c)) return Run(PolicyTokenKind.Number, text, at, char.IsAsciiDigit);
        foreach (var sign in Signs)
            if (string.CompareOrdinal(text, at, sign, 0, sign.Length) == 0) return new PolicyToken(PolicyTokenKind.Sign, at, at + sign.Length, sign);
        throw new PolicyUnreadableException(at, Describe(text, at), "a word of the language", c switch
        {
            '\'' => "Strings stand in double quotes: \"…\".",
            '#' => "A comment begins with //.",
            '“' or '”' => "Use the plain double quote \".",
            _ => "Outside of strings and comments only plain letters, digits and the signs of the language may stand.",
        });
    }

    private static int SkipBlanks(string text, int at)
    {
        while (at < text.Length)
        {
            if (char.IsWhiteSpace(text[at])) at++;
            else if (text[at] == '/' && at + 1 < text.Length && text[at + 1] == '/')
            {
                for (; at < text.Length && text[at] is not ('\n' or '\r'); at++) RefuseHidden(text, at);
            }
            else break;
        }
        return at;
    }

    private static PolicyToken Run(PolicyTokenKind kind, string text, int at, Func<char, bool> belongs)
    {
        var end = at;
        while (end < text.Length && belongs(text[end])) end++;
        return new PolicyToken(kind, at, end, text[at..end]);
    }

    private static PolicyToken String(string text, int at)
    {
        for (var i = at + 1; i < text.Length; i++)
        {
            RefuseHidden(text, i);
            if (text[i] is '\n' or '\r') break;
            if (text[i] == '\\') i++;
            else if (text[i] == '"')
            {
                if (i - at - 1 > PolicyLimits.LiteralCharsMax)
                    throw new PolicyUnreadableException(at, $"a string of {i - at - 1} characters", $"at most {PolicyLimits.LiteralCharsMax}", "Shorten it.");
                return new PolicyToken(PolicyTokenKind.String, at, i + 1, text[(at + 1)..i]);
            }
        }
        throw new PolicyUnreadableException(at, "a string without an end", "a closing \" on the same line", "Close it with \"; a line's end in a string is written \\n, a quote \\\".");
    }

    private static void RefuseHidden(string text, int at)
    {
        var c = text[at];
        if (TurnsText(c))
            throw new PolicyUnreadableException(at, $"the character U+{(int)c:X4}, which turns the direction of the text", "text that is read as it is shown", $"Remove it; in a string write \\u{{{(int)c:x}}}.");
        if (char.IsControl(c) && c is not ('\t' or '\n' or '\r'))
            throw new PolicyUnreadableException(at, $"the control character U+{(int)c:X4}", "text that can be seen", $"Remove it; in a string write \\u{{{(int)c:x}}}.");
        if (char.IsSurrogate(c) && !(char.IsHighSurrogate(c) ? at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]) : at > 0 && char.IsHighSurrogate(text[at - 1])))
            throw new PolicyUnreadableException(at, "half a character (a lone surrogate)", "valid Unicode", "Save the text as UTF-8.");
    }

    private static string Describe(string text, int at)
    {
        var c = text[at];
        return char.IsControl(c) || char.IsSurrogate(c) || TurnsText(c) ? $"the character U+{(int)c:X4}" : $"'{c}'";
    }

    /// <summary>
    /// The text that a string stands for. Escapes are Cedar's: <c>\" \' \\ \n \r \t \0 \x41 \u{1f600}</c>. For a pattern, the parts between
    /// its wildcards; there <c>\*</c> is an asterisk.
    /// </summary>
    /// <exception cref="PolicyUnreadableException">An escape that there is not.</exception>
    public static List<string> Unescape(PolicyToken token, bool pattern)
    {
        var raw = token.Raw;
        var parts = new List<string>();
        var part = new StringBuilder();
        for (var i = 0; i < raw.Length; i++)
        {
            if (pattern && raw[i] == '*')
            {
                // Two wildcards side by side are one.
                if (parts.Count == 0 || part.Length > 0) Cut(parts, part);
            }
            else if (raw[i] != '\\') part.Append(raw[i]);
            else
            {
                i++;
                if (pattern && raw[i] == '*') part.Append('*');
                else if ("\"'\\nrt0".IndexOf(raw[i]) is >= 0 and var simple) part.Append("\"'\\\n\r\t\0"[simple]);
                else if (raw[i] == 'x' && i + 2 < raw.Length && TryHex(raw.AsSpan(i + 1, 2), 0x7F, out var ascii))
                {
                    part.Append((char)ascii);
                    i += 2;
                }
                else if (raw[i] == 'u' && i + 1 < raw.Length && raw[i + 1] == '{' && raw.IndexOf('}', i) is > 0 and var close && close - i - 2 is >= 1 and <= 6
                    && TryHex(raw.AsSpan((i + 2)..close), 0x10FFFF, out var rune) && Rune.IsValid(rune))
                {
                    part.Append(new Rune(rune).ToString());
                    i = close;
                }
                else
                {
                    throw new PolicyUnreadableException(token.At + i, $"a backslash before {Describe(raw, i)}", "an escape of the language",
                        $"There are \\\" \\' \\\\ \\n \\r \\t \\0, \\x41 up to \\x7f, and \\u{{1f600}}{(pattern ? ", and \\* for an asterisk" : "")}.");
                }
            }
        }
        parts.Add(part.ToString());
        return parts;
    }

    private static void Cut(List<string> parts, StringBuilder part)
    {
        parts.Add(part.ToString());
        part.Clear();
    }

    private static bool TryHex(ReadOnlySpan<char> digits, int max, out int value) =>
        int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value) && value <= max && value >= 0;
}
