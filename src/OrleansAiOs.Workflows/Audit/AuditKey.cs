using System.Security.Cryptography;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>
/// The key a host signs its audit trail with: ECDSA P-256, made at the first start, in a file of the host's own (0600), never in the
/// database. Whoever verifies needs only the public half.
/// </summary>
public sealed class AuditKey : IDisposable
{
    private readonly ECDsa key;

    private AuditKey(ECDsa key) => (this.key, Public) = (key, Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()));

    /// <summary>The public half: SubjectPublicKeyInfo in base64, one line.</summary>
    public string Public { get; }

    /// <summary>A key of this process alone.</summary>
    public static AuditKey Make() => new(ECDsa.Create(ECCurve.NamedCurves.nistP256));

    /// <summary>Reads the key from its file; if there is none, makes it. Two that start at once end with the same one.</summary>
    /// <exception cref="IOException">The file cannot be read or made.</exception>
    /// <exception cref="FormatException">It holds something else.</exception>
    public static AuditKey LoadOrMake(string file)
    {
        if (!File.Exists(file))
        {
            using var made = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            PrivateFile.Write(file, made.ExportPkcs8PrivateKeyPem() + Environment.NewLine, replace: false);
        }
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(File.ReadAllText(file));
            if (key.KeySize != 256) throw new CryptographicException("it is not of P-256");
            return new AuditKey(key);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException or PlatformNotSupportedException)
        {
            key.Dispose();
            throw new FormatException($"{file} holds no audit key ({e.Message}). Put the file back from a backup, or move it away: the host then makes a new key, and whoever pinned the old one has to be told.");
        }
    }

    internal byte[] Sign(ReadOnlySpan<byte> text) => key.SignData(text, HashAlgorithmName.SHA256);

    /// <summary>Whether a text was signed with the key whose public half is given; false for what is no key, too.</summary>
    internal static bool Verifies(string publicKey, ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature)
    {
        using var key = ECDsa.Create();
        try
        {
            key.ImportSubjectPublicKeyInfo(Convert.FromBase64String(publicKey), out _);
            return key.KeySize == 256 && key.VerifyData(text, signature, HashAlgorithmName.SHA256);
        }
        catch (Exception e) when (e is FormatException or CryptographicException or PlatformNotSupportedException)
        {
            // The last: a curve that nobody knows.
            return false;
        }
    }

    public void Dispose() => key.Dispose();
}
