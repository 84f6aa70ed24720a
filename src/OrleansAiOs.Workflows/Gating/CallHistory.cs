using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Gating;

/// <summary>
/// Every call that stands in a run's history, in order, dead branches included: what was sent was sent. A read of what is stored; nothing is
/// written for it.
///
/// A call begins with the event that holds the gate's answer (StepScheduled, AttemptStarted) and ends with the first event that tells of its
/// end. Of a fork, what was copied from the other run is that run's. A call that undoes an effect of a dead branch has no StepScheduled: the
/// reset said what it is.
/// </summary>
public sealed class CallHistory
{
    private readonly RunKey run;
    private readonly List<RecordedCall> calls = [];
    private readonly Dictionary<int, Step> steps = [];
    private readonly List<string> joined = [];
    private RunStarted? started;
    private int resets;

    private CallHistory(RunKey run) => this.run = run;

    /// <param name="run">Whose history it is.</param>
    /// <param name="history">All of it.</param>
    /// <exception cref="UnreadableHistoryException">This build cannot read it.</exception>
    public static IReadOnlyList<RecordedCall> Of(RunKey run, IReadOnlyList<StoredEvent> history)
    {
        var fold = new CallHistory(run);
        foreach (var stored in history) fold.Apply(stored.Version, stored.Read(), stored.At);
        return fold.calls;
    }

    private void Apply(long version, WorkflowEvent e, DateTimeOffset at)
    {
        switch (e)
        {
            case RunStarted first:
                started = first;
                break;
            case RunForked forked:
                calls.Clear();
                Join(forked);
                Cut(forked.Effects, at);
                break;
            case RunReset reset:
                Join(reset);
                Cut(reset.Effects, at);
                break;
            case SignalReceived signal:
                Join(signal);
                break;
            case RunImported:
                for (var i = 0; i < calls.Count; i++) calls[i] = calls[i] with { IsImported = true };
                break;
            case RunClosed:
                Abandon(at);
                break;
            case StepScheduled scheduled:
                Begin(steps[scheduled.Step] = new Step(scheduled, resets * Branch.EpochsPerReset), version, 1, scheduled.Gate, at);
                break;
            case StepEvent of when steps.TryGetValue(of.Step, out var step):
                Apply(step, version, of, at);
                break;
        }
    }

    private void Apply(Step step, long version, StepEvent e, DateTimeOffset at)
    {
        switch (e)
        {
            case AttemptStarted again:
                // The same number: the gate has another answer for one that had not left. Another: of this one nothing will be known.
                End(step.Last, again.Attempt == step.Attempt ? CallOutcome.NotSent : CallOutcome.Lost, at);
                Begin(step, version, again.Attempt, again.Gate, at);
                break;
            case AttemptFailed failed:
                End(step.Of(failed.Attempt), failed.Failure.Kind is FailureKind.NotStartedInTime ? CallOutcome.NotSent : CallOutcome.Failed, at, failed.Failure, failed.Definite);
                break;
            case StepFailed failed:
                // Held: a person refused, or the run was cancelled.
                if (step.Last is { } last && calls[last] is { Outcome: CallOutcome.Held, EndedAt: null, Failure: null } held)
                    calls[last] = held with { Outcome = failed.Failure.Kind is FailureKind.Denied ? CallOutcome.Denied : CallOutcome.Held, EndedAt = at, Failure = failed.Failure };
                // One that may be done twice fails also when it may have been done.
                else End(step.Last, CallOutcome.Failed, at, failed.Failure, step.Scheduled.Effect is Effect.Pure or Effect.Idempotent ? null : true);
                break;
            case StepCompleted completed:
                // A late answer of an earlier attempt is the outcome; of the later one nothing will be known.
                if (step.Of(completed.Attempt) is { } answered)
                    calls[answered] = calls[answered] with { Outcome = CallOutcome.Completed, EndedAt = at, Failure = null, NoEffect = null, Spent = completed.Spent };
                End(step.Last, CallOutcome.Lost, at);
                break;
            case OutcomeUnknown unknown:
                End(step.Of(unknown.Attempt), CallOutcome.Unknown, at, unknown.Failure);
                break;
            case OutcomeHappened:
                Learn(step.Sent, call => call with { Outcome = CallOutcome.Completed, EndedAt = at, Failure = null });
                break;
            case OutcomeNeverWill:
                step.Epoch++;
                Learn(step.Sent, call => call with { Outcome = CallOutcome.Failed, EndedAt = at, NoEffect = true });
                break;
            case OutcomeReused:
                End(step.Last, CallOutcome.Reused, at);
                break;
            case StepCancelled or StepSkipped:
                End(step.Last, CallOutcome.NotSent, at);
                break;
        }
    }

