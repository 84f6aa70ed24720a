using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>Starts, finds and stops the PostgreSQL server of one data folder. Only the supervisor (and a stop without one) does this.</summary>
internal sealed class PrivateServer(DataFolder folder, PostgresBinaries binaries)
{
    // pg_ctl counts in seconds. A server that redoes two gigabytes of log, or writes its last checkpoint on a slow disk, is not hung.
    private const string PatienceSeconds = "600";

    public Postmaster? Running => Postmaster.Running(folder.Cluster);

    /// <summary>Returns once the server takes connections; says whether it was running already.</summary>
    public async Task<bool> EnsureRunningAsync(CancellationToken cancellation)
    {
        if (await FoundReadyAsync(cancellation))
        {
            return true;
        }

        await RemoveRemainsAsync(cancellation);
        await folder.CreateServersFoldersAsync(cancellation);
        var compression = await WalCompressionAsync(cancellation);
        var port = KeptOrNewPort();
        ServerConfiguration.Write(folder, port, compression);
        var result = await PgCtlAsync(["start", "-w", "-t", PatienceSeconds, "-l", StartLog], cancellation);
        if (!result.Succeeded && !IsFree(port) && Running is null)
        {
            // Somebody took the port between our look and PostgreSQL's.
            ServerConfiguration.Write(folder, NewPort(), compression);
            result = await PgCtlAsync(["start", "-w", "-t", PatienceSeconds, "-l", StartLog], cancellation);
        }

        return result.Succeeded ? false : throw new EmbeddedPostgresException(
            $"PostgreSQL {binaries.Version} did not start on {folder.Path}.{folder.DiskNote()}\n{result.Said}\n{LogTail()}".TrimEnd());
    }

    public async Task StopAsync(bool immediately, CancellationToken cancellation)
    {
        if (Running is null)
        {
            return;
        }

        var result = await PgCtlAsync(["stop", "-m", immediately ? "immediate" : "fast", "-w", "-t", PatienceSeconds], cancellation);
        if (!result.Succeeded && Running is not null)
        {
            await PgCtlAsync(["stop", "-m", "immediate", "-w"], cancellation);
        }
    }

    /// <summary>The last complaints in the server's log, for error messages.</summary>
    public string LogTail()
    {
        try
        {
            var newest = new DirectoryInfo(folder.Log).EnumerateFiles("postgresql-*.log").MaxBy(file => file.LastWriteTimeUtc);
            var complaints = newest is null ? [] : File.ReadLines(newest.FullName)
                .Where(line => line.Contains("FATAL", StringComparison.Ordinal) || line.Contains("PANIC", StringComparison.Ordinal)
                    || line.Contains("ERROR", StringComparison.Ordinal) || line.Contains("HINT", StringComparison.Ordinal));
            return $"Its log is in {folder.Log}.\n{string.Join('\n', complaints.TakeLast(4))}".TrimEnd();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private string StartLog => Path.Combine(folder.Log, "start.log");

    // A server left by a dead supervisor may be ready, still redoing its log, or on its way out.
    private async Task<bool> FoundReadyAsync(CancellationToken cancellation)
    {
        while (Running is { } postmaster)
        {
            if (postmaster.IsReady)
            {
                return true;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), cancellation);
        }

        return false;
    }

    // PostgreSQL believes a pid in a lock file as long as any process has that number: one that got it later, or a dead one nobody has waited
    // for (in containers that can last for ever). We know better, because a living server stands in its folder.
    private async Task RemoveRemainsAsync(CancellationToken cancellation)
    {
        for (var tries = 0; tries < 100 && OperatingSystem.IsLinux() && Postmaster.ProcessesIn(folder.Cluster).Any(); tries++)
        {
            // The children of a killed server end by themselves, at their next look at it.
            await Task.Delay(TimeSpan.FromMilliseconds(50), cancellation);
        }

        Postmaster.RemoveStaleFile(folder.Cluster);
        if (Directory.Exists(folder.Run))
        {
            foreach (var socket in Directory.EnumerateFiles(folder.Run, ".s.PGSQL.*").ToList())
            {
                File.Delete(socket);
            }
        }
    }

    private async Task<string> WalCompressionAsync(CancellationToken cancellation)
    {
        var asked = await OsCommand.RunAsync(
            binaries.Program("postgres"), ["-D", folder.Cluster, "-c", "wal_compression=lz4", "-C", "wal_compression"], folder.Path, cancellation: cancellation);
        return asked.Succeeded ? "lz4" : "on";
    }

    private int KeptOrNewPort()
    {
        var kept = File.Exists(folder.PortFile) && int.TryParse(File.ReadAllText(folder.PortFile), CultureInfo.InvariantCulture, out var port) ? port : 0;
        return kept > 0 && IsFree(kept) ? kept : NewPort();
    }

    // Below 32768, where systems begin to hand out ports by themselves: so ours is still free after a restart.
    private int NewPort()
    {
        int port;
        do
        {
            port = RandomNumberGenerator.GetInt32(20_000, 32_000);
        }
        while (!IsFree(port));

        PrivateFile.Write(folder.PortFile, port.ToString(CultureInfo.InvariantCulture), replace: true);
        return port;
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var probe = new TcpListener(IPAddress.Loopback, port);
            probe.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private Task<OsCommandResult> PgCtlAsync(string[] verb, CancellationToken cancellation) =>
        OsCommand.RunAsync(binaries.Program("pg_ctl"), [.. verb, "-s", "-D", folder.Cluster], folder.Path, cancellation: cancellation);
}
