using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Checking;

/// <summary>
/// What may follow what in a history, written down a second time and apart from the engine's own fold, so that one mistake does not
/// hide the other. I2: one schedule and one terminal event per step. I4: outcomes only of what is under way. I10: who may decide.
/// </summary>
internal sealed class StepGrammar
{
    private readonly Dictionary<int, Step> steps = [];
    private readonly List<(string Invariant, string What)> faults = [];
    private string host = "";
    private WorkflowEvent? before;
    private DateTimeOffset at;
    private bool closed;
    private bool settled;
    private bool paused;
    private readonly HashSet<int> openUpdates = [];
    private int updates;

    public enum Phase
    {
        Attempting,
        Pausing,
        Inquiring,
        PausingToInquire,
        Waiting,
        Completed,
        Failed,
        Withdrawn,
        Skipped,
    }

    public sealed class Step(StepEvent opened)
    {
        public StepEvent Opened => opened;

        public Phase Now { get; set; }

        public int Attempt { get; set; } = 1;

        public int Inquiry { get; set; } = 1;

        public int Epoch { get; set; }

        public bool CancelAsked { get; set; }

        /// <summary>How a child's end was recorded.</summary>
        public StepEvent? Ended { get; set; }

        public string Owner { get; set; } = "";

        public bool IsOver => Now is Phase.Completed or Phase.Failed or Phase.Withdrawn or Phase.Skipped;
    }

    public IReadOnlyDictionary<int, Step> Steps => steps;

    public IReadOnlyList<(string Invariant, string What)> Faults => faults;

    /// <summary>Where one host went on with what another had under way.</summary>
    public List<(int Step, string Owner, DateTimeOffset At)> TakenOver { get; } = [];

    public void Show(long version, WorkflowEvent e, DateTimeOffset when)
    {
        Demand(when >= at, version, "I4", $"its time {when:O} is before the one of the event before, {at:O}");
        Demand(!closed || e is RunImported or RunSettled || e is HostChanged && !settled, version, "I4", $"a {EventNames.Of(e)} stands behind the end of the run");
        Demand(before is not RunImported, version, "I4", $"a {EventNames.Of(e)} stands behind the import of the run, which does not go on here");
        Demand(before is not null || e is RunStarted, version, "I4", $"the history begins with a {EventNames.Of(e)}");
        Demand(before is null || e is not RunStarted, version, "I4", "the run was started twice");
        Demand(!e.IsCommand || before is not (null or HostChanged or RunParked), version, "I4", $"the command {EventNames.Of(e)} stands behind no input");
        Demand(!e.IsCommand || when == at, version, "I4", $"the command {EventNames.Of(e)} bears another time than its input");
        at = when > at ? when : at;
        before = e;
        switch (e)
        {
            case RunStarted started:
                host = started.Host;
                break;
            case HostChanged changed:
                Demand(changed.Host != host, version, "I4", $"the host changes from {host} to itself");
                host = changed.Host;
                break;
            case UpdateAccepted accepted:
                Demand(accepted.Update == ++updates, version, "I4", $"update {accepted.Update} follows update {updates - 1}");
                openUpdates.Add(accepted.Update);
                break;
            case UpdateCompleted or UpdateFailed:
                var update = e is UpdateCompleted done ? done.Update : ((UpdateFailed)e).Update;
                Demand(openUpdates.Remove(update), version, "I2", $"{EventNames.Of(e)} of update {update}, which is not under way");
                break;
            case RunSettled:
                Demand(closed && !settled, version, "I4", "the run is settled twice, or before its end");
                settled = true;
                break;
            case RunPaused:
                Demand(!paused, version, "I4", "the run is paused twice");
                paused = true;
                break;
            case RunResumed:
                Demand(paused, version, "I4", "the run is resumed and was not paused");
                paused = false;
                break;
            case LoopCheckpoint checkpoint:
                foreach (var (number, open) in steps) Demand(open.IsOver, version, "I4", $"a checkpoint, while step {number} is {open.Now}");
                Demand(checkpoint.Steps == steps.Count, version, "I4", $"the checkpoint counts {checkpoint.Steps} steps, and there are {steps.Count}");
                Demand(checkpoint.Host == host, version, "I4", $"the checkpoint is of host {checkpoint.Host}, and {host} appends");
                break;
            case RunClosed or RunImported:
                closed = true;
                break;
            case StepScheduled or TimerSet or ApprovalRequested or ValueRecorded or ChildScheduled:
                Open(version, (StepEvent)e);
                break;
            case StepEvent of:
                if (!steps.TryGetValue(of.Step, out var step)) Fault(version, "I4", $"{EventNames.Of(e)} of step {of.Step}, which was never scheduled");
                else if (step.IsOver) Fault(version, "I2", $"{EventNames.Of(e)} of step {of.Step}, which is over: {step.Now}");
                else if (step.Opened is StepScheduled scheduled) OfActivity(version, of, step, scheduled);
                else if (step.Opened is TimerSet timer) OfTimer(version, of, step, timer);
                else if (step.Opened is ChildScheduled) OfChild(version, of, step);
                else if (step.Opened is ApprovalRequested approval) OfApproval(version, of, step, approval);
                break;
        }
    }

