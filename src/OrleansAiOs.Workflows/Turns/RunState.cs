using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Turns;

/// <summary>
/// What a run's history says about it, without running its code: the fold. Events of a step kind are folded in that kind's file.
/// </summary>
internal sealed class RunState(RunKey run)
{
    private readonly Dictionary<int, OpenStep> open = [];
    private Dictionary<string, Receipt>? receipts;
    private SortedDictionary<int, UpdateState>? updates;
    private Dictionary<string, string>? attributes;

    public RunKey Run { get; } = run;

    /// <summary>The version of the last event folded in; 0 before the first.</summary>
    public long Version { get; private set; }

    /// <summary>The time of the last input. Never goes back.</summary>
    public DateTimeOffset Now { get; private set; }

    public RunStatus Status { get; private set; } = RunStatus.Running;

    public RunStarted? Started { get; private set; }

    public DateTimeOffset StartedAt { get; private set; }

    /// <summary>The host incarnation of the last append.</summary>
    public string? Host { get; private set; }

    public string? StartedBy => Started?.By;

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

    public void Add(OpenStep step) => open.Add(step.Number, step);

    public void Close(int step) => open.Remove(step);

    /// <summary>Steps in the order of their numbers: the order in which a turn looks at them.</summary>
    public IEnumerable<T> InOrder<T>() where T : OpenStep => open.Values.OfType<T>().OrderBy(step => step.Number);

    public void Apply(WorkflowEvent e, DateTimeOffset at)
    {
        Version++;
        if (at > Now) Now = at;
        switch (e)
        {
            case RunStarted started:
                Started = started;
                StartedAt = at;
                Host = started.Host;
                if (started.Attributes is not null) Merge(started.Attributes);
                break;
            case HostChanged changed:
                Host = changed.Host;
                break;
            case SignalReceived signal:
                Signals++;
                Keep(signal.Key, signal.Body);
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
        Signals = checkpoint.Signals?.Sum(early => early.Values.Count) ?? 0;
        attributes = checkpoint.Attributes?.ToDictionary();
        UpdatesAccepted = checkpoint.Updates?.Count ?? 0;
        updates = null;
        foreach (var kept in checkpoint.Updates?.Kept ?? []) Updates.Add(kept.Update, new UpdateState(kept));
        receipts = checkpoint.Receipts?.ToDictionary(kept => kept.Key, kept => new Receipt(kept.Body, kept.Version, kept.At), StringComparer.Ordinal);
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

    /// <summary>The host incarnation that has it under way, or had it last.</summary>
    public string Owner { get; protected set; } = "";

    public abstract RunWait Describe();
}
