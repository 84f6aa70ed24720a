using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Dispatch;
using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Timers;
using OrleansAiOs.Workflows.Turns;
using OrleansAiOs.Workflows.Versions;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>
/// The local host: a keyed mailbox per run, in one process. Runs come into memory with their first input and leave it when idle.
/// It is not trusted for correctness: every append names the version it expects, and a second activation anywhere loses there.
/// </summary>
public sealed class WorkflowHost : IAsyncDisposable
{
    private static readonly TimeSpan UpdateAskedAfterLeast = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan UpdateAskedAfterMost = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<RunKey, RunMailbox> mailboxes = new();
    private readonly Dictionary<RunKey, EndWaiter> waiters = [];
    private readonly Dictionary<RunKey, UpdateWaiter> updateWaiters = [];
    private readonly Lock sync = new();
    private readonly Queue<(RunMailbox Mailbox, DateTimeOffset Since)> idle = new();
    private readonly CancellationTokenSource stopping = new();
    private ITimer? sweep;
    private readonly CancellationTokenSource goingDown = new();
    private volatile bool refusing;
    private readonly TaskCompletionSource registered = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public WorkflowHost(IRunStore store, WorkflowRegistry registry, IServiceProvider services, ILogger<WorkflowHost> log, WorkflowHostOptions options)
    {
        (Store, Registry, Options, Log) = (store, registry, options, log);
        Context = new RunContext
        {
            Registry = registry,
            HostId = options.HostId,
            Clock = new StoreClock(options.Time),
            Ids = new IdSource(options.Seed),
            IsLiving = owner => !Presence!.IsDead(owner),
            Gate = options.Gate,
            Directory = options.Activities,
            OnForeignWork = run => what => Post(run, new ForeignWorkInput(what)),
        };
        Kinship = new Kinship(this);
        Executor = new ActivityExecutor(this, services, store, Context.Clock, options, Post);
        Presence = new Presence(this);
        WakeUps = new WakeUps(store, Context.Clock, options.Time, options.Scheduler, run => Post(run, new DueInput()), e => log.WakeUpTrouble(e));
    }

    public WorkflowHostOptions Options { get; }

    public WorkflowRegistry Registry { get; }

    public IRunStore Store { get; }

    /// <summary>What was appended, after it is durable. Handlers must be quick.</summary>
    public event Action<RunAppend>? Appended;

    /// <summary>Who looks at runs while they go on.</summary>
    public LiveRuns Live { get; } = new();

    /// <summary>Dead hosts were looked for, and what they left was taken over. Handlers must be quick.</summary>
    public event Action? TookOver
    {
        add => Presence.TookOver += value;
        remove => Presence.TookOver -= value;
    }

    /// <summary>Another host declared this one dead: it serves no more.</summary>
    public event Action? Fenced
    {
        add => Presence.Fenced += value;
        remove => Presence.Fenced -= value;
    }

    /// <summary>The store's time, as this host knows it.</summary>
    public DateTimeOffset Now => Context.Clock.Now;

    /// <summary>What starts runs by the clock.</summary>
    public Schedules.ScheduleClient Schedules => field ??= new(this);

    /// <summary>Runs in memory.</summary>
    public int ActiveRuns => mailboxes.Count;

    internal RunContext Context { get; }

    internal ActivityExecutor Executor { get; }

    internal Kinship Kinship { get; }

    internal WakeUps WakeUps { get; }

    internal Presence Presence { get; }

    internal ILogger Log { get; }

    /// <summary>Fires when the host begins to stop: what could wait for long lets go.</summary>
    internal CancellationToken GoesDown => goingDown.Token;

    /// <summary>Fires when the host has stopped.</summary>
    internal CancellationToken Halted => stopping.Token;

    internal bool IsHalted => stopping.IsCancellationRequested;

    /// <summary>In a cluster: takes each input to where its run is active. Null where this host is alone with its mailboxes.</summary>
    internal Action<RunKey, Input>? Route { get; set; }

    /// <summary>In a cluster: what another host that has a run in hand says of it; null if none has, or does not answer.</summary>
    internal Func<RunKey, IReadOnlyList<Keyholder>?, CancellationToken, Task<Explanation?>>? ExplainedElsewhere { get; set; }

    /// <summary>Done when the store knows this incarnation: before, no run may be active here.</summary>
    internal Task Registered => registered.Task;

