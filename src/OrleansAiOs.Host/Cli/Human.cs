using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace OrleansAiOs.Host.Cli;

/// <summary>Times, values and states in words.</summary>
internal static class Human
{
    private const int CellCharsMax = 100;

    private static readonly JsonSerializerOptions Indented = new(ApiClient.Json) { WriteIndented = true };

    public static string Time(DateTimeOffset? time) => time is { } moment ? moment.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) : "";

    public static string Span(TimeSpan span) => string.Create(CultureInfo.InvariantCulture, $"{span switch
    {
        { TotalMilliseconds: < 999.5 } => $"{Math.Max(0, span.TotalMilliseconds):0} ms",
        { TotalSeconds: < 59.95 } => $"{span.TotalSeconds:0.0} s",
        { TotalHours: < 1 } => $"{span.Minutes} min {span.Seconds} s",
        { TotalDays: < 1 } => $"{span.Hours} h {span.Minutes} min",
        _ => $"{span.Days} d {span.Hours} h",
    }}");

    /// <summary>A value on one line, cut to a cell.</summary>
    public static string Brief(JsonElement? value) => value is { } json ? Cut(json.GetRawText()) : "";

    public static string Full(JsonElement value) => JsonSerializer.Serialize(value, Indented);

    public static string Cut(string text) => text.Length <= CellCharsMax ? text : $"{text.AsSpan(0, CellCharsMax - 1)}…";

    public static string Failure(FailureDocument? failure) => failure is null ? "no reason recorded" : failure.Type is null ? failure.Message ?? "" : $"{failure.Type}: {failure.Message}";

    public static string Names(IEnumerable<string>? names) => string.Join(", ", names ?? []);

    public static Style StyleOf(string status) => status.ToLowerInvariant() switch
    {
        "completed" => new Style(Color.Green),
        "failed" or "parked" => new Style(Color.Red),
        "cancelled" or "terminated" or "paused" => new Style(Color.Yellow),
        _ => Style.Plain,
    };
}
