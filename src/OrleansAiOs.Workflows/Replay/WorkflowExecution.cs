using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// A workflow's code under way. It is shown one input at a time and runs until it waits again; what it asks for on the way are
/// commands. Live, a command becomes an event. In replay the commands recorded behind the input are at hand, and each one the code
/// asks for must be the next of them: the first that is not ends the replay with the difference.
/// </summary>
internal sealed class WorkflowExecution
{
    private readonly DeterministicScheduler scheduler;
    private readonly Workflow code;
    private readonly Patience? patience;
    private readonly Dictionary<int, Waiter> waiting = [];
    private readonly CancellationTokenSource cancellation = new();
    private Dictionary<string, SignalWait>? signals;
    private Dictionary<string, bool>? patches;
    private IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)>? recorded;
    private int commands;
    private int steps;
    private int guids;
    private Task<JsonText>? main;
    private Action<WorkflowEvent>? live;
    private bool showsMore;

    public WorkflowExecution(Workflow code, RunState state, Action<string> onForeignWork, Patience? patience = null)
    {
        (this.code, State, this.patience) = (code, state, patience);
        scheduler = new DeterministicScheduler(onForeignWork, patience);
        Time = new WorkflowTime(this);
        (Queries, Updates) = (new Queries(scheduler), new Updates(this));
        Loops = new CheckpointedLoop(this);
        code.Execution = this;
    }

    public CheckpointedLoop Loops { get; }

    /// <summary>The workflow's object, for who looks at it.</summary>
    public Workflow Code => code;

    /// <summary>The code's ends of what it waits for.</summary>
    public IEnumerable<object> Waiting => [.. waiting.OrderBy(pair => pair.Key).Select(pair => pair.Value), .. signals is null ? [] : signals.Values.SelectMany(signal => signal.Receivers)];

    /// <summary>The code's task; null before its first await.</summary>
    public Task? Main => main;

    public RunState State { get; }

    public RunKey Run => State.Run;

    public WorkflowTime Time { get; }

    public Queries Queries { get; }

    public Updates Updates { get; }

    public CancellationToken Cancellation => cancellation.Token;

    /// <summary>The first difference between what was recorded and what the code asks for.</summary>
    public FirstDifference? Difference { get; private set; }

    /// <summary>The exception the code ended with, when it is a fault of the code and not a failure of the business.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>Whether the caller is the run's code in its turn, and not a finalizer or another thread.</summary>
    public bool IsOnTurn => scheduler.IsOnTurn;

    /// <exception cref="InvalidOperationException">The caller is not the run's code in its turn.</exception>
    /// <exception cref="OverdueException">The time of its replay is over.</exception>
    public void DemandTurn()
    {
        scheduler.DemandTurn();
        patience?.Demand();
    }

    public void Collected() => scheduler.Collected();

    /// <summary>Decides what was recorded, when a replay goes on behind a difference; null for every other execution.</summary>
    public LenientReplay? Lenient { get; init; }

    /// <summary>Told of each command that a replay finds as it was recorded: the one recorded, and the one asked for.</summary>
    public Action<WorkflowEvent, WorkflowEvent>? Matched { get; init; }

    public bool IsReplaying => recorded is not null || Lenient is not null;

    /// <summary>In replay, the command recorded for a step that the code has reached, if it is of this kind.</summary>
    public T? Upcoming<T>(int step) where T : StepCommand =>
        Lenient is not null ? Lenient.Upcoming<T>(step) : UpcomingRecord is T upcoming && upcoming.Step == step ? upcoming : null;

    /// <summary>In replay, the checkpoint recorded behind this iteration, if one was written there.</summary>
    public LoopCheckpoint? UpcomingCheckpoint(long iteration) =>
        Lenient is not null ? Lenient.Checkpoint(iteration) : UpcomingRecord is LoopCheckpoint upcoming && upcoming.Iteration == iteration ? upcoming : null;

    private WorkflowEvent? UpcomingRecord => recorded is not null && commands < recorded.Count ? recorded[commands].Event : null;

    public ActivityStep.Declared? Declaration(int step) => waiting.GetValueOrDefault(step) as ActivityStep.Declared;

    /// <summary>Commands of the last recorded input that the code has asked for again.</summary>
    public int CommandsSeen => commands;

    // ---- checkpoints ----

    /// <summary>The code waits for nothing and has nothing left to do but what it does now: all that it knows is in its variables.</summary>
    public bool IsQuiet => !showsMore && State.Reuses.Count == 0 && waiting.Count == 0 && State.Open.Count == 0 && State.CancelReason is null && !scheduler.HasMore && !AwaitedSignals.Any()
        && Updates.IsQuiet;

    /// <summary>Signals that came and were not received yet.</summary>
    public IReadOnlyList<EarlySignals> EarlySignals => signals is null ? [] : [.. signals.Values.Where(s => s.Arrived.Count > 0).OrderBy(s => s.Name, StringComparer.Ordinal).Select(s => new EarlySignals(s.Name, [.. s.Arrived]))];

    public (int Steps, int Guids, IReadOnlyDictionary<string, bool>? Patches) Counters => (steps, guids, patches?.ToDictionary());

    /// <summary>In replay, if the record goes on with a checkpoint behind a gap: all that the engine knows of the code is from now on what it says.</summary>
    public LoopResumption? TakeResumption()
    {
        if (Difference is not null || UpcomingRecord is not LoopResumption resumption) return null;
        var checkpoint = resumption.Checkpoint;
        (steps, guids) = (checkpoint.Steps, checkpoint.Guids);
        patches = checkpoint.Patches?.ToDictionary(StringComparer.Ordinal);
        signals = null;
        foreach (var early in checkpoint.Signals ?? [])
            foreach (var value in early.Values) SignalsOf(early.Signal).Deliver(value);
        State.Apply(resumption, recorded![commands++].At);
        return resumption;
    }

    public IEnumerable<string> AwaitedSignals => signals is null ? [] : signals.Values.Where(s => s.IsAwaited).Select(s => s.Name);

    public IEnumerable<SignalWait> Signals => signals is null ? [] : signals.Values;

    /// <summary>Whether the code has been started and has not ended.</summary>
    public bool IsUnderWay => main is { IsCompleted: false };

    public string? SignalObjection(string name, JsonText value) => signals?.GetValueOrDefault(name)?.Objection(value);

    /// <summary>Shows the code an input; its commands go to <paramref name="append"/>.</summary>
    public void DeliverLive(IReadOnlyList<WorkflowEvent> inputs, Action<WorkflowEvent> append)
    {
        (recorded, live) = (null, append);
        Deliver(inputs);
        live = null;
    }

    /// <summary>Shows the code an input of the past, with the commands recorded behind it.</summary>
    public void DeliverRecorded(IReadOnlyList<WorkflowEvent> inputs, IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> commandsBehind)
    {
        (recorded, commands) = (commandsBehind, 0);
        Deliver(inputs);
        if (Difference is null && Fault is null && commands < commandsBehind.Count)
            Difference = new FirstDifference(State.Version + 1, commandsBehind[commands].Event, null, null);
        recorded = null;
    }

    private void Deliver(IReadOnlyList<WorkflowEvent> inputs)
    {
        for (var i = 0; i < inputs.Count; i++)
        {
            if (State.IsClosed) return; // what a branch that nobody awaited would still do has no place behind the end
            showsMore = i < inputs.Count - 1;
            Go(static (execution, e) => execution.Show((WorkflowEvent)e), inputs[i]);
        }
    }

    /// <summary>Lets the code go on as if an operation that no history knows had ended well. For a diagnosis; what it asks for goes to <paramref name="append"/>.</summary>
    public bool Imagine(int step, Action<WorkflowEvent> append) => waiting.ContainsKey(step) && Imagine(static (execution, what) => execution.Take((int)what)!.Imagine(), step, append);

    /// <summary>As <see cref="Imagine(int, Action{WorkflowEvent})"/>, for a signal that never came.</summary>
    public bool ImagineSignal(string name, Action<WorkflowEvent> append) => AwaitedSignals.Contains(name) && Imagine(static (execution, what) => execution.SignalsOf((string)what).Imagine(), name, append);

    private bool Imagine(Action<WorkflowExecution, object> how, object what, Action<WorkflowEvent> append)
    {
        if (State.IsClosed) return false;
        live = append;
        Go(how, what);
        live = null;
        return true;
    }

    private void Go(Action<WorkflowExecution, object> action, object with)
    {
        scheduler.RunToQuiescence(static state =>
        {
            var (execution, action, with) = ((WorkflowExecution, Action<WorkflowExecution, object>, object))state!;
            try
            {
                action(execution, with);
            }
            catch (Exception thrown)
            {
                execution.Fault ??= thrown; // by what the code has hung on a token or a timer: nobody else would hear of it
            }
        }, (this, action, with));
        if (main is { IsCompleted: true } && !State.IsClosed && Difference is null && Fault is null) End(main);
    }

    private void Show(WorkflowEvent e)
    {
        switch (e)
        {
            case RunStarted started:
                main = code.InvokeAsync(started.Input);
                break;
            case SignalReceived signal:
                SignalsOf(signal.Signal).Deliver(signal.Value);
                break;
            case UpdateAccepted accepted:
                Updates.Deliver(accepted);
                break;
            case CancelRequested:
                cancellation.Cancel();
                break;
            case StepEvent step when waiting.TryGetValue(step.Step, out var waiter):
                // Removed first: a periodic timer sets its next step from within.
                if (step is StepCompleted or StepFailed or StepSkipped or OutcomeHappened or OutcomeReused or TimerFired or ApprovalDecided or ApprovalExpired or ChildCompleted or ChildFailed) Take(step.Step);
                waiter.Deliver(e);
                break;
        }
    }

    private void End(Task<JsonText> ended)
    {
        switch (ended)
        {
            case { IsCompletedSuccessfully: true }:
                Emit(new RunCompleted(ended.Result));
                break;
            case { IsCanceled: true } when State.CancelReason is { } reason:
                Emit(new RunCancelled(reason));
                break;
            default:
                var exception = ended.Exception?.InnerException ?? new TaskCanceledException(ended);
                if (exception is WorkflowFailedException) Emit(new RunFailed(Failure.Of(exception)));
                else Fault = exception;
                break;
        }
    }

    /// <summary>What undoes a step that happened, as the code's sagas know it.</summary>
    public Dictionary<int, (Activity Activity, Func<JsonText> Input)> Undos { get; } = [];

    /// <summary>While a saga asks for what undoes a step: that step.</summary>
    public int? Undoing { get; set; }

    // ---- what the steps ask ----

    public int StepsSoFar => steps;

    /// <summary>Declares the activities that the code knows by name only; none in a replay offline.</summary>
    public IActivityDirectory? Directory { get; init; }

    /// <summary>What the next step calls, as it is declared now. A recorded call keeps the effect class that was recorded, whatever has been declared since.</summary>
    public Activity<TIn, TOut> AsDeclared<TIn, TOut>(Activity<TIn, TOut> activity)
    {
        if (!activity.IsNamed) return activity;
        var now = Directory?.Find(Run.Tenant, activity.Name);
        return activity.As(Upcoming<StepScheduled>(steps + 1)?.Effect ?? now?.Effect ?? activity.Effect, Run.Tenant, now);
    }

    /// <summary>A step of the engine's own: the code neither asked for it nor awaits it.</summary>
    public void Declare(int step, Activity activity) => waiting.Add(step, new ActivityStep.Undone(activity));

    public int NextStep(Waiter? waiter)
    {
        Queries.DemandMore();
        steps++;
        if (waiter is not null) waiting.Add(steps, waiter);
        return steps;
    }

    public Waiter? Take(int step)
    {
        if (waiting.Remove(step, out var waiter)) waiter.Unwatch();
        return waiter;
    }

    public SignalWait SignalsOf(string name)
    {
        Queries.DemandMore();
        signals ??= new Dictionary<string, SignalWait>(StringComparer.Ordinal);
        if (!signals.TryGetValue(name, out var wait)) signals.Add(name, wait = new SignalWait(name));
        return wait;
    }

    public void Emit(WorkflowEvent command)
    {
        Queries.DemandMore();
        if (Difference is not null) return;
        if (recorded is null)
        {
            live!(command);
            return;
        }
        if (commands >= recorded.Count)
        {
            Difference = new FirstDifference(State.Version, null, command, command is RunClosed ? null : CodePlace.OfCaller());
            return;
        }
        var (e, at) = recorded[commands];
        if (!CommandIdentity.IsSame(e, command))
        {
            Difference = new FirstDifference(State.Version + 1, e, command, command is RunClosed ? null : CodePlace.OfCaller());
            return;
        }
        commands++;
        Matched?.Invoke(e, command);
        State.Apply(e, at);
    }

    /// <summary>For what goes on after the code's end: it has nothing more to say.</summary>
    public void EmitIfOpen(WorkflowEvent command)
    {
        if (!State.IsClosed) Emit(command);
    }

    /// <summary>The code is at fault, beside its main path.</summary>
    public void Blame(Exception exception) => Fault ??= exception;

    public bool Patched(string patch)
    {
        Queries.DemandMore();
        patches ??= new Dictionary<string, bool>(StringComparer.Ordinal);
        if (patches.TryGetValue(patch, out var known)) return known;
        var marked = Lenient is not null ? Lenient.Holds(patch) : !IsReplaying || UpcomingRecord is PatchMarked upcoming && upcoming.Patch == patch;
        if (marked) Emit(new PatchMarked(patch));
        return patches[patch] = marked;
    }

    /// <summary>The n-th identifier of a run: version 8 (RFC 9562), the bits from SHA-256 over run and n.</summary>
    public Guid NewGuid()
    {
        Queries.DemandMore();
        var text = Encoding.UTF8.GetBytes($"{Run.Tenant}\n{Run.Id}\n{++guids}");
        Span<byte> bytes = stackalloc byte[32];
        SHA256.HashData(text, bytes);
        bytes[6] = (byte)(bytes[6] & 0x0F | 0x80);
        bytes[8] = (byte)(bytes[8] & 0x3F | 0x80);
        return new Guid(bytes[..16], bigEndian: true);
    }

    public void SetAttributes((string Name, string Value)[] attributes)
    {
        foreach (var (name, value) in attributes)
            if (name.Length is 0 or > 64 || value.Length > 256)
                throw new WorkflowFailedException($"Attribute '{name}': names have 1 to 64 characters and values at most 256; this value has {value.Length}.");
        if (attributes.Select(a => a.Name).Union(State.Attributes?.Keys ?? []).Count() > 32) throw new WorkflowFailedException("A run has at most 32 search attributes.");
        Emit(new AttributesSet(attributes.ToDictionary(a => a.Name, a => Failure.Clean(a.Value))));
    }
}