    private void Begin(Step step, long version, int attempt, GateRecord? gate, DateTimeOffset at)
    {
        var scheduled = step.Scheduled;
        step.Began(attempt, calls.Count, isSent: gate is null or { Answer: GateAnswer.Allow });
        calls.Add(new RecordedCall(run, version, started?.Workflow ?? "", scheduled.Step, attempt, IdempotencyKey.Of(run.Tenant, run.Id, scheduled.Step, step.Epoch).Value,
            scheduled.Activity, scheduled.Effect, scheduled.Input, scheduled.Step < 0, gate?.Chain ?? Chain(), gate, at)
        {
            Outcome = gate?.Answer switch
            {
                GateAnswer.Deny => CallOutcome.Denied,
                GateAnswer.Hold => CallOutcome.Held,
                GateAnswer.Wait => CallOutcome.Waiting,
                _ => CallOutcome.UnderWay,
            },
            EndedAt = gate?.Answer is GateAnswer.Deny ? at : null,
            Failure = gate is { Answer: GateAnswer.Deny, Why: { } why } ? new Failure("GateDenied", why, FailureKind.Denied) : null,
        });
    }

    // Of one that was not let through, that it is over; of one that was, how it ended. What is known of an end stays.
    private void End(int? index, CallOutcome outcome, DateTimeOffset at, Failure? failure = null, bool? noEffect = null)
    {
        if (index is not { } i || i >= calls.Count || calls[i].EndedAt is not null) return;
        calls[i] = calls[i].Outcome is CallOutcome.UnderWay ? calls[i] with { Outcome = outcome, EndedAt = at, Failure = failure, NoEffect = noEffect } : calls[i] with { EndedAt = at };
    }

    // What became of one whose outcome was unknown.
    private void Learn(int? index, Func<RecordedCall, RecordedCall> known)
    {
        if (index is { } i && i < calls.Count && calls[i].Outcome is CallOutcome.Unknown or CallOutcome.UnderWay) calls[i] = known(calls[i]);
    }

    private void Abandon(DateTimeOffset at)
    {
        foreach (var step in steps.Values) End(step.Last, CallOutcome.Abandoned, at);
    }

    private void Join(WorkflowEvent e)
    {
        foreach (var by in Joiners.Of(e, Joiners.Started(started)))
            if (!joined.Contains(by, StringComparer.Ordinal)) joined.Add(by);
    }

    private void Cut(IReadOnlyList<EffectChoice> effects, DateTimeOffset at)
    {
        Abandon(at);
        resets++;
        foreach (var step in steps.Values) step.Anew(resets * Branch.EpochsPerReset);
        foreach (var choice in effects)
            if (choice is { Action: EffectAction.Compensate, Child: null, Undo: { } undo })
                steps[-choice.Step] = new Step(new StepScheduled(-choice.Step, undo, choice.UndoEffect, choice.UndoInput), resets * Branch.EpochsPerReset);
    }

    private string[] Chain() => Joiners.Chain(Joiners.Started(started), joined);

    private sealed class Step(StepScheduled scheduled, int epoch)
    {
        private readonly Dictionary<int, int> attempts = [];

        public StepScheduled Scheduled => scheduled;

        public int Epoch { get; set; } = epoch;

        public int Attempt { get; private set; }

        /// <summary>Where its last call stands.</summary>
        public int? Last { get; private set; }

        /// <summary>Where the last one stands that was let through.</summary>
        public int? Sent { get; private set; }

        public int? Of(int attempt) => attempts.TryGetValue(attempt, out var index) ? index : null;

        public void Began(int attempt, int index, bool isSent)
        {
            (Attempt, Last) = (attempt, index);
            attempts[attempt] = index;
            if (isSent) Sent = index;
        }

        /// <summary>The run was reset or forked: what is answered from here on is under another key.</summary>
        public void Anew(int epochNow)
        {
            Epoch = epochNow;
            (Last, Sent) = (null, null);
            attempts.Clear();
        }
    }
}
