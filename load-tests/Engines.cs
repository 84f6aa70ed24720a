using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Audit;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.LoadTests;

/// <summary>The engine as a case drives it: in this process, or as a host in its own, over HTTP.</summary>
internal interface IEngine : IAsyncDisposable
{
    string Suffix { get; }

    /// <summary>Processes other than this one whose CPU time is ours.</summary>
    int[] Processes { get; }

    Task RunAsync(string workflow, string id, int input);

    Task StartAsync(string workflow, string id, int input);

    Task SignalAsync(string id, string signal, string value);

    Task<int> CompletedAsync();

    /// <summary>Folds what was appended into the audit trail and signs for it, where that can be asked for.</summary>
    Task SignAsync();

    /// <summary>Bytes of memory after a full collection: managed ones, and resident ones of the engine's process.</summary>
    Task<(double Managed, double Resident)> MemoryAsync();
}

internal sealed class NoEngine : IEngine
{
    public string Suffix => "";

    public int[] Processes => [];

    public Task RunAsync(string workflow, string id, int input) => throw new NotSupportedException();

    public Task StartAsync(string workflow, string id, int input) => throw new NotSupportedException();

    public Task SignalAsync(string id, string signal, string value) => throw new NotSupportedException();

    public Task<int> CompletedAsync() => throw new NotSupportedException();

    public Task SignAsync() => throw new NotSupportedException();

    public Task<(double Managed, double Resident)> MemoryAsync() => throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

internal sealed class InProcessEngine : IEngine
{
    private readonly PostgresStore store;
    private readonly Auditor auditor;

    private InProcessEngine(PostgresStore store, WorkflowHost host, Auditor auditor) => (this.store, Host, this.auditor) = (store, host, auditor);

    public WorkflowHost Host { get; }

    public string Suffix => "";

    public int[] Processes => [];

    public static async Task<InProcessEngine> StartAsync()
    {
        var key = AuditKey.Make();
        var store = await PostgresStore.OpenAsync(Bench.Connection(Bench.Database), NullLogger.Instance, key);
        // More often than a host does it, so that the seconds of a case hold their share of it; "audit" folds by itself.
        var checkpoints = Path.Combine(Directory.CreateTempSubdirectory("aios-bench").FullName, "checkpoints.ndjson");
        var auditor = new Auditor(store.Queries, key, [new CheckpointFile(checkpoints)], new AuditorOptions(TimeSpan.FromSeconds(Bench.Num("AUDIT_EVERY_S", 5))), TimeProvider.System, NullLogger.Instance);
        store.Appended += auditor.Touch;
        var registry = new WorkflowRegistry().AddFrom(typeof(InProcessEngine).Assembly);
        var host = new WorkflowHost(store, registry, new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions
        {
            Time = TimeProvider.System,
            HostId = Guid.CreateVersion7().ToString(),
            Seed = (ulong)Random.Shared.NextInt64(),
        });
        await host.StartAsync(CancellationToken.None);
        return new InProcessEngine(store, host, auditor);
    }

    public async Task RunAsync(string workflow, string id, int input)
    {
        var end = await Host.RunAsync(new StartRun(workflow, JsonText.From(input), id), "bench");
        if (end is not RunCompleted) throw new InvalidOperationException($"{id} ended as {end}");
    }

    public Task StartAsync(string workflow, string id, int input) => Host.StartRunAsync(new StartRun(workflow, JsonText.From(input), id), "bench");

    public Task SignalAsync(string id, string signal, string value) => Host.SignalAsync(new RunKey(RunKey.DefaultTenant, id), signal, JsonText.From(value), "bench");

    public Task SignAsync() => auditor.CheckpointAsync();

    public Task<int> CompletedAsync() => Bench.CompletedAsync();

    public async Task<(double, double)> MemoryAsync()
    {
        await Bench.UntilAsync(() => Task.FromResult(Host.ActiveRuns == 0));
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(2, GCCollectionMode.Aggressive, true, true);
        GC.WaitForPendingFinalizers();
        GC.Collect(2, GCCollectionMode.Aggressive, true, true);
        return (GC.GetTotalMemory(false), Bench.Resident(Environment.ProcessId));
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        await auditor.DisposeAsync();
        await store.DisposeAsync();
    }
}

/// <summary>A host started as users start it, with these workflows as its pack, or several in a cluster; this process is only a client, who asks each in turn.</summary>
internal sealed class HttpEngine : IEngine
{
    private readonly List<ServedHost> hosts = [];
    private readonly string folder = Directory.CreateTempSubdirectory("aios-bench-").FullName;
    private readonly int? clustered;
    private readonly IReadOnlyDictionary<string, string> environment;
    private int asked;

