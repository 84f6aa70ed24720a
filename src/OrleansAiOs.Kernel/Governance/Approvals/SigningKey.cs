using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Kernel.Governance.Approvals;

/// <summary>An approver's own key: ECDSA on the curve P-256. The private half stays with the approver; hosts know the public one.</summary>
public static class SigningKey
{
    private const int PublicKeyCharsMax = 300;

    /// <summary>The first 16 hexadecimal digits of the SHA-256 of the public key (SubjectPublicKeyInfo).</summary>
    public static string IdOf(byte[] publicKey) => Convert.ToHexStringLower(SHA256.HashData(publicKey))[..16];

    /// <summary>What proves, at its registration, that somebody holds the private half.</summary>
    public static byte[] Proof(string tenant, string principal, string id) => Encoding.UTF8.GetBytes($"aios-signing-key-v1\n{tenant}\n{principal}\n{id}");

    /// <summary>What somebody signs who lets somebody else sign in their place.</summary>
    public static byte[] Delegation(string tenant, string from, string to, DateTimeOffset until, string why) =>
        Encoding.UTF8.GetBytes($"aios-delegation-v1\n{tenant}\n{from}\n{to}\n{until.ToUniversalTime():O}\n{why}");

    public static string Sign(ECDsa key, byte[] bytes) => Convert.ToBase64String(key.SignData(bytes, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));

    /// <summary>False also for what is no signature at all.</summary>
    public static bool Verifies(string publicKey, byte[] bytes, string signature)
    {
        try
        {
            using var key = Read(publicKey);
            return key.VerifyData(bytes, Convert.FromBase64String(signature), HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            return false;
        }
    }

    /// <exception cref="FormatException">It is no public key of the curve P-256, in base64.</exception>
    public static ECDsa Read(string publicKey)
    {
        if (publicKey.Length > PublicKeyCharsMax) throw new FormatException($"A public key has at most {PublicKeyCharsMax} characters in base64; this one has {publicKey.Length}.");
        var key = ECDsa.Create();
        try
        {
            key.ImportSubjectPublicKeyInfo(Convert.FromBase64String(publicKey), out _);
            if (key.ExportParameters(false).Curve.Oid.FriendlyName is not ("nistP256" or "ECDSA_P256")) throw new FormatException("The key is not on the curve P-256, the only one that is taken. Make one with `aios keys make-signing`.");
            return key;
        }
        catch (Exception e)
        {
            key.Dispose();
            if (e is FormatException) throw;
            throw new FormatException($"This is no public key (SubjectPublicKeyInfo, base64): {e.Message}", e);
        }
    }
}
