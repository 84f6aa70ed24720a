using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Governance.Budgets;

/// <summary>A database with the engine's store over it.</summary>
public sealed class BudgetDatabase : IAsyncLifetime
{
    private readonly KernelDatabase database = new();

    public PostgresStore Store { get; private set; } = null!;

    public Npgsql.NpgsqlDataSource Source => database.Source;

    public string ConnectionString => database.ConnectionString;

    public async Task InitializeAsync()
    {
        await database.InitializeAsync();
        Store = await PostgresStore.OpenAsync(database.ConnectionString, NullLogger.Instance);
    }

    public async Task DisposeAsync()
    {
        await Store.DisposeAsync();
        await database.DisposeAsync();
    }
}

/// <summary>A run whose history is written by the test as the engine writes it: recorded before it is sent, with its charge.</summary>
internal sealed class PaperRun(IRunStore store, string tenant, string id, IReadOnlyList<string>? chain = null)
{
    private static readonly JsonText Nothing = JsonText.From<object?>(null);
    private readonly SortedDictionary<int, (string Tool, Charge Charge)> open = [];
    private long version;
    private int steps;

    public RunKey Key { get; } = new(tenant, id);

    /// <summary>How often it was reset.</summary>
    public int Resets { get; set; }

    public async Task<PaperRun> StartAsync()
    {
        await Append([new RunStarted("paper", Nothing, "host", By: "ana", Chain: chain)], isOpen: true);
        return this;
    }

    /// <summary>A turn lets calls go: they are recorded, and what comes back is to be checked before it is sent.</summary>
    public async Task<List<(EffectIntent Intent, Charge Charge)>> LetGoAsync(DateTimeOffset at, params (string Tool, Charge Charge)[] calls)
    {
        var first = new Dictionary<int, (string, Charge)>();
        foreach (var call in calls) first.Add(++steps, call);
        await Append([.. first.Select(call => new StepScheduled(call.Key, call.Value.Item1, Effect.Keyed, Nothing, new GateRecord(GateAnswer.Allow, chain, Charge: call.Value.Item2)))]);
        foreach (var (step, call) in first) open.Add(step, call);
        var spent = await SpentAsync();
        var departure = new Departure(Together(open.Values), first);
        return [.. first.Select(call => (Intent(call.Key, call.Value.Item1, 1, at, spent) with { Departure = departure }, call.Value.Item2))];
    }

    public Task<List<(EffectIntent Intent, Charge Charge)>> LetGoAsync(params (string Tool, Charge Charge)[] calls) => LetGoAsync(DateTimeOffset.UtcNow, calls);

    /// <summary>Another host goes on with the attempts that were under way: whether they were sent nobody knows.</summary>
    public async Task<List<(EffectIntent Intent, Charge Charge)>> TakeOverAsync(DateTimeOffset at)
    {
        var again = open.ToList();
        await Append([.. again.Select(step => new AttemptStarted(step.Key, 2, new GateRecord(GateAnswer.Allow, chain, Charge: step.Value.Charge)))]);
        var spent = await SpentAsync();
        var departure = new Departure(Together(open.Values), new Dictionary<int, (string, Charge)>());
        return [.. again.Select(step => (Intent(step.Key, step.Value.Tool, 2, at, spent) with { Departure = departure }, step.Value.Charge))];
    }

    public async Task CompleteAsync(int step)
    {
        await Append([new StepCompleted(step, 1, Nothing)]);
        open.Remove(step);
    }

    /// <summary>The gate did not let it leave.</summary>
    public async Task RefuseAsync(int step)
    {
        await Append([new AttemptStarted(step, 1, new GateRecord(GateAnswer.Deny, chain, Why: "the budget"))]);
        open.Remove(step);
    }

    public async Task<RunSpending> EndAsync()
    {
        await Append([new RunCompleted(Nothing)], isOpen: false);
        return await SpentAsync();
    }

    public async Task<RunSpending> SpentAsync() => (await RunSpending.ReadAsync(store, Key, default))!.Value.Spent;

    private EffectIntent Intent(int step, string tool, int attempt, DateTimeOffset at, RunSpending spent) =>
        new(Key, "paper", step, Resets << 16, attempt, tool, Effect.Keyed, Nothing, null, null, chain ?? ["ana"], at, false, false, null, [], spent);

    private static RunSpending Together(IEnumerable<(string Tool, Charge Charge)> calls) => new(calls.GroupBy(call => call.Tool).ToDictionary(tool => tool.Key, tool =>
        new ToolSpending(tool.SelectMany(call => call.Charge.Units).GroupBy(unit => unit.Key).ToDictionary(unit => unit.Key, unit => unit.Sum(u => u.Value)), [])));

    private async Task Append(IReadOnlyList<WorkflowEvent> events, bool? isOpen = null)
    {
        var now = DateTimeOffset.UtcNow;
        var row = isOpen is { } still ? new RunRow(Key, "paper", null, still ? RunStatus.Running : RunStatus.Completed, "host", false, null, null, [], now, now, still ? null : now) : null;
        (await store.AppendAsync(new RunAppend(Key, version, [.. events.Select(e => new NewEvent(Guid.CreateVersion7(), EventNames.Of(e), EventNames.Write(e).Body, now))], row, null))).Should().Be(AppendResult.Appended);
        version += events.Count;
    }
}
