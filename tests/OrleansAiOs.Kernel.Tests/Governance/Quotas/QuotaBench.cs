using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Governance.Quotas;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Governance.Budgets;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using QuotasService = OrleansAiOs.Kernel.Governance.Quotas.Quotas;

namespace OrleansAiOs.Kernel.Tests.Governance.Quotas;

/// <summary>A tenant of its own with quotas, and hosts of the real engine on one database that hold to them.</summary>
internal sealed class QuotaBench(BudgetDatabase database) : IAsyncDisposable
{
    private readonly List<QuotaHost> hosts = [];

    public string Tenant { get; } = $"t{Guid.NewGuid():N}"[..12];

    public EventStreams Streams { get; } = new(database.Source);

    public PostgresStore Store => database.Store;

    /// <summary>The world outside.</summary>
    public Callees Outside => field ??= new Callees(Tenant);

    public Task SetAsync(string id, int? calls = null, int? runs = null, string? principal = null) => new QuotasService(Streams).SetAsync(Tenant, new QuotaSet(id, calls, runs, principal), "user/olga");

    public Task RemoveAsync(string id) => new QuotasService(Streams).RemoveAsync(Tenant, id, "user/olga");

    public async Task<QuotaHost> HostAsync(string name, TimeSpan? deadAfter = null, int foldAfter = 500, TimeSpan? idle = null)
    {
        var host = await QuotaHost.StartAsync(database, this, $"{Tenant}-{name}-{hosts.Count}", deadAfter ?? TimeSpan.FromSeconds(10), foldAfter, idle ?? TimeSpan.FromMilliseconds(300));
        hosts.Add(host);
        return host;
    }

    public StartRun Start(string workflow, object? input, string id) => new(workflow, JsonText.From(input), $"{Tenant}-{id}") { Tenant = Tenant };

    public RunKey Key(string id) => new(Tenant, $"{Tenant}-{id}");

    public async Task<IReadOnlyList<RunRow>> OpenAsync() => await database.Store.ListAsync(new RunQuery(Tenant, IsOpen: true, Limit: 1000), default);

    public async Task<int> EventsAsync(string ledger) => (await Streams.ReadAsync(Tenant, ledger)).Count;

    public static async Task Until(Func<Task<bool>> condition, Func<string> otherwise)
    {
        var deadline = DateTime.UtcNow.AddSeconds(120);
        while (!await condition())
        {
            if (DateTime.UtcNow > deadline) throw new TimeoutException(otherwise());
            await Task.Delay(2);
        }
    }

    public static Task Until(Func<bool> condition, Func<string> otherwise) => Until(() => Task.FromResult(condition()), otherwise);

    public async ValueTask DisposeAsync()
    {
        Outside.LetAllGo();
        foreach (var host in hosts) await host.DisposeAsync();
    }
}

/// <summary>What calls reach: how many are there at once, and the most there ever were.</summary>
internal sealed class Callees(string tenant)
{
    private readonly ConcurrentDictionary<Guid, TaskCompletionSource> held = new();
    private readonly Lock sync = new();
    private volatile bool open;

    public int Now { get; private set; }

    public int Most { get; private set; }

    public int Calls { get; private set; }

    /// <summary>The runs that called.</summary>
    public ConcurrentQueue<string> Order { get; } = new();

    /// <summary>Answers when the test says so; a host that dies takes what it has under way with it.</summary>
    public async Task<int> HangAsync(int input, ActivityContext call)
    {
        if (call.Tenant != tenant) return input; // what another test has left in the database
        Order.Enqueue(call.Run);
        // Held before it is counted: who sees it counted lets it go.
        var (id, answer) = (Guid.NewGuid(), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        held[id] = answer;
        lock (sync)
        {
            (Calls, Now) = (Calls + 1, Now + 1);
            Most = Math.Max(Most, Now);
        }
        try
        {
            if (open) answer.TrySetResult();
            await answer.Task.WaitAsync(call.Cancellation);
            return input;
        }
        finally
        {
            held.TryRemove(id, out _);
            lock (sync) Now--;
        }
    }

    public void TryLetOneGo() => held.Values.FirstOrDefault()?.TrySetResult();

    public void LetAllGo()
    {
        open = true;
        foreach (var answer in held.Values) answer.TrySetResult();
    }
}

/// <summary>One host: engine, store and quotas.</summary>
internal sealed class QuotaHost : IAsyncDisposable
{
    private readonly PostgresStore store;
    private readonly Places places;

    private readonly Catalogue catalogue;
    private readonly QuotaView view;

    private QuotaHost(PostgresStore store, Places places, OpenRuns runs, WorkflowHost engine, Catalogue catalogue, QuotaView view) =>
        (this.store, this.places, Runs, Engine, this.catalogue, this.view) = (store, places, runs, engine, catalogue, view);

    /// <summary>What it knows, when it has looked.</summary>
    public async Task<QuotaView> Catalogued()
    {
        await catalogue.NowAsync();
        return view;
    }


