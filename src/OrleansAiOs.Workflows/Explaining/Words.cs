using System.Globalization;

namespace OrleansAiOs.Workflows.Explaining;

/// <summary>Times, counts and words of a command line.</summary>
internal static class Words
{
    public static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>A moment, and how far away it is.</summary>
    public static string Until(DateTimeOffset at, DateTimeOffset now) => at >= now ? $"{Time(at)} (in {Span(at - now)})" : $"{Time(at)} ({Span(now - at)} ago)";

    public static string Span(TimeSpan span) => span switch
    {
        { Ticks: < 0 } => Span(-span),
        { TotalSeconds: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0} ms"),
        { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0} s"),
        { TotalHours: < 1 } => $"{span.Minutes} min {span.Seconds} s",
        { TotalDays: < 1 } => $"{span.Hours} h {span.Minutes} min",
        _ => $"{span.Days} d {span.Hours} h",
    };

    public static string Count(int n, string one, string? many = null) => $"{n.ToString(CultureInfo.InvariantCulture)} {(n == 1 ? one : many ?? one + "s")}";

    /// <summary>A word for a POSIX shell.</summary>
    public static string Shell(string word) =>
        word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':' or '@' or '/') ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    /// <summary>Whether one name may be the other, mistyped: but for case and marks at most two letters apart, and fewer in short ones.</summary>
    public static bool LooksLike(string a, string b)
    {
        var (x, y) = (Plain(a), Plain(b));
        return x == y || Distance(x, y) <= Math.Min(2, Math.Min(x.Length, y.Length) / 3);
    }

    private static string Plain(string name) => string.Concat(name.Where(char.IsLetterOrDigit)).ToLowerInvariant();

    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var (diagonal, left) = (row[0], i);
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                left = Math.Min(Math.Min(row[j], left) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                (diagonal, row[j]) = (row[j], left);
            }
        }
        return row[^1];
    }
}
