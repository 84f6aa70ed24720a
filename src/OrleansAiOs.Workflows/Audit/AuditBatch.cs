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
/// <param name="Root">Over the leaves of all events, also of appends that lose to another. Empty where nothing but rows and wake-ups changes: there is nothing to say then.</param>
/// <param name="Leaves">All of them, one behind the other. Kept only where one was lost: its leaf can be had from nowhere else.</param>
internal readonly record struct AuditBatch(ReadOnlyMemory<byte> Root, ReadOnlyMemory<byte> Detail, ReadOnlyMemory<byte> Leaves)
{
    public const int PrefixBytes = 4;

    /// <param name="appends">What is appended.</param>
    /// <param name="leaves">Of all their events, in order.</param>
    public static AuditBatch Of(IReadOnlyList<AuditedAppend> appends, byte[] leaves)
    {
        if (leaves.Length == 0) return default;
        var detail = new byte[appends.Sum(DetailMax)];
        var (at, leaf) = (0, 0);
        foreach (var append in appends)
        {
            at += WriteDetail(append, leaves.AsSpan(leaf), detail.AsSpan(at));
            leaf += append.Events * AuditLeaf.Bytes;
        }
        return new AuditBatch(AuditTree.Root(leaves.AsSpan().ToArray()), detail.AsMemory(0, at), leaves);
    }

    /// <summary>How many bytes the detail has at most of an append.</summary>
    public static int DetailMax(AuditedAppend append) => 9 + append.Events * PrefixBytes + (append.Begins ? 3 * (append.Tenant.Length + append.Stream.Length) + 10 : 0);

    /// <summary>Writes what the detail says of an append.</summary>
    /// <param name="leaves">Beginning with its own.</param>
    /// <returns>How many bytes that are.</returns>
    public static int WriteDetail(in AuditedAppend append, ReadOnlySpan<byte> leaves, Span<byte> detail)
    {
        if (append.Events == 0) return 0;
        var at = Varint.Write(detail, (ulong)(2 * append.Events + (append.Begins ? 1 : 0)));
        BinaryPrimitives.WriteUInt32BigEndian(detail[at..], AuditLeaf.Tag(append.Tenant, append.Stream));
        at += sizeof(uint);
        for (var i = 0; i < append.Events; i++, at += PrefixBytes) leaves.Slice(i * AuditLeaf.Bytes, PrefixBytes).CopyTo(detail[at..]);
        if (!append.Begins) return at;
        at += Text(detail[at..], append.Tenant);
        return at + Text(detail[at..], append.Stream);
    }

    /// <summary>How many events a detail names; reads all of it, and keeps nothing.</summary>
    /// <exception cref="FormatException">These are not the bytes of a detail.</exception>
    public static long Count(ReadOnlySpan<byte> detail)
    {
        var count = 0L;
        while (!detail.IsEmpty)
        {
            var (events, begins) = Head(ref detail);
            count += events;
            detail = detail[(sizeof(uint) + events * PrefixBytes)..];
            for (var names = begins ? 2 : 0; names > 0; names--) Name(ref detail);
        }
        return count;
    }

    /// <exception cref="FormatException">These are not the bytes of a detail.</exception>
    public static List<AuditedDetail> Read(ReadOnlySpan<byte> detail)
    {
        var appends = new List<AuditedDetail>();
        while (!detail.IsEmpty)
        {
            var (events, begins) = Head(ref detail);
            var tag = BinaryPrimitives.ReadUInt32BigEndian(detail);
            var prefixes = detail.Slice(sizeof(uint), events * PrefixBytes).ToArray();
            detail = detail[(sizeof(uint) + prefixes.Length)..];
            var (tenant, stream) = begins ? (Encoding.UTF8.GetString(Name(ref detail)), Encoding.UTF8.GetString(Name(ref detail))) : (null, null);
            appends.Add(new AuditedDetail(events, tag, prefixes, tenant, stream));
        }
        return appends;
    }

    private static int Text(Span<byte> to, string text)
    {
        var bytes = Encoding.UTF8.GetByteCount(text);
        var at = Varint.Write(to, (ulong)bytes);
        return at + Encoding.UTF8.GetBytes(text, to[at..]);
    }

    private static (int Events, bool Begins) Head(ref ReadOnlySpan<byte> from)
    {
        var head = Varint.Read(ref from);
        var events = head / 2;
        if (events == 0 || events > (ulong)from.Length || from.Length < sizeof(uint) + (int)events * PrefixBytes) throw new FormatException("An append of the batch is cut short.");
        return ((int)events, head % 2 != 0);
    }

    private static ReadOnlySpan<byte> Name(ref ReadOnlySpan<byte> from)
    {
        var bytes = Varint.Read(ref from);
        if (bytes > (ulong)from.Length) throw new FormatException("A name in the batch is cut short.");
        var name = from[..(int)bytes];
        from = from[(int)bytes..];
        return name;
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
