using System.Globalization;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Postgres.Embedded;

// What is stored
//   pg/            PostgreSQL's own data folder, made by initdb; aios.conf in it is rewritten at every start of the server
//   password, port written once, 0600; the port changes only when another program has taken it
//   run/, log/     PostgreSQL's socket and its log files
//   host.lock      held (flock) by the one host; host.txt says who that is
//   supervisor.*   lock, pid, log and socket of the process that looks after the server (EmbeddedSupervisor.cs)
//   init-*/        an initdb that has not finished
//
// Making it, and a crash between any two lines
//   1. everything is made in init-*/, the password too       → left over, removed by the next start; there is no pg/ yet
//   2. the password moves to its place                       → the next start begins again and overwrites it
//   3. init-*/pg is renamed to pg, the folder is flushed     → pg/ is complete or absent, never half; with it always its password
//   4. init-*/ is removed                                    → removed by the next start; an initdb still running in it fails, which harms nobody
// All this happens under host.lock, so two hosts never make one folder. The database in it is made by the first connection that misses it.

/// <summary>The folder of a private server: what is in it, whether it is ours, and how a new one comes about.</summary>
internal sealed class DataFolder
{
    // Linux allows 107 bytes for a socket's path, macOS 103.
    private const int SocketPathBytesMax = 103;

    private static readonly string[] OwnNames =
        ["pg", "password", "port", "run", "log", "host.lock", "host.txt", "supervisor.lock", "supervisor.pid", "supervisor.log", "supervisor.sock", "lost+found"];

    private DataFolder(string path) => Path = path;

    public string Path { get; }

    public string Cluster => In("pg");

    public string Run => In("run");

    public string Log => In("log");

    public string PasswordFile => In("password");

    public string PortFile => In("port");

    public string HostLockFile => In("host.lock");

    public string HostNoteFile => In("host.txt");

    public string SupervisorLockFile => In("supervisor.lock");

    public string SupervisorPidFile => In("supervisor.pid");

    public string SupervisorLogFile => In("supervisor.log");

    public string SupervisorSocket => In("supervisor.sock");

    public bool HasServer => File.Exists(System.IO.Path.Combine(Cluster, "PG_VERSION"));

    public static bool FitsSocket(string path) => Encoding.UTF8.GetByteCount(path) <= SocketPathBytesMax;

