namespace OrleansAiOs.Sandbox;

/// <summary>One request as it came off the wire.</summary>
/// <param name="Method">GET, POST or PUT.</param>
/// <param name="Target">Path and query, still percent-encoded, so that a reference may hold a slash.</param>
public sealed record SandboxRequest(string Method, string Target)
{
    public string? IdempotencyKey { get; init; }

    public string? ContentType { get; init; }

    public ReadOnlyMemory<byte> Body { get; init; }
}
