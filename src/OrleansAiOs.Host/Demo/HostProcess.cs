using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using OrleansAiOs.Host.Cli;
using OrleansAiOs.Host.Serving;

namespace OrleansAiOs.Host.Demo;

/// <summary>One host of the demo's cluster: <c>aios serve --cluster</c>.</summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private const int Terminate = 15; // SIGTERM

    // A host drains for ten seconds at most.
    private static readonly TimeSpan StopsWithin = TimeSpan.FromSeconds(20);

    private readonly Process process;

    private HostProcess(int number, Process process, string address) => (Number, this.process, Address) = (number, process, address);

    public int Number { get; }

    public string Name => string.Create(CultureInfo.InvariantCulture, $"host {Number}");

    public string Address { get; }

    public int ProcessId => process.Id;

    public bool IsKilled { get; private set; }

    public static async Task<HostProcess> StartAsync(int number, string folder, IReadOnlyDictionary<string, string> environment, CancellationToken cancellation)
    {
        // The connection goes by the environment: other users of the machine see command lines, and a password is in it.
        var start = ProgramProcess.Of("serve", "--data", folder, "--cluster", "--port", "0", "--quiet");
        foreach (var (name, value) in environment) start.Environment[name] = value;
        var process = Process.Start(start)!;
        var said = new ConcurrentQueue<string>();
        process.ErrorDataReceived += (_, line) => said.Enqueue(line.Data ?? "");
        process.BeginErrorReadLine();
        try
        {
            if (await process.StandardOutput.ReadLineAsync(cancellation) is null)
            {
                cancellation.ThrowIfCancellationRequested(); // Ctrl-C reaches both of us
                await process.WaitForExitAsync(cancellation); // all it said is here then
                throw new CliException(ExitCode.Failed, $"Host {number} did not start.", string.Join('\n', said).Trim());
            }
            return new HostProcess(number, process, new HostFolder(folder).Endpoint!);
        }
        catch
        {
            await EndAsync(process);
            throw;
        }
    }

    /// <summary>Whether it is this incarnation, whose name holds the process.</summary>
    public bool Is(string? incarnation) => incarnation?.Contains(string.Create(CultureInfo.InvariantCulture, $"-{process.Id}-"), StringComparison.Ordinal) is true;

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        IsKilled = true;
        process.Kill();
        await process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync() => await EndAsync(process);

    // As Ctrl-C would: what is under way ends, and its runs go to the others.
    private static async Task EndAsync(Process process)
    {
        using (process)
        {
            if (process.HasExited) return;
            if (OperatingSystem.IsWindows() || SendSignal(process.Id, Terminate) != 0) process.Kill();
            try
            {
                await process.WaitForExitAsync().WaitAsync(StopsWithin);
            }
            catch (TimeoutException)
            {
                process.Kill();
                await process.WaitForExitAsync();
            }
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int SendSignal(int process, int signal);
}
