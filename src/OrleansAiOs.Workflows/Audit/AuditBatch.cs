using System.Buffers.Binary;
using System.Text;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>How events came into the trail.</summary>
internal enum AuditKind
{
    /// <summary>The host that appended them said so in the same transaction.</summary>
    Appended = 0,

    /// <summary>No event: a purge, by the hash of its tombstone's line.</summary>
    Purge = 1,

    /// <summary>Found in the tables with no word from a host: somebody else wrote them.</summary>
    Foreign = 2,

    /// <summary>They were there when the trail began.</summary>
    Before = 3,
}

/// <summary>
/// What one transaction says to the audit trail of the events it appends: the root over their leaves, and what names them should one be
/// missing. One row for a whole flush.
/// <code>
/// detail, for each append: 2 × number of events, + 1 if the stream begins with it (varint) | tag of the stream (4)
///     | the first four bytes of each event's leaf | if it begins: length of tenant (varint) | tenant | length of stream (varint) | stream
/// </code>
/// </summary>
/// <param name="Root">Over the leaves of all events, also of appends that lose to another.</param>
/// <param name="Leaves">All of them, one behind the other. Kept only where one was lost: its leaf can be had from nowhere else.</param>
internal sealed record AuditBatch(byte[] Root, byte[] Detail, byte[] Leaves)
{
    public const int PrefixBytes = 4;

    /// <summary>Of a flush.</summary>
    public static AuditBatch Of(IReadOnlyList<AuditedForms> flush)
    {
        var count = 0;
        foreach (var forms in flush) count += forms.Messages.Length;
        var (messages, appends, leaves) = (new PaddedMessage[count], new AuditedAppend[flush.Count], new byte[count * AuditLeaf.Bytes]);
        var next = 0;
        for (var i = 0; i < appends.Length; i++)
        {
            appends[i] = flush[i].Append;
            flush[i].Messages.CopyTo(messages, next);
            next += flush[i].Messages.Length;
        }
        Sha256Lanes.Hash(messages, leaves);
        return Of(appends, leaves);
    }

    /// <param name="appends">What is appended.</param>
    /// <param name="leaves">Of all their events, in order.</param>
    public static AuditBatch Of(IReadOnlyList<AuditedAppend> appends, byte[] leaves)
    {
        // Rows and wake-ups change without events, too; then there is nothing to say, and the statement says nothing.
        if (leaves.Length == 0) return new AuditBatch([], [], leaves);
        var names = 0;
        foreach (var append in appends)
            if (append.Begins) names += 3 * (append.Tenant.Length + append.Stream.Length) + 10;
        var detail = new byte[appends.Count * 9 + leaves.Length / AuditLeaf.Bytes * PrefixBytes + names];
        var (at, leaf) = (0, 0);
        foreach (var append in appends)
        {
            if (append.Events == 0) continue;
            at += Varint.Write(detail.AsSpan(at), (ulong)(2 * append.Events + (append.Begins ? 1 : 0)));
            BinaryPrimitives.WriteUInt32BigEndian(detail.AsSpan(at), AuditLeaf.Tag(append.Tenant, append.Stream));
            at += sizeof(uint);
            for (var i = 0; i < append.Events; i++, leaf += AuditLeaf.Bytes, at += PrefixBytes) leaves.AsSpan(leaf, PrefixBytes).CopyTo(detail.AsSpan(at));
            if (!append.Begins) continue;
            at += Text(detail.AsSpan(at), append.Tenant);
            at += Text(detail.AsSpan(at), append.Stream);
        }
        return new AuditBatch(AuditTree.Root(leaves.AsSpan().ToArray()), detail.AsSpan(0, at).ToArray(), leaves);
    }

    /// <exception cref="FormatException">These are not the bytes of a detail.</exception>
    public static List<AuditedDetail> Read(ReadOnlySpan<byte> detail)
    {
        var appends = new List<AuditedDetail>();
        while (!detail.IsEmpty)
        {
            var head = Varint.Read(ref detail);
            var events = head / 2;
            if (events == 0 || events > (ulong)detail.Length || detail.Length < sizeof(uint) + (int)events * PrefixBytes) throw new FormatException("An append of the batch is cut short.");
            var tag = BinaryPrimitives.ReadUInt32BigEndian(detail);
            var prefixes = detail.Slice(sizeof(uint), (int)events * PrefixBytes).ToArray();
            detail = detail[(sizeof(uint) + prefixes.Length)..];
            var (tenant, stream) = head % 2 == 0 ? (null, null) : (Text(ref detail), Text(ref detail));
            appends.Add(new AuditedDetail((int)events, tag, prefixes, tenant, stream));
        }
        return appends;
    }

    private static int Text(Span<byte> to, string text)
    {
        var bytes = Encoding.UTF8.GetByteCount(text);
        var at = Varint.Write(to, (ulong)bytes);
        return at + Encoding.UTF8.GetBytes(text, to[at..]);
    }

    private static string Text(ref ReadOnlySpan<byte> from)
    {
        var bytes = Varint.Read(ref from);
        if (bytes > (ulong)from.Length) throw new FormatException("A name in the batch is cut short.");
        var text = Encoding.UTF8.GetString(from[..(int)bytes]);
        from = from[(int)bytes..];
        return text;
    }
}

/// <summary>An append as the trail sees it.</summary>
internal readonly record struct AuditedAppend(string Tenant, string Stream, bool Begins, int Events);

/// <summary>What a batch says of one append, to name it by. Tenant and stream where it began a stream.</summary>
internal readonly record struct AuditedDetail(int Events, uint Tag, byte[] Prefixes, string? Tenant, string? Stream);

/// <summary>Numbers in as many bytes as they need: seven bits a byte, the lowest first.</summary>
internal static class Varint
{
    public static int Write(Span<byte> to, ulong value)
    {
        var at = 0;
        for (; value >= 0x80; value >>= 7) to[at++] = (byte)(value | 0x80);
        to[at++] = (byte)value;
        return at;
    }

    /// <exception cref="FormatException">There is no number.</exception>
    public static ulong Read(ref ReadOnlySpan<byte> from)
    {
        var value = 0ul;
        for (var i = 0; i < from.Length && i < 10; i++)
        {
            value |= (ulong)(from[i] & 0x7f) << (7 * i);
            if (from[i] >= 0x80) continue;
            from = from[(i + 1)..];
            return value;
        }
        throw new FormatException("A number is cut short.");
    }
}
