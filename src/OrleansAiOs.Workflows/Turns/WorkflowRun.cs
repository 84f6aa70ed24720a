using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Turns;

/// <summary>
/// One run in memory: the entity that a local host and a grain both serve. It knows no host, no clock of its own and no store.
///
/// What is stored: the run's events; one summary row; one wake-up row while the engine itself has something to do later.
///
/// A turn (design.md §3):
///   1 takes the inputs that wait, one at a time;
///   2 answers a command whose key is in the receipts from the receipt;
///   3 shows each input to the code, which runs until it waits again;
///   4 turns what the code asked for into events directly behind the input;
///   5 the host appends all of it at the expected version, in one transaction with row and wake-up;
///   6 only then replies are released and effects dispatched;
///   7 an effect's outcome is an input of a later turn.
///
/// A crash before 5 leaves nothing: no effect has left, no caller has an answer. A crash after 5 leaves a history that says which
/// effects may be under way; whoever loads it next takes them over when their owner is dead. An append that loses against another
/// activation of the same run leaves this object wrong: the host throws it away and loads the run anew.
/// </summary>
internal sealed class WorkflowRun
{
    private readonly RunContext context;
    private WorkflowExecution? execution;
    private List<WorkflowEvent> held = [];
    private Parking? loadFault;
    private RunRow? storedRow;
    private bool storedKnown;
    private DateTimeOffset? storedWakeUp;
    private bool keepFromCode;
    private string? versionAtEnd;
    private bool startsOver;
    private bool[]? live;
    private readonly List<(long Version, WorkflowEvent Input)> deadSignals = [];
    private Dictionary<int, (Activity Activity, Func<JsonText> Input)>? undos;
    private List<(WorkflowEvent Event, DateTimeOffset At)> past = [];
    private HashSet<int>? notShown;
    private int replayed;

    private WorkflowRun(RunKey key, RunContext context) => (State, this.context) = (new RunState(key), context);

    public RunState State { get; }

    public RunContext Context => context;

    /// <summary>Why the code cannot run, if it cannot.</summary>
    public Parking? LoadFault => loadFault;

    public WorkflowExecution? Execution => execution;

    /// <summary>Where the replay of its history stopped, if it did; the engine parks the run for it.</summary>
    public FirstDifference? FirstDifference { get; private set; }

    /// <summary>What the code threw while its history was replayed.</summary>
    public Exception? ReplayFault { get; private set; }

    public bool IsIdle => !State.IsBusy;

    /// <summary>Nothing that this host has in hand is awaited: what another has comes to the run wherever it is by then.</summary>
    public bool MayLeave => State.IsClosed ? State.Unsettled is null || State.Host != context.HostId : !State.Open.Any(step => step.UnderWay && step.Owner == context.HostId);

    public static WorkflowRun New(RunKey key, RunContext context) => new(key, context) { storedKnown = true };

    /// <summary>Rebuilds a run by folding its history and running its code over it again. A history may have gaps, each with a checkpoint behind it.</summary>
    public static WorkflowRun Load(RunKey key, IReadOnlyList<StoredEvent> history, RunContext context) => Load(key, FoldedHistory.Events(history), context);

    /// <summary>The same, of events that were read already.</summary>
    public static WorkflowRun Load(RunKey key, List<(WorkflowEvent Event, DateTimeOffset At)> history, RunContext context)
    {
        var run = Begin(key, history, context);
        run.ReplayAll();
        return run;
    }

    /// <summary>A run at the beginning of its history: <see cref="ReplayNext"/> takes it on, an input at a time.</summary>
    public static WorkflowRun Begin(RunKey key, List<(WorkflowEvent Event, DateTimeOffset At)> history, RunContext context)
    {
        var run = new WorkflowRun(key, context) { past = history };
        for (var i = 0; i < history.Count; i++)
            if (history[i].Event is RunParked { Holds: > 0 } parked)
                for (var k = 1; k <= parked.Holds; k++) (run.notShown ??= []).Add(i - k);
        run.versionAtEnd = VersionAtEnd(history);
        run.live = Branch.Live(history);
        run.startsOver = run.live is { } live && Enumerable.Range(0, history.Count).Any(i => live[i] && history[i].Event is RunReset { To: 0 });
        return run;
    }

    /// <summary>Replays all of its history, or as much as the patience with its code allows.</summary>
    public void ReplayAll()
    {
        while (ReplayNext())
        {
            if (context.Patience is not { } patience) continue;
            if (patience.IsOver) return;
            patience.Rest();
        }
        (past, notShown) = ([], null);
    }

