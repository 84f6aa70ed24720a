using System.Diagnostics;
using OrleansAiOs.Postgres.Embedded;

namespace OrleansAiOs.Host.Demo;

/// <summary>The sandbox as a process of its own, with books that stay.</summary>
internal sealed class SandboxProcess : IAsyncDisposable
{
    private readonly Process process;

    private SandboxProcess(Process process, string address) => (this.process, Address) = (process, address);

    public string Address { get; }

    public static async Task<SandboxProcess> StartAsync(string dataFolder, CancellationToken cancellation)
    {
        var self = SupervisorCommand.OfThisProgram();
        var start = new ProcessStartInfo(self.FileName) { RedirectStandardOutput = true, RedirectStandardError = true };
        // "dotnet exec aios.dll db supervise", with another verb in the place of the last two words.
        foreach (var argument in self.Arguments.SkipLast(2)) start.ArgumentList.Add(argument);
        foreach (var argument in new[] { "sandbox", "--port", "0", "--data", dataFolder }) start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        var address = await process.StandardOutput.ReadLineAsync(cancellation);
        if (string.IsNullOrWhiteSpace(address)) throw new InvalidOperationException($"The sandbox did not start. Try `aios sandbox --data {dataFolder}` by itself to see why.");
        return new SandboxProcess(process, address.Trim() + "/");
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }
}