    private HttpEngine(int? clustered, IReadOnlyDictionary<string, string>? environment) => (this.clustered, this.environment) = (clustered, environment ?? new Dictionary<string, string>());

    public string Suffix => clustered is null ? "_http" : $"_hosts{clustered}";

    public int[] Processes => [.. hosts.Select(host => host.ProcessId)];

    /// <param name="clustered">How many members of a cluster; null for one host that serves its database alone.</param>
    /// <param name="environment">Of the hosts.</param>
    public static async Task<HttpEngine> StartAsync(int? clustered, IReadOnlyDictionary<string, string>? environment = null)
    {
        var engine = new HttpEngine(clustered, environment);
        for (var i = 0; i < (clustered ?? 1); i++) await engine.AddHostAsync();
        return engine;
    }

    public async Task AddHostAsync()
    {
        var place = Path.Combine(folder, $"{hosts.Count}");
        Directory.CreateDirectory(place);
        // As docs/operating.md says: the others are given what the first has made.
        var first = Path.Combine(folder, "0");
        foreach (var file in new[] { "owner.key", "kernel.secret" })
            if (place != first) File.Copy(Path.Combine(first, file), Path.Combine(place, file), overwrite: true);
        hosts.Add(await ServedHost.StartAsync(place, clustered is null ? [] : ["--cluster"], environment));
    }

    /// <summary>kill -9 of all, and as many new ones in their places.</summary>
    public async Task RestartAsync()
    {
        var count = hosts.Count;
        while (hosts.Count > 0) await KillOneAsync();
        while (hosts.Count < count) await AddHostAsync();
    }

    /// <summary>kill -9 of the first.</summary>
    public async Task KillOneAsync()
    {
        await hosts[0].DisposeAsync();
        hosts.RemoveAt(0);
    }

    public async Task RunAsync(string workflow, string id, int input)
    {
        var answer = await Next().PostAsync("/api/v1/runs?wait=60", new { workflow, id, input });
        if (answer.GetProperty("run").GetProperty("status").GetString() != "completed") throw new InvalidOperationException($"{id}: {answer}");
    }

    public Task StartAsync(string workflow, string id, int input) => Next().PostAsync("/api/v1/runs", new { workflow, id, input });

    public Task SignalAsync(string id, string signal, string value) => Next().PostAsync($"/api/v1/runs/{id}/signals/{signal}", value);

    // A host signs by itself, once a minute.
    public Task SignAsync() => Task.CompletedTask;

    public Task<int> CompletedAsync() => Bench.CompletedAsync();

    // Another process's heap cannot be collected from here: what is resident is all that can be said.
    public async Task<(double, double)> MemoryAsync()
    {
        await Task.Delay(TimeSpan.FromSeconds(5));
        return (double.NaN, Processes.Sum(Bench.Resident));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in hosts) await host.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private ServedHost Next() => hosts[(Interlocked.Increment(ref asked) & int.MaxValue) % hosts.Count];
}

/// <summary>One <c>aios serve</c>, and a client of it.</summary>
internal sealed class ServedHost : IAsyncDisposable
{
    private readonly Process process;
    private readonly HttpClient http;

    private ServedHost(Process process, HttpClient http) => (this.process, this.http) = (process, http);

    public int ProcessId => process.Id;

    public static async Task<ServedHost> StartAsync(string folder, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var here = AppContext.BaseDirectory;
        var program = Bench.Env("AIOS_PROGRAM", Path.GetFullPath(Path.Combine(here, "../../OrleansAiOs.Host/release/aios.dll")));
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        foreach (var argument in new[] { "exec", program, "serve", "--data", folder, "--connection", Bench.Connection(Bench.Database), "--pack", here, "--port", "0", "--quiet" }.Concat(arguments)) start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        var process = Process.Start(start)!;
        if (await process.StandardOutput.ReadLineAsync() is null) throw new InvalidOperationException($"The host did not start: dotnet exec {program}");
        var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 256 }) { BaseAddress = new Uri(File.ReadAllText(Path.Combine(folder, "endpoint")).Trim()) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", File.ReadAllText(Path.Combine(folder, "owner.key")).Trim());
        return new ServedHost(process, http);
    }

    public async Task<JsonElement> PostAsync<T>(string path, T body)
    {
        using var response = await http.PostAsJsonAsync(path, body);
        var text = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode) throw new InvalidOperationException($"{path}: {(int)response.StatusCode} {text}");
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    public async ValueTask DisposeAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
        http.Dispose();
    }
}
