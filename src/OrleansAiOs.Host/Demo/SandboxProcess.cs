using System.Diagnostics;

namespace OrleansAiOs.Host.Demo;

/// <summary>The sandbox as a process of its own, with books that stay.</summary>
internal sealed class SandboxProcess : IAsyncDisposable
{
    private readonly Process process;

    private SandboxProcess(Process process) => this.process = process;

    public string Address { get; private set; } = "";

    public static async Task<SandboxProcess> StartAsync(string dataFolder, CancellationToken cancellation)
    {
        var process = Process.Start(ProgramProcess.Of("sandbox", "--port", "0", "--data", dataFolder))!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        var sandbox = new SandboxProcess(process);
        try
        {
            var address = await process.StandardOutput.ReadLineAsync(cancellation);
            if (string.IsNullOrWhiteSpace(address)) throw new InvalidOperationException($"The sandbox did not start. Try `aios sandbox --data {dataFolder}` by itself to see why.");
            sandbox.Address = address.Trim() + "/";
            return sandbox;
        }
        catch
        {
            await sandbox.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }
}