    private void Open(long version, StepEvent e)
    {
        if (steps.ContainsKey(e.Step)) Fault(version, "I2", $"step {e.Step} is scheduled a second time");
        Demand(e.Step == steps.Count + 1, version, "I4", $"step {e.Step} follows step {steps.Count}");
        steps[e.Step] = new Step(e)
        {
            Owner = host,
            Now = e switch { StepScheduled or ChildScheduled => Phase.Attempting, ValueRecorded => Phase.Completed, _ => Phase.Waiting },
        };
        if (e is ApprovalRequested approval)
            Demand(approval.Digest == CanonicalJson.Digest(approval.Subject), version, "I10", "the digest of what is to be approved is not that of the subject");
    }

    private void OfActivity(long version, StepEvent e, Step step, StepScheduled scheduled)
    {
        var once = scheduled.Effect is Effect.AtMostOnce;
        if (step.Owner != host && (e is OutcomeUnknown || e is AttemptStarted && step.Now is Phase.Attempting || e is InquiryStarted && step.Now is Phase.Inquiring))
            TakenOver.Add((e.Step, step.Owner, at));
        switch (e)
        {
            case AttemptStarted started:
                Allow(step, Phase.Attempting, Phase.Pausing);
                Demand(!paused, version, "I4", $"attempt {started.Attempt} of step {e.Step} begins while the run is paused");
                Demand(started.Attempt == step.Attempt + 1, version, "I4", $"attempt {started.Attempt} of step {e.Step} follows attempt {step.Attempt}");
                Demand(!once || step.Now is not Phase.Attempting || step.Owner == host, version, "I2",
                    $"step {e.Step} may run at most once, and is attempted again on {host} while the outcome on {step.Owner} is unknown");
                (step.Now, step.Attempt, step.Owner) = (Phase.Attempting, started.Attempt, host);
                break;
            case AttemptHeartbeat beat:
                Allow(step, Phase.Attempting);
                IsOfThisAttempt(beat.Attempt);
                break;
            case AttemptFailed failed:
                Allow(step, Phase.Attempting);
                IsOfThisAttempt(failed.Attempt);
                Demand(!once || failed.Definite, version, "I2", $"step {e.Step} may run at most once, and is tried again though its outcome is unknown");
                step.Now = Phase.Pausing;
                break;
            case StepCompleted completed:
                Demand(completed.Attempt <= step.Attempt, version, "I4", $"attempt {completed.Attempt} of step {e.Step} completed, and only {step.Attempt} were started");
                step.Now = Phase.Completed;
                break;
            case StepFailed failed:
                Demand(failed.Attempt <= step.Attempt, version, "I4", $"attempt {failed.Attempt} of step {e.Step} failed, and only {step.Attempt} were started");
                Demand(!once || step.Now is Phase.Attempting or Phase.Pausing, version, "I2", $"step {e.Step} may run at most once, and failed while its outcome is unknown");
                step.Now = Phase.Failed;
                break;
            case StepCancelled:
                Allow(step, Phase.Pausing);
                step.Now = Phase.Withdrawn;
                break;
            case StepCancelAsked:
                break;
            case OutcomeUnknown unknown:
                Allow(step, Phase.Attempting);
                IsOfThisAttempt(unknown.Attempt);
                (step.Now, step.Inquiry, step.Owner) = (Phase.Inquiring, 1, host);
                break;
            case OutcomeStillUnknown still:
                Allow(step, Phase.Inquiring);
                Demand(still.Inquiry == step.Inquiry, version, "I4", $"inquiry {still.Inquiry} of step {e.Step} ended, and {step.Inquiry} is under way");
                step.Now = still.RetryAt is null ? Phase.Waiting : Phase.PausingToInquire;
                break;
            case InquiryStarted inquiry:
                Allow(step, Phase.Inquiring, Phase.PausingToInquire);
                Demand(inquiry.Inquiry == step.Inquiry + 1, version, "I4", $"inquiry {inquiry.Inquiry} of step {e.Step} follows inquiry {step.Inquiry}");
                (step.Now, step.Inquiry, step.Owner) = (Phase.Inquiring, inquiry.Inquiry, host);
                break;
            case OutcomeNeverWill:
                Allow(step, Phase.Inquiring, Phase.PausingToInquire, Phase.Waiting);
                (step.Now, step.Epoch) = (Phase.Pausing, step.Epoch + 1);
                break;
            case OutcomeHappened:
                Allow(step, Phase.Inquiring, Phase.PausingToInquire, Phase.Waiting);
                step.Now = Phase.Completed;
                break;
            case RetryAsked:
                Allow(step, Phase.Pausing, Phase.PausingToInquire);
                break;
            case StepSkipped:
                Allow(step, Phase.Pausing, Phase.PausingToInquire, Phase.Inquiring, Phase.Waiting);
                step.Now = Phase.Skipped;
                break;
            default:
                Fault(version, "I4", $"{EventNames.Of(e)} of step {e.Step}, which is an activity");
                break;
        }

        void Allow(Step of, params ReadOnlySpan<Phase> phases)
        {
            if (!phases.Contains(of.Now)) Fault(version, "I4", $"{EventNames.Of(e)} of step {e.Step} while it is {of.Now}");
        }

        void IsOfThisAttempt(int attempt) => Demand(attempt == step.Attempt, version, "I4", $"{EventNames.Of(e)} of attempt {attempt} of step {e.Step} while {step.Attempt} is under way");
    }

