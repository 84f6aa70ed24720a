using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Dispatch;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Steps;

/// <summary>
/// A call of a tool activity.
///
/// <code>
///                        StepScheduled
///                              │                       AttemptFailed (a definite no, or it may be run again)
///                              ▼                 ┌──────────────────────────► Pausing
///                          Attempting ───────────┤◄────────────────────────── AttemptStarted (when due)
///        StepCompleted ◄───────┤                 │
///        StepFailed    ◄───────┤                 │ OutcomeUnknown (AtMostOnce, or a key given up on)
///                              │                 ▼
///                              │             Inquiring ──── OutcomeStillUnknown ──► Pausing to inquire ── InquiryStarted ─┐
///                              │                 │  ▲─────────────────────────────────────────────────────────────────────┘
///        OutcomeHappened ◄─────┼─────────────────┤
///                              └── AttemptStarted ◄─ OutcomeNeverWill (epoch + 1: a new key)
/// </code>
/// An activity that prepares (a tool whose writes are compared) looks before it leaves: AttemptPrepared, and only behind that append the call.
/// What the gate answered stands in StepScheduled and AttemptStarted. Held: nothing was sent, and EffectSigned is awaited; with enough of them,
/// or when the gate has others to ask, AttemptStarted has its next answer, under the same number. Refused: StepFailed follows in the same
/// append. To wait: Pausing.
/// A person may end a pause (RetryAsked), and may give the step its result while no attempt is under way (StepSkipped): StepRepair.cs.
/// A crash between any two appends leaves one of these states in the history. Attempting: if the owner is dead, the attempt is
/// started again (same key) or, for AtMostOnce, its outcome is unknown. The other states hold no effect that is under way.
/// </summary>
internal sealed class ActivityStep : OpenStep
{
    internal enum Phase
    {
        Attempting,
        Pausing,
        Inquiring,
        PausingToInquire,
        AwaitingPerson,

        /// <summary>The gate holds it until somebody has signed.</summary>
        AwaitingSignature,

        /// <summary>The gate refused it; it fails as soon as the run may go on.</summary>
        Denied,

        /// <summary>Its outcome is that of an effect of a dead branch, and stands in the history as soon as the run may go on.</summary>
        Reusing,
    }

    private ActivityStep(StepScheduled scheduled, string owner, DateTimeOffset at)
        : base(scheduled.Step) => (Scheduled, Owner, ScheduledAt, At) = (scheduled, owner, at, at);

    /// <summary>The undoing of an effect of a dead branch.</summary>
    public ActivityStep(EffectChoice undone, Effect effect, RunState state)
        : this(new StepScheduled(-undone.Step, undone.Undo!, effect, undone.UndoInput), state.Host!, state.Now) => DueNow(state);

    public StepScheduled Scheduled { get; }

    public DateTimeOffset ScheduledAt { get; private set; }

    /// <summary>The choice of a reset that gives this step its outcome.</summary>
    public EffectChoice? Reuse { get; private set; }

    /// <summary>When the present phase began.</summary>
    public DateTimeOffset At { get; private set; }

    public Phase Now { get; private set; } = Phase.Attempting;

    public int Attempt { get; private set; } = 1;

    public int Inquiry { get; private set; } = 1;

    public int Epoch { get; private set; }

    public bool CancelAsked { get; private set; }

    /// <summary>Some attempt under the present key may have had its effect.</summary>
    public bool MayHaveHappened { get; private set; }

    /// <summary>What the gate answered last.</summary>
    public GateRecord? Gate { get; private set; }

    /// <summary>What has to be signed, or had to be: it stays, for who checks the signatures again.</summary>
    public HoldTerms? Hold { get; private set; }

    /// <summary>Decisions on the last hold.</summary>
    public IReadOnlyList<EffectSigned> Signatures => signatures;

    /// <summary>The attempt of the present number was not sent: the gate did not let it through.</summary>
    public bool NeverLeft { get; private set; }

    public Failure? LastFailure { get; private set; }

    /// <summary>Attempts that failed, those that died with their host not counted.</summary>
    public int Failures => failures;

    /// <summary>What the last attempt that said so had come to.</summary>
    public JsonText? Details { get; private set; }

    /// <summary>What an attempt under the present key had found before it left.</summary>
    public JsonText? Found { get; private set; }

    /// <summary>When the engine itself goes on; a person can end the pause before.</summary>
    public DateTimeOffset? PauseEnds { get; private set; }

