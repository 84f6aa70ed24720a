namespace OrleansAiOs.Workflows.Payloads;

/// <summary>Where documents live, beside the histories: found by the hash of their bytes, so the same document is stored once.</summary>
public interface IPayloadStore
{
    /// <summary>Stores what the stream holds.</summary>
    /// <exception cref="PayloadTooLargeException">It is larger than <paramref name="bytesMax"/>; nothing is stored.</exception>
    Task<PayloadRef> PutAsync(string tenant, Stream content, long bytesMax, CancellationToken cancellation);

    /// <returns>A stream over the content, which knows its length; or null if there is no such payload.</returns>
    Task<Stream?> OpenAsync(string tenant, string sha256, CancellationToken cancellation);
}

/// <summary>A payload by reference: what travels through workflows in place of the document.</summary>
/// <param name="Sha256">SHA-256 of the bytes, 64 lower-case hexadecimal digits.</param>
/// <param name="Size">Bytes.</param>
public sealed record PayloadRef(string Sha256, long Size);

public sealed class PayloadTooLargeException(long bytesMax) : Exception($"A payload has at most {bytesMax:N0} bytes; this one is larger.")
{
    public long BytesMax { get; } = bytesMax;
}