    /// <summary>What the run's mailbox does; null if the run is not in memory.</summary>
    internal MailboxView? ViewOf(RunKey run) => mailboxes.TryGetValue(run, out var mailbox) ? mailbox.View() : null;

    // ---- commands ----

    /// <summary>Starts a run: recorded, its first turn taken and its first activities dispatched, when this returns.</summary>
    /// <exception cref="CommandRefusedException">Unknown workflow, unreadable input, another run under this id, or too much to do.</exception>
    public async Task<Started> StartRunAsync(StartRun command, string by)
    {
        if (Registry.Find(command.Workflow) is not { } type)
            throw new CommandRefusedException(Refusal.NotFound, $"There is no workflow '{command.Workflow}' here. This host knows: {Registry.NamesForPeople}.");
        if (command.Version is { } version)
            type = Registry.Find(command.Workflow, version)
                ?? throw new CommandRefusedException(Refusal.NotFound, $"There is no version '{version}' of '{command.Workflow}' here. This host holds: {Registry.VersionsForPeople(command.Workflow)}.");
        if (command.Id is null) command = command with { Id = Context.Ids.NextId(Now).ToString() };
        if (!RunKey.TryParse(command.Tenant, command.Id, out var run, out var error)) throw new CommandRefusedException(Refusal.Invalid, error!);
        if (command.Priority is < -100 or > 100) throw new CommandRefusedException(Refusal.Invalid, $"A run's priority is -100 to 100, not {command.Priority}.");
        if (command.BusinessKey is { Length: > 200 }) throw new CommandRefusedException(Refusal.Invalid, $"A business key has at most 200 characters; this one has {command.BusinessKey.Length}.");
        if (command.BusinessKey is { } key && (key.Contains('\0') || RunKey.HoldsLoneSurrogate(key)))
            throw new CommandRefusedException(Refusal.Invalid, "A business key must be text: no U+0000 and no half characters.");
        if (type.Objection(command.Input) is { } objection) throw new CommandRefusedException(Refusal.Invalid, objection);
        if (mailboxes.Count >= Options.ActiveRunsMax && !mailboxes.ContainsKey(run))
            throw new CommandRefusedException(Refusal.Busy, $"This host has {mailboxes.Count} runs under way, the most it takes. Try again later.", TimeSpan.FromSeconds(1));
        return await AdmittedAsync(run, command.Chain ?? [by], () => SendAsync(run, new StartInput(command, by, type)));
    }

    /// <summary>Starts a run, or has one go on that was over, if as many may be open.</summary>
    /// <exception cref="QuotaExceededException">They may not.</exception>
    internal async Task<T> AdmittedAsync<T>(RunKey run, IReadOnlyList<string> chain, Func<Task<T>> begin, bool wasOver = false)
    {
        if (Options.Gate is not { } gate) return await begin();
        try
        {
            await gate.AdmitAsync(run, chain, wasOver);
        }
        catch (QuotaExceededException)
        {
            // What was sent twice is answered from what is there.
            if (wasOver || await Store.FindAsync(run, CancellationToken.None) is null) throw;
            return await begin();
        }
        try
        {
            var begun = await begin();
            if (begun is Started { IsNew: false }) gate.CameToNothing(run);
            return begun;
        }
        catch (CommandRefusedException e) when (e.Refusal is not Refusal.Busy)
        {
            gate.CameToNothing(run);
            throw;
        }
    }

    /// <returns>The version of the run's history that holds the signal.</returns>
    public Task<long> SignalAsync(RunKey run, string signal, JsonText value, string by, string? key = null)
    {
        if (signal.Length is 0 or > 200 || signal.Contains('\0'))
            throw new CommandRefusedException(Refusal.Invalid, "A signal's name has 1 to 200 characters, none of them U+0000.");
        return SendAsync(run, new SignalInput(signal, value, by, key));
    }

    public Task<long> CancelAsync(RunKey run, string reason, string by, string? key = null) => SendAsync(run, new CancelInput(reason, by, key));

    /// <summary>Ends a run at once: its code has no say and nothing is undone.</summary>
    public Task<long> TerminateAsync(RunKey run, string reason, string by, string? key = null) => SendAsync(run, new TerminateInput(reason, by, key));