    // What pauses grow with. Numbers of attempts and inquiries also count those that died with their host, which says nothing of the receiver.
    private int failures;
    private int unanswered;
    private List<EffectSigned> signatures = [];
    private Charge? reserved;

    /// <summary>What is set aside for the attempt that is under way, or for one that may have had its effect; null if nothing is.</summary>
    public Charge? Reserved => reserved;

    public override DateTimeOffset? Due => PauseEnds;

    public override bool UnderWay => Now is Phase.Attempting or Phase.Inquiring;

    public override OutcomeReused? Reused => Now is Phase.Reusing ? new OutcomeReused(Number, Reuse!.Key, Reuse.Result, Reuse.Failure) : null;

    public override RunWait Describe() => Now switch
    {
        Phase.Attempting => new("activity", Scheduled.Activity, Number, Why: $"attempt {Attempt} is under way", Since: At),
        Phase.Pausing when NeverLeft => new("activity", Scheduled.Activity, Number, PauseEnds, Why: $"the gate lets it wait: {Gate?.Why}", Since: At),
        Phase.Pausing => new("activity", Scheduled.Activity, Number, PauseEnds, Why: $"attempt {Attempt} failed: {LastFailure?.Message}", Since: At),
        Phase.AwaitingSignature => new("signature", Hold!.Title, Number, Hold.EscalatesAt ?? Hold.Expires, Hold.Who, Hold.Demands.SelectMany(demand => demand.NotBy ?? []).Distinct(StringComparer.Ordinal).ToList(), Hold.Digest,
            Scheduled.Input, Why: signatures.Count > 0 ? $"signed by {string.Join(", ", signatures.Select(signed => signed.By.Id))}" : Gate?.Why, Since: At),
        Phase.Denied => new("activity", Scheduled.Activity, Number, Why: $"the gate refused it: {Gate?.Why}", Since: At),
        Phase.Reusing => new("activity", Scheduled.Activity, Number, Why: "its outcome is taken from the branch before the reset", Since: At),
        Phase.AwaitingPerson => new("outcome-unknown", Scheduled.Activity, Number, Why: LastFailure?.Message, Since: At),
        _ => new("outcome-unknown", Scheduled.Activity, Number, PauseEnds, Why: $"the receiver is being asked (inquiry {Inquiry}): {LastFailure?.Message}", Since: At),
    };

    // ---- the code's side ----

    public static Task<TOut> Call<TIn, TOut>(WorkflowExecution execution, Activity<TIn, TOut> activity, TIn input, CallOptions? options, CancellationToken cancellation, bool undoes = false)
    {
        if (cancellation.IsCancellationRequested) return Task.FromCanceled<TOut>(cancellation);
        activity = execution.AsDeclared(activity);
        var waiter = new Waiter<TOut>(activity, (options ?? activity.Options).Over(activity.Options), cancellation) { Undoes = undoes };
        var step = execution.NextStep(waiter);
        execution.Emit(new StepScheduled(step, activity.Name, activity.Effect, JsonText.From(input)));
        waiter.WatchCancellation(() => Cancel(execution, step));
        return waiter.Task;
    }

    // An effect that may have happened is not walked away from: its outcome is awaited, so that a saga knows what to undo.
    private static void Cancel(WorkflowExecution execution, int number)
    {
        if (execution.State.Find<ActivityStep>(number) is not { } step) return;
        if (step.Now is Phase.Pausing or Phase.AwaitingSignature or Phase.Denied && (!step.MayHaveHappened || step.Scheduled.Effect is Effect.Pure or Effect.Idempotent))
        {
            execution.Emit(new StepCancelled(number));
            execution.Take(number)?.Cancel();
        }
        else if (!step.CancelAsked)
        {
            execution.Emit(new StepCancelAsked(number));
        }
    }

    /// <summary>What the host needs of the code to run an attempt.</summary>
    internal abstract class Declared(Activity activity, CallOptions options, CancellationToken cancellation) : Waiter(cancellation)
    {
        public Activity Activity => activity;

        public CallOptions Options => options;

        /// <summary>It undoes what an earlier step did.</summary>
        public bool Undoes { get; init; }

        /// <summary>Why the code could not read this as the step's result; null if it can.</summary>
        public abstract string? Objection(JsonText result);
    }

