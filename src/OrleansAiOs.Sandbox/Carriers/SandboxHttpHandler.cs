using System.Net;

namespace OrleansAiOs.Sandbox;

/// <summary>Carries requests to a sandbox in the same process: no sockets, no threads and no clock of its own.</summary>
/// <remarks>Give the <see cref="HttpClient"/> an infinite timeout where time is virtual: its own timeout runs on the wall clock.</remarks>
public sealed class SandboxHttpHandler(Sandbox sandbox) : HttpMessageHandler
{
    private readonly bool isOwner;

    /// <summary>Makes a sandbox of its own, which ends with the handler.</summary>
    public SandboxHttpHandler(SandboxOptions options)
        : this(new Sandbox(options)) => isOwner = true;

    public Sandbox Sandbox => sandbox;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var reply = await sandbox.HandleAsync(await Read(request, cancellationToken), cancellationToken);
        switch (reply.Kind)
        {
            case SandboxReplyKind.AbortConnection:
                throw new HttpRequestException(
                    HttpRequestError.ResponseEnded,
                    "The sandbox broke the connection.",
                    new IOException("The connection was reset."));
            case SandboxReplyKind.Hang:
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                break;
        }

        return Respond(request, reply);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && isOwner)
        {
            sandbox.Dispose();
        }

        base.Dispose(disposing);
    }

    private static async Task<SandboxRequest> Read(HttpRequestMessage request, CancellationToken ct) =>
        new(request.Method.Method, request.RequestUri!.PathAndQuery)
        {
            IdempotencyKey = Header(request),
            ContentType = request.Content?.Headers.ContentType?.ToString(),
            Body = request.Content is { } content ? await content.ReadAsByteArrayAsync(ct) : default,
        };

    // Two keys are joined by a line break, which no key may hold, and so refused.
    private static string? Header(HttpRequestMessage request) =>
        request.Headers.TryGetValues("Idempotency-Key", out var values) ? string.Join('\n', values) : null;

    private static HttpResponseMessage Respond(HttpRequestMessage request, SandboxReply reply)
    {
        var response = new HttpResponseMessage((HttpStatusCode)reply.Status)
        {
            RequestMessage = request,
            Content = new ReadOnlyMemoryContent(reply.Body),
        };
        response.Content.Headers.TryAddWithoutValidation("Content-Type", reply.ContentType);
        foreach (var (name, value) in reply.Headers)
        {
            // Allow belongs to the content, the others to the response.
            if (!response.Headers.TryAddWithoutValidation(name, value))
            {
                response.Content.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return response;
    }
}
