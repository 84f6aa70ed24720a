using System.IO.Pipelines;
using OrleansAiOs.Kernel.Tools.Mcp;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Kernel.Tests.Tools.Mcp;

/// <summary>How much of a server's output is listened to.</summary>
public sealed class MessageStreamTests
{
    private const int Line = 1024 * 1024;

    private readonly ManualTime time = new();

    // Lines of 1 MB; the clock moves after each.
    private async Task<string?> HearAsync(int lines, TimeSpan each)
    {
        var text = new byte[Line];
        text.AsSpan().Fill((byte)'x');
        text[^1] = (byte)'\n';
        var pipe = new Pipe();
        var stream = new MessageStream(pipe.Reader.AsStream(), time);
        var heard = new byte[Line];
        for (var i = 0; i < lines; i++)
        {
            var said = pipe.Writer.WriteAsync(text);
            try
            {
                await stream.ReadExactlyAsync(heard);
            }
            catch (InvalidDataException e)
            {
                e.Message.Should().Be(stream.Objection);
                break;
            }
            await said;
            time.Advance(each);
        }
        return stream.Objection;
    }

    [Fact]
    public async Task A_server_that_writes_large_messages_as_fast_as_it_can_is_not_listened_to() =>
        (await HearAsync(33, TimeSpan.Zero)).Should().Be("it wrote more than 32 MB in a second");

    [Fact]
    public async Task What_comes_within_the_bounds_may_go_on_for_ever() =>
        (await HearAsync(320, TimeSpan.FromMilliseconds(40))).Should().BeNull();

    [Fact]
    public async Task Thirty_two_at_once_are_heard() => (await HearAsync(32, TimeSpan.Zero)).Should().BeNull();
}
