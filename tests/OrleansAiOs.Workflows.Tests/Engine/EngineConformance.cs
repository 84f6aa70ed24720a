using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Postgres;
using OrleansAiOs.Testing;
using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Makes the store a suite runs over.</summary>
public interface IStoreFixture
{
    /// <summary>An empty one.</summary>
    Task<IRunStore> Fresh(TimeProvider time);

    /// <summary>How many hosts serve it at once. The test speaks to the first.</summary>
    int Hosts => 1;

    WorkflowHostOptions Configure(WorkflowHostOptions options) => options;

    /// <summary>Starts the hosts; those before them are dead.</summary>
    Task Start(IReadOnlyList<WorkflowHost> hosts) => hosts.Single().StartAsync(CancellationToken.None);
}

public sealed class InMemory : IStoreFixture
{
    public Task<IRunStore> Fresh(TimeProvider time) => Task.FromResult<IRunStore>(new InMemoryStore(time));
}

/// <summary>One database for a suite, emptied for each test.</summary>
public sealed class OnPostgres : IStoreFixture, IAsyncLifetime
{
    private readonly PostgresFixture database = new();
    private PostgresStore? store;

    /// <summary>To the database itself.</summary>
    public Npgsql.NpgsqlDataSource Source => database.DataSource;

    public string ConnectionString => database.ConnectionString;

    public async Task InitializeAsync()
    {
        await database.InitializeAsync();
        store = await PostgresStore.OpenAsync(database.ConnectionString, NullLogger.Instance);
    }

    public async Task DisposeAsync()
    {
        await store!.DisposeAsync();
        await database.DisposeAsync();
    }

    public async Task<long> Count(string table)
    {
        await using var command = database.DataSource.CreateCommand($"select count(*) from aios.{table}");
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public async Task<IRunStore> Fresh(TimeProvider time)
    {
        // What an earlier test left busy or due would be taken over by this one's host.
        await using var command = database.DataSource.CreateCommand("truncate aios.mt_streams, aios.mt_events, aios.runs, aios.wakeups, aios.outcomes, aios.hosts, aios.payloads, aios.payload_parts, aios.payload_uses");
        await command.ExecuteNonQueryAsync();
        return store!;
    }
}

/// <summary>
/// What authors may rely on, whatever store is beneath: each suite is written once and run over both. A test's host can be killed and
/// started again; its time stands still unless the test moves it.
/// </summary>
public abstract class EngineConformance(IStoreFixture stores) : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly HostLog log = new();
    private readonly string suffix = Guid.NewGuid().ToString("N")[..8];
    private readonly ServiceProvider services = new ServiceCollection().AddSingleton<Outside>().BuildServiceProvider();
    private int incarnation;
    private IReadOnlyList<WorkflowHost> hosts = [];
    private StoreUntilKilled? life;

    internal ManualTime Time { get; } = new();

    internal Outside Outside => services.GetRequiredService<Outside>();

    protected IRunStore Store { get; private set; } = null!;

    protected WorkflowHost Host { get; private set; } = null!;

    /// <summary>What the hosts have logged.</summary>
    protected string Logged => log.ToString();

    protected virtual WorkflowHostOptions Configure(WorkflowHostOptions options) => options;

    /// <summary>What stands in front of the store.</summary>
    protected virtual IRunStore Front(IRunStore store) => store;

    /// <summary>The workflows nested in the suite.</summary>
    protected virtual WorkflowRegistry Code => CodeOf(GetType().BaseType!);

    protected static WorkflowRegistry CodeOf(Type holder)
    {
        var registry = new WorkflowRegistry();
        var add = typeof(WorkflowRegistry).GetMethod(nameof(WorkflowRegistry.Add), 1, [])!;
        foreach (var type in holder.GetNestedTypes(BindingFlags.NonPublic | BindingFlags.Public).Where(t => !t.IsAbstract && t.IsSubclassOf(typeof(Workflow))))
            add.MakeGenericMethod(type).Invoke(registry, null);
        return registry;
    }