    /// <summary>Replays the next input of the history, with the commands behind it.</summary>
    /// <returns>False at the end of the history.</returns>
    public bool ReplayNext()
    {
        if (replayed >= past.Count) return false;
        var i = replayed;
        var (input, at) = past[i];
        if (live?[i] is false)
        {
            if (input is SignalReceived) deadSignals.Add((State.Version + 1, input));
            if (input is RunReset { DropSignals: true } dropped) deadSignals.RemoveAll(signal => signal.Version > dropped.To);
            do
            {
                State.Skip(past[replayed].Event, past[replayed].At);
                replayed++;
            }
            while (replayed < past.Count && past[replayed].Event.IsCommand);
            return true;
        }
        var behind = i + 1;
        while (behind < past.Count && past[behind].Event.IsCommand && live?[behind] is not false) behind++;
        var commands = past.GetRange(i + 1, behind - i - 1);
        replayed = behind;
        var keep = notShown?.Contains(i) is true;
        if (context.Lenient is { } lenient)
        {
            ShowLeniently(lenient, input, at, i, keep);
            return true;
        }
        State.Apply(input, at);
        if (input is RunStarted started) RecreateCode(started, versionAtEnd);
        if (input is RunReset or RunForked) DeclareUndoing();
        var show = WhatToShow(input, keep);
        if (execution is null || show.Count == 0) foreach (var (command, when) in commands) State.Apply(command, when);
        else ShowRecorded(show, commands, State.Version);
        return true;
    }

    private void ShowRecorded(IReadOnlyList<WorkflowEvent> inputs, List<(WorkflowEvent Event, DateTimeOffset At)> commands, long version)
    {
        execution!.DeliverRecorded(inputs, commands);
        var seen = execution.CommandsSeen;
        (FirstDifference, ReplayFault) = (execution.Difference, execution.Difference is null ? execution.Fault : null);
        if (context.Patience is { IsOver: true }) return; // cut short: what it did not ask for yet it may still have asked for
        if (execution.Difference is not null)
            CannotRun("The history cannot be replayed with this build", $"In its replay, {execution.Difference}. `aios replay {State.Run.Id}` shows all that differs, and the patch that makes it safe.");
        else if (execution.Fault is { } fault)
            CannotRun($"The code threw {fault.GetType().Name} while its history was replayed", fault.ToString());
        else return;
        foreach (var (command, at) in commands.Skip(seen)) State.Apply(command, at);
    }

    // The commands behind it are whatever the code asks for now.
    private void ShowLeniently(LenientReplay lenient, WorkflowEvent recorded, DateTimeOffset at, int index, bool keep)
    {
        if (lenient.Translate(recorded, at, index) is not { } input) return;
        State.Apply(input, at);
        if (input is RunStarted started) RecreateCode(started, versionAtEnd);
        var show = WhatToShow(input, keep);
        if (execution is not null) lenient.Show(execution, show);
    }

    // While a run is parked its inputs are kept; going on, the code sees them in order.
    private IReadOnlyList<WorkflowEvent> WhatToShow(WorkflowEvent input, bool keep)
    {
        switch (input)
        {
            case RunParked or RunPaused or HostChanged or RunImported or RunMigrated:
                return [];
            case RunStarted when startsOver:
                return [];
            case RunReset reset:
                if (reset.To == 0) held = [State.Started!];
                if (!reset.DropSignals) held.AddRange(deadSignals.Where(signal => signal.Version > reset.To).Select(signal => signal.Input));
                deadSignals.RemoveAll(signal => signal.Version > reset.To);
                return [];
            case RunForked:
                return [];
            case StepEvent { Step: < 0 } undoing:
                if (State.Find<OpenStep>(undoing.Step) is null) execution?.Take(undoing.Step);
                return [];
            case RunUnparked or RunResumed or BranchBegun when keep:
                return []; // the code threw again at what was held: it is held further
            case RunUnparked or RunResumed or BranchBegun:
                return Release();
            case var _ when keep || State.IsHeld || State.CutAt is not null:
                held.Add(input);
                return [];
            default:
                return [input];
        }
    }

    private IReadOnlyList<WorkflowEvent> Release()
    {
        if (State.IsHeld || State.CutAt is not null) return []; // there is another reason to hold it
        var show = held;
        held = [];
        return show;
    }

