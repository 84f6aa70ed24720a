using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Workflows;

/// <summary>
/// Names one effect of one step, for a receiver that deduplicates or can be asked. A pure function of tenant, run, step number and
/// redo epoch: the same on every retry, crash, fail-over and replay; different after a deliberate redo.
/// </summary>
/// <param name="Value">32 hexadecimal digits; safe in a URL, an HTTP header and a payment reference.</param>
public readonly record struct IdempotencyKey(string Value)
{
    /// <summary>The key of a step: the first 128 bits of SHA-256 over the four parts, lengths included so that no two joins collide.</summary>
    public static IdempotencyKey Of(string tenant, string run, int step, int epoch)
    {
        var tenantBytes = Encoding.UTF8.GetByteCount(tenant);
        var runBytes = Encoding.UTF8.GetByteCount(run);
        Span<byte> text = stackalloc byte[16 + tenantBytes + runBytes];
        BinaryPrimitives.WriteInt32BigEndian(text, tenantBytes);
        BinaryPrimitives.WriteInt32BigEndian(text[4..], runBytes);
        BinaryPrimitives.WriteInt32BigEndian(text[8..], step);
        BinaryPrimitives.WriteInt32BigEndian(text[12..], epoch);
        Encoding.UTF8.GetBytes(tenant, text[16..]);
        Encoding.UTF8.GetBytes(run, text[(16 + tenantBytes)..]);
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(text, hash);
        return new IdempotencyKey(Convert.ToHexStringLower(hash[..16]));
    }

    /// <summary>The key as text, as receivers get it.</summary>
    public override string ToString() => Value;
}
