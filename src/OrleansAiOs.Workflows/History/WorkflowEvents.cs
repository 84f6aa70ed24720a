using System.Text.Json.Serialization;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Workflows.History;

// What is stored for ever. Every event has an explicit name (EventNames.cs), independent of its class; members are only ever
// added, never renamed or given a new meaning. An input comes from outside the run's code; a command is what the code asked for
// in answer, and stands directly behind its input. tests/…/History/Events.verified.txt pins the stored form of each.

/// <summary>Anything that can stand in a run's history.</summary>
public abstract record WorkflowEvent
{
    /// <summary>True for what the workflow's code asked for; false for what reached it from outside.</summary>
    [JsonIgnore]
    public virtual bool IsCommand => false;
}

/// <summary>An event that belongs to one numbered operation of the run.</summary>
public abstract record StepEvent(int Step) : WorkflowEvent;

public abstract record StepCommand(int Step) : StepEvent(Step)
{
    [JsonIgnore]
    public override bool IsCommand => true;
}

// ---- the run ----

public sealed record RunStarted(string Workflow, JsonText Input, string Host, string? Version = null, string? BusinessKey = null,
    string? By = null, IReadOnlyDictionary<string, string>? Attributes = null, int? Priority = null, ParentRun? Parent = null, string? ForkedFrom = null,
    IReadOnlyList<string>? Chain = null) : WorkflowEvent;

/// <summary>The run and the step that started a run.</summary>
public sealed record ParentRun(string Run, int Step);

/// <summary>Another host incarnation goes on with the run. Attempts scheduled behind this event are its own.</summary>
public sealed record HostChanged(string Host) : WorkflowEvent;

/// <param name="Joins">It says what the run starts from now on: whoever sent it stands in the chain of who acts.</param>
public sealed record SignalReceived(string Signal, JsonText Value, string? By = null, string? Key = null, string? Body = null, bool? Joins = null) : WorkflowEvent;

public sealed record CancelRequested(string Reason, string? By = null, string? Key = null, string? Body = null) : WorkflowEvent;

/// <summary>The run waits for its code or its keeper to be mended: inputs are recorded, code does not run.</summary>
/// <param name="Reason">In one line.</param>
/// <param name="Detail">What a person needs to mend it.</param>
/// <param name="Holds">So many events before this one were not shown to the code: they are kept, and shown when the run goes on.</param>
public sealed record RunParked(string Reason, string Detail, int Holds = 0) : WorkflowEvent;

public sealed record RunUnparked(string? By = null, string? Key = null, string? Body = null) : WorkflowEvent;

/// <summary>The run came from another installation and is kept as evidence: nothing of it goes on here. Always the last event.</summary>
/// <param name="ExportedAt">When it left the other one.</param>
/// <param name="Engine">The version that exported it.</param>
public sealed record RunImported(DateTimeOffset ExportedAt, string Engine, string? By = null) : WorkflowEvent
{
    /// <summary>What stands in place of the host in the row of an imported run.</summary>
    internal const string HostName = "imported";
}

/// <summary>A person halted the run: inputs are recorded, code does not run and no new attempt starts, until it is resumed.</summary>
public sealed record RunPaused(string Reason, string? By = null, string? Key = null, string? Body = null) : WorkflowEvent;

public sealed record RunResumed(string? By = null, string? Key = null, string? Body = null) : WorkflowEvent;

/// <summary>The run goes on from an earlier event: what stands between is a dead branch, kept as evidence and seen by nobody again.</summary>
/// <param name="To">The last event before the dead branch; 0 starts the run over.</param>
/// <param name="Effects">What becomes of each effect of the dead branch.</param>
/// <param name="DropSignals">Signals of the dead branch are dead too; else the code is shown them again.</param>
public sealed record RunReset(long To, string Why, IReadOnlyList<EffectChoice> Effects, bool DropSignals = false, string? By = null, string? Key = null, string? Body = null) : WorkflowEvent;

/// <summary>The events before were copied from another run: from here on this one goes its own way.</summary>
/// <param name="From">The other run's id.</param>
/// <param name="At">The last of its events that was copied.</param>
/// <param name="Seen">The last of its events when its effects were listed.</param>
/// <param name="Version">The version of the code from here on; the other run's if left out.</param>
public sealed record RunForked(string From, long At, long Seen, IReadOnlyList<EffectChoice> Effects, string? Version = null, string? Why = null, string? By = null) : WorkflowEvent;