    private void DeclareUndoing()
    {
        foreach (var step in State.InOrder<ActivityStep>().TakeWhile(step => step.Number < 0))
            if (context.Registry.FindActivity(step.Scheduled.Activity) is { } activity) execution?.Declare(step.Number, activity);
            else CannotRun($"The activity '{step.Scheduled.Activity}' is missing",
                $"Step {-step.Number} is to be undone by '{step.Scheduled.Activity}', which is in no static field of this host's workflow assemblies. Deploy a build that holds it, then unpark the run.");
    }

    /// <summary>What undoes a step that happened, as the run's sagas know it.</summary>
    public (Activity Activity, JsonText Input)? UndoOf(int step) => undos?.TryGetValue(step, out var undo) is true ? (undo.Activity, undo.Input()) : null;

    // A run that was moved has its whole history shown to the version it was moved to.
    internal static string? VersionAtEnd(List<(WorkflowEvent Event, DateTimeOffset At)> events)
    {
        for (var i = events.Count - 1; i >= 0; i--)
        {
            if (events[i].Event is RunMigrated migrated) return migrated.To;
            if (events[i].Event is RunForked { Version: { } version }) return version;
            if (events[i].Event is LoopCheckpoint checkpoint) return checkpoint.CodeVersion;
            if (events[i].Event is LoopResumption resumption) return resumption.Checkpoint.CodeVersion;
        }
        return events is [(RunStarted started, _), ..] ? started.Version : null;
    }

    /// <summary>Why a run of this workflow is parked that came to a host without its code, and for no other reason.</summary>
    internal static IEnumerable<string> ReasonsOfLacking(WorkflowType type) => [VersionMissing(type.Name, type.Version), VersionMissing(type.Name, null), TypeMissing(type.Name)];

    private static string VersionMissing(string workflow, string? version) => $"{(version is null ? "The version without a name" : $"Version '{version}'")} of '{workflow}' is missing";

    private static string TypeMissing(string workflow) => $"Unknown workflow type '{workflow}'";

    private void CreateCode(RunStarted started, string? version)
    {
        if (context.Registry.Find(started.Workflow, version) is { } type)
            execution = new WorkflowExecution(type.Create(), State, context.OnForeignWork(State.Run), context.Patience) { Lenient = context.Lenient, Matched = context.Matched, Directory = context.Directory };
        // What the sagas had registered is known also of a run whose code no longer follows.
        if (execution is not null) undos = execution.Undos;
        if (execution is not null) return;
        if (context.Registry.Find(started.Workflow) is not null)
            CannotRun(VersionMissing(started.Workflow, version),
                $"This host holds of '{started.Workflow}': {context.Registry.VersionsForPeople(started.Workflow)}. Deploy a build that also holds {(version is null ? "the class without a version" : $"version '{version}'")}, "
                + $"then unpark the run; or move it, if it replays: aios migrate --type {started.Workflow} --to {context.Registry.Find(started.Workflow)!.Version ?? "VERSION"}, then unpark it.");
        else
            CannotRun(TypeMissing(started.Workflow),
                $"This host knows: {context.Registry.NamesForPeople}. Start it with the pack that holds '{started.Workflow}', then unpark the run.");
    }

    private void RecreateCode(RunStarted started, string? version)
    {
        try
        {
            CreateCode(started, version);
        }
        catch (Exception e)
        {
            CannotRun($"The workflow '{started.Workflow}' could not be created: {e.GetType().Name}", e.ToString());
        }
    }

    private void CannotRun(string reason, string detail)
    {
        execution = null;
        loadFault = new Parking(0, reason, Failure.Clean(detail));
    }

    // ---- the turn ----