    private void OfTimer(long version, StepEvent e, Step step, TimerSet timer)
    {
        if (e is TimerFired) Demand(at >= timer.Due, version, "I4", $"timer {e.Step} fired at {at:O}, and was due at {timer.Due:O}");
        else Demand(e is TimerCancelled, version, "I4", $"{EventNames.Of(e)} of step {e.Step}, which is a timer");
        step.Now = e is TimerFired ? Phase.Completed : Phase.Withdrawn;
    }

    // Attempting: the child has to be reached. Waiting: it was.
    private void OfChild(long version, StepEvent e, Step step)
    {
        switch (e)
        {
            case ChildCancelAsked:
                Demand(!step.CancelAsked, version, "I2", $"the child of step {e.Step} is asked to cancel twice");
                (step.Now, step.CancelAsked) = (Phase.Attempting, true);
                break;
            case ChildReached reached:
                Demand(step.Now is Phase.Attempting && reached.Cancelled == step.CancelAsked, version, "I4", $"the child of step {e.Step} is reached, and nobody was sent to it");
                step.Now = Phase.Waiting;
                break;
            default:
                Demand(e is ChildCompleted or ChildFailed, version, "I4", $"{EventNames.Of(e)} of step {e.Step}, which is a child");
                (step.Now, step.Ended) = (e is ChildCompleted ? Phase.Completed : Phase.Failed, e);
                break;
        }
    }

    private void OfApproval(long version, StepEvent e, Step step, ApprovalRequested approval)
    {
        switch (e)
        {
            case ApprovalDecided decided:
                Demand(decided.By.Roles.Contains(approval.Role, StringComparer.Ordinal), version, "I10", $"{decided.By.Id} decided without the role {approval.Role}");
                Demand(!approval.NotBy.Contains(decided.By.Id, StringComparer.Ordinal), version, "I10", $"{decided.By.Id} decided, who must not");
                Demand(!(at >= approval.Deadline), version, "I10", $"{decided.By.Id} decided at {at:O}, after the deadline {approval.Deadline:O}");
                step.Now = Phase.Completed;
                break;
            case ApprovalExpired:
                Demand(at >= approval.Deadline, version, "I4", $"approval {e.Step} expired at {at:O}, before its deadline {approval.Deadline:O}");
                step.Now = Phase.Withdrawn;
                break;
            default:
                Demand(e is ApprovalWithdrawn, version, "I4", $"{EventNames.Of(e)} of step {e.Step}, which is an approval");
                step.Now = Phase.Withdrawn;
                break;
        }
    }

    private void Demand(bool holds, long version, string invariant, string what)
    {
        if (!holds) Fault(version, invariant, what);
    }

    private void Fault(long version, string invariant, string what) => faults.Add((invariant, $"event {version}: {what}"));
}
