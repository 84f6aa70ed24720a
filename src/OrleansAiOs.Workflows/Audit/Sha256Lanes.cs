using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>
/// SHA-256 (FIPS 180-4) of many short messages at once: each of the eight lanes of a vector hashes one. A call of the library costs
/// 0.33 µs before it hashes anything, which for the leaf of an event is four fifths of it; nothing but that is won here, so a few
/// messages, or a processor without AVX2, go to the library. The messages are no secrets: time may tell of them.
/// </summary>
internal static class Sha256Lanes
{
    public const int BlockBytes = 64;

    private const int Lanes = 8;

    // Half-filled lanes still beat as many calls of the library.
    private const int FewestWorthIt = 4;

    private static ReadOnlySpan<uint> Rounds =>
    [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];

    private static ReadOnlySpan<uint> Start => [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

    /// <summary>How long a message is once it is padded to whole blocks.</summary>
    public static int Padded(int length) => (length + 9 + BlockBytes - 1) / BlockBytes * BlockBytes;

    /// <summary>Pads a message where it stands: behind its last byte there is room up to <see cref="Padded"/>.</summary>
    public static void Pad(Span<byte> room, int length)
    {
        room[length] = 0x80;
        room[(length + 1)..^8].Clear();
        BinaryPrimitives.WriteUInt64BigEndian(room[^8..], 8ul * (ulong)length);
    }

    /// <summary>The digests, one behind the other, in the order of the messages.</summary>
    /// <param name="text">Where the messages stand.</param>
    public static void Hash(ReadOnlySpan<byte> text, ReadOnlySpan<PaddedMessage> messages, Span<byte> digests)
    {
        if (messages.Length < FewestWorthIt || !Avx2.IsSupported)
        {
            for (var i = 0; i < messages.Length; i++) SHA256.HashData(text.Slice(messages[i].Start, messages[i].Length), digests.Slice(i * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes));
            return;
        }
        // Those of one length beside each other: a lane whose message is over idles until the longest beside it is.
        var room = ArrayPool<long>.Shared.Rent(messages.Length);
        var order = room.AsSpan(0, messages.Length);
        Order(messages, order);
        for (var first = 0; first < order.Length; first += Lanes) HashTogether(text, messages, order[first..Math.Min(first + Lanes, order.Length)], digests);
        ArrayPool<long>.Shared.Return(room);
    }

    // By their length, each as its blocks and its place. Few lengths are many messages': counted, that takes a tenth of what sorting does.
    private static void Order(ReadOnlySpan<PaddedMessage> messages, Span<long> order)
    {
        const int Short = 128;
        Span<int> ends = stackalloc int[Short];
        ends.Clear();
        var longest = 0;
        for (var i = 0; i < order.Length; i++)
        {
            var blocks = messages[i].Blocks;
            order[i] = ((long)blocks << 32) | (uint)i;
            longest = Math.Max(longest, blocks);
            if (blocks < Short) ends[blocks]++;
        }
        if (longest >= Short)
        {
            order.Sort();
            return;
        }
        for (var i = 1; i < Short; i++) ends[i] += ends[i - 1];
        for (var i = order.Length - 1; i >= 0; i--)
        {
            var blocks = messages[i].Blocks;
            order[--ends[blocks]] = ((long)blocks << 32) | (uint)i;
        }
    }

    // Compiled for good at once: before that, it takes ten times as long.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void HashTogether(ReadOnlySpan<byte> text, ReadOnlySpan<PaddedMessage> messages, ReadOnlySpan<long> lanes, Span<byte> digests)
    {
        Span<Vector256<uint>> words = stackalloc Vector256<uint>[16];
        words.Clear();
        Span<Vector256<uint>> state = stackalloc Vector256<uint>[8];
        for (var i = 0; i < 8; i++) state[i] = Vector256.Create(Start[i]);
        var longest = (int)(lanes[^1] >> 32);
        for (var block = 0; block < longest; block++)
        {
            for (var lane = 0; lane < lanes.Length; lane++)
            {
                ref readonly var message = ref messages[(int)lanes[lane]];
                if (block >= message.Blocks) continue;
                var from = text.Slice(message.Start + block * BlockBytes, BlockBytes);
                words[lane] = Words(from);
                words[Lanes + lane] = Words(from[(BlockBytes / 2)..]);
            }
            Transpose(words[..Lanes]);
            Transpose(words[Lanes..]);
            Compress(state, words);
            for (var lane = 0; lane < lanes.Length; lane++)
            {
                var i = (int)lanes[lane];
                if (messages[i].Blocks != block + 1) continue;
                for (var word = 0; word < 8; word++) BinaryPrimitives.WriteUInt32BigEndian(digests[(i * SHA256.HashSizeInBytes + 4 * word)..], state[word][lane]);
            }
        }
    }

    /// <summary>Eight words as SHA-256 reads them: the highest byte first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Words(ReadOnlySpan<byte> bytes) => Avx2.Shuffle(Vector256.Create(bytes), Vector256.Create(
        (byte)3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)).AsUInt32();

    /// <summary>From the words of each message to those that stand in one place of all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(Span<Vector256<uint>> rows)
    {
        Span<Vector256<ulong>> pairs = stackalloc Vector256<ulong>[Lanes];
        for (var i = 0; i < Lanes; i += 2)
            (pairs[i], pairs[i + 1]) = (Avx2.UnpackLow(rows[i], rows[i + 1]).AsUInt64(), Avx2.UnpackHigh(rows[i], rows[i + 1]).AsUInt64());
        for (var i = 0; i < 2; i++)
        {
            var (a, b, c, d) = (pairs[i], pairs[i + 2], pairs[i + 4], pairs[i + 6]);
            Halves(rows, 2 * i, Avx2.UnpackLow(a, b), Avx2.UnpackLow(c, d));
            Halves(rows, 2 * i + 1, Avx2.UnpackHigh(a, b), Avx2.UnpackHigh(c, d));
        }

        static void Halves(Span<Vector256<uint>> rows, int at, Vector256<ulong> low, Vector256<ulong> high) =>
            (rows[at], rows[at + 4]) = (Avx2.Permute2x128(low, high, 0x20).AsUInt32(), Avx2.Permute2x128(low, high, 0x31).AsUInt32());
    }

    /// <param name="w">The words of a block of each message; they are overwritten.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Compress(Span<Vector256<uint>> state, Span<Vector256<uint>> w)
    {
        var (a, b, c, d, e, f, g, h) = (state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]);
        for (var i = 0; i < 64; i++)
        {
            if (i >= 16)
            {
                var (old, late) = (w[(i + 1) & 15], w[(i + 14) & 15]);
                w[i & 15] += (Rotate(old, 7) ^ Rotate(old, 18) ^ (old >>> 3)) + w[(i + 9) & 15] + (Rotate(late, 17) ^ Rotate(late, 19) ^ (late >>> 10));
            }
            var one = h + (Rotate(e, 6) ^ Rotate(e, 11) ^ Rotate(e, 25)) + Vector256.ConditionalSelect(e, f, g) + Vector256.Create(Rounds[i]) + w[i & 15];
            var two = (Rotate(a, 2) ^ Rotate(a, 13) ^ Rotate(a, 22)) + Vector256.ConditionalSelect(a ^ b, c, a);
            (h, g, f, e, d, c, b, a) = (g, f, e, d + one, c, b, a, one + two);
        }
        (state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]) = (state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e, state[5] + f, state[6] + g, state[7] + h);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Rotate(Vector256<uint> value, [ConstantExpected] byte by) =>
        Avx512F.VL.IsSupported ? Avx512F.VL.RotateRight(value, by) : (value >>> by) | (value << (32 - by));
}

/// <summary>A message with its padding (<see cref="Sha256Lanes.Pad"/>).</summary>
/// <param name="Start">Where it begins in the text it stands in.</param>
/// <param name="Length">Without the padding.</param>
internal readonly record struct PaddedMessage(int Start, int Length)
{
    public int Blocks => Sha256Lanes.Padded(Length) / Sha256Lanes.BlockBytes;
}
