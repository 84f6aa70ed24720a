using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Turns;

/// <summary>
/// What a run's history says about it, without running its code: the fold. Events of a step kind are folded in that kind's file.
/// </summary>
internal sealed class RunState(RunKey run)
{
    private readonly Dictionary<int, OpenStep> open = [];
    private readonly Dictionary<int, EffectChoice> reuses = [];
    private Dictionary<string, Receipt>? receipts;
    private int undoing;
    private SortedDictionary<int, UpdateState>? updates;
    private List<UpdateState>? left;
    private Dictionary<string, string>? attributes;
    private SpendingLedger? spending;
    private List<string>? joined;
    private Dictionary<int, DeadCharge>? charged;

    public RunKey Run { get; } = run;

    /// <summary>The version of the last event folded in; 0 before the first.</summary>
    public long Version { get; private set; }

    /// <summary>The time of the last input. Never goes back.</summary>
    public DateTimeOffset Now { get; private set; }

    public RunStatus Status { get; private set; } = RunStatus.Running;

    public RunStarted? Started { get; private set; }

    public DateTimeOffset StartedAt { get; private set; }

    /// <summary>The version of the code the run is on: the one it began with, or was last moved to.</summary>
    public string? CodeVersion { get; private set; }

    /// <summary>How often the run was reset or forked; a part of the epoch of what is scheduled since.</summary>
    public int Resets { get; private set; }

    /// <summary>Outcomes of a dead branch that wait for the code to ask for them, by step.</summary>
    public IReadOnlyDictionary<int, EffectChoice> Reuses => reuses;

    /// <summary>The code asked for something else where an outcome of a dead branch was to be reused.</summary>
    public (EffectChoice Choice, WorkflowEvent Asked)? Mismatch { get; private set; }

    /// <summary>Effects of a dead branch are being undone, the last first; all else waits for it.</summary>
    public bool IsCompensating => undoing > 0;

    /// <summary>Since when the run is cut, and its code has not gone on from there.</summary>
    public DateTimeOffset? CutAt { get; private set; }

    /// <summary>Whether the engine may do something about a step now.</summary>
    public bool MayAct(OpenStep step) => CutAt is null || undoing > 0 && step.Number == open.Keys.Min();

    /// <summary>When the engine itself has something to do; null while only an input from outside can.</summary>
    public DateTimeOffset? Due => IsClosed || IsHeld ? null : CutAt is not null && undoing == 0 ? CutAt : open.Values.Where(MayAct).Min(step => step.Due);

    /// <summary>The host incarnation of the last append.</summary>
    public string? Host { get; private set; }

    public string? StartedBy => Started?.By;

    /// <summary>Who acts, on whose behalf: those the run was started with, and, marked with a '+', whoever joined it (<see cref="Joiners"/>): their rights count too, and they act for nobody.</summary>
    public IReadOnlyList<string> Chain => joined is null ? StartedChain : Joiners.Chain(StartedChain, joined);

    private IReadOnlyList<string> StartedChain => Joiners.Started(Started);

    /// <summary>Who has reset or forked the run, or told it what to start.</summary>
    public IReadOnlyList<string>? Joined => joined;

    /// <summary>What the run has spent; null if nothing was ever charged.</summary>
    public RunSpending? Spent => spending?.View();

    /// <summary>What of <see cref="Spent"/> stands for effects that are not over.</summary>
    public RunSpending Pending
    {
        get
        {
            var pending = new SpendingLedger();
            foreach (var step in open.Values)
                if (step is ActivityStep { Reserved: { } reserved } of) pending.Reserve(of.Scheduled.Activity, reserved, null);
            return pending.View();
        }
    }

    public SpendingLedger Spending => spending ??= new();

    /// <summary>Steps that the gate refused and that have not failed yet.</summary>
    public int Denied { get; set; }

    public string? CancelReason { get; private set; }

    public RunParked? Parked { get; private set; }

    public RunPaused? Paused { get; private set; }

    /// <summary>Parked or paused: inputs are recorded, code does not run, nothing new is begun.</summary>
    public bool IsHeld => Parked is not null || Paused is not null;

    public RunClosed? Outcome { get; private set; }

    /// <summary>What follows from the run's end and is not known to be done.</summary>
    public Unsettled? Unsettled { get; private set; }

