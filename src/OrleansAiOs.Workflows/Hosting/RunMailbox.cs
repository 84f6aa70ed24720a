using OrleansAiOs.Workflows.Dispatch;
using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>
/// One run's mailbox: its inputs wait here in order, and one turn at a time takes all that wait. The protocol around the append:
///
/// <code>
/// take a turn ─► append ─► Appended: replies go out, effects are dispatched
///     ▲             ├────► Conflict: another activation was faster. Throw this one away, load anew, decide the same inputs again
///     │             └────► Unknown:  read back. Our event ids are there: appended. Nothing is there: append the same again.
///     └── reload ◄───────────        Somebody else's are there: conflict
/// </code>
/// The same append, event ids included, is sent again after an unknown outcome, because the first may still be on its way: whichever
/// comes second loses at the expected version, and reading back shows the ids to be our own.
/// </summary>
/// <param name="key">The run.</param>
/// <param name="host">Its host.</param>
/// <param name="scheduler">Where its turns run; the host's if null.</param>
internal sealed class RunMailbox(RunKey key, WorkflowHost host, TaskScheduler? scheduler = null)
{
    private readonly Lock sync = new();
    private Queue<Input> inputs = new();
    private List<Input> taken = [];
    private bool serving;
    private bool retired;
    private TaskCompletionSource? rest;
    private Action? left;
    private WorkflowRun? run;
    private DateTimeOffset? noted;
    private volatile MailboxActivity doing;
    private DateTimeOffset doingSince;
    private volatile int tries;

    public RunKey Key => key;

    public DateTimeOffset IdleSince { get; private set; }

    /// <param name="input">What reached the run.</param>
    /// <param name="left">Who is told when the mailbox has left memory by itself, instead of whoever was to be told before; null changes nothing.</param>
    /// <returns>False if the mailbox has left memory; ask the host for a new one.</returns>
    public bool Post(Input input, Action? left = null)
    {
        lock (sync)
        {
            if (retired) return false;
            this.left = left ?? this.left;
            if (inputs.Count >= host.Options.MailboxMax && input is not InnerInput)
            {
                input.Fail(new CommandRefusedException(Refusal.Busy, $"Run {key} has {inputs.Count} inputs waiting. Try again later.", TimeSpan.FromSeconds(1)));
                return true;
            }
            inputs.Enqueue(input);
            if (serving) return true;
            serving = true;
        }
        using (ExecutionContext.SuppressFlow())
            _ = Task.Factory.StartNew(static self => ((RunMailbox)self!).ServeAsync(), this, CancellationToken.None, TaskCreationOptions.DenyChildAttach, scheduler ?? host.Options.Scheduler);
        return true;
    }

    /// <summary>What it does at this moment. The turn goes on meanwhile, so the parts may be of two moments close together.</summary>
    public MailboxView View()
    {
        lock (sync) return new MailboxView(inputs.Count, serving ? doing : MailboxActivity.Nothing, doingSince, tries);
    }

    private void Begin(MailboxActivity activity)
    {
        (doingSince, tries) = (host.Context.Clock.Now, 1);
        doing = activity;
    }

    /// <summary>Leaves memory if nothing has come since.</summary>
    public bool TryRetire(DateTimeOffset idleBefore)
    {
        lock (sync)
        {
            if (serving || retired || inputs.Count > 0 || IdleSince > idleBefore || run is { MayLeave: false }) return false;
            retired = true;
            run = null;
        }
        left?.Invoke();
        return true;
    }

    /// <summary>Leaves memory with whatever it holds, once what waits here has been decided: the run goes on elsewhere.</summary>
    public Task LeaveAsync()
    {
        lock (sync)
        {
            retired = true;
            return RestAsync();
        }
    }

    /// <summary>Done when nothing waits here to be decided, and nothing is being decided.</summary>
    public Task RestAsync()
    {
        lock (sync) return serving ? (rest ??= new TaskCompletionSource(host.Options.Continuations)).Task : Task.CompletedTask;
    }

