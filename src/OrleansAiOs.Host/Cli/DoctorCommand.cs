using System.CommandLine;
using System.Globalization;
using Npgsql;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Postgres;
using OrleansAiOs.Postgres.Embedded;
using Spectre.Console;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios doctor: what a host needs on this machine, each with a cure for what is wrong.</summary>
internal static class DoctorCommand
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static Command Create(ClientOptions client)
    {
        var connection = new Option<string?>("--connection") { Description = "A PostgreSQL server to check, instead of the private one. Default: $AIOS_CONNECTION.", HelpName = "STRING" };
        return client.Query("doctor", "Look for what keeps a host from running here.", connection).Does(async call =>
        {
            var findings = await ExamineAsync(client.Address(call), GivenConnection.Raw(call.Get(connection)), call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(System.Text.Json.JsonSerializer.Serialize(findings, ApiClient.Json));
            else foreach (var finding in findings) Tell(call.Terminal, finding);
            return findings.TrueForAll(finding => finding.Ok) ? ExitCode.Done : ExitCode.Failed;
        });
    }

    private static async Task<List<Finding>> ExamineAsync(HostAddress host, string? connection, CancellationToken cancellation) =>
    [
        Runtime(),
        .. connection is null ? [Postgres()] : await ServerAsync(connection, cancellation),
        Folder(host.Folder),
        OwnerKey(host.Folder),
        .. await EndpointAsync(host, cancellation),
    ];

    private static void Tell(Terminal terminal, Finding finding)
    {
        var (word, color) = finding switch { { Ok: false } => ("problem", Color.Red), { Cure: not null } => ("warning", Color.Yellow), _ => ("ok     ", Color.Default) };
        terminal.Line($"{word}  {finding.What}: {finding.Found}", new Style(color));
        if (finding.Cure is { } cure) foreach (var line in Terminal.Lines(cure)) terminal.Line($"           {line}");
    }

    private static Finding Runtime() => Environment.Version.Major >= 10
        ? new("runtime", true, $".NET {Environment.Version}")
        : new("runtime", false, $".NET {Environment.Version}", "Install .NET 10: https://dotnet.microsoft.com/download/dotnet/10.0");

    private static Finding Postgres()
    {
        try
        {
            var found = PostgresBinaries.Find();
            return new("postgresql", true, $"{found.Version} in {found.Folder}");
        }
        catch (EmbeddedPostgresException e)
        {
            return new("postgresql", false, "no server programs for the private database", e.Message);
        }
    }

    private static async Task<List<Finding>> ServerAsync(string connection, CancellationToken cancellation)
    {
        try
        {
            await using var source = NpgsqlDataSource.Create(connection);
            await PostgresSettings.CheckAsync(source, cancellation);
            List<Finding> findings = [new("postgresql", true, "the server of the connection string keeps what it commits")];
            // Before the first start there is nothing to lie a net under.
            await using var schema = source.CreateCommand("select to_regclass('aios.runs') is not null");
            if (await schema.ExecuteScalarAsync(cancellation) is true)
                findings.Add(await TenantRole.ObjectionAsync(source, cancellation) is { } why
                    ? new("row security", true, $"there is no net under the tenants: {why}", $"As an administrator: create role {TenantRole.Name} nologin; grant {TenantRole.Name} to the host's user. The next start does the rest.")
                    : new("row security", true, $"what is asked for one tenant is asked as {TenantRole.Name}"));
            return findings;
        }
        catch (Exception e) when (e is EmbeddedPostgresException or NpgsqlException or ArgumentException)
        {
            // An argument's message may quote the connection string, password and all.
            return [e is ArgumentException
                ? new("postgresql", false, "the connection string cannot be read", GivenConnection.Form)
                : new("postgresql", false, "the server of the connection string will not do", e.Message)];
        }
    }

    private static Finding Folder(string path)
    {
        const string What = "data folder";
        if (File.Exists(path)) return new(What, false, $"{path} is a file", "Name a folder with --data or AIOS_DATA.");
        if (!Directory.Exists(path)) return new(What, true, $"{path}; the first `aios serve` makes it");
        var probe = Path.Combine(path, $".doctor-{Guid.NewGuid():N}");
        try
        {
            File.WriteAllText(probe, "");
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new(What, false, $"{path} cannot be written: {e.Message}", "Give it to the user that runs the host (chown), or name another with --data or AIOS_DATA.");
        }
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
            return new(What, false, $"other users can write in {path}", $"chmod go-w '{path}'");
        return new(What, true, path);
    }

    private static Finding OwnerKey(string folder)
    {
        const string What = "owner's key";
        var file = new HostFolder(folder).OwnerKeyPath;
        if (!File.Exists(file)) return new(What, true, $"none yet; the first `aios serve` writes {file}");
        if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(file) is var mode && (mode & ~OwnerOnly) != 0)
            return new(What, false, $"{file} is open to others (mode {Convert.ToString((int)mode, 8)})", $"chmod 600 '{file}'");
        try
        {
            return File.ReadAllText(file).Trim() is "" ? new(What, false, $"{file} is empty", $"Stop the host, remove the file and start it again.") : new(What, true, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new(What, false, e.Message, "Act as the user that runs the host, or with a key of your own in AIOS_KEY.");
        }
    }

    private static async Task<List<Finding>> EndpointAsync(HostAddress host, CancellationToken cancellation)
    {
        var findings = new List<Finding>();
        using var api = new ApiClient(host);
        // Each asks more of the host than the one before: is it there, can it work, does it know our key.
        foreach (var (what, path) in new[] { ("host", "/live"), ("host ready", "/ready"), ("key", ApiPaths.Query(ApiPaths.Runs, ("limit", 1.ToString(CultureInfo.InvariantCulture)))) })
        {
            try
            {
                await api.GetAsync(path, cancellation);
                findings.Add(new(what, true, what == "host" ? host.Url.AbsoluteUri : "yes"));
            }
            catch (CliException e)
            {
                findings.Add(new(what, false, e.Message, e.Detail));
                break;
            }
        }
        return findings;
    }

    private sealed record Finding(string What, bool Ok, string Found, string? Cure = null);
}