    /// <param name="inputs">What waits, in the order it came.</param>
    /// <param name="parking">The code threw at one of these inputs: record that one and park the run there.</param>
    public Turn Take(IReadOnlyList<Input> inputs, Parking? parking)
    {
        var turn = new Turn(State.Version);
        // A question is not to leave a trace.
        if (loadFault is not null && State.Parked is null && State.Started is not null && !State.IsClosed && inputs.Any(input => input.NeedsCode(this)))
            RecordUnshown(turn, new RunParked(loadFault.Reason, loadFault.Detail));
        if (parking is { Input: < 0 } && State.Parked is null && !State.IsClosed)
            RecordUnshown(turn, new RunParked(parking.Reason, parking.Detail));
        for (var i = 0; i < inputs.Count; i++)
        {
            // One that rereads the history does so as it is stored.
            if (inputs[i].Rereads && turn.Events.Count > 0) break;
            turn.Taken = i + 1;
            keepFromCode = parking?.Input == i;
            var before = turn.Events.Count;
            inputs[i].Decide(this, turn);
            if (turn.Rereads) return turn;
            if (!keepFromCode) Settle(turn);
            if (State.Mismatch is { } mismatch && State.Parked is null) turn.MustPark ??= Differing(i, mismatch.Choice, mismatch.Asked);
            if (turn.MustPark is not null) return turn;
            if (keepFromCode && !State.IsClosed && State.Parked is null) RecordUnshown(turn, new RunParked(parking!.Reason, parking.Detail, turn.Events.Skip(before).Count(e => e.Event is not HostChanged)));
            keepFromCode = false;
            if (execution?.Fault is { } fault && !State.IsClosed && State.Parked is null)
            {
                turn.MustPark = new Parking(i, $"The code threw {fault.GetType().Name}: {Failure.Clean(fault.Message)}", Failure.Clean(fault.ToString()));
                return turn;
            }
        }
        Summarise(turn);
        return turn;
    }

    // What a reset or a fork left to be done, as soon as it can be: the next undoing, then the code, then outcomes it has asked for.
    private void Settle(Turn turn)
    {
        if (execution is null) return;
        while (State.Denied > 0 && MayGoOn() && State.InOrder<ActivityStep>().FirstOrDefault(step => step.Now is ActivityStep.Phase.Denied && State.MayAct(step)) is { } step)
            foreach (var e in step.OnDue(execution.Declaration(step.Number), Now).ToList()) Record(turn, e);
        if (State.Resets == 0) return;
        if (State.IsCompensating) DueInput.DoWhatIsDue(this, turn);
        else if (State.CutAt is not null && !State.IsHeld && !State.IsClosed)
        {
            Record(turn, new BranchBegun());
            DueInput.DoWhatIsDue(this, turn);
        }
        while (MayGoOn() && State.CutAt is null && State.InOrder<OpenStep>().Select(step => step.Reused).FirstOrDefault(reused => reused is not null) is { } reused)
            Record(turn, reused);

        bool MayGoOn() => !State.IsClosed && !State.IsHeld && State.Mismatch is null && execution?.Fault is null;
    }

    private static Parking Differing(int input, EffectChoice choice, WorkflowEvent asked) => new(input, $"The code has no use for the effect of step {choice.Step} that was to be reused",
        Failure.Clean($"The reset chose to reuse {(choice.Child is { } child ? $"the child run {child.Run} of '{choice.Activity}' at step {choice.Step}, started" : $"what {choice.Activity} did at step {choice.Step} under the key {choice.Key}, called")} with {choice.Input}. The code now asks for {CommandIdentity.Name(asked)}"
            + $"{(asked switch { StepScheduled scheduled => $", called with {scheduled.Input}", ChildScheduled scheduled => $", started with {scheduled.Input}", _ => "" })}. Reset the run again and choose to redo or compensate it, or deploy code that asks for the same."));

    /// <summary>The time of an input: the host's clock, corrected to the store's, never going back within a run.</summary>
    public DateTimeOffset Now => context.Clock.Now is var now && now > State.Now ? now : State.Now;

    /// <summary>Records an input, shows it to the code, and records what the code asks for.</summary>
    /// <returns>The version that holds the input: what its sender is answered, now and when it asks again.</returns>
    public long Record(Turn turn, WorkflowEvent input)
    {
        if (input is StepFailed { Step: < 0 } undone)
        {
            // Nobody's code hears of it: a person has to say that it is undone, or that it is to be tried again.
            Record(turn, new OutcomeUnknown(undone.Step, undone.Attempt, undone.Failure));
            return Record(turn, new OutcomeStillUnknown(undone.Step, 1, undone.Failure.Message, null));
        }
        RecordUnshown(turn, input);
        var version = State.Version;
        if (input is RunStarted started) CreateCode(started, started.Version);
        var show = WhatToShow(input, keepFromCode);
        if (execution is not null && show.Count > 0) execution.DeliverLive(show, command => Add(turn, command, State.Now));
        return version;
    }

