using System.Globalization;
using System.Net.Mime;

namespace OrleansAiOs.Sandbox;

/// <summary>What the caller is to see: an answer, a broken connection, or nothing for ever.</summary>
public enum SandboxReplyKind
{
    Answer,
    AbortConnection,
    Hang,
}

/// <summary>A reply of the sandbox; status, headers and body matter only for an answer.</summary>
public sealed record SandboxReply
{
    private static readonly IReadOnlyDictionary<string, string> noHeaders = new Dictionary<string, string>();

    internal static readonly SandboxReply AbortConnection = new() { Kind = SandboxReplyKind.AbortConnection };

    internal static readonly SandboxReply Hang = new() { Kind = SandboxReplyKind.Hang };

    // Announced as JSON, and neither JSON nor even UTF-8.
    internal static readonly SandboxReply Garbage = new()
    {
        Status = 200,
        ContentType = MediaTypeNames.Application.Json,
        Body = new byte[] { (byte)'{', 0xFF, 0xFE, 0x00, (byte)'<', (byte)'h', (byte)'1', (byte)'>', 0xC3, (byte)'}', (byte)']' },
    };

    internal static SandboxReply Failed =>
        new Refusal(500, "failed", "The sandbox was told to fail this request.").ToReply();

    private SandboxReply()
    {
    }

    public SandboxReplyKind Kind { get; private init; }

    public int Status { get; private init; }

    public string ContentType { get; private init; } = "";

    /// <summary>Headers besides the content's own: <c>Retry-After</c>, <c>Idempotent-Replayed</c>, <c>Allow</c>.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; private init; } = noHeaders;

    public ReadOnlyMemory<byte> Body { get; private init; }

    internal static SandboxReply Json<T>(int status, T body, string contentType = MediaTypeNames.Application.Json) =>
        new() { Status = status, ContentType = contentType, Body = StrictJson.Bytes(body) };

    internal static SandboxReply TooManyRequests(TimeSpan retryAfter) =>
        new Refusal(429, "too-many-requests", "The sandbox was told to be busy; nothing was booked.")
            .ToReply()
            .With("Retry-After", ((long)retryAfter.TotalSeconds).ToString(CultureInfo.InvariantCulture));

    internal SandboxReply With(string header, string value) =>
        this with { Headers = new Dictionary<string, string>(Headers) { [header] = value } };
}