    internal sealed class Undone(Activity activity) : Declared(activity, activity.Options, CancellationToken.None)
    {
        public override bool Deliver(WorkflowEvent e) => true;

        public override string? Objection(JsonText result) => null;

        public override void Cancel()
        {
        }
    }

    private sealed class Waiter<TOut>(Activity activity, CallOptions options, CancellationToken cancellation) : Declared(activity, options, cancellation)
    {
        private readonly TaskCompletionSource<TOut> outcome = new();

        public Task<TOut> Task => outcome.Task;

        public override void Cancel() => outcome.TrySetCanceled(Cancellation);

        public override void Imagine() => outcome.TrySetResult(MadeUp.Of<TOut>());

        public override bool Deliver(WorkflowEvent e)
        {
            switch (e)
            {
                case StepCompleted completed:
                    Complete(completed.Result);
                    return true;
                case OutcomeHappened happened:
                    Complete(happened.Result);
                    return true;
                case OutcomeReused { Failure: null } reused:
                    Complete(reused.Result);
                    return true;
                case OutcomeReused { Failure.Kind: FailureKind.Cancelled }:
                    Cancel();
                    return true;
                case OutcomeReused { Failure: { } failure }:
                    outcome.TrySetException(new ActivityFailedException(Activity.Name, failure));
                    return true;
                case StepSkipped skipped:
                    Complete(skipped.Result);
                    return true;
                case StepFailed { Failure.Kind: FailureKind.Cancelled }:
                    Cancel();
                    return true;
                case StepFailed failed:
                    outcome.TrySetException(new ActivityFailedException(Activity.Name, failed.Failure));
                    return true;
                default:
                    return false;
            }
        }

        public override string? Objection(JsonText result)
        {
            try
            {
                result.To<TOut>(WorkflowJson.Door);
                return null;
            }
            catch (Exception e)
            {
                return e.Message; // also what the type's own constructor says
            }
        }

        private void Complete(JsonText result)
        {
            try
            {
                outcome.TrySetResult(result.To<TOut>()!);
            }
            catch (Exception e)
            {
                outcome.TrySetException(new InvalidOperationException(
                    $"The recorded result of {Activity.Name} cannot be read as {typeof(TOut).Name}: {e.Message} Give the type back the members that histories hold.", e));
            }
        }
    }

    // ---- fold ----

    public static bool Fold(RunState state, StepEvent e)
    {
        if (e is StepScheduled scheduled)
        {
            var added = new ActivityStep(scheduled, state.Host!, state.Now) { Epoch = state.Resets * Branch.EpochsPerReset };
            if (state.TakeReuse(scheduled) is { } reuse) added.Become(reuse, state);
            else added.Pass(scheduled.Gate, state);
            state.Add(added);
            return true;
        }
        if (state.Find<ActivityStep>(e.Step) is not { } step) return false;
        step.Fold(e, state);
        return true;
    }

