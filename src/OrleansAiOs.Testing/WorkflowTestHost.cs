using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Testing;

/// <summary>
/// The engine over an in-memory store, for tests of workflows: the same turns, history and replay as in production, without a
/// database. A test can kill it and start it again, and the store survives.
/// </summary>
public sealed class WorkflowTestHost : IAsyncDisposable
{
    // Far beyond any good test, so that a bad one fails instead of hanging.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly WorkflowRegistry registry;
    private readonly ServiceProvider services;
    private readonly Func<WorkflowHostOptions, WorkflowHostOptions> configure;
    private int incarnation;

    /// <param name="registry">The workflows.</param>
    /// <param name="configureServices">What their activities ask for.</param>
    /// <param name="configure">Other options than the defaults.</param>
    /// <param name="time">The clock of host and store; the system's if left out.</param>
    public WorkflowTestHost(WorkflowRegistry registry, Action<IServiceCollection>? configureServices = null,
        Func<WorkflowHostOptions, WorkflowHostOptions>? configure = null, TimeProvider? time = null)
    {
        this.registry = registry;
        this.configure = configure ?? (options => options);
        Time = time ?? TimeProvider.System;
        Store = new InMemoryStore(Time);
        var collection = new ServiceCollection();
        configureServices?.Invoke(collection);
        services = collection.BuildServiceProvider();
        Host = Make(registry);
    }

    public TimeProvider Time { get; }

    public InMemoryStore Store { get; }

    /// <summary>The incarnation that lives now.</summary>
    public WorkflowHost Host { get; private set; }

    public async Task<WorkflowTestHost> StartAsync()
    {
        await Host.StartAsync(CancellationToken.None);
        return this;
    }

    /// <summary>Ends the host as a kill would, in the middle of whatever it does, and starts another over the same store.</summary>
    /// <param name="newCode">The workflows of the next host, to try a deployment.</param>
    public async Task KillAndRestartAsync(WorkflowRegistry? newCode = null)
    {
        Host.Halt();
        Host = Make(newCode ?? registry);
        await Host.StartAsync(CancellationToken.None);
    }

    public async Task<RunKey> StartRunAsync(string workflow, object? input, string? id = null, string by = "tester") =>
        (await Host.StartRunAsync(new StartRun(workflow, JsonText.From(input), id), by)).Run;

    /// <summary>Starts a run and waits for its end, whatever it is.</summary>
    public async Task<RunClosed> RunAsync(string workflow, object? input, string? id = null, string by = "tester") =>
        await Host.RunAsync(new StartRun(workflow, JsonText.From(input), id), by).WaitAsync(Patience);

    /// <summary>Waits for the run's end, whatever it is.</summary>
    public async Task<RunClosed> EndOf(RunKey run) => await Host.WaitAsync(run, CancellationToken.None).WaitAsync(Patience);

    /// <summary>Waits for the run's result.</summary>
    /// <exception cref="InvalidOperationException">It failed or was cancelled.</exception>
    public async Task<T> ResultOf<T>(RunKey run) => await EndOf(run) switch
    {
        RunCompleted completed => completed.Result.To<T>()!,
        RunFailed failed => throw new InvalidOperationException($"The run {run} failed: {failed.Failure.Type}: {failed.Failure.Message}"),
        var other => throw new InvalidOperationException($"The run {run} did not complete: {other}"),
    };

    public Task SignalAsync<T>(RunKey run, Signal<T> signal, T value, string by = "tester") => Host.SignalAsync(run, signal.Name, JsonText.From(value), by);

    /// <summary>Waits until the run asks for a decision, and says what it asks.</summary>
    public async Task<RunWait> UntilApproval(RunKey run) => (await Until(run, row => row.AwaitsApproval)).Waits.First(wait => wait.Kind == "approval");

    /// <summary>Decides what the run asks for, waiting until it asks.</summary>
    public async Task DecideAsync(RunKey run, bool granted, Decider by, string? comment = null)
    {
        var asked = await UntilApproval(run);
        await Host.DecideAsync(run, asked.Step!.Value, granted, by, comment, asked.Digest);
    }

    /// <summary>The run's events so far.</summary>
    public async Task<List<WorkflowEvent>> HistoryOf(RunKey run) => [.. (await Store.ReadAsync(run, 1, default)).Select(stored => stored.Read())];

    /// <summary>Waits until the run's summary row is as the test wants it.</summary>
    public async Task<RunRow> Until(RunKey run, Func<RunRow, bool> condition)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (true)
        {
            var row = await Store.FindAsync(run, default);
            if (row is not null && condition(row)) return row;
            if (DateTime.UtcNow > deadline) throw new TimeoutException($"{run} did not come to the state awaited: {row}");
            await Task.Delay(2);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        await services.DisposeAsync();
    }

    private WorkflowHost Make(WorkflowRegistry code) => new(Store, code, services, NullLogger<WorkflowHost>.Instance, configure(new WorkflowHostOptions
    {
        Time = Time,
        HostId = $"host-{++incarnation}",
        Seed = (ulong)incarnation,
        DrainFor = TimeSpan.FromSeconds(1),
    }));
}
