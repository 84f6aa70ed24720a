using OrleansAiOs.Postgres.Embedded;

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

    // Written beside and renamed: a crash leaves the old file or the new one, never half of one. Private before the first byte is in it.
    private void WritePrivate(string file, string text)
    {
        Directory.CreateDirectory(path);
        var beside = file + ".new";
        File.Delete(beside);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var writer = new StreamWriter(beside, options)) writer.WriteLine(text);
        File.Move(beside, file, overwrite: true);
    }
}
