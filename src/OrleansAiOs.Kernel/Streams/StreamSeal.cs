using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Streams;

/// <summary>
/// What tells an event that a host wrote from a row that somebody wrote by hand: HMAC-SHA-256 over where it stands, its name and its body in
/// canonical form, under a secret that the hosts share and the database never sees. It binds tenant, stream and version, so a sealed row
/// cannot be copied to another place. That a row is missing it cannot tell: that is the audit chain's part.
/// </summary>
public sealed class StreamSeal
{
    public const int SecretBytes = 32;

    private readonly byte[] secret;

    /// <param name="secret">32 random bytes, the same on every host of the database.</param>
    public StreamSeal(ReadOnlySpan<byte> secret)
    {
        if (secret.Length != SecretBytes) throw new ArgumentException($"The kernel's secret has {SecretBytes} bytes; this one has {secret.Length}.", nameof(secret));
        this.secret = secret.ToArray();
    }

    /// <summary>A key for something else that the hosts of one database share; what is sealed with it says nothing of the secret, or of other keys.</summary>
    /// <param name="purpose">What it is for; a name that nothing else uses.</param>
    public byte[] KeyFor(string purpose) => HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, SecretBytes, info: Encoding.UTF8.GetBytes(purpose));

    internal string Of(string tenant, string stream, long version, string name, string body)
    {
        var place = Encoding.UTF8.GetBytes($"aios-kernel-event-v1\n{tenant}\n{stream}\n{version}\n{name}\n");
        byte[] bound = [.. place, .. CanonicalJson.Write(new JsonText(Encoding.UTF8.GetBytes(body)))];
        return Convert.ToBase64String(HMACSHA256.HashData(secret, bound));
    }

    internal bool Fits(string? seal, string tenant, string stream, long version, string name, string body) =>
        seal is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(seal), Encoding.UTF8.GetBytes(Of(tenant, stream, version, name, body)));
}

/// <summary>A row of the kernel's that no host wrote. Whoever decides by its stream must not.</summary>
public sealed class ForgedEventException(string tenant, string stream, long version) : Exception(
    $"Event {version} of {stream} (tenant '{tenant}') bears no valid seal: no host of this installation wrote it. Somebody wrote to the database by hand, or this host has another kernel secret than the one that wrote it. "
    + "`aios audit verify` tells what else was changed.");
