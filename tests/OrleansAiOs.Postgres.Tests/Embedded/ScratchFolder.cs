using System.Diagnostics;
using System.Globalization;
using OrleansAiOs.Postgres.Embedded;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Postgres.Tests.Embedded;

/// <summary>A data folder for one test, the processes in it, and their end with it.</summary>
internal sealed class ScratchFolder : IAsyncDisposable
{
    public static readonly TimeSpan LongGrace = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly List<HostProcess> hosts = [];

    public string Path { get; } = TestServer.NewFolderName();

    public string Cluster => System.IO.Path.Combine(Path, "pg");

    public EmbeddedPostgresOptions Options => new() { DataFolder = Path, Grace = LongGrace, SupervisorCommand = TestServer.SupervisorCommand };

    public string SupervisorLog => File.ReadAllText(System.IO.Path.Combine(Path, "supervisor.log"));

    public Task<EmbeddedServer> StartAsync() => EmbeddedPostgres.StartAsync(Options);

    /// <summary>A host in a process of its own, to be killed.</summary>
    public async Task<HostProcess> LaunchHostAsync(TimeSpan grace)
    {
        var host = await HostProcess.LaunchAsync(Path, grace);
        hosts.Add(host);
        return host;
    }

    public int SupervisorPid() =>
        int.Parse(File.ReadAllText(System.IO.Path.Combine(Path, "supervisor.pid")), CultureInfo.InvariantCulture);

    /// <summary>Every living process that belongs to this folder: its server's, and the supervisors that name it on their command line.</summary>
    public IReadOnlyList<string> Processes()
    {
        var found = new List<string>();
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(folder => char.IsAsciiDigit(System.IO.Path.GetFileName(folder)[0])))
        {
            try
            {
                var command = File.ReadAllText(System.IO.Path.Combine(folder, "cmdline")).Replace('\0', ' ');
                var standsIn = new FileInfo(System.IO.Path.Combine(folder, "cwd")).LinkTarget;
                if (standsIn == Cluster || command.Contains(Path, StringComparison.Ordinal))
                {
                    found.Add($"{System.IO.Path.GetFileName(folder)} {command}");
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Ended while we looked.
            }
        }

        return found;
    }

    public static async Task UntilAsync(Func<bool> holds, string what)
    {
        var waited = Stopwatch.StartNew();
        while (!holds())
        {
            waited.Elapsed.Should().BeLessThan(Patience, $"{what} should come about");
            await Task.Delay(10);
        }
    }

    public static void Kill(int pid)
    {
        using var process = Process.GetProcessById(pid);
        process.Kill();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in hosts)
        {
            await host.KillAsync();
        }

        if (Directory.Exists(Path))
        {
            if (PostgresIsAnswerable())
            {
                await EmbeddedPostgres.StopAsync(Options, force: true);
            }

            Directory.Delete(Path, recursive: true);
        }
    }

    // A test may have left a folder that no installed version can serve; then there is nothing to stop either.
    private bool PostgresIsAnswerable() => Postmaster.Running(Cluster) is not null || File.Exists(System.IO.Path.Combine(Path, "supervisor.sock"));
}

/// <summary>The tiny host of OrleansAiOs.Postgres.Tests.Supervisor.</summary>
internal sealed class HostProcess
{
    private readonly Process process;

    private HostProcess(Process process, bool adopted, string connectionString)
    {
        this.process = process;
        Adopted = adopted;
        ConnectionString = connectionString;
    }

    public int Pid => process.Id;

    public bool Adopted { get; }

    public string ConnectionString { get; }

    public static async Task<HostProcess> LaunchAsync(string folder, TimeSpan grace)
    {
        var tool = System.IO.Path.Combine(AppContext.BaseDirectory, "OrleansAiOs.Postgres.Tests.Supervisor.dll");
        var start = new ProcessStartInfo("dotnet", ["exec", tool, "host", folder, grace.TotalSeconds.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        if ((await process.StandardOutput.ReadLineAsync())?.Split(' ', 2) is [var how, var connectionString])
        {
            return new HostProcess(process, how == "adopted", connectionString);
        }

        throw new InvalidOperationException($"The host did not start: {await error}");
    }

    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
    }
}