    public static DataFolder At(string path)
    {
        var folder = new DataFolder(Posix.RealPath(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path))));
        return FitsSocket(folder.SupervisorSocket)
            ? folder
            : throw new EmbeddedPostgresException(
                $"The path of the data folder {folder.Path} is too long for a socket in it ({SocketPathBytesMax} bytes in all). Choose a shorter one.");
    }

    /// <summary>Refuses what is not ours, before anything is touched.</summary>
    public void RefuseForeign()
    {
        if (File.Exists(Path))
        {
            throw new EmbeddedPostgresException($"The data folder {Path} is a file. Name a folder, or one that does not exist yet.");
        }

        if (!Directory.Exists(Path) || HasServer)
        {
            return;
        }

        var foreign = Entries().FirstOrDefault(name => name == "pg" || (!OwnNames.Contains(name) && !name.StartsWith("init-", StringComparison.Ordinal)));
        if (foreign == "pg")
        {
            RefuseClosed(Cluster);
        }

        if (foreign is not null)
        {
            throw new EmbeddedPostgresException(
                $"The data folder {Path} is not empty and no database of ours is in it (it holds \"{foreign}\", and there is no pg/PG_VERSION). "
                + "Nothing was touched. Name an empty folder, or one that does not exist yet.");
        }
    }

    /// <summary>The major version that made this folder; null when there is none yet.</summary>
    public int? Major()
    {
        if (!HasServer)
        {
            return null;
        }

        var text = File.ReadAllText(System.IO.Path.Combine(Cluster, "PG_VERSION")).Trim();
        return int.TryParse(text, CultureInfo.InvariantCulture, out var major)
            ? major
            : throw new EmbeddedPostgresException($"{Cluster}/PG_VERSION holds \"{text}\" and not a version. Nothing was touched; restore the folder from a backup.");
    }

    /// <summary>The folder itself, so that the lock in it can be taken.</summary>
    public void Create()
    {
        try
        {
            var missing = Missing(Path).ToList();
            Directory.CreateDirectory(Path);
            if (!OperatingSystem.IsWindows() && !Entries().Any(name => name != "lost+found"))
            {
                foreach (var made in missing.Append(Path))
                {
                    Close(made);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(e);
        }
    }

    private static IEnumerable<string> Missing(string? path)
    {
        for (; path is not null && !Directory.Exists(path); path = System.IO.Path.GetDirectoryName(path))
        {
            yield return path;
        }
    }

    // As root the server's account must be able to pass through to pg/; every file on the way is closed to it one by one.
    [UnsupportedOSPlatform("windows")]
    private static void Close(string folder)
    {
        const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        File.SetUnixFileMode(folder, Posix.IsRoot ? Owner | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute : Owner);
    }

    /// <summary>Runs initdb so that the folder holds a whole server or none. Needs the host lock.</summary>
    public async Task InitialiseAsync_NeedsLock(PostgresBinaries binaries, CancellationToken cancellation)
    {
        var unfinished = In($"init-{RandomNumberGenerator.GetHexString(8, lowercase: true)}");
        try
        {
            await CreateServersFolderAsync(unfinished, cancellation);
            var password = System.IO.Path.Combine(unfinished, "password");
            PrivateFile.Write(password, RandomNumberGenerator.GetHexString(32, lowercase: true), replace: true);
            await GiveToServerAsync(password, cancellation);
            var cluster = System.IO.Path.Combine(unfinished, "pg");
            await InitdbAsync(binaries, cluster, password, cancellation);
            await File.AppendAllTextAsync(System.IO.Path.Combine(cluster, "postgresql.conf"), ServerConfiguration.Include, cancellation);

            PrivateFile.Write(PasswordFile, await File.ReadAllTextAsync(password, cancellation), replace: true);
            Directory.Move(cluster, Cluster);
            PrivateFile.FlushFolder(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(e);
        }
        finally
        {
            TryDelete(unfinished);
        }
    }

    /// <summary>What a killed host left of its initdb. That initdb may still be running and writing; what cannot be removed now, the next start removes.</summary>
    public void RemoveUnfinished_NeedsLock()
    {
        foreach (var folder in Directory.EnumerateDirectories(Path, "init-*").ToList())
        {
            TryDelete(folder);
        }
    }

    /// <summary>Folders that PostgreSQL writes to beside its own; made again when somebody removed them.</summary>
    public async Task CreateServersFoldersAsync(CancellationToken cancellation)
    {
        foreach (var folder in new[] { Run, Log }.Where(folder => !Directory.Exists(folder)))
        {
            await CreateServersFolderAsync(folder, cancellation);
        }
    }

    /// <summary>Checks, as root, that the account the server runs under exists and can get to the folder.</summary>
    public async Task RequireServerAccountAsync(PostgresBinaries binaries, CancellationToken cancellation)
    {
        if (!Posix.IsRoot)
        {
            return;
        }

        const string Account = OsCommand.ServerAccount;
        if (!(await OsCommand.RunAsync("id", ["-u", Account], "/", asServerAccount: false, cancellation: cancellation)).Succeeded)
        {
            throw new EmbeddedPostgresException(
                $"As root the database runs under the user \"{Account}\", and this system has none. PostgreSQL's package makes it "
                + $"({PostgresBinaries.InstallCommand()}); or run this program as an ordinary user.");
        }

        foreach (var folder in new[] { Path, binaries.Folder })
        {
            if (!(await OsCommand.RunAsync("/bin/sh", ["-c", "cd \"$1\"", "sh", folder], "/", cancellation: cancellation)).Succeeded)
            {
                throw new EmbeddedPostgresException(
                    $"As root the database runs under the user \"{Account}\", who cannot get to {folder}: a folder above it is closed to others. "
                    + $"Choose another place (default: {EmbeddedPostgresOptions.DefaultDataFolder}) or open the way (chmod o+x).");
            }
        }
    }

    public string ReadPassword()
    {
        try
        {
            return File.ReadAllText(PasswordFile).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmbeddedPostgresException($"The database's password cannot be read from {PasswordFile}: {e.Message}", e);
        }
    }

    public EmbeddedPostgresException Unwritable(Exception cause) =>
        new($"The data folder {Path} cannot be written: {cause.Message}{DiskNote()} Nothing in it was harmed.", cause);

    /// <summary>A sentence about the disk when it is nearly full, which is then the likely cause of whatever failed.</summary>
    public string DiskNote()
    {
        const long Tight = 100L << 20;
        try
        {
            var free = new DriveInfo(Path).AvailableFreeSpace;
            return free < Tight ? $" The disk is nearly full: {free >> 20} MB free; make room and start again." : "";
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private async Task InitdbAsync(PostgresBinaries binaries, string cluster, string password, CancellationToken cancellation)
    {
        string[] arguments =
        [
            "--pgdata", cluster, "--username", EmbeddedPostgres.UserName, "--pwfile", password,
            "--auth", "scram-sha-256", "--locale=C", "--encoding=UTF8", "--data-checksums",
        ];
        var result = await OsCommand.RunAsync(binaries.Program("initdb"), arguments, Path, cancellation: cancellation);
        if (!result.Succeeded)
        {
            throw new EmbeddedPostgresException($"A new database could not be made in {Path}.{DiskNote()}\n{result.Said}");
        }
    }

    private async Task CreateServersFolderAsync(string folder, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        await GiveToServerAsync(folder, cancellation);
    }

    private static async Task GiveToServerAsync(string path, CancellationToken cancellation)
    {
        if (Posix.IsRoot)
        {
            await OsCommand.RunAsync("chown", [OsCommand.ServerAccount + ":", path], "/", asServerAccount: false, cancellation: cancellation);
        }
    }


    private static void TryDelete(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next start removes it.
        }
    }

    private IEnumerable<string> Entries()
    {
        try
        {
            return Directory.EnumerateFileSystemEntries(Path).Select(entry => System.IO.Path.GetFileName(entry)!).ToList();
        }
        catch (UnauthorizedAccessException e)
        {
            throw Unwritable(e);
        }
    }

    // "No PG_VERSION" may only mean that another user's folder is closed to us.
    private void RefuseClosed(string folder)
    {
        try
        {
            _ = Directory.EnumerateFileSystemEntries(folder).Any();
        }
        catch (UnauthorizedAccessException e)
        {
            throw Unwritable(e);
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
