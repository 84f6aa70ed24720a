using System.Collections.Concurrent;
using System.Security.Cryptography;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Testing;

/// <summary>Documents in memory, for tests of workflows that take them.</summary>
public sealed class InMemoryPayloads : IPayloadStore
{
    private readonly ConcurrentDictionary<(string Tenant, string Sha256), byte[]> payloads = new();

    /// <summary>Stores a document at once.</summary>
    public PayloadRef Put(string tenant, byte[] content)
    {
        var payload = new PayloadRef(Convert.ToHexStringLower(SHA256.HashData(content)), content.Length);
        payloads.TryAdd((tenant, payload.Sha256), content);
        return payload;
    }

    public async Task<PayloadRef> PutAsync(string tenant, Stream content, long bytesMax, CancellationToken cancellation)
    {
        using var buffer = new MemoryStream();
        await content.CopyToAsync(buffer, cancellation);
        return buffer.Length > bytesMax ? throw new PayloadTooLargeException(bytesMax) : Put(tenant, buffer.ToArray());
    }

    public Task<Stream?> OpenAsync(string tenant, string sha256, CancellationToken cancellation) =>
        Task.FromResult<Stream?>(payloads.TryGetValue((tenant, sha256), out var content) ? new MemoryStream(content, writable: false) : null);
}