    /// <summary>Halts a run: what reaches it is kept, its code does not run and no attempt begins, until it is resumed.</summary>
    public Task<long> PauseAsync(RunKey run, string reason, string by, string? key = null) => SendAsync(run, new PauseInput(reason, by, key));

    public Task<long> ResumeAsync(RunKey run, string by, string? key = null) => SendAsync(run, new ResumeInput(by, key));

    /// <summary>Asks a run's code a question; nothing is recorded. Also a closed run answers.</summary>
    /// <param name="run">The run.</param>
    /// <param name="query">The query's name.</param>
    /// <param name="input">Its argument; null for a query that takes none.</param>
    public Task<JsonText> QueryAsync(RunKey run, string query, JsonText? input = null) => SendAsync(run, new QueryInput(query, input));

    /// <summary>Has a run's code do something, and waits for its answer, or until <paramref name="wait"/> fires. The same key again finds the same update.</summary>
    /// <exception cref="CommandRefusedException">The code refused it, takes no such update, or the run ended before it was answered.</exception>
    public async Task<UpdateOutcome> UpdateAsync(RunKey run, string update, JsonText input, string by, string? key, CancellationToken wait) =>
        await OutcomeAsync(run, await SendAsync(run, new UpdateInput(update, input, by, key)), wait);

    /// <summary>The same of a run that is started if it is not there, as <paramref name="start"/> says: so an entity comes to be with its first update.</summary>
    /// <exception cref="CommandRefusedException">As for any update; or what is there under the id is a run of another workflow, or is over.</exception>
    public async Task<UpdateOutcome> UpdateAsync(StartRun start, string startedBy, string update, JsonText input, string by, string? key, CancellationToken wait)
    {
        if (!RunKey.TryParse(start.Tenant, start.Id ?? "", out var run, out var error)) throw new CommandRefusedException(Refusal.Invalid, error!);
        long accepted;
        try
        {
            accepted = await SendAsync(run, new UpdateInput(update, input, by, key, start.Workflow));
        }
        catch (CommandRefusedException e) when (e.Refusal is Refusal.NotFound)
        {
            // Mostly it is there: so it is told first, and begun only then. If it is there all the same, it has no such update, and says so again.
            await StartRunAsync(start with { IfAbsent = true }, startedBy);
            accepted = await SendAsync(run, new UpdateInput(update, input, by, key, start.Workflow));
        }
        return await OutcomeAsync(run, accepted, wait);
    }

    private async Task<UpdateOutcome> OutcomeAsync(RunKey run, long accepted, CancellationToken wait)
    {
        // Another host may answer it, and nobody tells this one: most answers come soon, and one that waits for a person is not asked for each second.
        var after = Options.Shared ? UpdateAskedAfterLeast : Timeout.InfiniteTimeSpan;
        while (true)
        {
            var ended = AwaitUpdates(run);
            try
            {
                var outcome = await SendAsync(run, new UpdateOutcomeInput(accepted));
                if (outcome.IsOver || wait.IsCancellationRequested) return outcome;
                await ended.Task.WaitAsync(after, Options.Time, wait);
            }
            catch (TimeoutException)
            {
            }
            catch (OperationCanceledException) when (wait.IsCancellationRequested)
            {
            }
            finally
            {
                lock (waiters)
                    if (--ended.Users == 0) updateWaiters.Remove(run);
            }
            if (Options.Shared) after = 1.5 * after < UpdateAskedAfterMost ? 1.5 * after : UpdateAskedAfterMost;
        }
    }

    // Those who wait share one signal, which is given when any update of the run ends: each then asks for its own.
    private UpdateWaiter AwaitUpdates(RunKey run)
    {
        lock (waiters)
        {
            if (IsHalted) throw GoingDown();
            if (!updateWaiters.TryGetValue(run, out var waiter)) updateWaiters.Add(run, waiter = new UpdateWaiter(Options.Continuations));
            waiter.Users++;
            return waiter;
        }
    }

    internal void UpdateEnded(RunKey run)
    {
        UpdateWaiter? waiter;
        lock (waiters)
            if (updateWaiters.Remove(run, out waiter)) waiter.Users = int.MaxValue; // nobody else may take it out, or what came in its place
        waiter?.TrySetResult();
    }

