using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Testing.CrashPoints;
using OrleansAiOs.Testing.Hosting;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using Stopwatch = System.Diagnostics.Stopwatch;
using CrashPass = OrleansAiOs.Testing.CrashPoints.CrashPoints;

namespace OrleansAiOs.Testing;

/// <summary>
/// The engine over an in-memory store, for tests of workflows: the same turns, history and replay as in production, without a
/// database. A test can kill it and start it again, and the store survives. Hosts share nothing, so tests run in parallel.
///
/// Its time is virtual. It stands, except while the test awaits something of this host: then, whenever nothing runs any more, it skips
/// to the next moment at which something is due. So a year of timers takes no time, and nothing happens behind the test's back. While a
/// tool waits for something other than this time (real I/O, a gate of the test's), time stands; <see cref="AdvanceAsync"/> moves it all the same.
/// </summary>
public sealed class WorkflowTestHost : IAsyncDisposable
{
    // Real time, far beyond any good test, so that a bad one fails and says why instead of hanging.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly WorkflowRegistry registry;
    private readonly ServiceProvider services;
    private readonly Func<WorkflowHostOptions, WorkflowHostOptions> configure;
    private readonly Dictionary<string, Activity> replaced = new(StringComparer.Ordinal);
    private readonly Stillness stillness = new();
    private readonly VirtualTime time;
    private volatile Incarnation? serving;
    private CrashPass? points;
    private int incarnations;
    private int commands;
    private volatile string? trouble;