/// <summary>What was to be undone is: the code goes on from the cut, and is shown what was kept from it until now.</summary>
public sealed record BranchBegun : WorkflowEvent;

/// <summary>What becomes of an effect that lies beyond a cut.</summary>
/// <param name="Step">Its step in the old branch.</param>
/// <param name="Activity">What was called; of a child, its workflow.</param>
/// <param name="Key">The idempotency key it had; of a child, its run.</param>
/// <param name="Input">To reuse: what it was called with, and its outcome.</param>
/// <param name="Undo">To compensate: the activity that undoes it, and what that is called with.</param>
/// <param name="Child">It is a child; else null.</param>
public sealed record EffectChoice(int Step, string Activity, Effect Effect, EffectAction Action, string Key, JsonText Input = default, JsonText Result = default, Failure? Failure = null,
    string? Undo = null, JsonText UndoInput = default, Effect UndoEffect = Effect.Pure, ChildChoice? Child = null);

/// <summary>What becomes of a child that lies beyond a cut, or is awaited at it.</summary>
/// <param name="Run">The run it has been.</param>
/// <param name="Stays">To reuse: it has not ended, and is the child of the same step on the new branch.</param>
/// <param name="Ends">It may still be under way, and is ended so before the branch begins; null if it has ended, or is another tree's.</param>
public sealed record ChildChoice(string Run, ParentClose OnParentClose, bool Stays = false, ParentClose? Ends = null);

public enum EffectAction
{
    /// <summary>Its recorded outcome is taken, if the code asks for the same again. A child that has not ended stays the child of its step.</summary>
    Reuse,

    /// <summary>It is done again if the code asks for it, under a new key. A child is terminated if it has not ended, and another run started in its place.</summary>
    Redo,

    /// <summary>It is undone before the run goes on. A child that has not ended is cancelled, and its end awaited.</summary>
    Compensate,
}

/// <summary>From here on the run is on another version of its code, which was shown the whole history before and asked for the same.</summary>
/// <param name="From">The version it was on; null for code without one.</param>
/// <param name="Undo">It was moved back to where it came from.</param>
public sealed record RunMigrated(string? From, string? To, MigrationCertificate Certificate, bool Undo = false, string? By = null, string? Key = null, string? Body = null) : WorkflowEvent;

/// <summary>What can be checked again of a move: the same version, shown the same history, asks for the same commands.</summary>
/// <param name="UpTo">The version of the last event that was shown.</param>
/// <param name="Commands">How many commands the code asked for.</param>
/// <param name="Digest">SHA-256, in hexadecimal, over what it asked for: of each command its name, a line feed, its stored form, a line feed.</param>
public sealed record MigrationCertificate(long UpTo, int Commands, string Digest);

public sealed record AttributesSet(IReadOnlyDictionary<string, string> Attributes) : WorkflowEvent
{
    [JsonIgnore]
    public override bool IsCommand => true;
}

public sealed record PatchMarked(string Patch) : WorkflowEvent
{
    [JsonIgnore]
    public override bool IsCommand => true;
}

/// <summary>Where the run's last loop stands, and all that the events before it would say: a load reads from here.</summary>
/// <param name="State">The state the next iteration begins with.</param>
/// <param name="Entry">Pairs of versions, from and to: the events that lead the code from its start into the loop.</param>
/// <param name="Iteration">Iterations of the loop so far.</param>
/// <param name="Steps">Steps of the run so far.</param>
/// <param name="Guids">Identifiers the code has drawn so far.</param>
/// <param name="Host">The host incarnation of the append.</param>
/// <param name="Signals">Signals that came and were not received yet.</param>
/// <param name="CodeVersion">The version of its code the run is on.</param>
/// <param name="Resets">How often the run was reset or forked.</param>
/// <param name="Spent">What the run has spent.</param>
/// <param name="Joined">Who reset or forked it, or told it what to start, and so stands in the chain of who acts.</param>
public sealed record LoopCheckpoint(JsonText State, IReadOnlyList<long> Entry, long Iteration, int Steps, int Guids, string Host,
    IReadOnlyDictionary<string, string>? Attributes = null, IReadOnlyDictionary<string, bool>? Patches = null, IReadOnlyList<EarlySignals>? Signals = null,
    IReadOnlyList<KeptReceipt>? Receipts = null, KeptUpdates? Updates = null, string? CodeVersion = null, int? Resets = null,
    RunSpending? Spent = null, IReadOnlyList<string>? Joined = null) : WorkflowEvent
{
    [JsonIgnore]
    public override bool IsCommand => true;
}

