using System.Globalization;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Approvals;

/// <summary>
/// Arguments as a person reads them who is to sign: made by code from the bytes that would be sent, one line for each value. What the eye
/// does not see, or takes for something else, is written out: control and formatting characters, text that turns around, and letters of
/// other scripts in a word of Latin ones.
/// </summary>
public static class ArgumentText
{
    private const int LinesMax = 100;
    private const int TitleCharsMax = 160;

    /// <summary>Lines such as <c>payee.iban = "DE89…"</c>, in the order of the arguments.</summary>
    public static IReadOnlyList<string> Lines(JsonText arguments)
    {
        var lines = new List<string>();
        Walk("", arguments.ToElement(), lines);
        return lines.Count <= LinesMax ? lines : [.. lines.Take(LinesMax), $"… and {lines.Count - LinesMax} more; read the raw bytes"];
    }

    /// <summary>A tool and its arguments in one line.</summary>
    public static string Title(string tool, JsonText arguments)
    {
        var text = $"{tool}({string.Join(", ", Lines(arguments).Select(line => line.Trim()))})";
        return text.Length <= TitleCharsMax ? text : text[..(TitleCharsMax - 1)] + "…";
    }

    /// <summary>A text with everything visible that would mislead.</summary>
    public static string Show(string text)
    {
        var shown = new StringBuilder(text.Length);
        var latin = text.EnumerateRunes().Any(rune => rune.Value < 0x80 && Rune.IsLetter(rune));
        foreach (var rune in text.EnumerateRunes())
        {
            var hidden = Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse
                or UnicodeCategory.OtherNotAssigned or UnicodeCategory.Surrogate or UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark || Rune.IsWhiteSpace(rune) && rune.Value != ' ';
            // Latin letters beyond ASCII are what names are made of; another script in the same text is what forgeries are made of.
            var foreign = latin && rune.Value > 0x24F && Rune.IsLetterOrDigit(rune);
            if (rune.Value is '"' or '\\') shown.Append('\\').Append(rune.ToString());
            else if (hidden || foreign) shown.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:x}}}");
            else shown.Append(rune.ToString());
        }
        return shown.ToString();
    }

    private static void Walk(string path, JsonElement value, List<string> lines)
    {
        if (lines.Count > 10 * LinesMax) return; // counted so far; nobody reads on
        switch (value.ValueKind)
        {
            case JsonValueKind.Object when value.EnumerateObject().Any():
                foreach (var member in value.EnumerateObject()) Walk(path.Length == 0 ? Show(member.Name) : $"{path}.{Show(member.Name)}", member.Value, lines);
                break;
            case JsonValueKind.Array when value.GetArrayLength() > 0:
                var i = 0;
                foreach (var item in value.EnumerateArray()) Walk($"{path}[{i++}]", item, lines);
                break;
            default:
                // Spaces at an end are said by the quotes.
                var text = value.ValueKind is JsonValueKind.String ? $"\"{Show(value.GetString()!)}\"" : value.GetRawText();
                lines.Add(path.Length == 0 ? text : $"{path} = {text}");
                break;
        }
    }
}
