using System.CommandLine;
using System.Globalization;
using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace OrleansAiOs.Host.Cli;

/// <summary>
/// Where words go: data to stdout, the rest to stderr. Whatever comes from a host is shown, never obeyed: a terminal's control
/// characters are made visible, and nothing is read as Spectre's markup.
/// </summary>
internal sealed class Terminal
{
    // A file has no width: nothing is wrapped or cut there.
    private const int WidthOfFiles = 100_000;

    private readonly TextWriter output;
    private readonly TextWriter error;

    private Terminal(TextWriter output, TextWriter error, bool isScreen) => (this.output, this.error, IsScreen) = (output, error, isScreen);

    /// <summary>A person is looking, not a file or a pipe.</summary>
    public bool IsScreen { get; }

    /// <summary>Characters in a line.</summary>
    public int Width => IsScreen ? Console.WindowWidth : WidthOfFiles;

    public static Terminal For(InvocationConfiguration invocation) =>
        new(invocation.Output, invocation.Error, ReferenceEquals(invocation.Output, Console.Out) && !Console.IsOutputRedirected);

    /// <summary>The host's answer, as it came.</summary>
    public void Json(string json) => output.WriteLine(EscapeInJson(json));

    /// <summary>A line of data.</summary>
    public void Line(string text) => output.WriteLine(Shown(text));

    /// <summary>A line of data that speaks of good or bad.</summary>
    public void Line(string text, Style style) => Write(new Text(Shown(text) + Environment.NewLine, style));

    /// <summary>A line about what was done; not data.</summary>
    public void Note(string text) => error.WriteLine(Shown(text));

    public void Problem(string title, string? detail = null)
    {
        foreach (var line in Lines(title)) error.WriteLine(line);
        if (detail is null) return;
        foreach (var line in Lines(detail)) error.WriteLine($"  {line}");
    }

    public void Table(IEnumerable<string> columns, IEnumerable<IEnumerable<Cell>> rows)
    {
        var table = new Table { Border = IsScreen ? TableBorder.Simple : TableBorder.None };
        foreach (var column in columns) table.AddColumn(new TableColumn(new Text(column, new Style(decoration: Decoration.Bold))));
        // What stands first names the row, and is copied from the screen: it stays in one piece.
        table.Columns[0].NoWrap = true;
        foreach (var row in rows) table.AddRow(row.Select(cell => new Text(Shown(cell.Text), cell.Style)));
        Write(table);
    }

    private void Write(IRenderable what)
    {
        if (IsScreen)
        {
            AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Interactive = InteractionSupport.No }).Write(what);
            return;
        }
        var plain = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(plain), Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
        console.Profile.Width = WidthOfFiles;
        console.Write(what);
        foreach (var line in plain.ToString().TrimEnd('\r', '\n').Split('\n')) output.WriteLine(line.TrimEnd());
    }

    /// <summary>The text with everything visible that a terminal would obey: controls, and marks that turn the direction of writing.</summary>
    public static string Shown(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\0', '\u001f') && !text.EnumerateRunes().Any(IsHidden)) return text;
        var shown = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            // Unicode has a picture for each of the old controls.
            if (rune.Value < 0x20) shown.Append((char)(0x2400 + rune.Value));
            else if (IsHidden(rune)) shown.Append(CultureInfo.InvariantCulture, $"<U+{rune.Value:X4}>");
            else shown.Append(rune);
        }
        return shown.ToString();
    }

    /// <summary>A text of several lines, each shown.</summary>
    public static IEnumerable<string> Lines(string text) => text.ReplaceLineEndings("\n").Split('\n').Select(Shown);

    private static bool IsHidden(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    // Inside JSON these stand only in texts, where the escape means the same.
    private static string EscapeInJson(string json)
    {
        if (!json.EnumerateRunes().Any(rune => rune.Value > 0x7e && IsHidden(rune))) return json;
        var escaped = new StringBuilder(json.Length + 16);
        foreach (var rune in json.EnumerateRunes())
        {
            if (rune.Value > 0x7e && IsHidden(rune))
                foreach (var unit in rune.ToString()) escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}");
            else escaped.Append(rune);
        }
        return escaped.ToString();
    }
}

/// <summary>A table's cell.</summary>
internal readonly record struct Cell(string Text, Style? Style = null)
{
    public static implicit operator Cell(string? text) => new(text ?? "");
}