    private void Fold(StepEvent e, RunState state)
    {
        switch (e)
        {
            case AttemptStarted started:
                // An attempt that was under way and is started anew may have had its effect.
                if (Now is Phase.Attempting && started.Attempt != Attempt) MayHaveHappened = true;
                // It was let through in its turn, and not before the send.
                if (Now is Phase.Attempting && started.Attempt == Attempt && started.Gate is { Answer: not GateAnswer.Allow }) TakeBack(state, TakenBack.NeverLeft);
                Attempt = started.Attempt;
                Owner = state.Host!;
                Pass(started.Gate, state);
                break;
            case EffectSigned signed:
                state.Keep(signed.Key, signed.Body);
                signatures.Add(signed);
                break;
            case AttemptHeartbeat beat:
                Details = beat.Details;
                break;
            case AttemptPrepared prepared:
                Found = prepared.Found;
                break;
            case AttemptFailed failed:
                MayHaveHappened |= !failed.Definite;
                if (!MayHaveHappened) TakeBack(state, failed.Failure.Kind is FailureKind.NotStartedInTime ? TakenBack.NeverLeft : TakenBack.Refused);
                failures++;
                LastFailure = failed.Failure;
                Enter(Phase.Pausing, state, failed.RetryAt);
                break;
            case OutcomeUnknown unknown:
                MayHaveHappened = true;
                LastFailure = unknown.Failure;
                Inquiry = 1;
                if (unknown.Failure.Kind is not FailureKind.HostLost) failures++;
                unanswered = 0;
                Owner = state.Host!;
                Enter(Phase.Inquiring, state);
                break;
            case InquiryStarted inquiry:
                Inquiry = inquiry.Inquiry;
                Owner = state.Host!;
                Enter(Phase.Inquiring, state);
                break;
            case OutcomeStillUnknown still:
                unanswered++;
                LastFailure = (LastFailure ?? new Failure("", "")) with { Message = still.Why };
                Enter(still.RetryAt is null ? Phase.AwaitingPerson : Phase.PausingToInquire, state, still.RetryAt);
                break;
            case OutcomeNeverWill never:
                MayHaveHappened = false;
                TakeBack(state, TakenBack.NoEffect);
                (Details, Found) = (null, null); // of what never happened
                Epoch++;
                state.Keep(never.Key, never.Body);
                Enter(Phase.Pausing, state, state.Now);
                break;
            case StepCancelAsked:
                CancelAsked = true;
                break;
            case OutcomeHappened happened:
                state.Keep(happened.Key, happened.Body);
                state.Close(Number);
                break;
            case RetryAsked asked:
                state.Keep(asked.Key, asked.Body);
                PauseEnds = state.Now;
                break;
            case StepSkipped skipped:
                state.Keep(skipped.Key, skipped.Body);
                if (Now is Phase.Denied) state.Denied--;
                state.Close(Number);
                break;
            case StepCompleted completed:
                if (completed.Spent is { } spent && reserved is not null) state.Spending.Settle(Scheduled.Activity, reserved, spent);
                state.Close(Number);
                break;
            case StepFailed or StepCancelled:
                // It fails only when nothing of it can have happened.
                TakeBack(state, TakenBack.NoEffect);
                if (Now is Phase.Denied) state.Denied--;
                state.Close(Number);
                break;
            case OutcomeReused:
                state.Close(Number);
                break;
        }
    }

    // What the gate answered, and what follows from it.
    private void Pass(GateRecord? gate, RunState state)
    {
        if (Now is Phase.Denied) state.Denied--;
        (Gate, NeverLeft) = (gate, gate is { Answer: not GateAnswer.Allow });
        if (gate?.Hold is { } hold)
        {
            if (hold.Digest != Hold?.Digest) signatures = [];
            Hold = hold;
        }
        switch (gate?.Answer)
        {
            case GateAnswer.Deny:
                state.Denied++;
                LastFailure = new Failure("GateDenied", gate.Why ?? "The gate refused it.", FailureKind.Denied);
                Enter(Phase.Denied, state, state.Now);
                break;
            case GateAnswer.Hold:
                LastFailure ??= new Failure("GateHolds", gate.Why ?? "The gate holds it until it is signed.", FailureKind.Denied);
                Enter(Phase.AwaitingSignature, state, gate.Hold!.EscalatesAt ?? gate.Hold.Expires);
                break;
            case GateAnswer.Wait:
                LastFailure = new Failure("GateWaits", gate.Why ?? "The gate lets it wait.", FailureKind.Denied);
                Enter(Phase.Pausing, state, gate.RetryAt ?? state.Now);
                break;
            default:
                if (gate?.Charge is { } charge)
                {
                    state.Spending.Reserve(Scheduled.Activity, charge, reserved);
                    reserved = charge;
                }
                Enter(Phase.Attempting, state);
                break;
        }
    }

    private void TakeBack(RunState state, TakenBack why)
    {
        if (reserved is null) return;
        // Of an earlier attempt that may have had its effect, all stays but what the one that was not made would have used up.
        if (!MayHaveHappened) state.Spending.Release(Scheduled.Activity, reserved, why);
        else if (why is TakenBack.NeverLeft) state.Spending.ReleaseUse(Scheduled.Activity, reserved);
        if (!MayHaveHappened) reserved = null;
    }

    /// <summary>A reset was cut while this step was open: it is done anew under a key of its own, or takes the outcome it had.</summary>
    public void Reset(EffectChoice? choice, RunState state)
    {
        DueNow(state);
        if (choice is { Action: EffectAction.Reuse }) Become(choice, state);
    }

    private void DueNow(RunState state)
    {
        Epoch = state.Resets * Branch.EpochsPerReset;
        if (Now is Phase.Denied) state.Denied--;
        (MayHaveHappened, failures, unanswered, ScheduledAt) = (false, 0, 0, state.Now);
        (signatures, Hold, reserved, NeverLeft) = ([], null, null, false); // what the dead branch has spent is spent
        (Details, Found, Reuse) = (null, null, null); // of what the dead branch did, and of what an earlier reset chose
        LastFailure ??= new Failure("Reset", "The run was reset before this attempt.");
        Enter(Phase.Pausing, state, state.Now);
    }

