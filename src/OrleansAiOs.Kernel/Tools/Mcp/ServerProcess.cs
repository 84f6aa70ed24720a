using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;

namespace OrleansAiOs.Kernel.Tools.Mcp;

/// <summary>
/// An MCP server as a child process: its arguments as an array that no shell reads, an environment of its own, a process group of its own
/// that dies with it, also where it ends by itself. It says on stderr what it likes; the last of it is kept for whoever wonders.
/// </summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private const int ErrorCharsMax = 8 * 1024;
    private const int Kill = 9;

    // One that runs as somebody else by now is not ours to kill.
    private static readonly TimeSpan DiesWithin = TimeSpan.FromSeconds(2);

    // What a program needs to find itself; nothing of the host's own settings, keys and connections.
    private static readonly string[] Inherited = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TMP", "TEMP", "SystemRoot"];

    private readonly Process process;
    private readonly bool hasGroup;
    private readonly Queue<char> errors = new();
    private readonly CancellationTokenSource unread = new();
    private readonly Task reading;
    private readonly Task ending;
    private bool isGroupKilled;

    private ServerProcess(Process process, bool hasGroup, Redactor redactor)
    {
        (this.process, this.hasGroup, Redactor) = (process, hasGroup, redactor);
        reading = ReadErrorsAsync();
        ending = EndGroupAsync();
    }

    public Redactor Redactor { get; }

    public int Id => process.Id;

    public Stream Input => process.StandardInput.BaseStream;

    public Stream Output => process.StandardOutput.BaseStream;

    /// <summary>The last it said on stderr, fit to stand in a message.</summary>
    public string LastWords
    {
        get
        {
            lock (errors) return Answers.Visible(Redactor.Clean(new string([.. errors])).Trim(), 2000);
        }
    }

    /// <param name="server">Its argv, env and folder.</param>
    /// <param name="reveal">Opens a secret that env names.</param>
    /// <exception cref="IOException">The program cannot be started.</exception>
    public static async Task<ServerProcess> StartAsync(McpServer server, Func<string, Task<string>> reveal)
    {
        var group = OperatingSystem.IsWindows() ? null : Array.Find(["/usr/bin/setsid", "/bin/setsid"], File.Exists);
        var argv = group is null ? server.Argv! : [group, .. server.Argv!];
        var info = new ProcessStartInfo(argv[0], argv.Skip(1))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = server.Folder ?? Path.GetTempPath(),
        };
        info.Environment.Clear();
        foreach (var name in Inherited)
            if (Environment.GetEnvironmentVariable(name) is { } value) info.Environment[name] = value;
        var redactor = new Redactor();
        foreach (var (name, template) in server.Env ?? new Dictionary<string, string>())
            info.Environment[name] = await SecretHandle.ReplaceAsync(template, async secret =>
            {
                var value = await reveal(secret);
                redactor.Add(secret, value);
                return value;
            });
        try
        {
            return new ServerProcess(Process.Start(info) ?? throw new IOException("no process was started"), group is not null, redactor);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new IOException($"'{server.Argv![0]}' cannot be started: {e.Message}", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The group first: a child that outlived its parent is nobody's child any more.
        KillGroup();
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception or AggregateException)
        {
            // It is gone already.
        }
        using var limit = new CancellationTokenSource(DiesWithin);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // Without its pipes it has nobody to speak to any more.
        }
        // Not to their end: a helper that left the group, and has inherited them, may hold them open for ever.
        await unread.CancelAsync();
        await Task.WhenAll(reading, ending);
        await Input.DisposeAsync();
        await Output.DisposeAsync();
        process.StandardError.Dispose();
        process.Dispose();
        unread.Dispose();
    }

    // At once: the number of a group in which nobody is left may be another's before long.
    private async Task EndGroupAsync()
    {
        try
        {
            await process.WaitForExitAsync(unread.Token);
            KillGroup();
        }
        catch (OperationCanceledException)
        {
            // It would not die.
        }
    }

    private void KillGroup()
    {
        if (hasGroup && !Interlocked.Exchange(ref isGroupKilled, true)) _ = Signal(-process.Id, Kill);
    }

    private async Task ReadErrorsAsync()
    {
        var buffer = new char[1024];
        try
        {
            int read;
            while ((read = await process.StandardError.ReadAsync(buffer, unread.Token)) > 0)
                lock (errors)
                    for (var i = 0; i < read; i++)
                    {
                        if (errors.Count == ErrorCharsMax) errors.Dequeue();
                        errors.Enqueue(buffer[i]);
                    }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The pipe went with the process, or nobody wants to know any more.
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Signal(int process, int signal);
}