    public DateTimeOffset? ClosedAt { get; private set; }

    /// <summary>It has effects under way, its end's among them.</summary>
    public bool IsBusy => IsClosed ? Unsettled is not null : Open.Any(step => step.UnderWay);

    /// <summary>Signals received since the last checkpoint, and those it found that nobody had taken.</summary>
    public int Signals { get; private set; }

    /// <summary>The updates the run accepted, by number; of those before the last checkpoint, the ones it keeps.</summary>
    public SortedDictionary<int, UpdateState> Updates => updates ??= [];

    /// <summary>Updates that a dead branch accepted: their receipts still answer.</summary>
    public IReadOnlyList<UpdateState> LeftUpdates => left ?? [];

    /// <summary>Updates accepted so far.</summary>
    public int UpdatesAccepted { get; set; }

    /// <summary>The version of the last checkpoint.</summary>
    public long? Checkpoint { get; private set; }

    public IReadOnlyDictionary<string, Receipt> Receipts => receipts ?? [];

    public IReadOnlyDictionary<string, string>? Attributes => attributes;

    public IReadOnlyCollection<OpenStep> Open => open.Values;

    /// <summary>It came from another installation: nothing of it goes on here.</summary>
    public RunImported? Imported { get; private set; }

    public bool IsClosed => Imported is not null || Outcome is not null;

    public T? Find<T>(int step) where T : OpenStep => open.GetValueOrDefault(step) as T;

    public Receipt? ReceiptOf(string? key) => key is not null && receipts is not null && receipts.TryGetValue(key, out var receipt) ? receipt : null;

    public void Add(OpenStep step)
    {
        open.Add(step.Number, step);
        if (step.Number < 0) undoing++;
    }

    public void Close(int step)
    {
        if (open.Remove(step) && step < 0) undoing--;
    }

    /// <summary>The outcome of a dead branch for a step the code asks for, if it asks for the same.</summary>
    public EffectChoice? TakeReuse(StepCommand asked)
    {
        if (!reuses.TryGetValue(asked.Step, out var choice)) return null;
        if (!Branch.IsFor(choice, asked))
        {
            Mismatch ??= (choice, asked);
            return null;
        }
        reuses.Remove(asked.Step);
        return choice;
    }

    /// <summary>What a history folds to, branches that a reset left passed over.</summary>
    public static RunState Of(RunKey run, IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events)
    {
        var state = new RunState(run);
        var live = Branch.Live(events);
        for (var i = 0; i < events.Count; i++)
            if (live?[i] is false) state.Skip(events[i].Event, events[i].At);
            else state.Apply(events[i].Event, events[i].At);
        return state;
    }

    /// <summary>An event of a dead branch: it says who appended last and which commands were answered, and nothing else any more.</summary>
    public void Skip(WorkflowEvent e, DateTimeOffset at)
    {
        Version++;
        if (at > Now) Now = at;
        switch (e)
        {
            case HostChanged changed:
                Host = changed.Host;
                break;
            case RunMigrated migrated:
                CodeVersion = migrated.To;
                break;
            case RunReset or RunForked:
                Resets++;
                Join(e);
                break;
            case SignalReceived:
                Signals++;
                Join(e);
                break;
            case StepEvent step:
                Charge(step);
                break;
            case UpdateAccepted or UpdateCompleted or UpdateFailed:
                UpdateState.Leave(left ??= [], this, e);
                break;
        }
        if (EventNames.ReceiptOf(e) is ({ } key, var body)) Keep(key, body);
    }