    private async Task ServeAsync()
    {
        bool isSpent, mayLeave;
        while (true)
        {
            lock (sync)
            {
                if (inputs.Count == 0)
                {
                    serving = false;
                    rest?.TrySetResult();
                    rest = null;
                    // Asked here: from now on another turn may be under way.
                    (isSpent, mayLeave) = (run is null or { State: { IsClosed: true, IsBusy: false } }, run is { MayLeave: true });
                    IdleSince = host.Options.Time.GetUtcNow();
                    break;
                }
                taken.Clear();
                do taken.Add(inputs.Dequeue());
                while (!taken[0].Alone && inputs.TryPeek(out var next) && !next.Alone);
            }
            try
            {
                await TakeTurnAsync(null);
            }
            catch (CommandRefusedException e)
            {
                run = null;
                foreach (var input in taken) input.Fail(e);
            }
            catch (Exception e)
            {
                host.Log.TurnBroke(e, key);
                await TakeOneByOneAsync(e);
            }
        }
        if (isSpent) host.Forget(this);
        else if (mayLeave) host.PassivateLater(this);
    }

    /// <summary>
    /// A turn broke before its append, so nothing of it is recorded. That is the fault of one of its inputs, and takes no other with it:
    /// an attempt's outcome is told once, and lost here it would be awaited for as long as this host lives.
    /// </summary>
    private async Task TakeOneByOneAsync(Exception broke)
    {
        var inputs = taken;
        foreach (var input in inputs)
        {
            var fault = inputs.Count == 1 ? broke : await TryAsync(input, null);
            if (fault is null) continue;
            if (fault is not CommandRefusedException)
            {
                // If it is what the code asked for in answer that cannot be recorded, the run is parked, as when the code throws.
                if (!input.Begins && await TryAsync(input, new Parking(0, "What the code asked for cannot be recorded", Failure.Clean(fault.ToString()))) is null) continue;
                if (input is OutcomeInput outcome && await TryAsync(outcome.WithoutItsAnswer(fault), null) is null) continue;
                host.Log.TurnBroke(fault, key);
                fault = new InvalidOperationException($"The turn of run {key} broke: {fault.Message}", fault);
            }
            input.Fail(fault);
        }
    }

    private async Task<Exception?> TryAsync(Input input, Parking? parking)
    {
        (taken, run) = ([input], null);
        try
        {
            await TakeTurnAsync(parking);
            return null;
        }
        catch (Exception e)
        {
            run = null;
            return e;
        }
    }

    private async Task TakeTurnAsync(Parking? parking)
    {
        var mayBeNew = true;
        var isFresh = false;
        for (var parkings = 0; ;)
        {
            if (host.IsHalted) throw new CommandRefusedException(Refusal.Busy, "The host is going down.", TimeSpan.FromSeconds(5));
            if (run is null && mayBeNew && taken[0].Begins) run = WorkflowRun.New(key, host.Context);
            if (run is null)
            {
                run = await LoadAsync();
                isFresh = true;
            }
            if (run is null || !DropWhatHasNoRun(run)) return;

            Begin(MailboxActivity.RunningCode);
            var turn = run.Take(taken, parking);
            if (turn.MustPark is not null)
            {
                if (++parkings > 3) throw new InvalidOperationException($"Run {key} could not be parked: {turn.MustPark.Reason}");
                run = null;
                parking = turn.MustPark;
                continue;
            }
            if (turn.IsEmpty && turn.Known < taken.Count && !isFresh && MayBeStale())
            {
                run = null;
                mayBeNew = false;
                continue;
            }
            if (turn.IsEmpty || await AppendAsync(run, turn))
            {
                if (host.IsHalted) throw new CommandRefusedException(Refusal.Busy, "The host went down while it recorded the command. Send it again with the same key.", TimeSpan.FromSeconds(5));
                try
                {
                    Release(run, turn);
                }
                catch (Exception e)
                {
                    // It is recorded all the same, and nothing of it may be decided again.
                    host.Log.TurnBroke(e, key);
                    run = null;
                    foreach (var reply in turn.Replies) reply();
                }
                if (turn.Rereads || run?.Execution is { Queries.Spoiled: true }) run = null;
                if (!turn.Rereads && turn.Taken >= taken.Count) return;
                taken.RemoveRange(0, turn.Taken);
                if (turn.Rereads) taken.Add(new DueInput()); // what the new reading finds due
                (mayBeNew, isFresh, parking, parkings) = (false, false, null, 0);
                continue;
            }
            Telemetry.Lost();
            run = null;
            parking = null;
            mayBeNew = false;
        }
    }

