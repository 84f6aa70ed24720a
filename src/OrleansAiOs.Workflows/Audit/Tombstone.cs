using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>
/// What a purge leaves behind of a stream: who deleted it, when and why, signed by the host, and the leaves of its events, so that the
/// batches they were in can still be verified. Nothing of what the events said can be had from it.
/// </summary>
/// <param name="Events">How many events it had.</param>
/// <param name="Chain">The chain over its leaves: SHA-256 over the chain so far (32 zeros at first) and the next leaf, event by event.</param>
/// <param name="Leaves">SHA-256 over <see cref="Places"/>.</param>
/// <param name="Why">The rule or the command it was deleted by.</param>
internal sealed record Tombstone(string Tenant, string Stream, long Events, string Chain, string Leaves, string Why, DateTimeOffset At, string Key, byte[] Signature)
{
    public const int PlaceBytes = sizeof(long) + AuditLeaf.Bytes;

    /// <summary>The signed line and the leaves of a stream that is about to be deleted.</summary>
    /// <param name="events">Number in the database's sequence, and leaf, in the order of the versions.</param>
    public static (string Line, byte[] Places) Write(string tenant, string stream, IReadOnlyList<(long Seq, byte[] Leaf)> events, string why, DateTimeOffset at, AuditKey key)
    {
        var places = new byte[events.Count * PlaceBytes];
        for (var i = 0; i < events.Count; i++)
        {
            BinaryPrimitives.WriteInt64BigEndian(places.AsSpan(i * PlaceBytes), events[i].Seq);
            events[i].Leaf.CopyTo(places.AsSpan(i * PlaceBytes + sizeof(long)));
        }
        var stone = new Tombstone(tenant, stream, events.Count, ChainOf(events.Select(e => e.Leaf)), Convert.ToHexStringLower(SHA256.HashData(places)), why, at, key.Public, []);
        return (SignedLine.Write(stone.Members, key), places);
    }

    /// <summary>Reads a line; null if it is none, or not in the form it was signed in.</summary>
    public static Tombstone? Read(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            var of = json.RootElement;
            var stone = new Tombstone(of.GetProperty("tenant").GetString()!, of.GetProperty("stream").GetString()!, of.GetProperty("events").GetInt64(), of.GetProperty("chain").GetString()!,
                of.GetProperty("leaves").GetString()!, of.GetProperty("why").GetString()!, of.GetProperty("at").GetDateTimeOffset(), of.GetProperty("key").GetString()!, of.GetProperty("signature").GetBytesFromBase64());
            return SignedLine.Rewrite(stone.Members, stone.Key, stone.Signature) == line ? stone : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Signed by the key it names, and these are its leaves.</summary>
    public bool Verifies(byte[] places) =>
        places.Length == Events * PlaceBytes && Convert.ToHexStringLower(SHA256.HashData(places)) == Leaves && ChainOf(Places(places).Select(place => place.Leaf)) == Chain
        && SignedLine.Verifies(Members, Key, Signature);

    public static IEnumerable<(long Seq, byte[] Leaf)> Places(byte[] places)
    {
        for (var at = 0; at + PlaceBytes <= places.Length; at += PlaceBytes)
            yield return (BinaryPrimitives.ReadInt64BigEndian(places.AsSpan(at)), places.AsSpan(at + sizeof(long), AuditLeaf.Bytes).ToArray());
    }

    /// <summary>The chain of a stream over its leaves, in the order of its versions.</summary>
    public static string ChainOf(IEnumerable<byte[]> leaves)
    {
        var link = new byte[2 * AuditLeaf.Bytes];
        foreach (var leaf in leaves)
        {
            leaf.CopyTo(link, AuditLeaf.Bytes);
            SHA256.HashData(link, link.AsSpan(0, AuditLeaf.Bytes));
        }
        return Convert.ToHexStringLower(link.AsSpan(0, AuditLeaf.Bytes));
    }

    private void Members(Utf8JsonWriter line)
    {
        line.WriteString("line", "purge");
        line.WriteString("tenant", Tenant);
        line.WriteString("stream", Stream);
        line.WriteNumber("events", Events);
        line.WriteString("chain", Chain);
        line.WriteString("leaves", Leaves);
        line.WriteString("why", Why);
        line.WriteString("at", At);
    }
}
