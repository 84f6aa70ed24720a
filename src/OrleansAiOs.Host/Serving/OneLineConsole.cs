using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace OrleansAiOs.Host.Serving;

/// <summary>
/// The log on the console: one event, one line, whatever it holds. Names, reasons and messages come from strangers; what could end the
/// line, move the cursor or turn the reading direction is written as an escape.
/// </summary>
internal sealed class OneLineConsole() : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "one-line";

    private const int CharsMax = 16_000;

    public override void Write<TState>(in LogEntry<TState> entry, IExternalScopeProvider? scopes, TextWriter writer)
    {
        var text = $"{Shown(entry.LogLevel)}: {entry.Category}[{entry.EventId.Id}] {entry.Formatter(entry.State, entry.Exception)}";
        if (entry.Exception is not null) text = $"{text} {entry.Exception}";
        writer.Write(Escape(text));
        writer.Write('\n');
    }

    private static string Escape(string text)
    {
        var line = new StringBuilder(Math.Min(text.Length, CharsMax) + 16);
        for (var i = 0; i < text.Length; i++)
        {
            if (line.Length >= CharsMax) return line.Append(CultureInfo.InvariantCulture, $"… ({text.Length - i} characters more)").ToString();
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])) line.Append(text[i]).Append(text[++i]);
            else if (char.GetUnicodeCategory(text[i]) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate)
                line.Append(text[i] switch { '\n' => "\\n", '\r' => "\\r", '\t' => "\\t", var c => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}") });
            else line.Append(text[i]);
        }
        return line.ToString();
    }

    private static string Shown(LogLevel level) => level switch
    {
        LogLevel.Warning => "warn",
        LogLevel.Error => "fail",
        LogLevel.Critical => "crit",
        LogLevel.Information => "info",
        _ => "dbug",
    };
}

internal static class OneLineConsoleRegistration
{
    public static ILoggingBuilder AddOneLineConsole(this ILoggingBuilder logging) =>
        logging.AddConsole(console => console.FormatterName = OneLineConsole.FormatterName).AddConsoleFormatter<OneLineConsole, ConsoleFormatterOptions>();
}
