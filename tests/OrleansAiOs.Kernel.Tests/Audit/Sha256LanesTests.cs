using System.Security.Cryptography;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Tests.Audit;

public sealed class Sha256LanesTests
{
    [Fact]
    public void Messages_hashed_together_have_the_digests_that_the_library_gives_each()
    {
        var random = new Random(1);
        for (var round = 0; round < 500; round++)
        {
            var messages = Enumerable.Range(0, random.Next(1, 40)).Select(_ => Message(random, random.Next(0, 400))).ToArray();
            ShouldBeTheLibrarys(messages);
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(9)]
    public void Every_length_around_the_ends_of_blocks_is_padded_as_the_standard_says(int beside)
    {
        var random = new Random(2);
        foreach (var length in Enumerable.Range(0, 260)) ShouldBeTheLibrarys([.. Enumerable.Range(0, beside).Select(_ => Message(random, length))]);
    }

    [Fact]
    public void The_digest_of_the_standards_example_comes_out()
    {
        var room = new byte[Sha256Lanes.Padded(3)];
        "abc"u8.CopyTo(room);
        Sha256Lanes.Pad(room, 3);
        var digests = new byte[8 * 32];
        Sha256Lanes.Hash(room, [.. Enumerable.Repeat(new PaddedMessage(0, 3), 8)], digests);
        Convert.ToHexStringLower(digests.AsSpan(7 * 32)).Should().Be("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    private static byte[] Message(Random random, int length)
    {
        var message = new byte[length];
        random.NextBytes(message);
        return message;
    }

    private static void ShouldBeTheLibrarys(byte[][] messages)
    {
        // Not at the text's beginning, and with something between them.
        var (text, places, at) = (new byte[messages.Sum(message => 3 + Sha256Lanes.Padded(message.Length))], new PaddedMessage[messages.Length], 0);
        for (var i = 0; i < messages.Length; i++)
        {
            at += 3;
            messages[i].CopyTo(text, at);
            Sha256Lanes.Pad(text.AsSpan(at, Sha256Lanes.Padded(messages[i].Length)), messages[i].Length);
            places[i] = new PaddedMessage(at, messages[i].Length);
            at += Sha256Lanes.Padded(messages[i].Length);
        }
        var digests = new byte[messages.Length * 32];
        Sha256Lanes.Hash(text, places, digests);
        for (var i = 0; i < messages.Length; i++)
            Convert.ToHexStringLower(digests.AsSpan(i * 32, 32)).Should().Be(Convert.ToHexStringLower(SHA256.HashData(messages[i])), $"message {i} of {messages.Length}, {messages[i].Length} bytes");
    }
}