    /// <summary>
    /// Records an event that changes how the history before it is read. The run in memory follows the old reading: row and wake-up are those of
    /// the run as it will be loaded.
    /// </summary>
    /// <param name="history">All that is stored of the run.</param>
    /// <param name="add">The event; for a new run what comes before it too.</param>
    /// <returns>The version that holds the event.</returns>
    public long Reread(Turn turn, List<(WorkflowEvent Event, DateTimeOffset At)> history, List<(WorkflowEvent Event, DateTimeOffset At)> add)
    {
        turn.Events.AddRange(add);
        var before = new RunState(State.Run);
        foreach (var (known, at) in add.Count > 1 ? add[..^1] : []) before.Skip(known, at);
        if ((add.Count > 1 ? before.Host ?? ((RunStarted)add[0].Event).Host : State.Host) != context.HostId) turn.Events.Insert(turn.Events.Count - 1, (new HostChanged(context.HostId), add[^1].At));
        var reread = Load(State.Run, [.. history, .. turn.Events], context);
        turn.Rereads = true;
        turn.Row = reread.MakeRow(!reread.IsIdle);
        turn.Due = reread.State.Due;
        turn.WakeUp = new WakeUpChange(turn.Due);
        foreach (var step in State.Open)
            if (reread.State.Find<OpenStep>(step.Number) is not { UnderWay: true }) turn.ToStop.Add(step.Number);
        return turn.Expected + turn.Events.Count;
    }

    /// <summary>Records the start of a run that is never to begin, and its end: its code does not run, now or in a replay.</summary>
    public void RecordStillborn(Turn turn, RunStarted started, RunTerminated end)
    {
        RecordUnshown(turn, started);
        RecordUnshown(turn, new RunParked("It is never to begin", end.Reason, Holds: 1));
        RecordUnshown(turn, end);
    }

    private void RecordUnshown(Turn turn, WorkflowEvent input)
    {
        if (State.Started is not null && State.Host != context.HostId) Add(turn, new HostChanged(context.HostId), Now);
        Add(turn, input, Now);
    }

    private void Add(Turn turn, WorkflowEvent e, DateTimeOffset at)
    {
        if (context.Gate is not null) e = Gated(e, at);
        turn.Events.Add((e, at));
        State.Apply(e, at);
        switch (e)
        {
            case ChildScheduled or ChildCancelAsked or ChildEndAsked or ChildReplaced:
                turn.ToReach.Add(((StepEvent)e).Step);
                break;
            case BranchBegun:
                turn.ToReach.UnionWith(State.InOrder<ChildStep>().Where(step => step.UnderWay).Select(step => step.Number));
                break;
            case RunClosed:
                turn.Settles = true;
                break;
            case StepScheduled or AttemptStarted or OutcomeUnknown or InquiryStarted:
                turn.ToDispatch.Add(((StepEvent)e).Step);
                break;
            case StepCancelAsked asked:
                turn.ToStop.Add(asked.Step);
                break;
        }
    }

    // ---- the gate ----

    // Every attempt passes here on its way into the history, and so before it can leave.
    private WorkflowEvent Gated(WorkflowEvent e, DateTimeOffset at) => e switch
    {
        // What takes the outcome of a dead branch calls nothing.
        StepScheduled { Gate: null } asked when !State.Reuses.ContainsKey(asked.Step) => asked with { Gate = Judge(() => IntentOf(asked, State.Resets * Branch.EpochsPerReset, 1, at), at) },
        AttemptStarted { Gate: null } again when State.Find<ActivityStep>(again.Step) is { } step => again with { Gate = Judge(() => IntentOf(step, again.Attempt, at), at) },
        _ => e,
    };

    /// <summary>What an attempt of a step is about to do, for the gate.</summary>
    public EffectIntent IntentOf(ActivityStep step, int attempt, DateTimeOffset at) => IntentOf(step.Scheduled, step.Epoch, attempt, at) with
    {
        IsInquiry = step.Now is ActivityStep.Phase.Inquiring, Hold = step.Hold, Signatures = step.Signatures, Earlier = step.Reserved,
    };

    /// <summary>What leaves together at the end of a turn.</summary>
    public Departure Departure(IEnumerable<int> steps) => new(State.Pending, steps.Distinct().Select(State.Find<ActivityStep>)
        .Where(step => step is { Now: ActivityStep.Phase.Attempting, MayHaveHappened: false, Reserved: not null })
        .ToDictionary(step => step!.Number, step => (step!.Scheduled.Activity, step.Reserved!)));

