using System.Security.Cryptography;
using OrleansAiOs.Kernel.Governance.Approvals;

namespace OrleansAiOs.Host.Cli;

/// <summary>
/// The approver's own signing key, on the approver's side: a PKCS #8 file that only its owner may read. AIOS_SIGNING_KEY names another file
/// than the one in the user's configuration folder. It never leaves this machine; hosts are given its public half.
/// </summary>
internal sealed class ApproverKey : IDisposable
{
    private readonly ECDsa key;

    private ApproverKey(ECDsa key) => (this.key, PublicKey) = (key, Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()));

    public static string DefaultFile => Environment.GetEnvironmentVariable("AIOS_SIGNING_KEY") is { Length: > 0 } given ? given
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData, Environment.SpecialFolderOption.Create), "aios", "signing-key.pem");

    public string PublicKey { get; }

    public string Id => SigningKey.IdOf(Convert.FromBase64String(PublicKey));

    /// <exception cref="CliException">The file is there already.</exception>
    public static ApproverKey Make(string file)
    {
        if (File.Exists(file)) throw new CliException(ExitCode.Conflict, $"{file} is there already.", "Keep it, or name another with --out: a key that is overwritten can sign nothing any more.");
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        var made = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var writer = new StreamWriter(file, options);
        writer.WriteLine(made.ExportPkcs8PrivateKeyPem());
        return new ApproverKey(made);
    }

    /// <exception cref="CliException">There is none, others may read it, or it is none.</exception>
    public static ApproverKey Load(string? file = null)
    {
        file ??= DefaultFile;
        if (!File.Exists(file)) throw new CliException(ExitCode.Usage, $"There is no signing key in {file}.", "Make one with `aios keys make-signing`, or name yours with AIOS_SIGNING_KEY.");
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
            throw new CliException(ExitCode.Usage, $"Others may read or write {file}: it may be theirs by now.", $"If it is not: chmod 600 {file}. Else revoke it and make another.");
        try
        {
            var key = ECDsa.Create();
            key.ImportFromPem(File.ReadAllText(file));
            return new ApproverKey(key);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            throw new CliException(ExitCode.Usage, $"{file} holds no signing key: {e.Message}");
        }
    }

    public string Sign(byte[] bytes) => SigningKey.Sign(key, bytes);

    public void Dispose() => key.Dispose();
}
