using System.Globalization;

namespace OrleansAiOs.Workflows.Schedules;

/// <summary>A span of time as people write it: 90s, 10m, 1h30m, 2d.</summary>
public static class SpanText
{
    /// <summary>Reads a span of whole units, largest first, each once: d, h, m, s.</summary>
    public static bool TryParse(string text, out TimeSpan span)
    {
        span = default;
        const string units = "dhms";
        var (seconds, from, number) = (0L, 0, 0);
        foreach (var c in text)
        {
            if (char.IsAsciiDigit(c))
            {
                if (++number > 9) return false;
                continue;
            }
            var unit = units.IndexOf(c, from);
            if (number == 0 || unit < 0) return false;
            var at = text.IndexOf(c, StringComparison.Ordinal);
            seconds += long.Parse(text.AsSpan(at - number, number), NumberStyles.None, CultureInfo.InvariantCulture) * unit switch { 0 => 86_400, 1 => 3_600, 2 => 60, _ => 1 };
            (from, number) = (unit + 1, 0);
        }
        if (number > 0 || text.Length == 0 || seconds > 100L * 366 * 86_400) return false;
        span = TimeSpan.FromSeconds(seconds);
        return true;
    }

    /// <summary>The shortest text that is read as this span, to the second.</summary>
    public static string Write(TimeSpan span)
    {
        var text = string.Concat(Part((int)span.TotalDays, 'd'), Part(span.Hours, 'h'), Part(span.Minutes, 'm'), Part(span.Seconds, 's'));
        return text.Length == 0 ? "0s" : text;

        static string Part(int number, char unit) => number == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{number}{unit}");
    }
}