    private void Become(EffectChoice reuse, RunState state)
    {
        Reuse = reuse;
        Enter(Phase.Reusing, state, state.Now);
    }

    private void Enter(Phase phase, RunState state, DateTimeOffset? pauseEnds = null) => (Now, At, PauseEnds) = (phase, state.Now, pauseEnds);

    /// <summary>Whether this attempt, under this key, is the one whose outcome is awaited.</summary>
    public bool Awaits(int attempt, int epoch) => Now is Phase.Attempting && attempt == Attempt && epoch == Epoch;

    // ---- decide ----

    /// <summary>The outcome of an attempt. One that is no longer awaited (a late answer of an earlier attempt) decides nothing,
    /// unless it says that the effect happened: that is always news.</summary>
    public IEnumerable<WorkflowEvent> OnOutcome(int attempt, int epoch, AttemptOutcome outcome, Declared declared, DateTimeOffset now, double random, bool held)
    {
        // Of a key that was given up: what it says is no answer to the present one.
        if (epoch != Epoch) yield break;
        if (outcome is AttemptOutcome.Answered answered)
        {
            if (Now is not Phase.Reusing) yield return new StepCompleted(Number, attempt, answered.Result, answered.Spent);
            yield break;
        }
        if (Now is not Phase.Attempting || attempt != Attempt) yield break;
        if (outcome is AttemptOutcome.Refused refused)
        {
            if (CancelAsked && !MayHaveHappened) yield return Cancelled(attempt);
            else if (held) yield return Halted(attempt, now);
            else yield return new AttemptStarted(Number, attempt, refused.By);
            yield break;
        }
        if (outcome is AttemptOutcome.NotSent)
        {
            if (CancelAsked && !MayHaveHappened) yield return Cancelled(attempt);
            else if (held) yield return Halted(attempt, now);
            else yield return new AttemptStarted(Number, attempt);
            yield break;
        }

        var failed = (AttemptOutcome.Failed)outcome;
        if (Scheduled.Effect is Effect.AtMostOnce && !failed.Definite)
        {
            foreach (var e in Unknown(attempt, failed.Failure, declared.Activity)) yield return e;
            yield break;
        }

        var options = declared.Options;
        var retry = options.Retry ?? RetryPolicy.Default;
        var retryAt = Later(now, failed.RetryAfter ?? retry.PauseAfter(failures + 1, random));
        var mayHaveHappened = Scheduled.Effect switch
        {
            // With a receiver that knows keys, its own final refusal also says that no earlier attempt was booked. A 4xx may be a gateway's.
            Effect.Keyed => !failed.Definite || MayHaveHappened && failed is not { Final: true, Exception: RefusedException },
            // One whose answer cannot be stored was rolled back.
            Effect.Transactional => !failed.Final && (MayHaveHappened || !failed.Definite),
            _ => false,
        };
        if (CancelAsked && !mayHaveHappened) yield return Cancelled(attempt);
        else if (!failed.Final && retry.Allows(attempt, failed.Exception) && !(retryAt > Deadline(options)))
            yield return new AttemptFailed(Number, attempt, failed.Failure, retryAt, failed.Definite);
        else if (mayHaveHappened) foreach (var e in Unknown(attempt, failed.Failure, declared.Activity)) yield return e;
        else if (!failed.Final && retryAt > Deadline(options)) yield return new StepFailed(Number, attempt, failed.Failure with { Kind = FailureKind.TooLate });
        else yield return new StepFailed(Number, attempt, failed.Failure);
    }

    private AttemptFailed Halted(int attempt, DateTimeOffset now) =>
        new(Number, attempt, new Failure("NotSent", "The run was halted before this attempt left.", FailureKind.NotStartedInTime), now, Definite: true);

    // Without a hook to ask the receiver, a person has to say.
    private IEnumerable<WorkflowEvent> Unknown(int attempt, Failure failure, Activity activity)
    {
        yield return new OutcomeUnknown(Number, attempt, failure);
        if (!activity.CanReconcile) yield return new OutcomeStillUnknown(Number, 1, failure.Message, null);
    }

