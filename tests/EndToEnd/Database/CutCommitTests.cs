using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Postgres;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using Xunit.Abstractions;

namespace OrleansAiOs.EndToEnd;

/// <summary>The engine on the real store, with a proxy between it and the server that cuts connections at their commits.</summary>
public sealed class CutCommitTests(PostgresFixture postgres, ITestOutputHelper output) : IClassFixture<PostgresFixture>
{
    private const int Runs = 80;
    private const int SignalsPerRun = 3;

    [Fact]
    public async Task Connections_cut_at_the_commit_lose_no_acknowledged_command_and_apply_none_twice()
    {
        await using var proxy = new TcpFaultProxy(postgres.ConnectionString);
        var counter = new Counter();
        await using var host = await InProcessHost.StartAsync(proxy.ConnectionString, new WorkflowRegistry().Add<Tally>(), services => services.AddSingleton(counter));
        // One commit in twenty loses its reply, another one its request.
        proxy.OnCommit = n => (n % 20) switch { 7 => Fate.CutAfter, 13 => Fate.CutBefore, _ => Fate.Pass };

        var runs = Enumerable.Range(1, Runs).Select(i => new RunKey(RunKey.DefaultTenant, $"tally-{i}")).ToList();
        // A few at a time: all at once would share a handful of commits.
        await Parallel.ForEachAsync(runs, new ParallelOptions { MaxDegreeOfParallelism = 3 }, async (run, _) =>
        {
            (await host.Engine.StartRunAsync(new StartRun("tally", JsonText.From(SignalsPerRun), run.Id), "test")).IsNew.Should().BeTrue();
            // Without a key: only the protocol itself keeps a signal from being applied twice.
            for (var s = 1; s <= SignalsPerRun; s++) await host.Engine.SignalAsync(run, Tally.Add.Name, JsonText.From(s), "test");
            var end = await host.Engine.WaitAsync(run, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));
            end.Should().BeOfType<RunCompleted>().Which.Result.To<int>().Should().Be(1 + 2 + 3);
        });

        output.WriteLine($"{proxy.Commits} commits, {proxy.CutsAfter} replies swallowed, {proxy.CutsBefore} requests swallowed, {counter.Calls.Count} calls");
        proxy.Commits.Should().BeGreaterThan(200, "else this was no test of a few hundred turns");
        proxy.CutsAfter.Should().BeGreaterThan(9);
        proxy.CutsBefore.Should().BeGreaterThan(9);
        counter.Calls.Should().HaveCount(Runs * SignalsPerRun).And.OnlyContain(call => call.Value == 1, "every step was dispatched exactly once");
        foreach (var run in runs)
        {
            var history = await host.Store.ReadAsync(run, 1, CancellationToken.None);
            history.Count(e => e.Type == "signal-received").Should().Be(SignalsPerRun);
            history.Count(e => e.Type == "run-started").Should().Be(1);
            history.Select(e => e.Version).Should().Equal(Enumerable.Range(1, history.Count).Select(v => (long)v));
        }
    }

    [Fact]
    public async Task A_result_too_large_for_the_event_table_survives_connections_cut_while_it_is_stored()
    {
        await using var proxy = new TcpFaultProxy(postgres.ConnectionString);
        await using var host = await InProcessHost.StartAsync(proxy.ConnectionString, new WorkflowRegistry().Add<Bulky>());
        // Each result is stored by a COMMIT of its own before the append that refers to it: one in three of either is cut.
        proxy.OnCommit = n => (n % 6) switch { 2 => Fate.CutBefore, 5 => Fate.CutAfter, _ => Fate.Pass };

        for (var i = 1; i <= 10; i++)
        {
            var end = await host.Engine.RunAsync(new StartRun("bulky", JsonText.From(i), $"bulky-{i}"), "test").WaitAsync(TimeSpan.FromSeconds(30));
            end.Should().BeOfType<RunCompleted>().Which.Result.To<int>().Should().Be(Bulky.Characters);
        }
        proxy.CutsBefore.Should().BeGreaterThan(3);
        proxy.CutsAfter.Should().BeGreaterThan(3);
    }
}

/// <summary>Its step's result does not fit into an event.</summary>
[Workflow("bulky")]
internal sealed class Bulky : Workflow<int, int>
{
    public const int Characters = 20_000;

    private static readonly Activity<int, string> Fetch = Activity.Pure<int, string>("bulky.fetch", (i, _) => Task.FromResult($"{i}".PadRight(Characters, '.')));

    protected override async Task<int> RunAsync(int i) => (await Call(Fetch, i)).Length;
}

/// <summary>Adds up signals, with a call for each.</summary>
[Workflow("tally")]
internal sealed class Tally : Workflow<int, int>
{
    public static readonly Signal<int> Add = new("add");

    private static readonly Activity<int, int> Count = Activity.AtMostOnce<Counter, int, int>("tally.count", (counter, value, key, _) => Task.FromResult(counter.Count(key, value)));

    protected override async Task<int> RunAsync(int signals)
    {
        var sum = 0;
        for (var i = 0; i < signals; i++) sum += await Call(Count, await Receive(Add));
        return sum;
    }
}

internal sealed class Counter
{
    public ConcurrentDictionary<IdempotencyKey, int> Calls { get; } = new();

    public int Count(IdempotencyKey key, int value)
    {
        Calls.AddOrUpdate(key, 1, (_, calls) => calls + 1);
        return value;
    }
}

/// <summary>An engine in this process, on the real store.</summary>
internal sealed class InProcessHost : IAsyncDisposable
{
    private readonly ServiceProvider services;

    private InProcessHost(PostgresStore store, WorkflowHost engine, ServiceProvider services) => (Store, Engine, this.services) = (store, engine, services);

    public PostgresStore Store { get; }

    public WorkflowHost Engine { get; }

    public static async Task<InProcessHost> StartAsync(string connectionString, WorkflowRegistry registry, Action<IServiceCollection>? configure = null, TimeSpan? lateAppendsFor = null)
    {
        var collection = new ServiceCollection();
        configure?.Invoke(collection);
        var services = collection.BuildServiceProvider();
        var store = await PostgresStore.OpenAsync(connectionString, NullLogger.Instance);
        var engine = new WorkflowHost(store, registry, services, NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions
        {
            Time = TimeProvider.System,
            HostId = Guid.CreateVersion7().ToString(),
            Seed = 1,
            LateAppendsFor = lateAppendsFor ?? TimeSpan.FromSeconds(30),
        });
        await engine.StartAsync(CancellationToken.None);
        return new InProcessHost(store, engine, services);
    }

    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync();
        await Store.DisposeAsync();
        await services.DisposeAsync();
    }
}
