using System.Buffers;
using System.Security.Cryptography;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>
/// One hash over many: a tree in which a node is SHA-256 over 01 and up to sixteen hashes below it, left to right, level by level, until
/// one is left. Sixteen and not two: made at every flush, it costs a fifteenth of the hashing, and a proof is some hundred bytes longer.
/// How many leaves there are is said beside every root, so that a node cannot be passed off as a leaf.
/// </summary>
internal static class AuditTree
{
    private const int Arity = 16;
    private const int Size = SHA256.HashSizeInBytes;

    /// <summary>The root over hashes that stand one behind the other. They are overwritten.</summary>
    public static byte[] Root(Span<byte> hashes)
    {
        if (hashes.IsEmpty || hashes.Length % Size != 0) throw new ArgumentException("There is no tree over nothing.", nameof(hashes));
        for (var count = hashes.Length / Size; count > 1;) count = Rise(hashes[..(count * Size)]);
        return hashes[..Size].ToArray();
    }

    /// <summary>For each level from below: the hashes of the group a leaf is in, the one itself left out.</summary>
    public static List<byte[]> Prove(ReadOnlySpan<byte> leaves, int index)
    {
        var hashes = leaves.ToArray().AsSpan();
        var proof = new List<byte[]>();
        for (var count = hashes.Length / Size; count > 1;)
        {
            var group = index / Arity * Arity;
            var siblings = new List<byte>();
            for (var i = group; i < Math.Min(group + Arity, count); i++)
                if (i != index) siblings.AddRange(hashes.Slice(i * Size, Size));
            proof.Add([.. siblings]);
            (count, index) = (Rise(hashes[..(count * Size)]), index / Arity);
        }
        return proof;
    }

    /// <summary>The root that a leaf and its proof lead to; null if the proof has not the form that a tree of so many leaves demands.</summary>
    public static byte[]? Follow(byte[] leaf, int index, int count, IReadOnlyList<byte[]> proof)
    {
        if (index < 0 || index >= count) return null;
        var hash = leaf;
        var level = 0;
        for (; count > 1; count = (count + Arity - 1) / Arity, index /= Arity, level++)
        {
            var (place, wide) = (index % Arity, Math.Min(Arity, count - index / Arity * Arity));
            if (level >= proof.Count || proof[level].Length != (wide - 1) * Size) return null;
            var above = new byte[Size];
            Node([.. proof[level].AsSpan(0, place * Size), .. hash, .. proof[level].AsSpan(place * Size)], above);
            hash = above;
        }
        return level == proof.Count ? hash : null;
    }

    /// <summary>Puts the nodes above some hashes in their place, from the left.</summary>
    /// <returns>How many there are.</returns>
    private static int Rise(Span<byte> hashes)
    {
        var nodes = new PaddedMessage[(hashes.Length / Size + Arity - 1) / Arity];
        var room = ArrayPool<byte>.Shared.Rent(nodes.Length * Sha256Lanes.Padded(1 + Arity * Size));
        var at = 0;
        for (var i = 0; i < nodes.Length; i++)
        {
            var below = hashes[(i * Arity * Size)..Math.Min((i + 1) * Arity * Size, hashes.Length)];
            var padded = room.AsSpan(at, Sha256Lanes.Padded(1 + below.Length));
            padded[0] = 1;
            below.CopyTo(padded[1..]);
            Sha256Lanes.Pad(padded, 1 + below.Length);
            nodes[i] = new PaddedMessage(at, 1 + below.Length);
            at += padded.Length;
        }
        Sha256Lanes.Hash(room, nodes, hashes);
        ArrayPool<byte>.Shared.Return(room);
        return nodes.Length;
    }

    private static void Node(ReadOnlySpan<byte> below, Span<byte> into)
    {
        Span<byte> input = stackalloc byte[1 + Arity * Size];
        input[0] = 1;
        below.CopyTo(input[1..]);
        SHA256.HashData(input[..(1 + below.Length)], into);
    }
}
