using System.Runtime.InteropServices;
using System.Text;

namespace OrleansAiOs.Workflows;

/// <summary>
/// Files that only their user may read, before the first byte is in them. Under its name such a file is whole or not there, also after the power
/// failed: what a database has sealed under a key is on its disk at once, and the key must not be what is lost.
/// </summary>
public static class PrivateFile
{
    private const int OpenReadOnly = 0;

    /// <param name="file">Its name; the folder is made if it is not there.</param>
    /// <param name="text">What is to stand in it.</param>
    /// <param name="replace">Else one that is there already stays: of two that make it at once, one does.</param>
    public static void Write(string file, string text, bool replace)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        Directory.CreateDirectory(folder);
        var beside = $"{file}.{Environment.ProcessId}.new";
        File.Delete(beside);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var stream = new FileStream(beside, options))
        {
            stream.Write(Encoding.UTF8.GetBytes(text));
            stream.Flush(flushToDisk: true);
        }
        try
        {
            File.Move(beside, file, replace);
        }
        catch (IOException) when (!replace && File.Exists(file))
        {
            File.Delete(beside);
            return;
        }
        FlushFolder(folder);
    }

    /// <summary>Makes renames inside <paramref name="folder"/> survive a power failure. Windows has no such call and needs none (NTFS journals names).</summary>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        var descriptor = Open(folder, OpenReadOnly);
        if (descriptor < 0) return;
        _ = Flush(descriptor);
        _ = Close(descriptor);
    }

    [DllImport("libc", EntryPoint = "open")]
    private static extern int Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", EntryPoint = "fsync")]
    private static extern int Flush(int descriptor);

    [DllImport("libc", EntryPoint = "close")]
    private static extern int Close(int descriptor);
}
