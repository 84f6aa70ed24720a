using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Checking;

/// <summary>
/// What may follow what in a history, written down a second time and apart from the engine's own fold, so that one mistake does not
/// hide the other. I2: one schedule and one terminal event per step. I4: outcomes only of what is under way. I10: who may decide. I14: nothing leaves
/// that the gate did not let through.
/// </summary>
internal sealed class StepGrammar
{
    private readonly Dictionary<int, Step> steps = [];
    private readonly List<(string Invariant, string What)> faults = [];
    private string host = "";
    private WorkflowEvent? before;
    private DateTimeOffset at;
    private bool closed;
    private string? codeVersion;
    private bool settled;
    private bool paused;
    private bool parked;
    private readonly HashSet<int> openUpdates = [];
    private int updates;
    private readonly List<(long Version, WorkflowEvent Event, DateTimeOffset At, int Resets)> branch = [];
    private readonly Dictionary<int, EffectChoice> reuses = [];
    private int resets;
    private int undone;
    private bool begun = true;

    public enum Phase
    {
        Attempting,
        Pausing,
        Inquiring,
        PausingToInquire,
        Held,
        Refused,
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

        /// <summary>The epoch its keys begin with: that of the reset it was scheduled or redone behind.</summary>
        public int FirstEpoch { get; set; }

        /// <summary>The outcome it is to be given without a call.</summary>
        public EffectChoice? Reuse { get; set; }

        /// <summary>It was over in the run this one was forked from: its effects are that run's.</summary>
        public bool IsCopied { get; set; }

        /// <summary>The version of its last event.</summary>
        public long Last { get; set; }

        public bool CancelAsked { get; set; }

        /// <summary>How a child's end was recorded.</summary>
        public StepEvent? Ended { get; set; }

        /// <summary>The run that is the step's child.</summary>
        public string? Child { get; set; } = (opened as ChildScheduled)?.Run;

        /// <summary>A cut left it open: it stays the child, and has to be asked for its end.</summary>
        public bool IsKept { get; set; }

        /// <summary>A cut left it open: another run is to be started in its place.</summary>
        public bool IsReplaced { get; set; }

        public string Owner { get; set; } = "";

        /// <summary>The attempt of this number was not sent.</summary>
        public bool NeverLeft { get; set; }

        public bool IsOver => Now is Phase.Completed or Phase.Failed or Phase.Withdrawn or Phase.Skipped;
    }

    public IReadOnlyDictionary<int, Step> Steps => steps;

    /// <summary>Steps of branches that a reset left, as they were then.</summary>
    public List<(int Number, Step Step)> Dead { get; } = [];

    /// <summary>Every run that was a step's child, also on branches that a reset left.</summary>
    public HashSet<(int Step, string Run)> Children { get; } = [];

    /// <summary>What the resets chose to become of children.</summary>
    public List<EffectChoice> ChildChoices { get; } = [];

    /// <summary>Nothing is left to be done of what a reset or a fork chose.</summary>
    public bool HasBegun => begun;

    /// <summary>The children whose outcomes, or who themselves, wait for the code to ask for them.</summary>
    public IEnumerable<string> Waiting => reuses.Values.Select(choice => choice.Child?.Run).OfType<string>();

    public IReadOnlyList<(string Invariant, string What)> Faults => faults;

    /// <summary>Where one host went on with what another had under way.</summary>
    public List<(int Step, string Owner, DateTimeOffset At)> TakenOver { get; } = [];

    public void Show(long version, WorkflowEvent e, DateTimeOffset when) => Show(version, e, when, null);