    // A refusal, or "there is nothing to do", is not fenced by an append: where another host may have gone on with the run, it is said
    // only of what was read just now.
    private bool MayBeStale() => host.Options.Shared || taken.Exists(input => input is OwnerLostInput);

    private async Task<WorkflowRun?> LoadAsync()
    {
        var history = await ReadAsync();
        Begin(MailboxActivity.RunningCode);
        try
        {
            var loaded = WorkflowRun.Load(key, history, host.Context);
            host.Presence.WatchOwners(loaded);
            return loaded;
        }
        catch (Exception e)
        {
            host.Log.Unreadable(e, key);
            foreach (var input in taken) input.Fail(new CommandRefusedException(Refusal.Conflict, $"Run {key} cannot be read: {e.Message}"));
            return null;
        }
    }

    private async Task<IReadOnlyList<StoredEvent>> ReadAsync()
    {
        Begin(MailboxActivity.Reading);
        for (var attempt = 1; ; attempt++)
        {
            tries = attempt;
            try
            {
                return await host.Store.LoadAsync(key, CancellationToken.None);
            }
            catch (Exception e) when (!host.IsHalted)
            {
                host.Log.StoreTrouble(e, "read", key);
                await Task.Delay(host.Pause(attempt), host.Options.Time);
            }
        }
    }

    // Before its start a run is not there: whatever else was sent to it is told so.
    private bool DropWhatHasNoRun(WorkflowRun loaded)
    {
        if (loaded.State.Started is not null) return true;
        var start = taken.FindIndex(input => input.Begins);
        foreach (var input in start < 0 ? taken : taken[..start])
            input.Fail(new CommandRefusedException(Refusal.NotFound, $"There is no run '{key}'."));
        if (start > 0) taken.RemoveRange(0, start);
        if (start < 0) run = null;
        return start >= 0;
    }

    private async Task<bool> AppendAsync(WorkflowRun active, Turn turn)
    {
        var events = new NewEvent[turn.Events.Count];
        for (var i = 0; i < events.Length; i++)
        {
            var (e, at) = turn.Events[i];
            var (name, body) = EventNames.Write(e);
            events[i] = new NewEvent(host.Context.Ids.NextId(at), name, body, at);
        }
        var append = new RunAppend(key, turn.Expected, events, turn.Row, turn.WakeUp, await WhoIsToldAsync(active, turn));
        // From before it is sent: who takes the run over counts from the commit.
        turn.SentAt = host.Context.Clock.Now;
        var started = turn.SentStamp = host.Options.Time.GetTimestamp();
        var unsure = false;
        Begin(MailboxActivity.Appending);
        for (var attempt = 1; ; attempt++)
        {
            tries = attempt;
            var result = await host.Store.AppendAsync(append);
            if (result is AppendResult.Unknown || unsure && result is AppendResult.Conflict)
            {
                unsure = true;
                if (host.IsHalted) throw new CommandRefusedException(Refusal.Busy, "The host is going down; whether the command was recorded is not known. Send it again with the same key.", TimeSpan.FromSeconds(5));
                if (await ReadBackAsync(append) is { } known) result = known;
                else
                {
                    await Task.Delay(host.Pause(attempt), host.Options.Time);
                    continue;
                }
            }
            doing = MailboxActivity.Nothing;
            if (result is AppendResult.Conflict) return false;
            active.Committed(turn);
            Telemetry.Appended(events.Length, host.Options.Time.GetElapsedTime(started));
            host.Publish(append);
            return true;
        }
    }

