using System.Runtime.InteropServices;
using System.Text;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>The few system calls the base library does not offer.</summary>
internal static class Posix
{
    public static bool IsRoot => !OperatingSystem.IsWindows() && GetEffectiveUserId() == 0;

    /// <summary>A session of our own, so that Ctrl-C in the host's terminal, or closing it, does not reach us.</summary>
    public static void LeaveTerminal()
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = SetSession();
        }
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
}