    public Task<long> DecideAsync(RunKey run, int step, bool granted, Decider by, string? comment = null, string? digest = null, string? key = null) =>
        SendAsync(run, new DecideInput(step, granted, by, comment, digest, key));

    /// <summary>Records a decision on an attempt that the gate holds, as it was signed. What the signature is worth, the gate says.</summary>
    /// <exception cref="CommandRefusedException">Nothing is held there, or something else than what was signed.</exception>
    public Task<long> SignAsync(RunKey run, int step, bool granted, Decider by, DecisionSignature signature, string? comment = null, string? key = null) =>
        SendAsync(run, new SignInput(step, granted, by, signature, comment, key));

    /// <summary>What the gate holds at a step until it is signed: exactly what would be sent; null if nothing is held there.</summary>
    /// <exception cref="CommandRefusedException">There is no such run.</exception>
    public async Task<EffectIntent?> HeldAsync(RunKey run, int step, CancellationToken cancellation = default)
    {
        var history = await Store.LoadAsync(run, cancellation);
        if (history.Count == 0) throw new CommandRefusedException(Refusal.NotFound, $"There is no run '{run}'.");
        if (await RestingCode.RunAsync(run, patience => WorkflowRun.Load(run, history, Context with { Patience = patience }), cancellation) is not { } loaded)
            throw new CommandRefusedException(Refusal.Conflict, RestingCode.IsSpent ? $"Code that never rests keeps too many threads of host {Options.HostId}: restart it." : $"The code of run '{run}' does not come to rest: aios explain says more.");
        return loaded.State.Find<ActivityStep>(step) is { Now: ActivityStep.Phase.AwaitingSignature } held ? loaded.IntentOf(held, held.Attempt, loaded.Now) : null;
    }

    /// <summary>A person says what became of an attempt whose outcome is unknown.</summary>
    public Task<long> ResolveAsync(RunKey run, int step, bool happened, JsonText result, string why, string by, string? key = null) =>
        SendAsync(run, new ResolveInput(step, happened, result, why, by, key));

    /// <summary>Ends the pause before a step's next attempt, or before the next inquiry about one.</summary>
    public Task<long> RetryNowAsync(RunKey run, int step, string by, string? key = null) => SendAsync(run, new RetryNowInput(step, by, key));

    /// <summary>Gives a step its result in its stead. Refused while an attempt is under way: its answer would come too late.</summary>
    public Task<long> SkipAsync(RunKey run, int step, JsonText result, string why, string by, string? key = null) => SendAsync(run, new SkipInput(step, result, why, by, key));

    public Task<long> UnparkAsync(RunKey run, string by, string? key = null) => SendAsync(run, new UnparkInput(by, key));

    /// <summary>Moves open runs of a workflow to another version of its code: those that replay on it. A page at a time.</summary>
    public Task<MigrationPage> MigrateAsync(MigrateRuns command, string by, CancellationToken cancellation = default) => new Migration(this).RunAsync(command, by, cancellation);

    /// <summary>Lets a run go on from an earlier event; also one that is parked or over.</summary>
    /// <exception cref="EffectsToChooseException">Effects lie beyond the cut, and were not all chosen.</exception>
    /// <returns>The version of the run's history that holds the reset.</returns>
    public Task<long> ResetAsync(ResetRun command, string by, string? key = null) => new Brancher(this).ResetAsync(command, by, key);

    /// <summary>Starts a run from an event of another.</summary>
    /// <exception cref="EffectsToChooseException">Effects lie beyond the cut, and were not all chosen.</exception>
    public Task<Started> ForkAsync(ForkRun command, string by) => new Brancher(this).ForkAsync(command, by);

    /// <summary>Why a run is where it is: what it waits for, since when, who can move it on, and with which command. Changes nothing, and always answers.</summary>
    /// <param name="run">Which run.</param>
    /// <param name="keyholders">Who holds a key, if that is known: else nobody is missed.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task<Explanation> ExplainAsync(RunKey run, IReadOnlyList<Keyholder>? keyholders = null, CancellationToken cancellation = default) =>
        !HasInHand(run) && !IsHalted && ExplainedElsewhere is { } ask && await ask(run, keyholders, cancellation) is { } told
            ? told
            : await RunExplainer.ExplainAsync(this, run, keyholders, cancellation); // here, or nowhere: what is stored is all there is

