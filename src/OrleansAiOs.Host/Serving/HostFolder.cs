using OrleansAiOs.Postgres.Embedded;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Host.Serving;

/// <summary>The folder in which a host keeps what must outlive it: the private database, the owner's key, where it listens.</summary>
internal sealed class HostFolder(string path)
{
    public static string DefaultPath => Environment.GetEnvironmentVariable("AIOS_DATA") is { Length: > 0 } given ? given
        : Path.GetDirectoryName(EmbeddedPostgresOptions.DefaultDataFolder)!;

    public static HostFolder Default => new(DefaultPath);

    public string Postgres => Path.Combine(path, "postgres");

    private string OwnerKeyFile => Path.Combine(path, "owner.key");

    public string KernelSecretPath => Path.Combine(path, "kernel.secret");

    public string? KernelSecret => Read(KernelSecretPath);

    public void WriteKernelSecret(string secret) => WritePrivate(KernelSecretPath, secret);

    private string EndpointFile => Path.Combine(path, "endpoint");

    /// <summary>The key that this host sealed tools' secrets under before hosts shared one.</summary>
    public string SecretsKey => Path.Combine(path, "secrets.key");

    /// <summary>The key the audit trail is signed with.</summary>
    public string AuditKey => Path.Combine(path, "audit.key");

    /// <summary>Where checkpoints go if nothing else is said: beside the database, not in it.</summary>
    public string Audit => Path.Combine(path, "audit");

    public string Checkpoints => Path.Combine(Audit, "checkpoints.ndjson");

    public string OwnerKeyPath => OwnerKeyFile;

    /// <summary>What a backup of the database does not hold, and a host on a restored one needs: the kernel's secret most of all.</summary>
    public IEnumerable<string> NotInTheDatabase => new[] { KernelSecretPath, SecretsKey, AuditKey, Audit, OwnerKeyPath }.Where(Path.Exists);

    public string? OwnerKey => Read(OwnerKeyFile);

    public string? Endpoint => Read(EndpointFile);

    public void WriteOwnerKey(string key) => WritePrivate(OwnerKeyFile, key);

    public void WriteEndpoint(string url) => WritePrivate(EndpointFile, url);

    private static string? Read(string file) => File.Exists(file) ? File.ReadAllText(file).Trim() : null;

    private static void WritePrivate(string file, string text) => PrivateFile.Write(file, text + Environment.NewLine, replace: true);
}