    public WorkflowHost Engine { get; }

    public OpenRuns Runs { get; }

    public Places Places => places;

    public static async Task<QuotaHost> StartAsync(BudgetDatabase database, QuotaBench bench, string id, TimeSpan deadAfter, int foldAfter, TimeSpan idle)
    {
        var store = await PostgresStore.OpenAsync(database.ConnectionString, NullLogger.Instance);
        var (streams, view) = (new EventStreams(database.Source), new QuotaView());
        var catalogue = new Catalogue(streams, [view], TimeProvider.System);
        var places = new Places(streams, database.Source, view, catalogue.FreshAsync, id, deadAfter, TimeProvider.System, PlacePace.Usual with { Every = TimeSpan.FromMilliseconds(50), Idle = idle, Turn = TimeSpan.FromMilliseconds(200), FoldAfter = foldAfter });
        var runs = new OpenRuns(streams, database.Source, store, view, catalogue.FreshAsync, id, TimeProvider.System, foldAfter);
        var registry = new WorkflowRegistry().Add<CallInTurn>().Add<CallSeldom>().Add<CallAtOnce>().Add<Sleeper>().Add<ParentOfSleepers>();
        var engine = new WorkflowHost(store, registry, new ServiceCollection().AddSingleton(bench.Outside).BuildServiceProvider(), NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions
        {
            Time = TimeProvider.System,
            HostId = id,
            Seed = (ulong)id.GetHashCode(StringComparison.Ordinal),
            Shared = true,
            HeartbeatEvery = deadAfter / 10,
            DeadAfter = deadAfter,
            LateAppendsFor = TimeSpan.FromSeconds(1),
            DrainFor = TimeSpan.FromMilliseconds(1),
            Gate = new QuotaGate(places, runs, catalogue),
        });
        await catalogue.FreshAsync();
        await engine.StartAsync(default);
        return new QuotaHost(store, places, runs, engine, catalogue, view);
    }

    /// <summary>As a crash would.</summary>
    public void Kill()
    {
        Engine.Halt();
        places.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync();
        places.Dispose();
        await store.DisposeAsync();
    }

    // A gate that knows of nothing but quotas.
    private sealed class QuotaGate(Places places, OpenRuns runs, Catalogue catalogue) : IEffectGate
    {
        public GateRecord Judge(EffectIntent intent) => new(GateAnswer.Allow, intent.Chain);

        public async ValueTask<GateRecord?> RecheckAsync(EffectIntent intent, GateRecord recorded, CancellationToken cancellation)
        {
            await catalogue.FreshAsync(cancellation);
            return null;
        }

        public void Ended(RunKey run, RunSpending spent) => runs.Ended(run);

        public EffectPlace? Enter(EffectIntent intent, int priority, Action again, out string? awaits) => places.Enter(intent, priority, again, out awaits);

        public bool Holds(EffectIntent intent, EffectPlace place) => places.Holds(intent, place);

        public ValueTask AdmitAsync(RunKey run, IReadOnlyList<string> chain, bool wasOver) => runs.AdmitAsync(run, chain, wasOver);

        public void CameToNothing(RunKey run) => runs.CameToNothing(run);
    }
}

internal static class Outward
{
    public static readonly Activity<int, int> Call = Activity.Idempotent<Callees, int, int>("outside.call", (outside, input, context) => outside.HangAsync(input, context), new ActivityOptions { Concurrency = 64 });

    public static readonly Activity<int, int> Seldom = Activity.Idempotent<Callees, int, int>("outside.seldom", (outside, input, context) => outside.HangAsync(input, context), new ActivityOptions { PerSecond = 0.001, Burst = 2 });
}

[Workflow("call-seldom")]
internal sealed class CallSeldom : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int calls) => (await Task.WhenAll(Enumerable.Range(0, calls).Select(i => Call(Outward.Seldom, i)))).Length;
}

[Workflow("call-in-turn")]
internal sealed class CallInTurn : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int calls)
    {
        for (var i = 0; i < calls; i++) await Call(Outward.Call, i);
        return calls;
    }
}

[Workflow("call-at-once")]
internal sealed class CallAtOnce : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int calls) => (await Task.WhenAll(Enumerable.Range(0, calls).Select(i => Call(Outward.Call, i)))).Length;
}

[Workflow("sleeper")]
internal sealed class Sleeper : Workflow<int, int>
{
    public static readonly Signal<int> Wake = new("wake");

    protected override Task<int> RunAsync(int input) => Receive(Wake);
}

[Workflow("parent-of-sleepers")]
internal sealed class ParentOfSleepers : Workflow<int, int>
{
    private static readonly Child<int, int> One = Child<int, int>.Of<Sleeper>();

    protected override async Task<int> RunAsync(int children) => (await Task.WhenAll(Enumerable.Range(0, children).Select(i => Call(One, i)))).Length;
}