    // What a dead branch has spent is spent.
    private void Charge(StepEvent e)
    {
        if (e is StepScheduled { Gate: { } gate } scheduled)
        {
            if (gate is { Answer: GateAnswer.Allow, Charge: { } first }) Spending.Reserve(scheduled.Activity, first, null);
            (charged ??= [])[e.Step] = new DeadCharge(scheduled.Activity, gate.Answer is GateAnswer.Allow ? gate.Charge : null, MayHaveHappened: false);
        }
        if (charged?.TryGetValue(e.Step, out var of) is not true) return;
        switch (e)
        {
            case AttemptStarted { Gate: { Answer: GateAnswer.Allow, Charge: { } again } }:
                Spending.Reserve(of.Tool, again, of.Charge);
                // One before it whose end nobody told may have had its effect.
                charged[e.Step] = of with { Charge = again, MayHaveHappened = of.MayHaveHappened || of.Charge is not null };
                break;
            case AttemptFailed { Definite: false } or OutcomeUnknown:
                charged[e.Step] = of with { MayHaveHappened = true };
                break;
            case StepCompleted { Spent: { } spent } when of.Charge is { } charge:
                Spending.Settle(of.Tool, charge, spent);
                break;
            case OutcomeNeverWill or AttemptFailed or StepFailed when of.Charge is { } charge && (e is OutcomeNeverWill || !of.MayHaveHappened):
                Spending.Release(of.Tool, charge, e is AttemptFailed failed ? failed.Failure.Kind is FailureKind.NotStartedInTime ? TakenBack.NeverLeft : TakenBack.Refused : TakenBack.NoEffect);
                charged[e.Step] = of with { Charge = null, MayHaveHappened = false };
                break;
        }
    }

    private sealed record DeadCharge(string Tool, Charge? Charge, bool MayHaveHappened);

    private void Join(WorkflowEvent e)
    {
        foreach (var by in Joiners.Of(e, StartedChain))
            if (joined?.Contains(by, StringComparer.Ordinal) is not true) (joined ??= []).Add(by);
    }

    private void Cut(IReadOnlyList<EffectChoice> effects)
    {
        Resets++;
        CutAt = Now;
        Mismatch = null;
        reuses.Clear();
        foreach (var step in open.Values.OfType<ActivityStep>().ToList()) step.Reset(effects.FirstOrDefault(choice => choice.Step == step.Number), this);
        foreach (var step in open.Values.OfType<ChildStep>().ToList()) step.Cut(effects.FirstOrDefault(choice => choice.Step == step.Number), this);
        foreach (var choice in effects)
        {
            if (choice.Action is EffectAction.Reuse && !open.ContainsKey(choice.Step)) reuses[choice.Step] = choice;
            if (choice.Child is { Ends: { } how }) Add(ChildStep.Left(choice, how, this));
            else if (choice.Action is EffectAction.Compensate) Add(new ActivityStep(choice, choice.UndoEffect, this));
        }
    }

    /// <summary>Steps in the order of their numbers: the order in which a turn looks at them.</summary>
    public IEnumerable<T> InOrder<T>() where T : OpenStep => open.Values.OfType<T>().OrderBy(step => step.Number);

    public void Apply(WorkflowEvent e, DateTimeOffset at)
    {
        Version++;
        if (at > Now) Now = at;
        if (reuses.Count > 0) Hold(e);
        switch (e)
        {
            case RunStarted started:
                Started = started;
                StartedAt = at;
                CodeVersion = started.Version;
                Host = started.Host;
                if (started.Attributes is not null) Merge(started.Attributes);
                break;
            case HostChanged changed:
                Host = changed.Host;
                break;
            case RunMigrated migrated:
                CodeVersion = migrated.To;
                Keep(migrated.Key, migrated.Body);
                break;
            case RunReset reset:
                Keep(reset.Key, reset.Body);
                Join(reset);
                Cut(reset.Effects);
                break;
            case RunForked forked:
                StartedAt = at;
                CodeVersion = forked.Version ?? CodeVersion;
                Join(forked);
                Cut(forked.Effects);
                break;
            case BranchBegun:
                CutAt = null;
                foreach (var child in open.Values.OfType<ChildStep>()) child.Begin(this);
                break;
            case SignalReceived signal:
                Signals++;
                Keep(signal.Key, signal.Body);
                Join(signal);
                break;
            case CancelRequested cancel:
                CancelReason ??= cancel.Reason;
                Keep(cancel.Key, cancel.Body);
                break;
            case RunParked parked:
                Parked = parked;
                Status = OpenStatus;
                break;
            case RunUnparked unparked:
                Parked = null;
                Status = OpenStatus;
                Keep(unparked.Key, unparked.Body);
                break;
            case RunImported imported:
                Imported = imported;
                Host = RunImported.HostName;
                open.Clear();
                break;
            case RunPaused paused:
                Paused = paused;
                Status = OpenStatus;
                Keep(paused.Key, paused.Body);
                break;
            case RunResumed resumed:
                Paused = null;
                Status = OpenStatus;
                Keep(resumed.Key, resumed.Body);
                break;
            case AttributesSet set:
                Merge(set.Attributes);
                break;
            case LoopCheckpoint checkpoint:
                Restore(checkpoint);
                break;
            case LoopResumption resumption:
                Version = resumption.Version;
                Restore(resumption.Checkpoint);
                break;
            case RunClosed closed:
                Outcome = closed;
                ClosedAt = Now;
                Unsettled = Unsettled.After(this, closed);
                Status = closed switch
                {
                    RunCompleted => RunStatus.Completed,
                    RunFailed => RunStatus.Failed,
                    RunTerminated => RunStatus.Terminated,
                    _ => RunStatus.Cancelled,
                };
                if (closed is RunTerminated terminated) Keep(terminated.Key, terminated.Body);
                open.Clear();
                (undoing, Denied) = (0, 0);
                break;
            case RunSettled:
                Unsettled = null;
                break;
            case UpdateAccepted or UpdateCompleted or UpdateFailed:
                UpdateState.Fold(this, e);
                break;
            case StepEvent step:
                if (!ActivityStep.Fold(this, step) && !TimerStep.Fold(this, step) && !ChildStep.Fold(this, step)) ApprovalStep.Fold(this, step);
                break;
        }
    }