    /// <summary>The same for another host, if the run is in memory here or one of its attempts is.</summary>
    internal async Task<Explanation?> ExplainInHandAsync(RunKey run, IReadOnlyList<Keyholder>? keyholders) =>
        HasInHand(run) ? await RunExplainer.ExplainAsync(this, run, keyholders, CancellationToken.None) : null;

    private bool HasInHand(RunKey run) => mailboxes.ContainsKey(run) || Executor.HasInHand(run);

    /// <summary>Waits for the end of a run, however far away.</summary>
    /// <exception cref="CommandRefusedException">There is no such run, or the host goes down.</exception>
    public async Task<RunClosed> WaitAsync(RunKey run, CancellationToken cancellation)
    {
        var waiter = Join(run);
        try
        {
            // It may have ended before, or on another host.
            while (await EndOfAsync(run, cancellation) is var end)
            {
                if (end is not null) return end;
                try
                {
                    return await waiter.Task.WaitAsync(AskedAfter, Options.Time, cancellation);
                }
                catch (TimeoutException)
                {
                }
            }
            throw new System.Diagnostics.UnreachableException();
        }
        finally
        {
            Leave(run, waiter);
        }
    }

    /// <summary>Starts a run and waits for its end.</summary>
    public async Task<RunClosed> RunAsync(StartRun command, string by, CancellationToken cancellation = default) =>
        (await StartAndWaitAsync(command, by, cancellation)).End ?? throw new OperationCanceledException(cancellation);

    /// <summary>Starts a run and waits for its end, or until <paramref name="wait"/> fires. A new run's end is known here without asking the store.</summary>
    /// <returns>The start, the end if it came in time, and the summary row at the end if it is at hand.</returns>
    public async Task<(Started Started, RunClosed? End, RunRow? Row)> StartAndWaitAsync(StartRun command, string by, CancellationToken wait)
    {
        command = command.Id is null ? command with { Id = Context.Ids.NextId(Now).ToString() } : command;
        var run = new RunKey(command.Tenant, command.Id!);
        var waiter = Join(run);
        try
        {
            var started = await StartRunAsync(command, by);
            try
            {
                if (!started.IsNew) return (started, await WaitAsync(run, wait), null);
                try
                {
                    return (started, await waiter.Task.WaitAsync(AskedAfter, Options.Time, wait), waiter.Row);
                }
                catch (TimeoutException)
                {
                    return (started, await WaitAsync(run, wait), null); // another host may have it by now
                }
            }
            catch (OperationCanceledException) when (wait.IsCancellationRequested)
            {
                return (started, null, null);
            }
        }
        finally
        {
            Leave(run, waiter);
        }
    }

    // What another host does, this one hears of only by asking the store.
    private TimeSpan AskedAfter => Options.Shared ? TimeSpan.FromSeconds(1) : Timeout.InfiniteTimeSpan;

    // Those who wait for one run share a waiter, and the last to leave takes it away.
    private EndWaiter Join(RunKey run)
    {
        lock (waiters)
        {
            if (!waiters.TryGetValue(run, out var waiter)) waiters.Add(run, waiter = new EndWaiter(Options.Continuations));
            if (IsHalted) waiter.Fail(GoingDown());
            waiter.Users++;
            return waiter;
        }
    }

    private void Leave(RunKey run, EndWaiter waiter)
    {
        lock (waiters)
            if (--waiter.Users == 0 && waiters.TryGetValue(run, out var present) && present == waiter) waiters.Remove(run);
    }

    private static CommandRefusedException GoingDown() => new(Refusal.Busy, "The host is going down. Ask again in a few seconds.", TimeSpan.FromSeconds(5));

    private async Task<RunClosed?> EndOfAsync(RunKey run, CancellationToken cancellation)
    {
        var row = await Store.FindAsync(run, cancellation)
            ?? throw new CommandRefusedException(Refusal.NotFound, $"There is no run '{run}'.");
        if (row.ClosedAt is null) return null;
        var history = await Store.LoadAsync(run, cancellation);
        return history.Select(e => e.Read()).OfType<RunClosed>().Last();
    }

