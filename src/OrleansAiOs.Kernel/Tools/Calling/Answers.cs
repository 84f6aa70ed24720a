using System.Text;
using System.Text.Json;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Schemas;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tools.Calling;

/// <summary>
/// What comes back from outside becomes a result here: parsed strictly, held against what the tool promises, and labelled. An answer that
/// cannot be kept is a result all the same: the call has happened.
/// </summary>
internal static class Answers
{
    public const int BytesMax = 1024 * 1024;

    // Some levels are the result's own, and those of whoever carries it.
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 24, AllowDuplicateProperties = false };

    public static ToolResult Of(ToolState tool, byte[] body, string? contentType)
    {
        if (body.Length == 0) return Result(tool, null);
        var type = contentType?.Split(';')[0].Trim().ToLowerInvariant() ?? "application/json";
        if (type is "application/json" || type.EndsWith("+json", StringComparison.Ordinal)) return OfJson(tool, body);
        if (!type.StartsWith("text/", StringComparison.Ordinal)) return Unkept(tool, $"{body.Length:N0} bytes of {Visible(type, 100)} are not kept: a tool answers with JSON or text.");
        try
        {
            return OfJson(tool, JsonSerializer.SerializeToUtf8Bytes(new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(body)));
        }
        catch (DecoderFallbackException)
        {
            return Unkept(tool, "The text is not kept: it is not in UTF-8.");
        }
    }

    public static ToolResult OfJson(ToolState tool, byte[] json, bool isError = false)
    {
        if (json.Length > BytesMax) return TooLarge(tool);
        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            var content = document.RootElement.Clone();
            _ = JsonText.Parse(content.GetRawText());
            var broken = !isError && tool.Definition.OutputSchema is { } promised ? ToolSchema.Read(promised).Objection(content) : null;
            return Result(tool, content) with { IsError = isError || broken is not null, Note = broken is null ? null : $"It is not what the tool promises: {broken}" };
        }
        catch (Exception e) when (e is JsonException or SchemaException)
        {
            return Unkept(tool, $"The answer is not kept: {Visible(e.Message, 500)}");
        }
    }

    public static ToolResult TooLarge(ToolState tool) => Unkept(tool, $"The answer is not kept: it has more than {BytesMax / 1024 / 1024} MB.");

    /// <summary>Text from outside, fit to stand in a message: no line breaks, no control characters, not long.</summary>
    public static string Visible(string text, int charsMax)
    {
        var visible = new StringBuilder(Math.Min(text.Length, charsMax));
        foreach (var rune in text.EnumerateRunes())
        {
            if (visible.Length >= charsMax) return visible.Append('…').ToString();
            if (Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.Control or System.Globalization.UnicodeCategory.Format or System.Globalization.UnicodeCategory.LineSeparator
                or System.Globalization.UnicodeCategory.ParagraphSeparator or System.Globalization.UnicodeCategory.PrivateUse) visible.Append(rune.Value is '\n' or '\t' or '\r' ? " " : $"<U+{rune.Value:X4}>");
            else visible.Append(rune.ToString());
        }
        return visible.ToString();
    }

    private static ToolResult Unkept(ToolState tool, string note) => Result(tool, null) with { IsError = true, Note = note };

    private static ToolResult Result(ToolState tool, JsonElement? content) => new(content, false, tool.Definition.Kind is not ToolKind.Code, $"{tool.Definition.Id}@{tool.Pin[..12]}");
}
