using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tools;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Code;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Mcp;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Kernel.Tests.Tools;

/// <summary>A host with tools: real streams, real sockets, real processes; runs in memory. A tenant of its own.</summary>
internal sealed class ToolBench : IAsyncDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("aios-tools-");

    public ToolBench(KernelDatabase database, TimeProvider? time = null, params Type[] codeTools)
    {
        Services = new ServiceCollection().AddSingleton(time ?? TimeProvider.System).AddSingleton(new EventStreams(database.Source)).AddSingleton<Catalogue>().AddSingleton(typeof(ILogger<>), typeof(NullLogger<>))
            .AddTools(database.Source, new SecretKey(new byte[32]), new CodeTools().AddFrom(codeTools), new EgressOptions { MayName = _ => true }).BuildServiceProvider();
        Host = NewHost();
    }

    public string Tenant { get; init; } = $"t-{Guid.NewGuid():N}";

    public ServiceProvider Services { get; }

    public InMemoryStore Store { get; } = new(TimeProvider.System);

    public WorkflowRegistry Code { get; } = new WorkflowRegistry().Add<CallsATool>();

    public WorkflowHost Host { get; private set; }

    /// <summary>Asked from the next start of the host on.</summary>
    public IEffectGate? Gate { get; set; }

    public ToolRegistry Registry => Services.GetRequiredService<ToolRegistry>();

    public ToolView View => Services.GetRequiredService<ToolView>();

    public McpServers Servers => Services.GetRequiredService<McpServers>();

    public SecretStore Secrets => Services.GetRequiredService<SecretStore>();

    public EventStreams Streams => Services.GetRequiredService<EventStreams>();

    /// <summary>A tool by HTTP, approved.</summary>
    public async Task<ToolState> AddHttpAsync(string name, HttpCall call, string inputSchema, ToolTerms terms, string server = "crm", string? outputSchema = null)
    {
        var seen = await Registry.SeeAsync(Tenant, new ToolDefinition
        {
            Kind = ToolKind.Http, Server = server, Name = name, Description = "A tool of a test", InputSchema = JsonText.Parse(inputSchema), Http = call,
            OutputSchema = outputSchema is null ? null : JsonText.Parse(outputSchema),
        }, "user/ana");
        return await Registry.ApproveAsync(Tenant, seen.Definition.Id, seen.Pin, terms, "read it", "user/ana");
    }

    public async Task<RunClosed> RunAsync(string server, string tool, object? input = null, int attempts = 1, string? run = null)
    {
        run = await StartAsync(server, tool, input, attempts, run);
        return await Host.WaitAsync(new RunKey(Tenant, run), default);
    }

    public async Task<string> StartAsync(string server, string tool, object? input = null, int attempts = 1, string? run = null)
    {
        run ??= $"r-{Guid.NewGuid():N}";
        await Host.StartRunAsync(new StartRun("calls-a-tool", JsonText.From(new ToolCallOrder(server, tool, JsonSerializer.SerializeToElement(input ?? new { }), attempts)), run, Tenant: Tenant), "user/ana");
        return run;
    }

    public async Task<IReadOnlyList<WorkflowEvent>> HistoryAsync(string run) =>
        [.. (await Store.ReadAsync(new RunKey(Tenant, run), 1, default)).Select(stored => stored.Read())];

    /// <summary>Waits until the run's history holds an event of a kind.</summary>
    public async Task<T> UntilAsync<T>(string run) where T : WorkflowEvent
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            if ((await HistoryAsync(run)).OfType<T>().LastOrDefault() is { } found) return found;
            await Task.Delay(20, limit.Token);
        }
    }

    public async Task RestartAsync()
    {
        await Host.DisposeAsync();
        Host = NewHost();
        await Host.StartAsync(default);
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        await Services.DisposeAsync();
        folder.Delete(recursive: true);
    }

    private WorkflowHost NewHost() => new(Store, Code, Services, NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions
    {
        Time = TimeProvider.System, HostId = $"host-{Guid.NewGuid():N}", Seed = 1, Activities = Services.GetRequiredService<ToolDirectory>(), Gate = Gate,
    });
}

internal sealed record ToolCallOrder(string Server, string Tool, JsonElement Input, int Attempts);

[Workflow("calls-a-tool")]
internal sealed class CallsATool : Workflow<ToolCallOrder, ToolResult>
{
    protected override Task<ToolResult> RunAsync(ToolCallOrder order) =>
        Call(Tool.Of(order.Server, order.Tool), order.Input, new CallOptions { Retry = new RetryPolicy { Attempts = order.Attempts, First = TimeSpan.FromMilliseconds(20) } });
}

internal static class BenchServices
{
    public static CodeTools GetCode(this IServiceProvider services) => services.GetRequiredService<CodeTools>();
}