    public async Task InitializeAsync()
    {
        Store = Front(await stores.Fresh(Time));
        await StartHost(Code);
    }

    public virtual async Task DisposeAsync()
    {
        Outside.LetGo();
        foreach (var host in hosts) await host.DisposeAsync();
        await services.DisposeAsync();
    }

    /// <summary>As a kill does it: nothing more leaves the host, and the next one finds only what was appended.</summary>
    protected async Task KillAndRestart(WorkflowRegistry? newCode = null)
    {
        Kill();
        // What was on its way into the store arrives before the next hosts look: they would look again for it later, in a time that stands still.
        await Eventually(() => Task.FromResult(life!.UnderWay == 0), () => "an append of a killed host never ended");
        await StartHost(newCode ?? Code);
    }

    /// <summary>As a drain does it: what is under way is let go, and the next hosts go on.</summary>
    protected async Task StopAndRestart()
    {
        var stopping = Task.WhenAll(hosts.Select(host => host.StopAsync()));
        await PassTimeUntil(() => stopping.IsCompleted, 0.01);
        await StartHost(Code);
    }

    /// <summary>The same, and nobody comes after them.</summary>
    protected void Kill()
    {
        life!.End(); // for all of them at one moment: none records what it hears of another's end
        foreach (var host in hosts) host.Halt();
        life.Release();
    }

    /// <summary>What the run's mailbox does, on whichever host it is; null if it is in memory on none.</summary>
    private protected MailboxView? ViewOf(RunKey run) => hosts.Select(host => host.ViewOf(run)).FirstOrDefault(view => view is not null);

    private protected int HostCount => hosts.Count;

    private async Task StartHost(WorkflowRegistry code)
    {
        var alive = StoreUntilKilled.Over(Store);
        life = (StoreUntilKilled)(object)alive;
        hosts = [.. Enumerable.Range(0, stores.Hosts).Select(_ => new WorkflowHost(alive, code, services, log, Configure(stores.Configure(new WorkflowHostOptions
        {
            Time = Time,
            HostId = $"{suffix}-{++incarnation}",
            Seed = (ulong)suffix.GetHashCode() + (ulong)incarnation,
            // Time jumps here by hours: what is sent late is not what these tests are about.
            DispatchWindow = TimeSpan.FromDays(3650),
            DrainFor = TimeSpan.FromMilliseconds(1),
        }))))];
        Host = hosts[0];
        await stores.Start(hosts);
    }

    protected RunKey Key(string id) => new(RunKey.DefaultTenant, $"{id}-{suffix}");

    protected async Task<RunKey> Start(string workflow, object? input = null, string id = "r", string by = "paula") =>
        (await Host.StartRunAsync(new StartRun(workflow, JsonText.From(input), Key(id).Id), by)).Run;

    protected async Task<RunClosed> End(RunKey run) => await Host.WaitAsync(run, CancellationToken.None).WaitAsync(Patience);

    protected async Task<T> Result<T>(RunKey run) => (await End(run)).Should().BeOfType<RunCompleted>().Which.Result.To<T>()!;

    protected async Task<Failure> FailureOf(RunKey run) => (await End(run)).Should().BeOfType<RunFailed>().Which.Failure;

    protected async Task<List<WorkflowEvent>> History(RunKey run) => [.. (await Store.ReadAsync(run, 1, default)).Select(e => e.Read())];

    protected async Task<List<T>> Events<T>(RunKey run) => [.. (await History(run)).OfType<T>()];

    protected async Task<RunRow> Until(RunKey run, Func<RunRow, bool> condition)
    {
        RunRow? row = null;
        await Eventually(async () => (row = await Store.FindAsync(run, default)) is not null && condition(row), () => $"{run} is {row?.Status} on {row?.Host}{(row?.Busy is true ? ", busy" : "")}, and waits for {string.Join(", ", row?.Waits ?? [])}");
        return row!;
    }

    protected Task<RunRow> UntilWaits(RunKey run, string kind) => Until(run, row => row.Waits.Any(wait => wait.Kind == kind));

