using System.Diagnostics;
using System.Text;

namespace OrleansAiOs.EndToEnd;

/// <summary>How a host is started: what the next incarnation must have in common with the one that was killed.</summary>
internal sealed record HostSetup(string DataFolder, string ConnectionString)
{
    public bool Shared { get; init; }

    public bool Clustered { get; init; }

    /// <summary>What else its command line says.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>The network namespace it lives in; null for that of the test.</summary>
    public string? Namespace { get; init; }

    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
}

/// <summary><c>aios serve</c> as a real process, on any free port.</summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private const string Announcement = "Serving on ";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "aios.dll");

    private static readonly Lazy<string> Secret = new(() =>
    {
        var file = Path.Combine(AppContext.BaseDirectory, "kernel.secret");
        File.WriteAllText(file, Convert.ToBase64String(new byte[32]));
        return file;
    });

    private readonly Process process;
    private readonly StringBuilder said = new();
    private readonly TaskCompletionSource<Uri> announced = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HostProcess(HostSetup setup)
    {
        string[] command = ["dotnet", "exec", Program, "serve", "--data", setup.DataFolder, "--connection", setup.ConnectionString, "--port", "0", .. setup.Arguments];
        if (setup.Namespace is { } inside) command = ["ip", "netns", "exec", inside, .. command]; // ip becomes the host: the process is the one that is started here
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (setup.Clustered) start.ArgumentList.Add("--cluster");
        if (setup.Shared) start.ArgumentList.Add("--share");
        // Hosts that come to one database, from whatever folder, share its secret.
        start.Environment["AIOS_KERNEL_SECRET"] = Secret.Value;
        foreach (var (name, value) in setup.Environment) start.Environment[name] = value;
        process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, line) => Hear(line.Data);
        process.ErrorDataReceived += (_, line) => Hear(line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public Uri Address { get; private set; } = null!;

    public bool HasExited => process.HasExited;

    public int ProcessId => process.Id;

    /// <summary>Everything on its standard output and error so far.</summary>
    public string Said
    {
        get
        {
            lock (said) return said.ToString();
        }
    }

    /// <summary>Returns when the host says that it is ready.</summary>
    public static async Task<HostProcess> StartAsync(HostSetup setup)
    {
        var host = new HostProcess(setup);
        try
        {
            await Task.WhenAny(host.announced.Task, host.process.WaitForExitAsync()).WaitAsync(Patience);
            if (!host.announced.Task.IsCompleted) throw new InvalidOperationException($"The host ended with {host.process.ExitCode} instead of serving:\n{host.Said}");
            host.Address = await host.announced.Task;
            await host.ReadyAsync();
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts one that is expected to refuse, and answers its exit code and what it said.</summary>
    public static async Task<(int ExitCode, string Said)> RunToItsEndAsync(HostSetup setup)
    {
        await using var host = new HostProcess(setup);
        await host.process.WaitForExitAsync().WaitAsync(Patience);
        return (host.process.ExitCode, host.Said);
    }

    /// <summary>kill -TERM, and what the host ends with.</summary>
    public async Task<int> StopAsync()
    {
        using (var kill = Process.Start("kill", ["-TERM", $"{process.Id}"])) await kill.WaitForExitAsync();
        return await EndAsync();
    }

    /// <summary>What it ends with by itself.</summary>
    public async Task<int> EndAsync()
    {
        await process.WaitForExitAsync().WaitAsync(Patience);
        return process.ExitCode;
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) await KillAsync();
        process.Dispose();
    }

    private async Task ReadyAsync()
    {
        using var http = new HttpClient { BaseAddress = Address, Timeout = Patience };
        var watch = Stopwatch.StartNew();
        while (true)
        {
            using var answer = await http.GetAsync("/ready");
            if (answer.IsSuccessStatusCode) return;
            if (watch.Elapsed > Patience) throw new TimeoutException($"The host serves and does not become ready:\n{Said}");
            await Task.Delay(50);
        }
    }

    private void Hear(string? line)
    {
        if (line is null) return;
        lock (said) said.AppendLine(line);
        if (line.StartsWith(Announcement, StringComparison.Ordinal)) announced.TrySetResult(new Uri(line[Announcement.Length..].Split(' ')[0]));
    }
}
