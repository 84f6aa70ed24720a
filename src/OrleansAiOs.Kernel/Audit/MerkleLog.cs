using System.Security.Cryptography;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>
/// The tree over all blocks, as RFC 6962 has it: a node is SHA-256 over 01, left, right; n leaves are split at the largest power of two
/// below n. Only the roots of its whole subtrees are kept ("peaks"), the largest first; they are all it takes to go on and to know the root.
/// </summary>
internal sealed class MerkleLog
{
    private readonly List<byte[]> peaks = [];

    public long Size { get; private set; }

    public static MerkleLog Resume(long size, ReadOnlySpan<byte> peaks)
    {
        if (peaks.Length != 32 * long.PopCount(size)) throw new FormatException($"A log of {size} blocks has {long.PopCount(size)} peaks, not {peaks.Length / 32.0}.");
        var log = new MerkleLog { Size = size };
        for (var at = 0; at < peaks.Length; at += 32) log.peaks.Add(peaks.Slice(at, 32).ToArray());
        return log;
    }

    public byte[] Peaks => [.. peaks.SelectMany(peak => peak)];

    public void Add(byte[] leaf)
    {
        peaks.Add(leaf);
        // As many as the number of leaves so far has ones at its end: subtrees of one size become one.
        for (var size = Size; (size & 1) == 1; size >>= 1)
        {
            var right = peaks[^1];
            peaks.RemoveAt(peaks.Count - 1);
            peaks[^1] = Node(peaks[^1], right);
        }
        Size++;
    }

    /// <summary>SHA-256 of nothing for an empty log.</summary>
    public byte[] Root()
    {
        if (peaks.Count == 0) return SHA256.HashData([]);
        var root = peaks[^1];
        for (var i = peaks.Count - 2; i >= 0; i--) root = Node(peaks[i], root);
        return root;
    }

    /// <summary>The tree from its leaves up to its root, level by level: one without a neighbour goes up as it is.</summary>
    public static List<List<byte[]>> Levels(List<byte[]> leaves)
    {
        var levels = new List<List<byte[]>> { leaves };
        while (levels[^1] is { Count: > 1 } below)
            levels.Add([.. Enumerable.Range(0, (below.Count + 1) / 2).Select(i => 2 * i + 1 < below.Count ? Node(below[2 * i], below[2 * i + 1]) : below[2 * i])]);
        return levels;
    }

    /// <summary>From the leaf up: the other half at each split.</summary>
    public static List<byte[]> Prove(List<List<byte[]>> levels, int index)
    {
        var path = new List<byte[]>();
        foreach (var level in levels)
        {
            if ((index ^ 1) < level.Count) path.Add(level[index ^ 1]);
            index /= 2;
        }
        return path;
    }

    /// <summary>The root that a leaf and its path lead to; null if the path is not that of a log of so many blocks.</summary>
    public static byte[]? Follow(byte[] leaf, long index, long size, IReadOnlyList<byte[]> path)
    {
        if (index < 0 || index >= size) return null;
        var turns = new List<bool>(); // from the root down: whether it goes left
        for (var (at, count) = (index, size); count > 1;)
        {
            var left = Split(count);
            turns.Add(at < left);
            (at, count) = at < left ? (at, left) : (at - left, count - left);
        }
        if (turns.Count != path.Count) return null;
        var hash = leaf;
        for (var i = 0; i < path.Count; i++)
        {
            if (path[i].Length != 32) return null;
            hash = turns[^(i + 1)] ? Node(hash, path[i]) : Node(path[i], hash);
        }
        return hash;
    }

    private static long Split(long count) => 1L << (63 - (int)long.LeadingZeroCount(count - 1));

    private static byte[] Node(byte[] left, byte[] right) => SHA256.HashData([1, .. left, .. right]);
}