    /// <summary>Its code is there again: hosts that share a store see to it themselves, one that is alone waits for a person.</summary>
    protected async Task UnparkedWithItsCode(RunKey run)
    {
        if (stores.Hosts == 1) await Host.UnparkAsync(run, "olga");
        await Until(run, row => row.Status is RunStatus.Running);
    }

    protected Task<RunRow> UntilParked(RunKey run) => Until(run, row => row.Status is RunStatus.Parked);

    /// <summary>Lets time pass, a step at a time, until it is so.</summary>
    protected Task PassTimeUntil(Func<bool> condition, double seconds = 1) => PassTimeUntilAsync(() => Task.FromResult(condition()), seconds);

    protected Task PassTimeUntilAsync(Func<Task<bool>> condition, double seconds = 1) => Eventually(async () =>
    {
        if (await condition()) return true;
        Time.Advance(TimeSpan.FromSeconds(seconds));
        return false;
    }, () => "time passed in vain");

    protected async Task PassTimeUntilEnd(RunKey run, double seconds = 1)
    {
        var end = Host.WaitAsync(run, CancellationToken.None);
        await PassTimeUntil(() => end.IsCompleted, seconds);
        await end;
    }

    protected async Task Eventually(Func<Task<bool>> condition, Func<string> otherwise)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (!await condition())
        {
            if (DateTime.UtcNow > deadline) throw new TimeoutException($"{otherwise()}. The host said:{log}");
            await Task.Delay(2);
        }
    }

    /// <summary>Holds a run against the invariants of the engine; what was called counts as an effect under its key.</summary>
    protected async Task Check(params RunKey[] runs)
    {
        var ledger = new ReceiverLedger(Outside.Calls.Where(call => !call.Name.EndsWith('?')).GroupBy(call => call.Key).ToDictionary(group => group.Key, _ => 1));
        var checker = new HistoryChecker(new CheckerOptions { Registry = Host.Registry, Ledgers = [ledger] });
        foreach (var run in runs) checker.Check(await FactsAsync(run)).Should().BeEmpty();
    }

    /// <summary>Holds a run against the invariants, as a whole and from its last checkpoint.</summary>
    /// <returns>How many events stand before the checkpoint, and are not read.</returns>
    protected async Task<int> Sound(RunKey run)
    {
        var facts = await FactsAsync(run);
        new HistoryChecker(new CheckerOptions { Registry = Code }).Check(facts).Should().BeEmpty();
        return facts.History.Count - (await Store.LoadAsync(run, default)).Count;
    }

    /// <summary>What is stored of a run, all of one moment: a run whose time has come may be going on while it is read.</summary>
    protected async Task<RunFacts> FactsAsync(RunKey run)
    {
        while (true)
        {
            var history = await Store.ReadAsync(run, 1, default);
            var row = await Store.FindAsync(run, default);
            var due = (await Store.WakeUpsAsync(DateTimeOffset.MaxValue.AddDays(-1), 10_000, default)).Where(wake => wake.Run == run).Select(wake => (DateTimeOffset?)wake.Due).FirstOrDefault();
            if ((await Store.ReadAsync(run, 1, default)).Count == history.Count) return new RunFacts(run, history, row, due);
        }
    }

    protected Task<long> Signal(RunKey run, string name, object? value, string? key = null) => Host.SignalAsync(run, name, JsonText.From(value), "tester", key);

    protected static async Task Refused(Func<Task> command, Refusal refusal, string message = "*") =>
        (await command.Should().ThrowAsync<CommandRefusedException>()).WithMessage(message).Which.Refusal.Should().Be(refusal);
}

/// <summary>What the host logged: told only when a test fails.</summary>
internal sealed class HostLog : ILogger<WorkflowHost>
{
    private readonly ConcurrentQueue<string> lines = new();

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel level) => level >= LogLevel.Information;

    public void Log<TState>(LogLevel level, EventId id, TState state, Exception? exception, Func<TState, Exception?, string> format) =>
        lines.Enqueue($"{level}: {format(state, exception)} {exception}");

    public override string ToString() => string.Concat(lines.Select(line => $"\n  {line}"));
}

