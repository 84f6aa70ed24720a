using System.Security.Cryptography;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>Where the forms of events are written before they are hashed: used again and again, by one thread at a time.</summary>
internal sealed class AuditBuffer
{
    private const int Smallest = 4 * 1024;
    private const int KeptMax = 4 * 1024 * 1024;

    [ThreadStatic]
    private static AuditBuffer? ofThread;

    private byte[] bytes = GC.AllocateUninitializedArray<byte>(Smallest);
    private byte[] beside = [];
    private (int Start, int Name, int End)[] members = new (int, int, int)[64];
    private int known;

    // Begun once a buffer, where it is used at all: making a new one each time costs as much again as hashing an event.
    private IncrementalHash? hash;

    /// <summary>This thread's, emptied. It is nobody else's until the caller awaits something.</summary>
    public static AuditBuffer Emptied()
    {
        var buffer = ofThread ??= new AuditBuffer();
        buffer.Clear();
        return buffer;
    }

    /// <summary>Empties it. What a single large write had made of it is given back.</summary>
    public void Clear()
    {
        (Length, known) = (0, 0);
        if (bytes.Length > KeptMax) bytes = GC.AllocateUninitializedArray<byte>(Smallest);
    }

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => bytes.AsSpan(0, Length);

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

    /// <summary>Adds what stands in it already.</summary>
    public void Repeat(int start, int count)
    {
        var room = Room(count);
        bytes.AsSpan(start, count).CopyTo(room);
        Length += count;
    }

    /// <summary>Room for so many bytes behind what is written; it counts once <see cref="Take"/> says how many were used.</summary>
    public Span<byte> Room(int count)
    {
        if (Length + count > bytes.Length)
        {
            var next = GC.AllocateUninitializedArray<byte>(Math.Max(2 * bytes.Length, Length + count));
            Written.CopyTo(next);
            bytes = next;
        }
        return bytes.AsSpan(Length);
    }

    public void Take(int count) => Length += count;

    /// <summary>Pads what was written since a place to whole blocks, as SHA-256 wants it.</summary>
    public void Pad(int start)
    {
        var (length, padded) = (Length - start, Sha256Lanes.Padded(Length - start));
        Room(padded - length);
        Sha256Lanes.Pad(bytes.AsSpan(start, padded), length);
        Length = start + padded;
    }

    /// <summary>SHA-256 of what is written.</summary>
    public void Hash(Span<byte> into)
    {
        hash ??= IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
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
        if (beside.Length < length) beside = new byte[Math.Max(1024, 2 * length)];
        bytes.AsSpan(first, length).CopyTo(beside);
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
        var sorted = bytes.AsSpan();
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
