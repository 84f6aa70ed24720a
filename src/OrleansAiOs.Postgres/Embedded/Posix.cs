using System.Runtime.InteropServices;
using System.Text;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>The few system calls the base library does not offer.</summary>
internal static class Posix
{
    private const int OpenReadOnly = 0;

    public static bool IsRoot => !OperatingSystem.IsWindows() && GetEffectiveUserId() == 0;

    /// <summary>A session of our own, so that Ctrl-C in the host's terminal, or closing it, does not reach us.</summary>
    public static void LeaveTerminal()
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = SetSession();
        }
    }

    /// <summary>Makes renames inside <paramref name="folder"/> survive a power failure. Windows has no such call and needs none (NTFS journals names).</summary>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var descriptor = Open(folder, OpenReadOnly);
        if (descriptor < 0)
        {
            return;
        }

        _ = Flush(descriptor);
        _ = Close(descriptor);
    }

    /// <summary>The path with every symbolic link followed: the only form in which /proc and PostgreSQL name a folder.</summary>
    public static string RealPath(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return path;
        }

        var resolved = new byte[4096 + 1];
        return Resolve(path, resolved) == 0 ? path : Encoding.UTF8.GetString(resolved, 0, Array.IndexOf(resolved, (byte)0));
    }

    [DllImport("libc", EntryPoint = "geteuid")]
    private static extern uint GetEffectiveUserId();

    [DllImport("libc", EntryPoint = "setsid")]
    private static extern int SetSession();

    [DllImport("libc", EntryPoint = "realpath")]
    private static extern nint Resolve([MarshalAs(UnmanagedType.LPUTF8Str)] string path, byte[] resolved);

    [DllImport("libc", EntryPoint = "open")]
    private static extern int Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", EntryPoint = "fsync")]
    private static extern int Flush(int descriptor);

    [DllImport("libc", EntryPoint = "close")]
    private static extern int Close(int descriptor);
}
