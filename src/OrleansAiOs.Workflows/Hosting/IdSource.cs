using System.Buffers.Binary;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>
/// Chance, from one seed: a simulation repeats it. The generator is SplitMix64 (Steele, Lea, Flood 2014); it names events and spreads
/// retries, it guards no secret.
/// </summary>
internal sealed class IdSource(ulong seed)
{
    private ulong state = seed;

    /// <summary>An id that sorts by time: UUID version 7 (RFC 9562).</summary>
    public Guid NextId(DateTimeOffset at)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, (ulong)at.ToUnixTimeMilliseconds() << 16 | Next() & 0x0FFF | 0x7000);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], Next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000);
        return new Guid(bytes, bigEndian: true);
    }

    /// <summary>From 0 up to, not including, 1.</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1ul << 53));

    private ulong Next()
    {
        var z = Interlocked.Add(ref state, 0x9E3779B97F4A7C15);
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return z ^ z >> 31;
    }
}
