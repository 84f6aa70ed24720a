using System.Runtime.CompilerServices;
using System.Text.Json;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tests.Tools.Mcp;

/// <summary>hostile-server.mjs beside this: in which of its modes it runs, and what it wrote of itself.</summary>
internal sealed class HostileServer : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("aios-mcp-");

    public string Log => Path.Combine(folder.FullName, "log");

    private string Go => Log + ".go";

    public void Dispose() => folder.Delete(recursive: true);

    /// <summary>Makes it known, and looks at what it offers.</summary>
    public async Task AddAsync(ToolBench bench, string mode, string name = "srv", string[]? extra = null, Dictionary<string, string>? env = null, string program = "node")
    {
        await RegisterAsync(bench, mode, name, extra, env, program);
        await bench.Servers.LookAsync(bench.Tenant, name);
    }

    public Task RegisterAsync(ToolBench bench, string mode, string name = "srv", string[]? extra = null, Dictionary<string, string>? env = null, string program = "node") =>
        bench.Registry.AddServerAsync(bench.Tenant, new McpServer(name, [program, Script(), mode, .. extra ?? []], new Dictionary<string, string>(env ?? []) { ["LOG"] = Log }), "for a test", "user/ana");

    public static Task ApproveAsync(ToolBench bench, string tool, Effect effect, string server = "srv", ToolLimits? limits = null, ToolComparison? comparison = null) =>
        bench.Registry.ApproveAsync(bench.Tenant, $"{server}/{tool}", bench.View.Find(bench.Tenant, $"{server}/{tool}")!.Pin, new ToolTerms(effect, Limits: limits, Comparison: comparison), "read it", "user/ana");

    /// <summary>The messages of a method that reached it.</summary>
    public List<JsonElement> Messages(string method) =>
        [.. Lines("{").Select(line => JsonSerializer.Deserialize<JsonElement>(line)).Where(message => message.TryGetProperty("method", out var name) && name.ValueEquals(method))];

    /// <summary>The processes that it said to be, or to have begun: "child 17".</summary>
    public IReadOnlyList<int> Processes(string what) => [.. Lines($"{what} ").Select(line => int.Parse(line[(what.Length + 1)..], null))];

    /// <summary>Lets it go on with what it waits with ("late", "storm", "slow-list"), now and whenever it starts.</summary>
    public void LetGo() => File.WriteAllText(Go, "");

    public void Hold() => File.Delete(Go);

    /// <summary>Kills its process, and waits until the host knows.</summary>
    public async Task KillAsync(ToolBench bench)
    {
        using (var process = System.Diagnostics.Process.GetProcessById(Processes("started")[^1])) process.Kill();
        await UntilAsync(() => bench.Servers.List(bench.Tenant).Single().State != "connected");
    }

    public static async Task UntilAsync(Func<bool> condition)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!condition()) await Task.Delay(20, limit.Token);
    }

    public static bool IsAlive(int process) => File.Exists($"/proc/{process}/stat") && !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);

    // A line that is being written is none yet.
    private IEnumerable<string> Lines(string start) => File.Exists(Log) ? File.ReadAllText(Log).Split('\n')[..^1].Where(line => line.StartsWith(start, StringComparison.Ordinal)) : [];

    private static string Script([CallerFilePath] string file = "") => Path.Combine(Path.GetDirectoryName(file)!, "hostile-server.mjs");
}