    private EffectIntent IntentOf(StepScheduled asked, int epoch, int attempt, DateTimeOffset at)
    {
        var declared = execution?.Declaration(asked.Step);
        return new EffectIntent(State.Run, State.Started!.Workflow, asked.Step, epoch, attempt, asked.Activity, asked.Effect, asked.Input, declared?.Activity.ChargeOf(asked.Input), declared?.Activity.TitleOf(asked.Input),
            State.Chain, at, asked.Step < 0 || declared?.Undoes is true, IsInquiry: false, null, [], State.Spent ?? RunSpending.None);
    }

    /// <summary>A gate that breaks lets nothing through, and takes no run with it; nor does a tool that cannot say what it costs.</summary>
    public GateRecord Judge(Func<EffectIntent> intent, DateTimeOffset at)
    {
        try
        {
            return context.Gate!.Judge(intent());
        }
        catch (Exception e)
        {
            return BrokenGate.Waits(at, e);
        }
    }

    // ---- what lists and wake-ups need to know ----

    private void Summarise(Turn turn)
    {
        var busy = !IsIdle;
        var row = MakeRow(busy);
        if (turn.Events.Count > 0)
            if (State.Started is not null && (storedRow is null || Differs(row, storedRow))) turn.Row = row;

        var due = turn.Due = State.Due;
        // Never without an event: another activation could not tell from the version that the row had changed under it.
        if (turn.Events.Count == 0 || State.Started is null) return;
        // Too early a wake-up is harmless and too late a bug: the row is rewritten when the need becomes earlier, or the run goes idle.
        // One whose time has come wakes nobody a second time.
        var next = storedWakeUp <= State.Now ? null : storedWakeUp;
        if (!storedKnown || due < next || (next is null && due is not null) || (!busy && due != storedWakeUp)) turn.WakeUp = new WakeUpChange(due);
    }

    private RunRow MakeRow(bool busy)
    {
        var started = State.Started;
        return new RunRow(State.Run, started?.Workflow ?? "", State.CodeVersion, State.Status, State.Host ?? context.HostId, busy, started?.BusinessKey,
            State.Attributes, Waits(busy), State.StartedAt, State.Now, State.ClosedAt, State.Checkpoint);
    }

    // A busy run's row lists only what a person must act on; the rest changes with every turn.
    private IReadOnlyList<RunWait> Waits(bool busy)
    {
        if (State.IsClosed) return [];
        List<RunWait>? waits = null;
        foreach (var step in State.InOrder<OpenStep>())
            if (!busy || step is ApprovalStep or ActivityStep { Now: ActivityStep.Phase.AwaitingPerson or ActivityStep.Phase.AwaitingSignature })
                (waits ??= []).Add(step.Describe());
        if (!busy)
        {
            foreach (var signal in execution?.AwaitedSignals ?? []) (waits ??= []).Add(new RunWait("signal", signal));
            foreach (var update in execution?.Updates.Names ?? []) (waits ??= []).Add(new RunWait("update", update));
        }
        if (State.Paused is { } paused) (waits ??= []).Insert(0, new RunWait("resume", paused.Reason, Why: paused.By is null ? null : $"paused by {paused.By}"));
        if (State.Parked is { } parked) (waits ??= []).Insert(0, new RunWait("unpark", parked.Reason, Why: parked.Detail));
        return waits ?? (IReadOnlyList<RunWait>)[];
    }

    private static bool Differs(RunRow row, RunRow stored) =>
        row.Status != stored.Status || row.CodeVersion != stored.CodeVersion || row.Busy != stored.Busy || row.Host != stored.Host || row.Checkpoint != stored.Checkpoint
        || !ReferenceEquals(row.Attributes, stored.Attributes) && !Same(row.Attributes, stored.Attributes)
        || !row.Waits.SequenceEqual(stored.Waits);

    private static bool Same(IReadOnlyDictionary<string, string>? a, IReadOnlyDictionary<string, string>? b) =>
        (a?.Count ?? 0) == (b?.Count ?? 0) && (a is null || b is null || a.All(pair => b.TryGetValue(pair.Key, out var value) && value == pair.Value));

    /// <summary>The append was committed.</summary>
    public void Committed(Turn turn)
    {
        if (turn.Row is not null) storedRow = turn.Row with { Attributes = turn.Row.Attributes?.ToDictionary() };
        if (turn.WakeUp is not null) storedWakeUp = turn.WakeUp.Due;
        storedKnown = true;
    }
}