    public IEnumerable<WorkflowEvent> OnInquiry(int inquiry, Reconciled<JsonText> verdict, CallOptions options, DateTimeOffset now, double random, bool held)
    {
        if (Now is not Phase.Inquiring || inquiry != Inquiry) return [];
        return verdict.Verdict switch
        {
            ReconciledAs.Happened => [new OutcomeHappened(Number, verdict.Result)],
            ReconciledAs.NeverWill => AfterNeverWill(new OutcomeNeverWill(Number, Failure.Clean(verdict.Why)), options, held),
            _ => [new OutcomeStillUnknown(Number, inquiry, Failure.Clean(verdict.Why), now + InquiryPauses.PauseAfter(unanswered + 1, random))],
        };
    }

    private static readonly RetryPolicy InquiryPauses = new() { First = TimeSpan.FromSeconds(1), Longest = TimeSpan.FromMinutes(10) };

    /// <summary>Certain that nothing happened: a new attempt under a new key, if there is one left.</summary>
    public IEnumerable<WorkflowEvent> AfterNeverWill(OutcomeNeverWill never, CallOptions options, bool held)
    {
        yield return never;
        if (CancelAsked) yield return Cancelled(Attempt);
        else if ((options.Retry ?? RetryPolicy.Default).Allows(Attempt, null))
        {
            if (!held) yield return new AttemptStarted(Number, Attempt + 1); // else it is due when the run goes on
        }
        else yield return new StepFailed(Number, Attempt, LastFailure!);
    }

    /// <param name="declared">What the code declares of it; null while the engine itself gives it an outcome.</param>
    public IEnumerable<WorkflowEvent> OnDue(Declared? declared, DateTimeOffset now)
    {
        var options = declared?.Options ?? new CallOptions();
        if (PauseEnds is null || PauseEnds > now) yield break;
        if (Reused is { } reused)
        {
            yield return reused;
            yield break;
        }
        if (Now is Phase.Denied)
        {
            // An earlier attempt may have had its effect: that it may not be tried again says nothing of that one.
            if (MayHaveHappened && declared is not null && Scheduled.Effect is not (Effect.Pure or Effect.Idempotent)) foreach (var e in Unknown(Attempt, LastFailure!, declared.Activity)) yield return e;
            else yield return new StepFailed(Number, Attempt, LastFailure!);
        }
        else if (Now is Phase.PausingToInquire) yield return new InquiryStarted(Number, Inquiry + 1);
        else if (now > Deadline(options) && !MayHaveHappened) yield return new StepFailed(Number, Attempt, LastFailure! with { Kind = FailureKind.TooLate });
        else yield return new AttemptStarted(Number, Next);
    }

    // One that never left is started under its own number.
    private int Next => NeverLeft ? Attempt : Attempt + 1;

    /// <summary>Somebody has signed, or refused to.</summary>
    public IEnumerable<WorkflowEvent> OnSigned(EffectSigned signed)
    {
        yield return signed;
        if (!signed.Granted) yield return new StepFailed(Number, Attempt, new Failure("SignatureRefused", Failure.Clean($"{signed.By.Id} refused to sign '{Hold!.Title}'{(signed.Comment is null ? "." : $": {signed.Comment}")}"), FailureKind.Denied));
    }

    /// <summary>The owner is dead: what it had under way goes on here.</summary>
    public IEnumerable<WorkflowEvent> OnOwnerLost(Activity activity) => (Now, Scheduled.Effect) switch
    {
        (Phase.Inquiring, _) => [new InquiryStarted(Number, Inquiry + 1)],
        (_, Effect.AtMostOnce) => Unknown(Attempt, new Failure("HostLost", $"Host {Owner} died while attempt {Attempt} was under way.", FailureKind.HostLost), activity),
        _ => [new AttemptStarted(Number, Attempt + 1)],
    };

    private StepFailed Cancelled(int attempt) => new(Number, attempt, new Failure("Cancelled", "The run was cancelled before this took effect.", FailureKind.Cancelled));

    private DateTimeOffset? Deadline(CallOptions options) => options.ScheduleToClose is { } limit ? Later(ScheduledAt, limit) : null;

    // An author's "for ever" must not carry past the end of time.
    private static DateTimeOffset Later(DateTimeOffset from, TimeSpan by) => by < DateTimeOffset.MaxValue - from ? from + by : DateTimeOffset.MaxValue;
}