    private async ValueTask<IReadOnlyList<OutboxEntry>?> WhoIsToldAsync(WorkflowRun active, Turn turn)
    {
        if (host.Options.Outbox is not { } outbox) return null;
        var workflow = (active.State.Started ?? turn.Events.Select(e => e.Event).OfType<RunStarted>().FirstOrDefault())?.Workflow ?? "";
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var told = await outbox(key, workflow, turn.Events);
                // What a fork has copied happened to another run.
                return told.Count == 0 ? null : turn is { Rereads: true, Expected: 0 } ? [.. told.Where(entry => turn.Events[entry.Event].Event is RunStarted)] : told;
            }
            catch (Exception e) when (!host.IsHalted)
            {
                host.Log.StoreTrouble(e, "ask who is to be told of", key);
                await Task.Delay(host.Pause(attempt), host.Options.Time);
            }
        }
    }

    /// <returns>Null if it is not there, or cannot be told.</returns>
    private async Task<AppendResult?> ReadBackAsync(RunAppend append)
    {
        try
        {
            var behind = await host.Store.ReadAsync(key, append.Expected + 1, CancellationToken.None);
            if (behind.Count == 0) return null;
            return behind[0].Id == append.Events[0].Id ? AppendResult.Appended : AppendResult.Conflict;
        }
        catch (Exception e)
        {
            host.Log.StoreTrouble(e, "read back", key);
            return null;
        }
    }

    private void Release(WorkflowRun active, Turn turn)
    {
        foreach (var step in turn.ToStop) host.Executor.StopAttempt(key, step, turn.Terminates);
        var departure = host.Options.Gate is not null && turn.ToDispatch.Count > 0 ? active.Departure(turn.ToDispatch) : null;
        for (var i = 0; i < turn.ToDispatch.Count; i++)
        {
            if (turn.ToDispatch.IndexOf(turn.ToDispatch[i], i + 1) >= 0) continue;
            if (active.State.Find<ActivityStep>(turn.ToDispatch[i]) is { UnderWay: true } step && active.Execution?.Declaration(step.Number) is { } declared)
                host.Executor.Dispatch(new Attempt(key, step, declared, turn.SentAt, turn.SentStamp, active.State.Started?.Priority ?? 0,
                    departure is null ? null : active.IntentOf(step, step.Attempt, active.State.Now) with { Departure = departure }, active.State.Started?.By));
        }
        foreach (var number in turn.ToReach)
            if (active.State.Find<ChildStep>(number) is { UnderWay: true } child) host.Kinship.Reach(key, active.State.Started!, active.State.Chain, child);
        if (turn.Settles && active.State.Unsettled is { } unsettled) host.Kinship.Settle(key, active.State.Started!, active.State.Chain, unsettled);
        // The row may be early, and what it was early for is not in memory yet.
        if (turn.Due is { } due && (due != noted || taken.Exists(static input => input is DueInput))) host.WakeUps.Note(key, due);
        noted = turn.Due;
        foreach (var reply in turn.Replies) reply();
        foreach (var (e, _) in turn.Events)
        {
            // What a fork has copied happened to another run.
            if (turn.Rereads && e is not RunStarted) continue;
            if (e is RunStarted started) Telemetry.RunStarted(started.Workflow);
            else if (e is RunParked parked)
            {
                Telemetry.RunParked(active.State.Started!.Workflow);
                host.Log.Parked(key, parked.Reason, parked.Detail);
                run = null; // its code has not seen what is recorded
            }
            else if (e is UpdateCompleted or UpdateFailed) host.UpdateEnded(key);
            else if (e is RunClosed closed)
            {
                Telemetry.RunClosed(active.State.Started!.Workflow, active.State.Status);
                host.UpdateEnded(key);
                host.Options.Gate?.Ended(key, active.State.Spent ?? RunSpending.None); // before anybody hears of the end
                host.Closed(key, closed, turn.Row);
            }
        }
    }
}
