using System.Text;
using System.Text.Json;

namespace OrleansAiOs.Workflows.Payloads;

/// <summary>What stands in the event table in place of a body that is too large for it: {"$payload":"SHA-256"}.</summary>
internal static class LargeBody
{
    /// <summary>So long is what stands there.</summary>
    public const int Bytes = 79;

    public static byte[] Write(string sha256) => Encoding.UTF8.GetBytes($$"""{"$payload":"{{sha256}}"}""");

    /// <returns>The payload that holds the body; null if this is the body itself.</returns>
    public static string? Read(byte[] body)
    {
        if (body.Length is < 76 or > 84 || body.AsSpan().IndexOf("\"$payload\""u8) is < 0 or > 2) return null;
        using var document = JsonDocument.Parse(body);
        return document.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("$payload", out var sha256) && sha256.ValueKind is JsonValueKind.String ? sha256.GetString() : null;
    }
}
