using System.Buffers.Binary;
using System.Security.Cryptography;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>
/// The unit of the log: some batches in an order, once for ever.
/// <code>
/// head   number (8) | events (8) | microseconds since 2000-01-01 UTC (8) | batches (4) | root over the hashes of the batches (32)
/// body   for each batch: kind (1) | root (32) | length of the rest (varint) | rest
/// hash of a batch   SHA-256 over 02 | kind | root | SHA-256 of the rest
/// hash of the block SHA-256 over 00 | head: a leaf of the log (RFC 6962)
/// </code>
/// </summary>
internal sealed record AuditBlock(long Number, long Events, long AtMicros, IReadOnlyList<BlockBatch> Batches)
{
    public const int HeadBytes = 8 + 8 + 8 + 4 + 32;

    public byte[] Head()
    {
        var head = new byte[HeadBytes];
        BinaryPrimitives.WriteInt64BigEndian(head, Number);
        BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(8), Events);
        BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(16), AtMicros);
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(24), Batches.Count);
        AuditTree.Root(BatchHashes()).CopyTo(head.AsSpan(28));
        return head;
    }

    public byte[] BatchHashes()
    {
        var hashes = new byte[Batches.Count * 32];
        for (var i = 0; i < Batches.Count; i++) Batches[i].Hash().CopyTo(hashes, i * 32);
        return hashes;
    }

    public byte[] Body()
    {
        using var body = new MemoryStream();
        Span<byte> number = stackalloc byte[10];
        foreach (var batch in Batches)
        {
            body.WriteByte((byte)batch.Kind);
            body.Write(batch.Root);
            body.Write(number[..Varint.Write(number, (ulong)batch.Rest.Length)]);
            body.Write(batch.Rest);
        }
        return body.ToArray();
    }

    public static byte[] HashOf(byte[] head) => SHA256.HashData([0, .. head]);

    /// <exception cref="FormatException">These are not the bytes of a block.</exception>
    public static AuditBlock Read(byte[] head, ReadOnlySpan<byte> body)
    {
        if (head.Length != HeadBytes) throw new FormatException("its head is not of the right length");
        var batches = new List<BlockBatch>();
        while (!body.IsEmpty)
        {
            if (body.Length < 34) throw new FormatException("a batch in it is cut short");
            var (kind, root) = ((AuditKind)body[0], body.Slice(1, 32).ToArray());
            if (kind > AuditKind.Before) throw new FormatException($"it holds a batch of kind {(int)kind}, which this build does not know");
            body = body[33..];
            var length = Varint.Read(ref body);
            if (length > (ulong)body.Length) throw new FormatException("a batch in it is cut short");
            batches.Add(new BlockBatch(kind, root, body[..(int)length].ToArray()));
            body = body[(int)length..];
        }
        if (batches.Count == 0) throw new FormatException("it holds no batch");
        return new AuditBlock(BinaryPrimitives.ReadInt64BigEndian(head), BinaryPrimitives.ReadInt64BigEndian(head.AsSpan(8)), BinaryPrimitives.ReadInt64BigEndian(head.AsSpan(16)), batches);
    }
}

/// <summary>A batch as a block keeps it.</summary>
/// <param name="Rest">Of events: <see cref="BatchContent"/>. Of a purge: nothing; its root is the hash of the tombstone's line.</param>
internal sealed record BlockBatch(AuditKind Kind, byte[] Root, byte[] Rest)
{
    public byte[] Hash() => HashOf(Kind, Root, SHA256.HashData(Rest));

    public static byte[] HashOf(AuditKind kind, byte[] root, byte[] rest) => SHA256.HashData([2, (byte)kind, .. root, .. rest]);
}

