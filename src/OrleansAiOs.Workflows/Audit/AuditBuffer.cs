using System.Security.Cryptography;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>
/// Where the form of an event is written before it is hashed: one a thread, used again and again. What is to outlive that is kept: then the
/// next is written behind it, and a chunk that is full is left to those who still look at it. A chunk and not an array for each: nobody has
/// to clear it first, or to copy into it.
/// </summary>
internal sealed class AuditBuffer
{
    private const int ChunkBytes = 32 * 1024;

    [ThreadStatic]
    private static AuditBuffer? ofThread;

    private byte[] bytes = GC.AllocateUninitializedArray<byte>(ChunkBytes);
    private int from; // what is written begins here
    private byte[] beside = new byte[1024];
    private (int Start, int Name, int End)[] members = new (int, int, int)[64];
    private int known;

    // Begun once a thread: making a new one each time costs as much again as hashing an event.
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>This thread's, emptied. It is nobody else's until the caller awaits something.</summary>
    public static AuditBuffer Emptied()
    {
        var buffer = ofThread ??= new AuditBuffer();
        (buffer.Length, buffer.known) = (0, 0);
        return buffer;
    }

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => bytes.AsSpan(from, Length);

    /// <summary>Leaves what is written where it is, for whoever holds on to it.</summary>
    /// <returns>The chunk, and where in it that begins.</returns>
    public (byte[] Chunk, int From) Keep()
    {
        var kept = (bytes, from);
        (from, Length) = (from + Length, 0);
        return kept;
    }

    public void Add(byte b)
    {
        Room(1)[0] = b;
        Length++;
    }

    public void Add(scoped ReadOnlySpan<byte> more)
    {
        more.CopyTo(Room(more.Length));
        Length += more.Length;
    }

    /// <summary>Room for so many bytes behind what is written; it counts once <see cref="Take"/> says how many were used.</summary>
    public Span<byte> Room(int count)
    {
        if (from + Length + count > bytes.Length)
        {
            var next = GC.AllocateUninitializedArray<byte>(Math.Max(ChunkBytes, 2 * (Length + count)));
            Written.CopyTo(next);
            (bytes, from) = (next, 0);
        }
        return bytes.AsSpan(from + Length);
    }

    public void Take(int count) => Length += count;

    /// <summary>Pads what was written since a place to whole blocks, as SHA-256 wants it.</summary>
    public void Pad(int start)
    {
        var (length, padded) = (Length - start, Sha256Lanes.Padded(Length - start));
        Room(padded - length);
        Sha256Lanes.Pad(bytes.AsSpan(from + start, padded), length);
        Length = start + padded;
    }

    /// <summary>SHA-256 of what is written.</summary>
    public void Hash(Span<byte> into)
    {
        hash.AppendData(Written);
        hash.GetHashAndReset(into);
    }

    // ---- the members of the object that is being written, and of those around it ----

    public int Mark() => known;

    public void Forget(int mark) => known = mark;

    /// <summary>Notes a member by where it begins, with its name, how long that is, and where it ends.</summary>
    public void Remember(int start, int name, int end)
    {
        if (known == members.Length) Array.Resize(ref members, 2 * members.Length);
        members[known++] = (start, name, end);
    }

    /// <returns>Whether there have been two since a mark.</returns>
    public bool LastTwo(int mark, out (int Start, int Name, int End) before, out (int Start, int Name, int End) last)
    {
        if (known - mark < 2)
        {
            before = last = default;
            return false;
        }
        (before, last) = (members[known - 2], members[known - 1]);
        return true;
    }

    /// <summary>Whether the second of two members that are written belongs behind the first.</summary>
    public bool IsInOrder((int Start, int Name, int End) a, (int Start, int Name, int End) b) => Compare(a, b, Written, 0) < 0;

    /// <summary>Puts the members since a mark in order, of doubled ones the last.</summary>
    public void Sort(int mark)
    {
        var these = members.AsSpan(mark, known - mark);
        var (first, length) = (these[0].Start, Length - these[0].Start);
        if (beside.Length < length) beside = new byte[Math.Max(2 * beside.Length, length)];
        bytes.AsSpan(from + first, length).CopyTo(beside);
        // Mostly few, and few out of place. Stable: of doubled ones the last stays last.
        if (these.Length <= 32)
        {
            for (var i = 1; i < these.Length; i++)
            {
                var member = these[i];
                var j = i;
                for (; j > 0 && Compare(these[j - 1], member, beside, first) > 0; j--) these[j] = these[j - 1];
                these[j] = member;
            }
        }
        else
        {
            these.Sort((a, b) => Compare(a, b, beside, first) is var order and not 0 ? order : a.Start.CompareTo(b.Start));
        }
        var sorted = bytes.AsSpan(from);
        Length = first;
        for (var i = 0; i < these.Length; i++)
        {
            if (i + 1 < these.Length && Compare(these[i], these[i + 1], beside, first) == 0) continue;
            if (Length > first) sorted[Length++] = (byte)',';
            beside.AsSpan(these[i].Start - first, these[i].End - these[i].Start).CopyTo(sorted[Length..]);
            Length += these[i].End - these[i].Start;
        }
    }

    // Without the quotes: the closing one would sort before and behind other characters.
    private static int Compare((int Start, int Name, int End) a, (int Start, int Name, int End) b, ReadOnlySpan<byte> text, int first)
    {
        var one = text.Slice(a.Start + 1 - first, a.Name - 2);
        var other = text.Slice(b.Start + 1 - first, b.Name - 2);
        return CompareNames(one, other);
    }

    /// <summary>By their bytes. Mostly the first tells.</summary>
    public static int CompareNames(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other) =>
        !one.IsEmpty && !other.IsEmpty && one[0] != other[0] ? one[0] - other[0] : one.SequenceCompareTo(other);
}
