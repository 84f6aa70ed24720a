using System.Security.Cryptography.X509Certificates;
using Orleans.Connections.Security;

namespace OrleansAiOs.Cluster;

/// <summary>Mutual TLS between members: each shows a certificate that an authority of theirs alone has issued.</summary>
/// <param name="Own">This member's certificate, with its private key.</param>
/// <param name="Authorities">Who issues certificates of members, and of nobody else.</param>
public sealed record MemberTls(X509Certificate2 Own, X509Certificate2Collection Authorities)
{
    /// <summary>Reads both from PEM files.</summary>
    /// <param name="certificate">The member's certificate and its private key.</param>
    /// <param name="authorities">The certificates of the authorities.</param>
    public static MemberTls Load(string certificate, string authorities)
    {
        var issuers = new X509Certificate2Collection();
        issuers.ImportFromPemFile(authorities);
        using var own = X509Certificate2.CreateFromPemFile(certificate);
        // As PKCS #12, or Windows does not find the key.
        return new MemberTls(X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pkcs12), null), issuers);
    }

    internal void Use(ISiloBuilder orleans) => orleans.UseTls(Own, tls =>
    {
        (tls.RemoteCertificateMode, tls.ClientCertificateMode) = (RemoteCertificateMode.RequireCertificate, RemoteCertificateMode.RequireCertificate);
        tls.RemoteCertificateValidation = (remote, _, _) => IsMember(remote);
        tls.OnAuthenticateAsClient = (_, client) =>
        {
            client.TargetHost = "aios-member"; // any member may be any address; that it is one, its certificate shows
            client.ClientCertificates = [Own];
        };
    });

    internal bool IsMember(X509Certificate2? remote)
    {
        if (remote is null) return false;
        using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
        chain.ChainPolicy.CustomTrustStore.AddRange(Authorities);
        return chain.Build(remote);
    }
}