/// <summary>The world outside as a script: what each call answers, and what was called.</summary>
internal sealed class Outside
{
    private readonly Lock sync = new();
    private readonly List<(string Name, string Key, int Attempt)> calls = [];
    private readonly TaskCompletionSource letGo = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What a call does; by default it answers its name.</summary>
    public Func<string, ActivityContext, Task<string>> Answer { get; set; } = (name, _) => Task.FromResult(name);

    public Func<string, Task<Reconciled<string>>> Inquiry { get; set; } = _ => Task.FromResult(Reconciled<string>.StillUnknown("nobody knows"));

    public IReadOnlyList<(string Name, string Key, int Attempt)> Calls
    {
        get
        {
            lock (sync) return [.. calls];
        }
    }

    public IEnumerable<string> Names => Calls.Select(call => call.Name);

    public Task<string> Call(string name, ActivityContext context)
    {
        lock (sync) calls.Add((name, context.Key.Value, context.Attempt));
        return Answer(name, context);
    }

    public Task<Reconciled<string>> Inquire(string name, IdempotencyKey key)
    {
        lock (sync) calls.Add(($"{name}?", key.Value, 0));
        return Inquiry(name);
    }

    /// <summary>Hangs until the test is over, whatever is asked of it.</summary>
    public async Task<string> Hang()
    {
        await letGo.Task;
        return "late";
    }

    public void LetGo() => letGo.TrySetResult();
}

/// <summary>One tool of each effect class, all of them answered by the script.</summary>
internal static class Tools
{
    public static readonly Activity<string, string> Pure = Activity.Pure<Outside, string, string>("test.pure", (o, name, c) => o.Call(name, c));

    public static readonly Activity<string, string> Keyed = Activity.Keyed<Outside, string, string>("test.keyed", (o, name, _, c) => o.Call(name, c));

    public static readonly Activity<string, string> Once = Activity.AtMostOnce<Outside, string, string>("test.once", (o, name, _, c) => o.Call(name, c), (o, name, key, _) => o.Inquire(name, key));

    public static readonly Activity<string, string> OnceWithoutHook = Activity.AtMostOnce<Outside, string, string>("test.once-no-hook", (o, name, _, c) => o.Call(name, c));

    public static readonly Activity<string, string> Undo = Activity.Keyed<Outside, string, string>("test.undo", (o, name, _, c) => o.Call($"undo {name}", c));
}

/// <summary>The store as hosts have it until they are killed: from then on nothing of theirs arrives.</summary>
internal class StoreUntilKilled : DispatchProxy
{
    private IRunStore inner = null!;
    private readonly TaskCompletionSource halted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool killed;
    private int underWay;

    /// <summary>Appends that had left before, and have not ended.</summary>
    public int UnderWay => Volatile.Read(ref underWay);

    public static IRunStore Over(IRunStore inner)
    {
        var proxy = Create<IRunStore, StoreUntilKilled>();
        ((StoreUntilKilled)(object)proxy).inner = inner;
        return proxy;
    }

    public void End() => killed = true;

    /// <summary>The hosts are halted: what they still had to append comes to nothing that they could act on.</summary>
    public void Release() => halted.TrySetResult();

    protected override object? Invoke(MethodInfo? method, object?[]? arguments) =>
        method!.Name == nameof(IRunStore.AppendAsync) ? AppendAsync((RunAppend)arguments![0]!) : method.Invoke(inner, arguments);

    private async ValueTask<AppendResult> AppendAsync(RunAppend append)
    {
        Interlocked.Increment(ref underWay); // before the look: who counts after the kill misses none
        try
        {
            if (!killed) return await inner.AppendAsync(append);
        }
        finally
        {
            Interlocked.Decrement(ref underWay);
        }
        await halted.Task;
        return AppendResult.Unknown;
    }
}
