using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace OrleansAiOs.EndToEnd;

/// <summary>Issues certificates of members.</summary>
internal sealed class MemberAuthority : IDisposable
{
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public MemberAuthority(string name)
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        Certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-10), DateTimeOffset.UtcNow.AddDays(10));
    }

    public X509Certificate2 Certificate { get; }

    public X509Certificate2 Issue(string name, DateTimeOffset? from = null, DateTimeOffset? to = null)
    {
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var whole = Issue(own, name, from, to);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>The files a member is started with: its certificate with the key, and that of this authority.</summary>
    public (string Certificate, string Authority) Write(string folder)
    {
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var issued = Issue(own, "member", null, null);
        var (certificate, authority) = (Path.Combine(folder, "member.pem"), Path.Combine(folder, "members-ca.pem"));
        File.WriteAllText(certificate, $"{issued.ExportCertificatePem()}\n{own.ExportPkcs8PrivateKeyPem()}\n");
        File.WriteAllText(authority, Certificate.ExportCertificatePem());
        return (certificate, authority);
    }

    public void Dispose()
    {
        key.Dispose();
        Certificate.Dispose();
    }

    private X509Certificate2 Issue(ECDsa own, string name, DateTimeOffset? from, DateTimeOffset? to)
    {
        var request = new CertificateRequest($"CN={name}", own, HashAlgorithmName.SHA256);
        using var issued = request.Create(Certificate, from ?? DateTimeOffset.UtcNow.AddDays(-1), to ?? DateTimeOffset.UtcNow.AddDays(1), RandomNumberGenerator.GetBytes(8));
        return issued.CopyWithPrivateKey(own);
    }
}