    /// <param name="registry">The workflows.</param>
    /// <param name="configureServices">What their activities ask for, as far as they are not replaced.</param>
    /// <param name="configure">Other options than the defaults; time, scheduler and names are the test host's.</param>
    /// <param name="startsAt">Where its time begins: 2026-01-01 (UTC) if left out.</param>
    public WorkflowTestHost(WorkflowRegistry registry, Action<IServiceCollection>? configureServices = null,
        Func<WorkflowHostOptions, WorkflowHostOptions>? configure = null, DateTimeOffset? startsAt = null)
    {
        this.registry = registry;
        this.configure = configure ?? (options => options);
        time = new VirtualTime(startsAt?.ToUniversalTime() ?? new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), stillness);
        Store = new InMemoryStore(time);
        var collection = new ServiceCollection();
        configureServices?.Invoke(collection);
        collection.AddSingleton<TimeProvider>(time);
        services = collection.BuildServiceProvider();
    }

    /// <summary>The host's time. Tools get it as the service <see cref="TimeProvider"/>.</summary>
    public TimeProvider Time => time;

    /// <summary>What it is on the host's clock.</summary>
    public DateTimeOffset Now => time.GetUtcNow();

    public InMemoryStore Store { get; }

    /// <summary>The incarnation that lives now.</summary>
    public WorkflowHost Host => Present.Host;

    private Incarnation Present => serving ?? throw new InvalidOperationException("The host has not been started: await host.StartAsync().");

    // ---- what the world is ----

    /// <summary>Calls this in the activity's place.</summary>
    /// <param name="activity">The activity, by the field the workflow calls it by.</param>
    /// <param name="tool">What is done instead. What it throws counts as what the tool throws.</param>
    /// <param name="reconcile">For <c>AtMostOnce</c>: what the receiver says when it is asked what became of a lost attempt.</param>
    [OverloadResolutionPriority(1)] // else a lambda that only throws would fit both
    public WorkflowTestHost Replace<TIn, TOut>(Activity<TIn, TOut> activity, Func<TIn, ActivityContext, Task<TOut>> tool,
        Func<TIn, ActivityContext, Task<Reconciled<TOut>>>? reconcile = null)
    {
        reconcile ??= activity.CanReconcile
            ? (_, _) => Task.FromResult(Reconciled<TOut>.StillUnknown($"This test replaced '{activity.Name}' without its reconcile hook: host.Replace(activity, tool, reconcile)."))
            : null;
        lock (replaced)
            replaced[activity.Name] = new Activity<TIn, TOut>(activity.Name, activity.Effect, (_, input, context, _) => tool(input, context), activity.Options,
                reconcile is null ? null : (_, input, context) => reconcile(input, context));
        return this;
    }

    /// <inheritdoc cref="Replace{TIn, TOut}(Activity{TIn, TOut}, Func{TIn, ActivityContext, Task{TOut}}, Func{TIn, ActivityContext, Task{Reconciled{TOut}}}?)"/>
    public WorkflowTestHost Replace<TIn, TOut>(Activity<TIn, TOut> activity, Func<TIn, ActivityContext, TOut> tool,
        Func<TIn, ActivityContext, Task<Reconciled<TOut>>>? reconcile = null) =>
        Replace(activity, (input, context) => Task.FromResult(tool(input, context)), reconcile);

    // ---- life ----

    public async Task<WorkflowTestHost> StartAsync()
    {
        await RestartAsync(registry);
        return this;
    }

    /// <summary>Ends the host as a kill would, in the middle of whatever it does, and starts another over the same store.</summary>
    /// <param name="newCode">The workflows of the next host, to try a deployment.</param>
    public async Task KillAndRestartAsync(WorkflowRegistry? newCode = null)
    {
        Present.Kill();
        await RestartAsync(newCode ?? registry);
    }

    /// <summary>
    /// Crash points: runs the scenario over and over, each time over a new host, and its 1st, 2nd, … nth I/O (each append and read of the
    /// store, each call of a tool) goes wrong: it fails before it is done, its reply is lost, its host is killed before it, its host is
    /// killed after it. Until a pass in which there was no nth any more. A killed host is started again at once, over the same store.
    /// The scenario throws if anything was lost or doubled; that every history obeys the engine's invariants is checked besides.
    /// </summary>
    /// <param name="make">Makes a host, not started, with tools and their books of its own.</param>
    /// <param name="scenario">What the test does. Commands sent through the host's own members are sent again after a kill, under the same key.</param>
    /// <returns>What was struck.</returns>
    /// <exception cref="CrashPointException">A scenario failed, or a history is not what it must be.</exception>
    public static async Task<CrashReport> CrashEverywhereAsync(Func<WorkflowTestHost> make, Func<WorkflowTestHost, Task> scenario)
    {
        var report = await CrashPass.RunAsync(async points =>
        {
            await using var host = make();
            host.points = points;
            points.OnKill = host.Killed;
            await host.StartAsync();
            await scenario(host);
            var checker = new HistoryChecker(new CheckerOptions { Registry = host.registry });
            var violations = host.Store.Snapshot().SelectMany(s => checker.Check(new RunFacts(s.Run, s.History, s.Row, s.WakeUp))).Concat(checker.CheckRest()).ToList();
            if (violations.Count > 0) throw new InvalidOperationException(string.Join(Environment.NewLine, violations));
        });
        return report.Failures.Count == 0 ? report : throw new CrashPointException(report);
    }

    private async Task RestartAsync(WorkflowRegistry code)
    {
        while (true)
        {
            var next = serving = new Incarnation(this, ++incarnations, code);
            var started = next.Scheduler.Begin(() => next.Host.StartAsync(CancellationToken.None));
            await DriveAsync<bool>(() => new((started.IsCompleted || serving != next, true)), () => "The host does not come up.");
            if (serving != next) return; // killed at its start, and another was started
            try
            {
                await started;
                return;
            }
            catch (IOException) when (points is not null)
            {
                next.Kill(); // as a process does whose start failed
            }
        }
    }

    // In the midst of the dying host's I/O.
    private void Killed()
    {
        var dying = serving!;
        var next = new Incarnation(this, Interlocked.Increment(ref incarnations), registry);
        serving = next;
        _ = next.Scheduler.Begin(() => next.Host.StartAsync(CancellationToken.None));
        dying.Kill();
    }

    /// <summary>Lets time pass, and everything that falls due in it happen.</summary>
    public async Task AdvanceAsync(TimeSpan by)
    {
        var (until, begun) = (Now + by, Stopwatch.GetTimestamp());
        while (true)
        {
            var (isStill, version, change) = stillness.Look();
            if (!isStill) await PatientlyAsync(change, begun, () => $"{by} does not pass: something of the host runs on and on.");
            else if (time.IsAnythingDue(until)) Skip(version, until);
            else break;
        }
        time.SkipTo(until);
    }

    // ---- what people do ----

    /// <summary>Starts a run: recorded, its first turn taken and its first activities dispatched, when this returns.</summary>
    /// <param name="workflow">Its name.</param>
    /// <param name="input">Its input.</param>
    /// <param name="id">The run's id; a new one if left out.</param>
    /// <param name="by">Who starts it.</param>
    /// <param name="chain">Who acts, on whose behalf, where a gate asks for that.</param>
    public async Task<RunKey> StartRunAsync(string workflow, object? input, string? id = null, string by = "tester", IReadOnlyList<string>? chain = null)
    {
        if (points is not null) id ??= $"run-{Interlocked.Increment(ref commands)}";
        return (await SendAsync((host, _) => host.StartRunAsync(new StartRun(workflow, JsonText.From(input), id, Chain: chain), by))).Run;
    }

    /// <summary>Starts a run and waits for its end, whatever it is.</summary>
    public async Task<RunClosed> RunAsync(string workflow, object? input, string? id = null, string by = "tester") => await EndOf(await StartRunAsync(workflow, input, id, by));

    /// <summary>Sends a signal.</summary>
    public Task SignalAsync<T>(RunKey run, Signal<T> signal, T value, string by = "tester") =>
        SendAsync((host, key) => host.SignalAsync(run, signal.Name, JsonText.From(value), by, key));

    /// <summary>Asks a run to cancel.</summary>
    public Task CancelAsync(RunKey run, string reason = "the test wants it", string by = "tester") => SendAsync((host, key) => host.CancelAsync(run, reason, by, key));

    /// <summary>Asks a run's code a question.</summary>
    public async Task<T> QueryAsync<T>(RunKey run, Query<T> query) => (await SendAsync((host, _) => host.QueryAsync(run, query.Name))).To<T>()!;

    /// <summary>Asks a run's code a question with an argument.</summary>
    /// <exception cref="CommandRefusedException">The code answers no such query, or not with this argument.</exception>
    public async Task<TOut> QueryAsync<TIn, TOut>(RunKey run, Query<TIn, TOut> query, TIn input) => (await SendAsync((host, _) => host.QueryAsync(run, query.Name, JsonText.From(input)))).To<TOut>()!;

    /// <summary>Has a run's code do something, and waits for its answer.</summary>
    /// <exception cref="CommandRefusedException">The code refused it, takes no such update, or the run ended before it was answered.</exception>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public async Task<TOut> UpdateAsync<TIn, TOut>(RunKey run, Update<TIn, TOut> update, TIn input, string by = "tester")
    {
        var key = $"update-{Interlocked.Increment(ref commands)}";
        var outcome = await AskAsync();
        if (!outcome.IsOver)
        {
            var accepted = (UpdateAccepted)(await Store.ReadAsync(run, outcome.Version, default))[0].Read();
            await DriveAsync<bool>(async () => ((await HistoryOf(run)).Exists(e => e is RunClosed || Number(e) == accepted.Update), true), () => $"The run {run} does not answer the update '{update.Name}'.");
            outcome = await AskAsync();
        }
        return outcome.Failure is { } failure ? throw new InvalidOperationException($"The update '{update.Name}' of run {run} failed: {failure.Message}") : outcome.Answer!.Value.To<TOut>()!;

        // The same key finds the same update. It is not waited for in there, where time would not move.
        Task<UpdateOutcome> AskAsync() => SendAsync((host, _) => host.UpdateAsync(run, update.Name, JsonText.From(input), by, key, new CancellationToken(canceled: true)));

        static int? Number(WorkflowEvent e) => e switch
        {
            UpdateCompleted completed => completed.Update,
            UpdateFailed failed => failed.Update,
            _ => null,
        };
    }

    /// <summary>Decides what the run asks for, waiting until it asks.</summary>
    public async Task DecideAsync(RunKey run, bool granted, Decider by, string? comment = null)
    {
        var asked = await UntilApproval(run);
        await SendAsync((host, key) => host.DecideAsync(run, asked.Step!.Value, granted, by, comment, asked.Digest, key));
    }

    /// <summary>Sends a decision on an attempt that the gate holds, as it was signed.</summary>
    public Task SignAsync(RunKey run, int step, bool granted, Decider by, DecisionSignature signature, string? comment = null) =>
        SendAsync((host, key) => host.SignAsync(run, step, granted, by, signature, comment, key));

    // ---- what the test waits for ----

    /// <summary>Waits for the run's end, whatever it is.</summary>
    /// <exception cref="InvalidOperationException">There is no such run, or it is parked: its code threw, or does not replay.</exception>
    /// <exception cref="TimeoutException">Nothing is due any more, and it has not ended: the message says what it waits for.</exception>
    public async Task<RunClosed> EndOf(RunKey run)
    {
        var row = await Until(run, row => row.Status is RunStatus.Parked || row.ClosedAt is not null, "end");
        // A history may hold the end of a branch that a reset left: that is not this run's.
        return row.ClosedAt is not null ? (await HistoryOf(run)).OfType<RunClosed>().Last()
            : throw new InvalidOperationException($"The run {run} is parked: {row.Waits.FirstOrDefault(wait => wait.Kind == "unpark")?.Why}");
    }

    /// <summary>Waits for the run's result.</summary>
    /// <exception cref="InvalidOperationException">It failed or was cancelled.</exception>
    public async Task<T> ResultOf<T>(RunKey run) => await EndOf(run) switch
    {
        RunCompleted completed => completed.Result.To<T>()!,
        RunFailed failed => throw new InvalidOperationException($"The run {run} failed: {failed.Failure.Type}: {failed.Failure.Message}"),
        var other => throw new InvalidOperationException($"The run {run} did not complete: {other}"),
    };

    /// <summary>Waits until the run asks for a decision, of its own or of the gate's, and says what it asks.</summary>
    public async Task<RunWait> UntilApproval(RunKey run) => (await Until(run, row => row.AwaitsApproval, "ask for a decision")).Waits.First(wait => wait.Kind is "approval" or "signature");

    /// <summary>Waits until the run's summary row is as the test wants it.</summary>
    public Task<RunRow> Until(RunKey run, Func<RunRow, bool> condition) => Until(run, condition, "come to the state the test waits for");

    /// <summary>The run's events so far.</summary>
    public async Task<List<WorkflowEvent>> HistoryOf(RunKey run) => [.. (await Store.ReadAsync(run, 1, default)).Select(stored => stored.Read())];

    public async ValueTask DisposeAsync()
    {
        serving?.Kill();
        await services.DisposeAsync();
    }

    private async Task<RunRow> Until(RunKey run, Func<RunRow, bool> condition, string what)
    {
        RunRow? row = null;
        return await DriveAsync(async () =>
        {
            row = await Store.FindAsync(run, default);
            return (row is not null && condition(row), row!);
        }, () => row is null ? $"There is no run {run}." : $"The run {run} does not {what}. {Describe(row)}");
    }

    private static string Describe(RunRow row) => row switch
    {
        { ClosedAt: not null } => $"It has ended: {row.Status}.",
        { Waits: [] } => $"It is {row.Status}.",
        _ => "It waits for " + string.Join(", and for ", row.Waits.Select(wait => $"{wait.Kind} {wait.Name}{(wait.Role is null ? "" : $" (by {wait.Role})")}{(wait.Why is null ? "" : $": {wait.Why}")}")) + ".",
    };

    // ---- how time moves ----

    /// <summary>Sends a command to the host that serves. Under crash points, until one answers it.</summary>
    private async Task<T> SendAsync<T>(Func<WorkflowHost, string?, Task<T>> command)
    {
        var key = points is null ? null : $"command-{Interlocked.Increment(ref commands)}";
        while (true)
        {
            var host = Present;
            // On its scheduler, so that an answer under way counts as something that runs.
            var reply = host.Scheduler.Begin(() => command(host.Host, key));
            await DriveAsync<bool>(() => new((reply.IsCompleted || serving != host, true)), () => "A command is not answered.");
            try
            {
                if (reply.IsCompleted) return await reply;
            }
            catch (Exception e) when (points is not null && e is CommandRefusedException { Refusal: Refusal.Busy } or IOException)
            {
                await AdvanceAsync(TimeSpan.FromSeconds(1));
            }
        }
    }

    /// <summary>Waits for something; whenever all is still and it has not come, time skips to what is due next.</summary>
    private async Task<T> DriveAsync<T>(Func<ValueTask<(bool Done, T Value)>> probe, Func<string> complaint)
    {
        var begun = Stopwatch.GetTimestamp();
        while (true)
        {
            var (isStill, version, change) = stillness.Look();
            if (isStill)
            {
                if (trouble is { } what) throw new InvalidOperationException(what);
                var (done, value) = await probe();
                if (done) return value;
                if (serving is { Busy.Count: 0 } && time.IsAnythingDue(DateTimeOffset.MaxValue))
                {
                    Skip(version, DateTimeOffset.MaxValue);
                    if (Stopwatch.GetElapsedTime(begun) < Patience) continue;
                }
            }
            await PatientlyAsync(change, begun, () => $"{complaint()} {Reason()}");
        }
    }

    // Of many that wait, one moves time, and only if nothing has happened since it looked.
    private void Skip(long asOf, DateTimeOffset until)
    {
        if (!stillness.TryEnter(asOf)) return;
        try
        {
            time.SkipToNext(until);
        }
        finally
        {
            stillness.Leave();
        }
    }

    private static async Task PatientlyAsync(Task change, long begun, Func<string> complaint)
    {
        var left = Patience - Stopwatch.GetElapsedTime(begun);
        if (left > TimeSpan.Zero)
            try
            {
                await change.WaitAsync(left);
                return;
            }
            catch (TimeoutException)
            {
            }
        throw new TimeoutException(complaint());
    }

    private string Reason() => serving switch
    {
        { Busy: { Count: > 0 } busy } => $"These tools are at work, and wait for something other than the host's time: {string.Join(", ", busy)}. If the test means them to hang, move time with AdvanceAsync.",
        _ when time.IsAnythingDue(DateTimeOffset.MaxValue) => $"Time has come to {Now:u}, and something falls due again and again.",
        _ => $"Nothing is due any more at {Now:u}, and for {Patience.TotalSeconds} s nothing was sent: send what it waits for before you await it.",
    };

    /// <summary>One life of the host.</summary>
    internal sealed class Incarnation
    {
        private readonly WorkflowTestHost test;
        private readonly int maker;
        private readonly HashSet<ToolCall> calls = [];

        public Incarnation(WorkflowTestHost test, int number, WorkflowRegistry code)
        {
            this.test = test;
            maker = test.points?.Incarnation ?? 0;
            Scheduler = new CountedScheduler(test.stillness);
            IRunStore store = test.points?.Over(test.Store) ?? test.Store;
            // Nothing leaves memory of itself: what that would try, a kill tries better, and a year of timers would be read again at each of them.
            var options = new WorkflowHostOptions { Time = test.time, HostId = $"host-{number}", Seed = (ulong)number, PassivateAfter = Timeout.InfiniteTimeSpan };
            Host = new WorkflowHost(store, code, test.services, NullLogger<WorkflowHost>.Instance, test.configure(options) with
            {
                Time = test.time,
                HostId = options.HostId,
                Scheduler = Scheduler,
                InPlaceOf = InPlaceOf,
            });
        }

        public WorkflowHost Host { get; }

        public CountedScheduler Scheduler { get; }

        /// <summary>Tools at work that wait for something other than time.</summary>
        public List<string> Busy
        {
            get
            {
                lock (calls) return [.. calls.Where(call => !call.WaitsForTime).Select(call => call.ToString())];
            }
        }

        public void Kill()
        {
            Scheduler.Kill();
            Host.Halt();
            test.Store.BreakTransactions();
        }

        public void Report(string what) => test.trouble ??= what;

        public async Task<T> CallAsync<T>(string tool, ActivityContext context, Func<Task<T>> work)
        {
            var call = new ToolCall(tool, context.Run);
            lock (calls) calls.Add(call);
            ToolCall.Current = call;
            try
            {
                return test.points is { } points ? await points.DoAsync(maker, tool, work, lost: null) : await work();
            }
            finally
            {
                lock (calls) calls.Remove(call);
            }
        }

        private Activity InPlaceOf(Activity activity)
        {
            lock (test.replaced) return new ToolInTest(test.replaced.GetValueOrDefault(activity.Name, activity), this);
        }
    }
}

/// <summary>At some crash point something was lost or doubled.</summary>
public sealed class CrashPointException(CrashReport report) : Exception(
    $"{report.Failures.Count} of {report.Passes} crash points were not survived:{Environment.NewLine}{string.Join(Environment.NewLine, report.Failures)}")
{
    public CrashReport Report => report;
}