    internal async Task<T> SendAsync<T>(RunKey run, Command<T> command)
    {
        if (refusing) throw new CommandRefusedException(Refusal.Busy, "The host is going down. Send it again in a few seconds.", TimeSpan.FromSeconds(5));
        Post(run, command);
        try
        {
            // By the wall clock: it is the sender who waits.
            return await command.Reply.WaitAsync(Options.AnswerWithin);
        }
        catch (TimeoutException)
        {
            throw new CommandRefusedException(Refusal.Busy, $"The store has not taken the command within {Options.AnswerWithin.TotalSeconds:0} s. Whether it will is not known: "
                + "send it again with the same id or Idempotency-Key.", TimeSpan.FromSeconds(5));
        }
    }

    internal void Post(RunKey run, Input input)
    {
        if (IsHalted)
        {
            input.Fail(new CommandRefusedException(Refusal.Busy, "The host is going down.", TimeSpan.FromSeconds(5)));
            return;
        }
        if (Route is { } route) route(run, input);
        else PostHere(run, input);
    }

    /// <summary>To the run's mailbox on this host, which is made if there is none.</summary>
    /// <param name="run">The run.</param>
    /// <param name="input">What reached it.</param>
    /// <param name="scheduler">Where the turns of a new mailbox run; the host's own scheduler if null.</param>
    /// <param name="left">Told when the mailbox has left memory by itself.</param>
    internal void PostHere(RunKey run, Input input, TaskScheduler? scheduler = null, Action? left = null)
    {
        while (!mailboxes.GetOrAdd(run, static (key, of) => new RunMailbox(key, of.Host, of.scheduler), (Host: this, scheduler)).Post(input, left))
        {
        }
    }

    /// <returns>False if the run is not in memory here.</returns>
    internal bool TryPostHere(RunKey run, Input input) => mailboxes.TryGetValue(run, out var mailbox) && mailbox.Post(input);

    /// <summary>Lets a run go, whatever it does: it goes on elsewhere.</summary>
    internal async Task LeaveAsync(RunKey run)
    {
        if (!mailboxes.TryRemove(run, out var mailbox)) return;
        await mailbox.LeaveAsync();
    }

    // ---- life ----

    /// <summary>Registers this incarnation, takes over what dead ones left, and begins to wake runs.</summary>
    public async Task StartAsync(CancellationToken cancellation)
    {
        var orphans = await Presence.BeginAsync(() => registered.TrySetResult(), cancellation);
        Log.Serving(Options.HostId, Registry.NamesForPeople, orphans);
        await KeepRetentionAsync(RunKey.DefaultTenant);
    }