    // What only a mended build can undo is said first.
    private RunStatus OpenStatus => Parked is not null ? RunStatus.Parked : Paused is not null ? RunStatus.Paused : RunStatus.Running;

    public void Keep(string? key, string? body)
    {
        if (key is not null) (receipts ??= []).TryAdd(key, new Receipt(body ?? "", Version, Now));
    }

    // The same whether the events before it were read or not.
    private void Restore(LoopCheckpoint checkpoint)
    {
        Checkpoint = Version;
        Host = checkpoint.Host;
        CodeVersion = checkpoint.CodeVersion;
        Resets = checkpoint.Resets ?? 0;
        Signals = checkpoint.Signals?.Sum(early => early.Values.Count) ?? 0;
        attributes = checkpoint.Attributes?.ToDictionary();
        spending = checkpoint.Spent is { } spent ? new SpendingLedger(spent) : null;
        joined = checkpoint.Joined?.ToList();
        UpdatesAccepted = checkpoint.Updates?.Count ?? 0;
        updates = null;
        foreach (var kept in checkpoint.Updates?.Kept ?? []) Updates.Add(kept.Update, new UpdateState(kept));
        receipts = checkpoint.Receipts?.ToDictionary(kept => kept.Key, kept => new Receipt(kept.Body, kept.Version, kept.At), StringComparer.Ordinal);
    }

    // An effect whose outcome was to be reused is in the world: code that has no use for it says something about the code, or about the choice.
    private void Hold(WorkflowEvent e)
    {
        if (e is StepCommand { Step: var step } and not (StepScheduled or ChildScheduled) && reuses.TryGetValue(step, out var choice)) Mismatch ??= (choice, e);
        else if (e is RunCompleted or RunFailed) Mismatch ??= (reuses.Values.MinBy(left => left.Step)!, e);
    }

    private void Merge(IReadOnlyDictionary<string, string> more)
    {
        attributes ??= [];
        foreach (var (name, value) in more) attributes[name] = value;
    }
}

/// <summary>The stored answer to a command's key: what was asked (a digest) and the version that answered it.</summary>
internal readonly record struct Receipt(string Body, long Version, DateTimeOffset At);

/// <summary>An operation of the code that has no outcome yet.</summary>
internal abstract class OpenStep(int number)
{
    public int Number { get; } = number;

    /// <summary>When the engine itself has to do something about it; null if only an input from outside can.</summary>
    public abstract DateTimeOffset? Due { get; }

    /// <summary>An effect may be on its way: the run belongs to a host until its outcome is appended.</summary>
    public virtual bool UnderWay => false;

    /// <summary>The outcome of a dead branch that it is given, as soon as the run may go on.</summary>
    public virtual OutcomeReused? Reused => null;

    /// <summary>The host incarnation that has it under way, or had it last.</summary>
    public string Owner { get; protected set; } = "";

    public abstract RunWait Describe();
}
