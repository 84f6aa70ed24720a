using System.Net.Http.Headers;
using OrleansAiOs.Kernel.Tools.Secrets;

namespace OrleansAiOs.Kernel.Tools.Egress;

/// <summary>
/// The egress client as a library takes one: for a protocol that is spoken by somebody else's code. Every request of it is judged like any
/// other; headers with secrets are added behind the library, so it never has them.
/// </summary>
internal sealed class EgressHandler(EgressClient egress, EgressRequest like, int answerBytesMax) : HttpMessageHandler
{
    private const int BodyBytesMax = 2 * 1024 * 1024;

    /// <summary>Knows the secrets that went out so far.</summary>
    public Redactor Redactor { get; } = new();

    /// <summary>A client for a library.</summary>
    public HttpClient Client() => new(this) { Timeout = Timeout.InfiniteTimeSpan };

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        byte[]? body = null;
        if (request.Content is { } content)
        {
            body = await content.ReadAsByteArrayAsync(cancellation);
            if (body.Length > BodyBytesMax) throw new EgressRefusedException($"{like.For}: a request has at most {BodyBytesMax / 1024 / 1024} MB; this has {body.Length:N0} bytes.");
        }
        var (response, redactor) = await egress.OpenAsync(like with
        {
            Method = request.Method,
            Url = request.RequestUri ?? like.Url,
            Headers = [.. request.Headers.Select(header => KeyValuePair.Create(header.Key, string.Join(", ", header.Value))), .. like.Headers],
            Body = body,
            ContentType = request.Content?.Headers.ContentType?.ToString(),
        }, cancellation);
        Redactor.AddAll(redactor);
        response.RequestMessage = request;
        var type = response.Content.Headers.ContentType;
        var inner = response.Content;
        response.Content = new StreamContent(new CappedStream(await inner.ReadAsStreamAsync(cancellation), answerBytesMax, $"{like.For}: an answer has more than {answerBytesMax / 1024 / 1024} MB"));
        if (type is not null) response.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type.ToString());
        return response;
    }
}

/// <summary>A stream that ends with an error behind so many bytes, so that nobody who reads it to its end can be made to hold more.</summary>
internal sealed class CappedStream(Stream inner, long bytesMax, string objection) : Stream
{
    private long left = bytesMax;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Counted(inner.Read(buffer, offset, count));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => Counted(await inner.ReadAsync(buffer, cancellationToken));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) inner.Dispose();
        base.Dispose(disposing);
    }

    private int Counted(int read) => (left -= read) >= 0 ? read : throw new InvalidDataException(objection);
}
