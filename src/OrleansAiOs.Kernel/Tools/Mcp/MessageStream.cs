namespace OrleansAiOs.Kernel.Tools.Mcp;

/// <summary>What an MCP server's process writes, a message a line. A line that is too long, or more in a second than anybody can mean, end it.</summary>
internal sealed class MessageStream(Stream inner, TimeProvider time) : Stream
{
    public const int MessageBytesMax = 4 * 1024 * 1024;

    private const int MessagesPerSecondMax = 1000;
    private const int BytesPerSecondMax = 32 * 1024 * 1024;

    private long line;
    private int messages; // in this second
    private long bytes;
    private long since = time.GetTimestamp();

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Why it was ended; null while it is not.</summary>
    public string? Objection { get; private set; }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await inner.ReadAsync(buffer, cancellationToken);
        return Watch(buffer.Span, read);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => Watch(buffer.AsSpan(offset, count), inner.Read(buffer, offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private int Watch(ReadOnlySpan<byte> buffer, int read)
    {
        if (time.GetElapsedTime(since) > TimeSpan.FromSeconds(1)) (messages, bytes, since) = (0, 0, time.GetTimestamp());
        bytes += read;
        var text = buffer[..read];
        for (var at = text.IndexOf((byte)'\n'); at >= 0; at = text.IndexOf((byte)'\n'))
        {
            text = text[(at + 1)..];
            line = 0;
            messages++;
        }
        line += text.Length;
        Objection = line > MessageBytesMax ? $"it wrote a message of more than {MessageBytesMax / 1024 / 1024} MB"
            : messages > MessagesPerSecondMax ? $"it wrote more than {MessagesPerSecondMax:N0} messages in a second"
            : bytes > BytesPerSecondMax ? $"it wrote more than {BytesPerSecondMax / 1024 / 1024} MB in a second" : null;
        return Objection is null ? read : throw new InvalidDataException(Objection);
    }
}
