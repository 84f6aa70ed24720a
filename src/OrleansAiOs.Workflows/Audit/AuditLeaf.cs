using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>
/// What the audit trail keeps of an event: SHA-256 over all that identifies it and all that it says.
/// <code>
/// 00 | length of tenant (2 bytes) | tenant | length of stream (2) | stream | version (8) | event id (16) | length of type (2) | type
///    | microseconds since 2000-01-01 UTC (8) | the body in its form (AuditForm) | where the store has a binary body: 00 and that
/// </code>
/// Numbers are big-endian, texts UTF-8. The tag names the stream in four bytes (FNV-1a over tenant, 00, stream): by it, and the list of
/// streams that began, a stream is named of which nothing is left.
/// </summary>
internal static class AuditLeaf
{
    public const int Bytes = SHA256.HashSizeInBytes;

    private const long EpochTicks = 630_822_816_000_000_000; // 2000-01-01, where the database's clock begins

    public static void Write(string tenant, string stream, long version, Guid id, string type, DateTimeOffset at, ReadOnlySpan<byte> body, ReadOnlySpan<byte> binary, Span<byte> leaf)
    {
        var buffer = AuditBuffer.Emptied();
        WriteForm(buffer, tenant, stream, version, id, type, at, body, binary);
        buffer.Hash(leaf);
    }

    /// <summary>Writes what is hashed behind what the buffer holds.</summary>
    private static void WriteForm(AuditBuffer buffer, string tenant, string stream, long version, Guid id, string type, DateTimeOffset at, ReadOnlySpan<byte> body, ReadOnlySpan<byte> binary)
    {
        WriteStream(buffer, tenant, stream);
        WriteEvent(buffer, version, id, type, at, body, binary);
    }

    private static void WriteStream(AuditBuffer buffer, string tenant, string stream)
    {
        buffer.Add(0);
        Text(buffer, tenant);
        Text(buffer, stream);
    }

    private static void WriteEvent(AuditBuffer buffer, long version, Guid id, string type, DateTimeOffset at, ReadOnlySpan<byte> body, ReadOnlySpan<byte> binary)
    {
        var room = buffer.Room(24);
        BinaryPrimitives.WriteInt64BigEndian(room, version);
        id.TryWriteBytes(room[8..], bigEndian: true, out _);
        buffer.Take(24);
        Text(buffer, type);
        BinaryPrimitives.WriteInt64BigEndian(buffer.Room(8), Micros(at));
        buffer.Take(8);
        AuditForm.Write(body, buffer);
        if (binary.IsEmpty) return;
        buffer.Add(0);
        buffer.Add(binary);
    }

    /// <summary>Writes what the leaves of an append's events are hashed from behind what the buffer holds, each padded to whole blocks.</summary>
    /// <param name="replaced">Bodies that are stored in place of the events' own; null where there are none.</param>
    /// <param name="messages">Where each stands.</param>
    /// <exception cref="FormatException">A body is no JSON, or none that a database takes.</exception>
    public static void WriteForms(AuditBuffer buffer, RunAppend append, byte[]?[]? replaced, Span<PaddedMessage> messages)
    {
        var (first, same) = (buffer.Length, 0); // what each begins with
        for (var i = 0; i < messages.Length; i++)
        {
            var (e, start) = (append.Events[i], buffer.Length);
            if (i > 0) buffer.Repeat(first, same);
            else
            {
                WriteStream(buffer, append.Run.Tenant, append.Run.Stream);
                same = buffer.Length - first;
            }
            WriteEvent(buffer, append.Expected + i + 1, e.Id, e.Type, e.At, replaced?[i] ?? e.Body, []);
            messages[i] = new PaddedMessage(start, buffer.Length - start);
            buffer.Pad(start);
        }
    }

    /// <summary>As the database keeps it: cut off, not rounded.</summary>
    public static long Micros(DateTimeOffset at) => (at.UtcTicks - EpochTicks) / TimeSpan.TicksPerMicrosecond;

    public static uint Tag(string tenant, string stream)
    {
        var hash = 2_166_136_261u;
        foreach (var c in tenant) hash = Mix(hash, c);
        hash = Mix(hash, '\0');
        foreach (var c in stream) hash = Mix(hash, c);
        return hash;

        // Ids are ASCII almost always; beyond that each UTF-16 unit counts as two bytes.
        static uint Mix(uint hash, char c) => c < 0x100 ? (hash ^ c) * 16_777_619u : (((hash ^ (byte)c) * 16_777_619u) ^ (uint)(c >> 8)) * 16_777_619u;
    }

    private static void Text(AuditBuffer buffer, string text)
    {
        var room = buffer.Room(2 + 3 * text.Length);
        var written = Encoding.UTF8.GetBytes(text, room[2..]);
        BinaryPrimitives.WriteUInt16BigEndian(room, checked((ushort)written));
        buffer.Take(2 + written);
    }
}