    /// <summary>Sees to it that a tenant's runs are deleted as this host's rules say. For the first tenant the host does so itself when it starts.</summary>
    public async Task KeepRetentionAsync(string tenant)
    {
        if (Options.Retention.Count == 0) return;
        try
        {
            await BeginRetentionAsync(tenant);
        }
        catch (CommandRefusedException e) when (e.Refusal is Refusal.Busy)
        {
            // Too much to do at this moment, as after a crash under load: no reason not to serve.
            InBackground(LaterAsync);
        }

        async Task LaterAsync()
        {
            while (true)
            {
                await Task.Delay(TimeSpan.FromSeconds(5), Options.Time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (IsHalted) return;
                try
                {
                    await BeginRetentionAsync(tenant);
                    return;
                }
                catch (Exception e)
                {
                    Log.RetentionWaits(tenant, e.Message);
                }
            }
        }
    }

    private async Task BeginRetentionAsync(string tenant)
    {
        var command = new StartRun(Retention.RetentionWorkflow.Name, JsonText.From(""), Retention.RetentionWorkflow.Run, Tenant: tenant);
        if ((await StartRunAsync(command, "engine")) is not { IsNew: false } there) return;
        try
        {
            await SignalAsync(there.Run, Retention.RetentionWorkflow.Look.Name, JsonText.From(""), "engine", Options.HostId);
        }
        catch (CommandRefusedException e) when (e.Refusal is Refusal.Conflict)
        {
            Log.NothingIsDeleted(there.Run, e.Message); // somebody has ended it, or halted it for good: no reason not to serve
        }
    }

    /// <summary>Takes no more commands, lets what is under way finish, and leaves the rest to the next incarnation.</summary>
    public async Task StopAsync()
    {
        if (refusing) return;
        refusing = true;
        await Task.Factory.StartNew(goingDown.Cancel, CancellationToken.None, TaskCreationOptions.DenyChildAttach, Options.Scheduler);
        await Executor.DrainAsync(Options.DrainFor);
        // What attempts came to has reached the mailboxes, and is still to be recorded.
        await Task.WhenAny(Task.WhenAll(mailboxes.Values.Select(mailbox => mailbox.RestAsync())), Task.Delay(Options.DrainFor, Options.Time));
        Halt();
        try
        {
            await Store.RetireAsync(Options.HostId, CancellationToken.None);
        }
        catch (Exception e)
        {
            Log.BeatFailed(e, Options.HostId); // the next incarnation takes over as after a crash
        }
    }

    /// <summary>Stops at once, as a crash would: nothing more is sent, appended or answered.</summary>
    public void Halt()
    {
        refusing = true;
        stopping.Cancel();
        Executor.Halt();
        WakeUps.Dispose();
        lock (waiters)
        {
            foreach (var waiter in waiters.Values) waiter.Fail(GoingDown());
            foreach (var waiter in updateWaiters.Values) waiter.TrySetException(GoingDown());
            updateWaiters.Clear();
        }
        Presence.Dispose();
        lock (sync) sweep?.Dispose();
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    /// <summary>Begins work that nobody waits for, on the host's scheduler and outside of whatever called.</summary>
    internal void InBackground(Func<Task> work)
    {
        using (ExecutionContext.SuppressFlow()) _ = Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.DenyChildAttach, Options.Scheduler);
    }

    // ---- what mailboxes report ----

    internal TimeSpan Pause(int attempt) => TimeSpan.FromMilliseconds(Math.Min(2000, 20 * Math.Pow(2, Math.Min(attempt, 10))));

    // Once it is durable, nobody who hears of it may break the turn.
    internal void Publish(RunAppend append)
    {
        try
        {
            Appended?.Invoke(append);
            Live.Tell(new RunChange(append.Run, append.Row is not null));
        }
        catch (Exception e)
        {
            Log.ListenerBroke(e, append.Run);
        }
    }

    internal void Closed(RunKey run, RunClosed how, RunRow? row)
    {
        EndWaiter? waiter;
        lock (waiters) waiters.Remove(run, out waiter);
        waiter?.End(how, row);
    }

    internal void Forget(RunMailbox mailbox)
    {
        if (mailbox.TryRetire(DateTimeOffset.MaxValue)) mailboxes.TryRemove(new KeyValuePair<RunKey, RunMailbox>(mailbox.Key, mailbox));
    }

    internal void PassivateLater(RunMailbox mailbox)
    {
        lock (sync)
        {
            idle.Enqueue((mailbox, mailbox.IdleSince));
            if (!IsHalted) sweep ??= Options.Time.CreateTimer(static self => ((WorkflowHost)self!).Sweep(), this, Options.PassivateAfter, Timeout.InfiniteTimeSpan);
        }
    }

    // Armed only while something is idle in memory.
    private void Sweep()
    {
        var before = Options.Time.GetUtcNow() - Options.PassivateAfter;
        lock (sync)
        {
            while (idle.TryPeek(out var oldest) && oldest.Since <= before)
            {
                idle.Dequeue();
                if (oldest.Mailbox.TryRetire(oldest.Since)) mailboxes.TryRemove(new KeyValuePair<RunKey, RunMailbox>(oldest.Mailbox.Key, oldest.Mailbox));
            }
            if (IsHalted) return;
            if (idle.TryPeek(out var next)) sweep!.Change(next.Since - before, Timeout.InfiniteTimeSpan);
            else
            {
                sweep?.Dispose();
                sweep = null;
            }
        }
    }

    /// <summary>The end of any update of a run, and how many wait for it.</summary>
    private sealed class UpdateWaiter(TaskCreationOptions continuations) : TaskCompletionSource(continuations)
    {
        public int Users { get; set; }
    }

    /// <summary>The end of a run, and how many wait for it.</summary>
    private sealed class EndWaiter(TaskCreationOptions continuations)
    {
        private readonly TaskCompletionSource<RunClosed> end = new(continuations);

        public int Users { get; set; }

        public Task<RunClosed> Task => end.Task;

        /// <summary>The summary row at the end.</summary>
        public RunRow? Row { get; private set; }

        public void End(RunClosed how, RunRow? row)
        {
            Row = row;
            end.TrySetResult(how);
        }

        public void Fail(Exception exception) => end.TrySetException(exception);
    }
}