/// <summary>The updates before a checkpoint: how many there were, and the answers whose receipts are kept.</summary>
public sealed record KeptUpdates(int Count, IReadOnlyList<KeptUpdate>? Kept = null);

public sealed record KeptUpdate(int Update, string Name, long Version, DateTimeOffset At, JsonText? Answer = null, Failure? Failure = null);

/// <summary>Signals of one name that wait for a receiver, in order.</summary>
public sealed record EarlySignals(string Signal, IReadOnlyList<JsonText> Values);

/// <summary>The answer to a command's key, as a checkpoint keeps it.</summary>
public sealed record KeptReceipt(string Key, string Body, long Version, DateTimeOffset At);

public abstract record RunClosed : WorkflowEvent
{
    [JsonIgnore]
    public override bool IsCommand => true;
}

public sealed record RunCompleted(JsonText Result) : RunClosed;

public sealed record RunFailed(Failure Failure) : RunClosed;

public sealed record RunCancelled(string Reason) : RunClosed;

/// <summary>Ended from outside, whatever the code would still have done: nothing is undone. The only end that is an input.</summary>
public sealed record RunTerminated(string Reason, string? By = null, string? Key = null, string? Body = null) : RunClosed
{
    [JsonIgnore]
    public override bool IsCommand => false;
}

/// <summary>What follows from the end of a run that has kin is done: its parent knows of it, and its children have got what their policies say. Stands behind the end.</summary>
public sealed record RunSettled : WorkflowEvent;

// ---- an update ----

/// <summary>A command that the code answers; the n-th of the run.</summary>
public sealed record UpdateAccepted(int Update, string Name, JsonText Input, string? By = null, string? Key = null, string? Body = null) : WorkflowEvent;

public sealed record UpdateCompleted(int Update, JsonText Answer) : WorkflowEvent
{
    [JsonIgnore]
    public override bool IsCommand => true;
}

public sealed record UpdateFailed(int Update, Failure Failure) : WorkflowEvent
{
    [JsonIgnore]
    public override bool IsCommand => true;
}

// ---- a tool activity ----

/// <summary>The intent to call a tool, and its first attempt. Nothing is sent before this is durable, and nothing that the gate did not let through.</summary>
/// <param name="Gate">What the gate answered; null on a host without one.</param>
public sealed record StepScheduled(int Step, string Activity, Effect Effect, JsonText Input, GateRecord? Gate = null) : StepCommand(Step);

/// <summary>A further attempt: after a failure that allows one, or taken over from a host that died; or the same one, when the gate has another answer.</summary>
/// <param name="Gate">What the gate answered; null on a host without one.</param>
public sealed record AttemptStarted(int Step, int Attempt, GateRecord? Gate = null) : StepEvent(Step);

/// <summary>Somebody decided on an attempt that the gate holds.</summary>
public sealed record EffectSigned(int Step, bool Granted, Decider By, DecisionSignature Signature, string? Comment = null, string? Key = null, string? Body = null) : StepEvent(Step);

/// <summary>How far an attempt said it had come; the next one is told.</summary>
public sealed record AttemptHeartbeat(int Step, int Attempt, JsonText Details) : StepEvent(Step);

/// <summary>
/// What an attempt found before it leaves: a watched activity leaves only behind this event. It stays with the step while an attempt may have had its effect.
/// </summary>
public sealed record AttemptPrepared(int Step, int Attempt, JsonText Found) : StepEvent(Step);

/// <param name="Definite">It is certain that this attempt had no effect.</param>
public sealed record AttemptFailed(int Step, int Attempt, Failure Failure, DateTimeOffset RetryAt, bool Definite = false) : StepEvent(Step);

/// <param name="Spent">What the tool says it really came to, in units of its charge.</param>
public sealed record StepCompleted(int Step, int Attempt, JsonText Result, IReadOnlyDictionary<string, decimal>? Spent = null) : StepEvent(Step);

