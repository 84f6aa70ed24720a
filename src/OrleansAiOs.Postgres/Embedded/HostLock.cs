using System.Globalization;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>
/// One host per data folder. The lock is the operating system's (flock), so it ends with the process that holds it, however that dies;
/// the note beside it only tells a person who holds it.
/// </summary>
internal sealed class HostLock : IDisposable
{
    private readonly FileStream file;

    private HostLock(FileStream file) => this.file = file;

    public static async Task<HostLock> TakeAsync(DataFolder folder, CancellationToken cancellation)
    {
        var taken = TryTake(folder);
        for (var tries = 0; taken is null && tries < 10; tries++)
        {
            // A predecessor just being killed, or somebody who only looks whether it is held.
            await Task.Delay(TimeSpan.FromMilliseconds(50), cancellation);
            taken = TryTake(folder);
        }

        taken = taken ?? throw new EmbeddedPostgresException(
            $"The data folder {folder.Path} is in use by {Holder(folder)}. One host per data folder: stop that one first, or name another folder.");
        try
        {
            var note = string.Create(CultureInfo.InvariantCulture, $"process {Environment.ProcessId}, started {StartOfThisProcess():yyyy-MM-dd HH:mm:ss}");
            File.WriteAllText(folder.HostNoteFile, note);
            return taken;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            taken.Dispose();
            throw folder.Unwritable(e);
        }
    }

    public static bool IsTaken(DataFolder folder)
    {
        using var probe = File.Exists(folder.HostLockFile) ? TryTake(folder) : null;
        return probe is null && File.Exists(folder.HostLockFile);
    }

    /// <summary>Who holds the lock, as the holder itself wrote it.</summary>
    public static string Holder(DataFolder folder)
    {
        try
        {
            var note = File.ReadAllText(folder.HostNoteFile);
            return note.Length > 0 ? note : "a host that is just starting";
        }
        catch (IOException)
        {
            return "a host that is just starting";
        }
    }

    public void Dispose() => file.Dispose();

    private static HostLock? TryTake(DataFolder folder)
    {
        try
        {
            return new HostLock(ExclusiveFile.Open(folder.HostLockFile));
        }
        catch (IOException e) when (ExclusiveFile.IsHeld(e))
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw folder.Unwritable(e);
        }
    }

    private static DateTime StartOfThisProcess()
    {
        using var self = System.Diagnostics.Process.GetCurrentProcess();
        return self.StartTime;
    }
}

/// <summary>A file as a lock between processes.</summary>
internal static class ExclusiveFile
{
    private const int AgainOnLinux = 11;
    private const int AgainOnMac = 35;
    private const int SharingViolationOnWindows = unchecked((int)0x80070020);

    public static FileStream Open(string file) => new(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);

    public static bool IsHeld(IOException e) =>
        e.HResult == SharingViolationOnWindows || (OperatingSystem.IsMacOS() ? e.HResult == AgainOnMac : e.HResult == AgainOnLinux);
}