    private void Show(long version, WorkflowEvent e, DateTimeOffset when, int? resetsThen)
    {
        Demand(when >= at, version, "I4", $"its time {when:O} is before the one of the event before, {at:O}");
        Demand(!closed || e is RunImported or RunSettled or RunReset or HostChanged, version, "I4", $"a {EventNames.Of(e)} stands behind the end of the run");
        Demand(before is not RunImported, version, "I4", $"a {EventNames.Of(e)} stands behind the import of the run, which does not go on here");
        Demand(before is not null || e is RunStarted, version, "I4", $"the history begins with a {EventNames.Of(e)}");
        Demand(before is null || e is not RunStarted, version, "I4", "the run was started twice");
        Demand(!e.IsCommand || before is not (null or HostChanged or RunParked or RunMigrated), version, "I4", $"the command {EventNames.Of(e)} stands behind no input");
        Demand(!e.IsCommand || when == at, version, "I4", $"the command {EventNames.Of(e)} bears another time than its input");
        at = when > at ? when : at;
        before = e;
        if (e is RunReset cut) Leave(version, cut);
        if (e is RunReset or RunForked) resets = resetsThen ?? resets + 1;
        branch.Add((version, e, when, resets));
        switch (e)
        {
            case RunStarted started:
                host = started.Host;
                codeVersion = started.Version;
                break;
            case HostChanged changed:
                Demand(changed.Host != host, version, "I4", $"the host changes from {host} to itself");
                host = changed.Host;
                break;
            case RunMigrated moved:
                Demand(moved.From == codeVersion, version, "I4", $"it is moved from version {moved.From}, and was on {codeVersion}");
                Demand(moved.Certificate.UpTo < version, version, "I4", $"its certificate reaches to event {moved.Certificate.UpTo}");
                codeVersion = moved.To;
                break;
            case RunReset reset:
                Cut(version, reset.Effects);
                break;
            case RunForked forked:
                foreach (var copied in steps.Values) copied.IsCopied = copied.IsOver;
                foreach (var (_, dead) in Dead) dead.IsCopied = true;
                codeVersion = forked.Version ?? codeVersion;
                Cut(version, forked.Effects);
                break;
            case BranchBegun:
                Demand(!begun, version, "I4", "the branch begins twice");
                foreach (var (number, undoing) in steps.Where(s => s.Key < 0)) Demand(undoing.IsOver, version, "I2", $"the branch begins while step {-number} is being undone");
                foreach (var kept in steps.Values.Where(kept => kept.IsKept && !kept.IsOver)) (kept.Now, kept.Owner, kept.IsKept) = (Phase.Attempting, host, false);
                begun = true;
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
            case RunParked:
                Demand(!parked, version, "I4", "the run is parked twice");
                parked = true;
                break;
            case RunUnparked:
                Demand(parked, version, "I4", "the run is unparked and was not parked");
                parked = false;
                break;
            case LoopCheckpoint checkpoint:
                foreach (var (number, open) in steps) Demand(open.IsOver, version, "I4", $"a checkpoint, while step {number} is {open.Now}");
                Demand(checkpoint.Steps == steps.Count - undone, version, "I4", $"the checkpoint counts {checkpoint.Steps} steps, and there are {steps.Count - undone}");
                Demand((checkpoint.Resets ?? 0) == resets, version, "I4", $"the checkpoint counts {checkpoint.Resets} resets, and there are {resets}");
                Demand(checkpoint.Host == host, version, "I4", $"the checkpoint is of host {checkpoint.Host}, and {host} appends");
                Demand(checkpoint.CodeVersion == codeVersion, version, "I4", $"the checkpoint is of version {checkpoint.CodeVersion}, and the run is on {codeVersion}");
                break;
            case RunClosed or RunImported:
                closed = true;
                break;
            case StepScheduled or TimerSet or ApprovalRequested or ValueRecorded or ChildScheduled:
                Open(version, (StepEvent)e);
                break;
            case StepEvent of:
                if (!steps.TryGetValue(of.Step, out var step)) Fault(version, "I4", $"{EventNames.Of(e)} of step {of.Step}, which was never scheduled");
                else if (!begun && of.Step > 0 && e is (AttemptStarted or OutcomeReused or ChildReplaced or TimerFired or ApprovalExpired))
                    Fault(version, "I4", $"{EventNames.Of(e)} of step {of.Step} before the branch has begun");
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
        Demand(e.Step == steps.Count - undone + 1, version, "I4", $"step {e.Step} follows step {steps.Count - undone}");
        steps[e.Step] = new Step(e)
        {
            Owner = host,
            Last = version,
            Epoch = resets << 16,
            FirstEpoch = resets << 16,
            NeverLeft = e is StepScheduled { Gate.Answer: not GateAnswer.Allow },
            Now = e switch { StepScheduled { Gate: { } gate } => Passed(gate), StepScheduled or ChildScheduled => Phase.Attempting, ValueRecorded => Phase.Completed, _ => Phase.Waiting },
        };
        if (e is ChildScheduled scheduled) Children.Add((e.Step, scheduled.Run));
        if (reuses.Remove(e.Step, out var reuse))
        {
            Demand(e switch
            {
                StepScheduled same => reuse.Child is null && same.Activity == reuse.Activity && CanonicalJson.Digest(same.Input) == CanonicalJson.Digest(reuse.Input),
                ChildScheduled same => same.Run == reuse.Child?.Run && same.Workflow == reuse.Activity && CanonicalJson.Digest(same.Input) == CanonicalJson.Digest(reuse.Input),
                _ => false,
            }, version, "I2", $"step {e.Step} is not the {reuse.Activity} whose outcome was to be reused");
            if (reuse.Child is not { Stays: true }) (steps[e.Step].Reuse, steps[e.Step].Now) = (reuse, Phase.Pausing);
        }
        if (e is ApprovalRequested approval)
            Demand(approval.Digest == CanonicalJson.Digest(approval.Subject), version, "I10", "the digest of what is to be approved is not that of the subject");
    }

    // What a reset left: the steps are as they were at the cut, and those that went on behind it are looked at for their effects.
    private void Leave(long version, RunReset reset)
    {
        foreach (var (number, step) in steps)
        {
            if (step.IsOver && step.Last <= reset.To) continue;
            Dead.Add((number, step));
            if (number > 0 && step.Child is { } child)
                Demand(reset.Effects.Any(choice => choice.Step == number && choice.Child?.Run == child), version, "I13", $"the reset does not say what becomes of the child run {child} of step {number}");
            if (number < 0 || step.Opened is not StepScheduled { Effect: Effect.Keyed or Effect.Transactional or Effect.AtMostOnce } effect) continue;
            Demand(step.Now is not Phase.Completed || reset.Effects.Any(choice => choice.Step == number), version, "I2", $"{effect.Activity} (step {number}) took effect, and the reset does not say what becomes of it");
            Demand(closed || effect.Effect is not Effect.AtMostOnce || step.IsOver || step.Now is Phase.Pausing, version, "I2", $"step {number} may run at most once, and was left while its outcome was unknown");
        }
        foreach (var (number, undoing) in steps.Where(s => s.Key < 0)) Demand(undoing.IsOver, version, "I2", $"it is reset while step {-number} is being undone");
        foreach (var (number, run) in reuses.Where(left => left.Value.Child is { Stays: true }).Select(left => (left.Key, left.Value.Child!.Run)))
            Demand(reset.Effects.Any(choice => choice.Step == number && choice.Child?.Run == run), version, "I13", $"the reset does not say what becomes of the child run {run} that was to stay the child of step {number}");
        branch.RemoveAll(shown => shown.Version > Math.Max(reset.To, 1));
        var kept = new StepGrammar();
        foreach (var (shownVersion, shown, shownAt, shownResets) in branch) kept.Show(shownVersion, shown, shownAt, shownResets);
        steps.Clear();
        foreach (var (number, step) in kept.steps) steps.Add(number, step);
        openUpdates.Clear();
        openUpdates.UnionWith(kept.openUpdates);
        (closed, settled, paused, parked, updates, undone) = (kept.closed, kept.settled, kept.paused, kept.parked, kept.updates, kept.undone);
    }

    private void Cut(long version, IReadOnlyList<EffectChoice> effects)
    {
        begun = false;
        reuses.Clear();
        foreach (var (number, step) in steps.Where(step => !step.Value.IsOver && step.Value.Opened is StepScheduled).ToList())
        {
            (step.Now, step.Epoch, step.FirstEpoch, step.Last) = (Phase.Pausing, resets << 16, resets << 16, version);
            step.Reuse = effects.FirstOrDefault(choice => choice.Step == number && choice.Action is EffectAction.Reuse);
        }
        foreach (var (number, step) in steps.Where(step => !step.Value.IsOver && step.Value.Opened is ChildScheduled).ToList())
        {
            var choice = effects.FirstOrDefault(choice => choice.Step == number && choice.Child is not null);
            Demand(choice is not null, version, "I13", $"it is cut while the child of step {number} is awaited, and nothing says what becomes of that");
            (step.Now, step.Last, step.Child) = (Phase.Pausing, version, choice?.Child!.Run ?? step.Child);
            (step.Reuse, step.IsKept, step.IsReplaced) = choice switch
            {
                { Action: EffectAction.Reuse, Child.Stays: true } => (null, true, false),
                { Action: EffectAction.Reuse } => (choice, false, false),
                _ => ((EffectChoice?)null, false, true),
            };
        }
        foreach (var choice in effects)
        {
            if (choice.Child is { } child)
            {
                ChildChoices.Add(choice);
                if (child.Ends is { } how) Undo(choice.Step, new Step(new ChildScheduled(-choice.Step, choice.Activity, child.Run, choice.Input, how)) { Now = Phase.Pausing, Owner = host, Last = version });
            }
            if (choice.Action is EffectAction.Reuse && !(steps.TryGetValue(choice.Step, out var open) && !open.IsOver)) reuses[choice.Step] = choice;
            if (choice.Action is not EffectAction.Compensate || choice.Child is not null) continue;
            Undo(choice.Step, new Step(new StepScheduled(-choice.Step, choice.Undo!, choice.UndoEffect, choice.UndoInput))
            {
                Now = Phase.Pausing, Owner = host, Last = version, Epoch = resets << 16, FirstEpoch = resets << 16,
            });
        }
    }

    // What was done again behind an earlier undoing is undone again.
    private void Undo(int number, Step undoing)
    {
        if (steps.TryGetValue(-number, out var before)) Dead.Add((-number, before));
        else undone++;
        steps[-number] = undoing;
    }

    private void OfActivity(long version, StepEvent e, Step step, StepScheduled scheduled)
    {
        var once = scheduled.Effect is Effect.AtMostOnce;
        if (step.Owner != host && (e is OutcomeUnknown || e is AttemptStarted && step.Now is Phase.Attempting || e is InquiryStarted && step.Now is Phase.Inquiring))
            TakenOver.Add((e.Step, step.Owner, at));
        step.Last = version;
        switch (e)
        {
            case OutcomeReused reused:
                Demand(step.Reuse is { } chosen && chosen.Key == reused.Key, version, "I2", $"step {e.Step} takes an outcome that no reset chose to reuse");
                step.Now = Phase.Withdrawn;
                break;
            case AttemptStarted started:
                Allow(step, Phase.Attempting, Phase.Pausing, Phase.Held);
                Demand(step.Reuse is null, version, "I2", $"step {e.Step} is attempted, and its outcome was to be reused");
                Demand(!paused, version, "I4", $"attempt {started.Attempt} of step {e.Step} begins while the run is paused");
                var refused = started.Gate is { Answer: not GateAnswer.Allow };
                // A host appends its own anew that waited too long for its place, under the number nothing was sent under.
                Demand(started.Attempt == step.Attempt + 1 || started.Attempt == step.Attempt && (step.NeverLeft || step.Now is Phase.Attempting && (refused || step.Owner == host)), version, "I4", $"attempt {started.Attempt} of step {e.Step} follows attempt {step.Attempt}");
                Demand(!once || step.Now is not Phase.Attempting || step.Owner == host, version, "I2",
                    $"step {e.Step} may run at most once, and is attempted again on {host} while the outcome on {step.Owner} is unknown");
                (step.Now, step.Attempt, step.Owner, step.NeverLeft) = (started.Gate is null ? Phase.Attempting : Passed(started.Gate), started.Attempt, host, refused);
                break;
            case EffectSigned:
                Allow(step, Phase.Held);
                break;
            case AttemptHeartbeat beat:
                Allow(step, Phase.Attempting);
                IsOfThisAttempt(beat.Attempt);
                break;
            case AttemptPrepared prepared:
                Allow(step, Phase.Attempting);
                IsOfThisAttempt(prepared.Attempt);
                break;
            case AttemptFailed failed:
                Allow(step, Phase.Attempting);
                IsOfThisAttempt(failed.Attempt);
                Demand(!once || failed.Definite, version, "I2", $"step {e.Step} may run at most once, and is tried again though its outcome is unknown");
                step.Now = Phase.Pausing;
                break;
            case StepCompleted completed:
                Demand(!(step.NeverLeft && step.Attempt == 1), version, "I14", $"step {e.Step} completed, and the gate had let no attempt of it through");
                Demand(completed.Attempt <= step.Attempt, version, "I4", $"attempt {completed.Attempt} of step {e.Step} completed, and only {step.Attempt} were started");
                step.Now = Phase.Completed;
                break;
            case StepFailed failed:
                Demand(failed.Attempt <= step.Attempt, version, "I4", $"attempt {failed.Attempt} of step {e.Step} failed, and only {step.Attempt} were started");
                Demand(!once || step.Now is Phase.Attempting or Phase.Pausing or Phase.Held or Phase.Refused, version, "I2", $"step {e.Step} may run at most once, and failed while its outcome is unknown");
                step.Now = Phase.Failed;
                break;
            case StepCancelled:
                Allow(step, Phase.Pausing, Phase.Held, Phase.Refused);
                step.Now = Phase.Withdrawn;
                break;
            case StepCancelAsked:
                break;
            case OutcomeUnknown unknown:
                Allow(step, Phase.Attempting, Phase.Refused);
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
                Allow(step, Phase.Pausing, Phase.PausingToInquire, Phase.Inquiring, Phase.Waiting, Phase.Held, Phase.Refused);
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

    private static Phase Passed(GateRecord gate) => gate.Answer switch
    {
        GateAnswer.Allow => Phase.Attempting,
        GateAnswer.Hold => Phase.Held,
        GateAnswer.Deny => Phase.Refused,
        _ => Phase.Pausing,
    };

    private void OfTimer(long version, StepEvent e, Step step, TimerSet timer)
    {
        if (e is TimerFired) Demand(at >= timer.Due, version, "I4", $"timer {e.Step} fired at {at:O}, and was due at {timer.Due:O}");
        else Demand(e is TimerCancelled, version, "I4", $"{EventNames.Of(e)} of step {e.Step}, which is a timer");
        step.Now = e is TimerFired ? Phase.Completed : Phase.Withdrawn;
    }

    // Attempting: the child has to be reached. Waiting: it was. Pausing: a cut left it, and it is kept, replaced, left or gives what was recorded.
    private void OfChild(long version, StepEvent e, Step step)
    {
        step.Last = version;
        switch (e)
        {
            case ChildCancelAsked:
                Demand(!step.CancelAsked, version, "I2", $"the child of step {e.Step} is asked to cancel twice");
                step.CancelAsked = true;
                if (step.Now is not Phase.Pausing) step.Now = Phase.Attempting;
                break;
            case ChildEndAsked:
                Demand(e.Step < 0 && step.Now is Phase.Pausing, version, "I4", $"the child of step {e.Step} is asked to end, and is of no branch that was left");
                (step.Now, step.CancelAsked, step.Owner) = (Phase.Attempting, true, host);
                break;
            case ChildReplaced replaced:
                Demand(step.IsReplaced, version, "I13", $"the child of step {e.Step} is replaced, and no reset chose that");
                Demand(Children.Add((e.Step, replaced.Run)), version, "I13", $"the child of step {e.Step} is replaced by run {replaced.Run}, which it was before");
                (step.Now, step.Child, step.IsReplaced, step.Owner) = (Phase.Attempting, replaced.Run, false, host);
                break;
            case OutcomeReused reused:
                Demand(step.Reuse is { } chosen && chosen.Key == reused.Key, version, "I2", $"step {e.Step} takes an outcome that no reset chose to reuse");
                step.Now = Phase.Withdrawn;
                break;
            case ChildReached reached:
                Demand(step.Now is Phase.Attempting && reached.Cancelled == step.CancelAsked, version, "I4", $"the child of step {e.Step} is reached, and nobody was sent to it");
                step.Now = Phase.Waiting;
                break;
            default:
                Demand(e is ChildCompleted or ChildFailed, version, "I4", $"{EventNames.Of(e)} of step {e.Step}, which is a child");
                Demand(step.Reuse is null && !step.IsReplaced, version, "I13", $"{EventNames.Of(e)} of step {e.Step}, whose child a cut has replaced");
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
