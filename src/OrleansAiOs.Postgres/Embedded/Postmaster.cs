using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>What <c>postmaster.pid</c> says, and whether it is still true.</summary>
internal sealed record Postmaster(int Pid, DateTimeOffset Started, int Port, string Status)
{
    public bool IsReady => Status == "ready";

    public static string FileIn(string clusterFolder) => Path.Combine(clusterFolder, "postmaster.pid");

    /// <summary>The server of exactly this folder, if it runs. A pid alone proves nothing: after a reboot it belongs to anybody.</summary>
    public static Postmaster? Running(string clusterFolder) =>
        Read(clusterFolder) is { } postmaster && postmaster.Serves(clusterFolder) ? postmaster : null;

    /// <summary>
    /// Removes a pid file whose number was given to another process: PostgreSQL would take that process for itself and refuse to start.
    /// A file whose process is gone stays: PostgreSQL finds by it whether old backends still hold shared memory. For the same reason it stays
    /// while any process still works in the folder.
    /// </summary>
    public static bool RemoveStaleFile(string clusterFolder)
    {
        if (Read(clusterFolder) is not { } postmaster || postmaster.Serves(clusterFolder) || !ProcessExists(postmaster.Pid))
        {
            return false;
        }

        if (OperatingSystem.IsLinux() && ProcessesIn(clusterFolder).Any())
        {
            return false;
        }

        File.Delete(FileIn(clusterFolder));
        return true;
    }

    /// <summary>Every process whose working folder this is: a postmaster and all its children stand in their data folder. Linux only.</summary>
    public static IEnumerable<int> ProcessesIn(string clusterFolder) =>
        from folder in Directory.EnumerateDirectories("/proc")
        let name = Path.GetFileName(folder)
        where int.TryParse(name, CultureInfo.InvariantCulture, out _) && StandsIn(folder, clusterFolder)
        select int.Parse(name, CultureInfo.InvariantCulture);

    internal static Postmaster? Read(string clusterFolder)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(FileIn(clusterFolder));
        }
        catch (IOException)
        {
            return null;
        }

        // Lines, as PostgreSQL's pidfile.h has them: pid, folder, start, port, socket folder, address, shared memory key, status.
        // Just after its start the server has written only some of them; standby and single-user servers have other texts.
        if (lines.Length == 0 || !int.TryParse(lines[0], CultureInfo.InvariantCulture, out var pid) || pid <= 0)
        {
            return null;
        }

        var started = lines.Length > 2 && long.TryParse(lines[2], CultureInfo.InvariantCulture, out var seconds) ? seconds : 0;
        var port = lines.Length > 3 && int.TryParse(lines[3], CultureInfo.InvariantCulture, out var number) ? number : 0;
        return new Postmaster(pid, DateTimeOffset.FromUnixTimeSeconds(started), port, lines.Length > 7 ? lines[7].Trim() : "starting");
    }

    private bool Serves(string clusterFolder)
    {
        if (OperatingSystem.IsLinux())
        {
            return StandsIn($"/proc/{Pid}", clusterFolder);
        }

        try
        {
            using var process = Process.GetProcessById(Pid);
            return process.ProcessName.StartsWith("postgres", StringComparison.OrdinalIgnoreCase)
                && (process.StartTime.ToUniversalTime() - Started.UtcDateTime).Duration() < TimeSpan.FromSeconds(10);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception)
        {
            return false;
        }
    }

    // A dead process that nobody has waited for has no working folder any more, so it counts as gone.
    private static bool StandsIn(string processFolder, string clusterFolder)
    {
        try
        {
            return new FileInfo(Path.Combine(processFolder, "cwd")).LinkTarget == clusterFolder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool ProcessExists(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return !process.HasExited;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception)
        {
            return false;
        }
    }
}
