using System.Security.Cryptography;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>Where the form of an event is written before it is hashed: one a thread, used again and again.</summary>
internal sealed class AuditBuffer
{
    [ThreadStatic]
    private static AuditBuffer? ofThread;

    private byte[] bytes = new byte[4096];
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

    public ReadOnlySpan<byte> Written => bytes.AsSpan(0, Length);

    public void Add(byte b)
    {
        if (Length == bytes.Length) Array.Resize(ref bytes, 2 * bytes.Length);
        bytes[Length++] = b;
    }

    public void Add(scoped ReadOnlySpan<byte> more)
    {
        more.CopyTo(Room(more.Length));
        Length += more.Length;
    }

    /// <summary>Room for so many bytes behind what is written; it counts once <see cref="Take"/> says how many were used.</summary>
    public Span<byte> Room(int count)
    {
        if (Length + count > bytes.Length) Array.Resize(ref bytes, Math.Max(2 * bytes.Length, Length + count));
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
        hash.AppendData(Written);
        hash.GetHashAndReset(into);
    }

    // ---- the members of the object that is being written, and of those around it ----

    public int Mark() => known;

    public void Forget(int mark) => known = mark;

    /// <summary>Notes a member that was written last.</summary>
    /// <returns>Whether it stands behind the one before, as it should.</returns>
    public bool Remember(int mark, int start, int name)
    {
        if (known == members.Length) Array.Resize(ref members, 2 * members.Length);
        members[known++] = (start, name, Length);
        return known - mark < 2 || Compare(members[known - 2], members[known - 1]) < 0;
    }

    /// <summary>Puts the members since a mark in order, of doubled ones the last.</summary>
    public void Sort(int mark)
    {
        var these = members.AsSpan(mark, known - mark);
        var (from, length) = (these[0].Start, Length - these[0].Start);
        // Mostly few, and few out of place. Stable: of doubled ones the last stays last.
        if (these.Length <= 32)
        {
            for (var i = 1; i < these.Length; i++)
            {
                var member = these[i];
                var j = i;
                for (; j > 0 && Compare(these[j - 1], member) > 0; j--) these[j] = these[j - 1];
                these[j] = member;
            }
        }
        else
        {
            these.Sort((a, b) => Compare(a, b) is var order and not 0 ? order : a.Start.CompareTo(b.Start));
        }
        if (beside.Length < length) beside = new byte[Math.Max(2 * beside.Length, length)];
        bytes.AsSpan(from, length).CopyTo(beside);
        Length = from;
        for (var i = 0; i < these.Length; i++)
        {
            if (i + 1 < these.Length && Compare(these[i], these[i + 1], beside, from) == 0) continue;
            if (Length > from) bytes[Length++] = (byte)',';
            beside.AsSpan(these[i].Start - from, these[i].End - these[i].Start).CopyTo(bytes.AsSpan(Length));
            Length += these[i].End - these[i].Start;
        }
    }

    private int Compare((int Start, int Name, int End) a, (int Start, int Name, int End) b) => Compare(a, b, bytes, 0);

    // Without the quotes: the closing one would sort before and behind other characters.
    private static int Compare((int Start, int Name, int End) a, (int Start, int Name, int End) b, byte[] text, int from) =>
        text.AsSpan(a.Start + 1 - from, a.Name - 2).SequenceCompareTo(text.AsSpan(b.Start + 1 - from, b.Name - 2));
}
