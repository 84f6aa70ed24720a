using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Webhooks.Inbound;

/// <summary>A delivery's body: strict JSON, and the places in it that its source names.</summary>
internal static class HookBody
{
    private const int BusinessKeyCharsMax = 200;

    /// <exception cref="JsonException">It is no JSON, or holds what is not taken from outside.</exception>
    public static JsonElement Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = WorkflowJson.Door.MaxDepth, AllowDuplicateProperties = false });
            _ = JsonText.From(document.RootElement); // what cannot be stored is refused here
            return document.RootElement.Clone();
        }
        catch (InvalidOperationException)
        {
            throw new JsonException("A text holds half a character (a lone surrogate).");
        }
    }

    /// <summary>What stands at a JSON pointer (RFC 6901); null if nothing does.</summary>
    public static JsonElement? At(JsonElement body, string? pointer)
    {
        if (pointer is null) return body;
        var at = body;
        foreach (var segment in pointer.Split('/')[1..])
        {
            var name = segment.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (at.ValueKind is JsonValueKind.Object && at.TryGetProperty(name, out var member)) at = member;
            else if (at.ValueKind is JsonValueKind.Array && int.TryParse(name, System.Globalization.NumberStyles.None, null, out var index) && index < at.GetArrayLength()) at = at[index];
            else return null;
        }
        return at;
    }

    /// <summary>A text or a number that can be a business key; null if it is none.</summary>
    public static string? KeyAt(JsonElement body, string pointer) => At(body, pointer) switch
    {
        { ValueKind: JsonValueKind.String } text when text.GetString() is { Length: > 0 and <= BusinessKeyCharsMax } key => key,
        { ValueKind: JsonValueKind.Number } number => number.GetRawText(),
        _ => null,
    };
}
