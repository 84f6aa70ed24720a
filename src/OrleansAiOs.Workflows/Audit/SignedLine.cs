using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>
/// One line of JSON that carries its signature: the last two members are "key" and "signature", and what is signed is the line up to
/// "key" with its value, closed by a brace. A line has one form only: each reader writes anew what it has read, and takes no other bytes.
/// </summary>
internal static class SignedLine
{
    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.Default };

    public static string Write(Action<Utf8JsonWriter> members, AuditKey key)
    {
        var signed = Unsigned(members, key.Public);
        return Close(signed, key.Sign(signed));
    }

    /// <summary>The same line from its parts: what a reader compares the bytes it was given with.</summary>
    public static string Rewrite(Action<Utf8JsonWriter> members, string publicKey, byte[] signature) => Close(Unsigned(members, publicKey), signature);

    public static bool Verifies(Action<Utf8JsonWriter> members, string publicKey, byte[] signature) => AuditKey.Verifies(publicKey, Unsigned(members, publicKey), signature);

    private static byte[] Unsigned(Action<Utf8JsonWriter> members, string publicKey)
    {
        ArgumentNullException.ThrowIfNull(publicKey); // a reader may have been given "key":null
        var buffer = new ArrayBufferWriter<byte>();
        using var writer = new Utf8JsonWriter(buffer, Json);
        writer.WriteStartObject();
        members(writer);
        writer.WriteString("key", publicKey);
        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static string Close(byte[] unsigned, byte[] signature) => $"{Encoding.UTF8.GetString(unsigned.AsSpan(0, unsigned.Length - 1))},\"signature\":\"{Convert.ToBase64String(signature)}\"}}";
}