/// <summary>
/// Which events a batch is about.
/// <code>
/// rest   number of events (varint) | the first one's number in the sequence (varint; one below 0, which no host gives, as 64 bits) | the distance to each next one (varint)
///        | number of appends that lost (varint) | for each: its place among the appends, from 1 (varint) | its events (varint) | their leaves
///        | detail (AuditBatch)
/// </code>
/// </summary>
internal sealed record BatchContent(long[] Seqs, IReadOnlyList<AuditedDetail> Appends, IReadOnlyDictionary<int, byte[]> Lost)
{
    /// <summary>From what the appender wrote.</summary>
    public static byte[] Write(long[] seqs, int[] lost, byte[]? leaves, ReadOnlySpan<byte> detail)
    {
        Array.Sort(seqs);
        var appends = lost.Length == 0 ? [] : AuditBatch.Read(detail);
        var rest = new byte[10 * (seqs.Length + 2 * lost.Length + 2) + lost.Sum(ordinal => appends[ordinal - 1].Events * AuditLeaf.Bytes) + detail.Length];
        var at = 0;
        Add((ulong)seqs.Length);
        for (var i = 0; i < seqs.Length; i++) Add((ulong)(i == 0 ? seqs[0] : seqs[i] - seqs[i - 1]));
        Add((ulong)lost.Length);
        Array.Sort(lost);
        foreach (var ordinal in lost)
        {
            Add((ulong)ordinal);
            Add((ulong)appends[ordinal - 1].Events);
            Copy(leaves.AsSpan(appends.Take(ordinal - 1).Sum(append => append.Events) * AuditLeaf.Bytes, appends[ordinal - 1].Events * AuditLeaf.Bytes));
        }
        Copy(detail);
        return rest.AsSpan(0, at).ToArray();

        void Add(ulong value) => at += Varint.Write(rest.AsSpan(at), value);

        void Copy(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(rest.AsSpan(at));
            at += bytes.Length;
        }
    }

    /// <summary>The same of numbers that follow each other, where no append lost.</summary>
    public static byte[] Write(long first, int count, ReadOnlySpan<byte> detail)
    {
        var head = new byte[20 + count];
        var at = Varint.Write(head, (ulong)count);
        at += Varint.Write(head.AsSpan(at), (ulong)first);
        head.AsSpan(at, count - 1).Fill(1); // from each to the next
        at += count; // and behind them a 0: none lost
        return [.. head.AsSpan(0, at), .. detail];
    }

    /// <exception cref="FormatException">These are not the bytes of a batch.</exception>
    public static BatchContent Read(ReadOnlySpan<byte> rest)
    {
        var count = Varint.Read(ref rest);
        if (count > (ulong)rest.Length) throw new FormatException("its list of events is cut short");
        var seqs = new long[count];
        for (var i = 0; i < seqs.Length; i++)
        {
            seqs[i] = (i == 0 ? 0 : seqs[i - 1]) + (long)Varint.Read(ref rest);
            if (i > 0 && seqs[i] < seqs[i - 1] || seqs[i] == long.MaxValue) throw new FormatException("its numbers are not in order");
        }
        var lost = new Dictionary<int, byte[]>();
        for (var left = Varint.Read(ref rest); left > 0; left--)
        {
            var (ordinal, events) = ((int)Varint.Read(ref rest), Varint.Read(ref rest));
            if (events > (ulong)rest.Length / AuditLeaf.Bytes || !lost.TryAdd(ordinal, rest[..((int)events * AuditLeaf.Bytes)].ToArray())) throw new FormatException("its list of lost appends is broken");
            rest = rest[((int)events * AuditLeaf.Bytes)..];
        }
        var appends = AuditBatch.Read(rest);
        if (appends.Count == 0) throw new FormatException("it names no event");
        var won = 0L;
        for (var i = 0; i < appends.Count; i++)
        {
            if (!lost.TryGetValue(i + 1, out var leaves)) won += appends[i].Events;
            else if (leaves.Length != appends[i].Events * AuditLeaf.Bytes) throw new FormatException("its list of lost appends is broken");
        }
        if (won != seqs.Length || lost.Keys.Any(ordinal => ordinal < 1 || ordinal > appends.Count)) throw new FormatException("it names more or fewer events than it has");
        return new BatchContent(seqs, appends, lost);
    }

    /// <summary>All leaves in their order, given those of the events that are there.</summary>
    public byte[] Leaves(Func<long, byte[]> leafOf)
    {
        using var all = new MemoryStream();
        var next = 0;
        for (var i = 0; i < Appends.Count; i++)
        {
            if (Lost.TryGetValue(i + 1, out var leaves)) all.Write(leaves);
            else
                for (var k = 0; k < Appends[i].Events; k++) all.Write(leafOf(Seqs[next++]));
        }
        return all.ToArray();
    }

    /// <summary>For each event that is there: its number in the sequence, its place among all leaves, the prefix of its leaf and the tag of its stream.</summary>
    public IEnumerable<(long Seq, int Place, uint Prefix, uint Tag)> Events()
    {
        var (next, place) = (0, 0);
        for (var i = 0; i < Appends.Count; i++)
        {
            var append = Appends[i];
            if (!Lost.ContainsKey(i + 1))
                for (var k = 0; k < append.Events; k++)
                    yield return (Seqs[next++], place + k, BinaryPrimitives.ReadUInt32BigEndian(append.Prefixes.AsSpan(k * AuditBatch.PrefixBytes)), append.Tag);
            place += append.Events;
        }
    }
}