public sealed record StepFailed(int Step, int Attempt, Failure Failure) : StepEvent(Step);

/// <summary>The code gave up on a step that has no attempt under way.</summary>
public sealed record StepCancelled(int Step) : StepCommand(Step);

/// <summary>The code asks a running attempt to stop; its outcome is still awaited.</summary>
public sealed record StepCancelAsked(int Step) : StepCommand(Step);

/// <summary>The attempt left, and no answer tells whether it took effect. Never repeated until that is known.</summary>
public sealed record OutcomeUnknown(int Step, int Attempt, Failure Failure) : StepEvent(Step);

/// <summary>The receiver was asked and could not tell; it is asked again later. Without a time, a person has to say.</summary>
public sealed record OutcomeStillUnknown(int Step, int Inquiry, string Why, DateTimeOffset? RetryAt) : StepEvent(Step);

public sealed record InquiryStarted(int Step, int Inquiry) : StepEvent(Step);

/// <summary>It is certain that the attempt had no effect and never will: a new one, under a new key, is safe.</summary>
public sealed record OutcomeNeverWill(int Step, string Why, string? By = null, string? Key = null, string? Body = null) : StepEvent(Step);

/// <summary>It is certain that the attempt took effect, with this result.</summary>
public sealed record OutcomeHappened(int Step, JsonText Result, string? By = null, string? Key = null, string? Body = null) : StepEvent(Step);

/// <summary>A person ended the pause before the next attempt, or the next inquiry, of a step.</summary>
public sealed record RetryAsked(int Step, string? By = null, string? Key = null, string? Body = null) : StepEvent(Step);

/// <summary>A person gave a step that has no attempt under way its result; what its attempts did outside is theirs to know.</summary>
public sealed record StepSkipped(int Step, JsonText Result, string Why, string? By = null, string? Key = null, string? Body = null) : StepEvent(Step);

/// <summary>The outcome is the one that an effect of a dead branch had; nothing was sent.</summary>
/// <param name="Key">The idempotency key the effect had.</param>
public sealed record OutcomeReused(int Step, string Key, JsonText Result = default, Failure? Failure = null) : StepEvent(Step);

// ---- a child ----

/// <summary>The intent to start another run, and to await its end. Nothing is sent before this is durable.</summary>
public sealed record ChildScheduled(int Step, string Workflow, string Run, JsonText Input, ParentClose OnParentClose, string? BusinessKey = null) : StepCommand(Step);

/// <summary>The child is to cancel, or to be terminated, as its policy says; its end is still awaited.</summary>
public sealed record ChildCancelAsked(int Step) : StepCommand(Step);

/// <summary>The child has been started, and has been asked to end if it was to be.</summary>
public sealed record ChildReached(int Step, bool Cancelled = false) : StepEvent(Step);

public sealed record ChildCompleted(int Step, JsonText Result) : StepEvent(Step);

public sealed record ChildFailed(int Step, Failure Failure) : StepEvent(Step);

/// <summary>A child of a dead branch is to end, as a reset chose; its end is awaited. The step is the negative of the one that had it.</summary>
public sealed record ChildEndAsked(int Step) : StepEvent(Step);

/// <summary>In place of the child it had in a dead branch, or in another tree, the step starts another run.</summary>
public sealed record ChildReplaced(int Step, string Run) : StepEvent(Step);

// ---- a timer ----

public sealed record TimerSet(int Step, DateTimeOffset Due) : StepCommand(Step);

public sealed record TimerFired(int Step) : StepEvent(Step);

public sealed record TimerCancelled(int Step) : StepCommand(Step);

// ---- an approval ----

public sealed record ApprovalRequested(int Step, string Title, JsonText Subject, string Digest, string Role, IReadOnlyList<string> NotBy,
    DateTimeOffset? Deadline) : StepCommand(Step);

public sealed record ApprovalDecided(int Step, bool Granted, Decider By, string? Comment = null, string? Key = null, string? Body = null) : StepEvent(Step);

public sealed record ApprovalExpired(int Step) : StepEvent(Step);

public sealed record ApprovalWithdrawn(int Step) : StepCommand(Step);

// ---- a recorded value ----

public sealed record ValueRecorded(int Step, JsonText Value) : StepCommand(Step);
