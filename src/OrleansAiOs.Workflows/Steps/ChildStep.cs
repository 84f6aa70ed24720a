using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Steps;

/// <summary>
/// A run that this one starts and awaits.
///
/// Stored by the parent, in its own history:
/// <code>
///   child-scheduled ──► Reaching ── child-reached ──► Awaiting ── child-completed | child-failed ──► over
///                          ▲   └──────────────────────────────────────────────────────────────────────▲
///                          └────── child-cancel-asked ────┘
/// </code>
/// Stored by the child, in its own: run-started with its parent and the parent's step; its end; and, once what follows from the end is
/// done (its parent told, its own children dealt with), run-settled. Between its end and that, its summary row says it is busy.
///
/// Who remembers what. While a step is Reaching, the parent is busy: its child is to be started (and asked to cancel) by the host that
/// appended so, after the append. While a child is ended and not settled, the child is busy: its end is to be told to the parent. In
/// between nobody has to remember anything, no host keeps either run in memory, and nothing is polled. Both ways are Dispatch/Kinship.cs;
/// each message is idempotent: a start by the child's id, a cancel by its key, the end by the step, which ends once.
///
/// A crash, and who goes on:
///   before the append of child-scheduled      nothing has happened;
///   behind it, before or after the child starts   the parent is busy on a dead host: whoever takes it over starts the child, or finds it started;
///   behind the child's end, before the parent has it   the child is busy on a dead host: whoever takes it over tells the parent;
///   behind the parent's append, before run-settled   the same: the parent has it already and records nothing.
/// The end may reach the parent before child-reached does: the step is over, and child-reached is dropped. A parent that is parked or
/// paused records the end and keeps it; one that is closed or gone has no use for it, and the child is settled. Two hosts may both do
/// all of it: what they append is fenced by the version, and what they send is idempotent.
///
/// When a parent ends with steps open, each child gets what its policy says, before the parent is settled: a child that was not reached
/// yet is started first, for that was recorded.
///
/// Taking over needs no append, and makes none: the owner in the history stays dead until child-reached or run-settled is appended.
///
/// Behind a cut (a reset or a fork, Branching/Branch.cs) a child may have told its end to a branch that is dead, or to a parent that was
/// over, and would tell it nobody a second time. So whoever reaches a child behind a cut also asks for its end, and has it told again:
/// <code>
///   open at the cut, or asked for by the code where it is chosen:
///     stays    ──► Kept ── branch-begun ──► Reaching (starts it if it is not there, asks for its end) ── …
///     reuse    ──► Reusing ── outcome-reused ──► over              its recorded outcome; nothing is sent
///     redo     ──► Replacing ── child-replaced ──► Reaching        another run, under another id
///   beyond the cut and not known to have ended, a step with the number of the child's below zero, before the branch begins:
///     redo, compensate ──► Leaving ── child-end-asked ──► Reaching ── child-reached ──► Awaiting ── child-completed | child-failed ──► over
/// </code>
/// A child that is left and was never started is recorded as started and terminated, its code not run: a start of the dead branch that
/// comes late finds it over. What a dead branch had on its way to a child is told by its epoch, and no answer to it is taken for one to
/// the new branch. A child's end is told to the parent, the step and the run it was: of several runs a step has had, the one it has now
/// is heard. Every crash is one of the above: Kept, Reusing, Replacing and Leaving are due in the parent's wake-up row, and hold nothing
/// that is under way; Reaching belongs to the host that appended it.
/// </summary>
internal sealed class ChildStep : OpenStep
{
    internal enum Phase
    {
        /// <summary>The child has to be started, asked to end, or asked whether it has, and it is not known that it was.</summary>
        Reaching,
        Awaiting,

        /// <summary>It stays the child behind a cut, and is asked for its end as soon as the branch begins.</summary>
        Kept,

        /// <summary>Its outcome is the recorded one, and stands in the history as soon as the run may go on.</summary>
        Reusing,

        /// <summary>Another run is to be started in its place.</summary>
        Replacing,

        /// <summary>It is the child of a dead branch, and has to be asked to end.</summary>
        Leaving,
    }

    private ChildStep(ChildScheduled scheduled, RunState state, Phase now) : base(scheduled.Step) =>
        (Scheduled, Owner, At, Epoch, Now) = (scheduled, state.Host!, state.Now, state.Resets, now);

    /// <summary>A child of a dead branch that is to end.</summary>
    public static ChildStep Left(EffectChoice choice, ParentClose how, RunState state) =>
        new(new ChildScheduled(-choice.Step, choice.Activity, choice.Child!.Run, choice.Input, how), state, Phase.Leaving);

    /// <summary>The child as it is now: a cut may have given the step another run.</summary>
    public ChildScheduled Scheduled { get; private set; }

    public DateTimeOffset At { get; private set; }

    public Phase Now { get; private set; }

    /// <summary>How often the run had been reset when this child was scheduled, kept or replaced.</summary>
    public int Epoch { get; private set; }

    public bool CancelAsked { get; private set; }

    /// <summary>The choice that gives this step its outcome.</summary>
    public EffectChoice? Reuse { get; private set; }

    /// <summary>It may not have been started yet.</summary>
    public bool MayNotBeThere => Now is Phase.Reaching or Phase.Kept;

    /// <summary>The run is the step's child: its end is the step's.</summary>
    public bool Awaits(string run) => Scheduled.Run == run && Now is not (Phase.Reusing or Phase.Replacing);

    public override DateTimeOffset? Due => Now is Phase.Reusing or Phase.Replacing or Phase.Leaving ? At : null;

    public override bool UnderWay => Now is Phase.Reaching;

    public override OutcomeReused? Reused => Now is Phase.Reusing ? new OutcomeReused(Number, Reuse!.Key, Reuse.Result, Reuse.Failure) : null;

    public override RunWait Describe() => new("child", Scheduled.Workflow, Number, Since: At, Why: $"run {Scheduled.Run}" + Now switch
    {
        Phase.Reusing => ", whose outcome is taken from before the cut",
        Phase.Replacing => ", in whose place another is started",
        _ when Number < 0 => ", of the branch that was left, is to end first",
        _ => CancelAsked ? ", asked to end" : "",
    });

    // ---- the code's side ----

    public static Task<TOut> Call<TIn, TOut>(WorkflowExecution execution, Child<TIn, TOut> child, TIn input, ChildOptions options, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) return Task.FromCanceled<TOut>(cancellation);
        if (options.Id is { } given && (!RunKey.TryParse(execution.Run.Tenant, given, out var run, out var error) || run == execution.Run))
            throw new WorkflowFailedException($"The child's id cannot be '{given}': {error ?? "it is the parent's own."}");
        var waiter = new Waiter<TOut>(cancellation);
        var step = execution.NextStep(waiter);
        var asked = new ChildScheduled(step, child.Workflow, IdOf(execution.Run, step, execution.State.Resets, options.Id), JsonText.From(input), options.OnParentClose, options.BusinessKey);
        // One that was chosen to be the child again is asked for by the id it has.
        if (execution.State.Reuses.TryGetValue(step, out var choice) && Branch.IsFor(choice, asked)) asked = asked with { Run = choice.Child!.Run };
        execution.Emit(asked);
        waiter.Step = execution.State.Find<ChildStep>(step);
        waiter.WatchCancellation(() => Cancel(execution, step, options.OnParentClose));
        return waiter.Task;
    }

    /// <summary>
    /// The same for a parent, a step and a count of resets; another for any other; and a run id whatever the parent's length. Behind a cut also
    /// an id of the author's choice is not the same again: under it may be the child of a dead branch, or of the run this one was forked from.
    /// </summary>
    public static string IdOf(RunKey parent, int step, int resets, string? given = null)
    {
        var id = given ?? $"{parent.Id}.{step}";
        if (resets > 0) id = given is null ? $"{id}:{resets}" : $"{id}:{Hash($"{parent.Id}\n{step}\n{resets}")[..12]}";
        return Encoding.UTF8.GetByteCount(id) <= (given is null ? 150 : 200) ? id : $"child-{Hash(id)}";
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text))[..16]);

    // One that is to end with its parent is waited for: what it undoes belongs to the parent's undoing.
    private static void Cancel(WorkflowExecution execution, int number, ParentClose policy)
    {
        if (execution.State.Find<ChildStep>(number) is not { CancelAsked: false }) return;
        if (policy is ParentClose.Abandon) execution.Take(number)?.Cancel();
        else execution.Emit(new ChildCancelAsked(number));
    }

    private sealed class Waiter<TOut>(CancellationToken cancellation) : Waiter(cancellation)
    {
        private readonly TaskCompletionSource<TOut> end = new();

        public ChildStep? Step { get; set; }

        public Task<TOut> Task => end.Task;

        public override void Cancel() => end.TrySetCanceled(Cancellation);

        public override void Imagine() => end.TrySetResult(MadeUp.Of<TOut>());

        public override bool Deliver(WorkflowEvent e)
        {
            switch (e)
            {
                case ChildCompleted completed:
                    Complete(completed.Result);
                    return true;
                case OutcomeReused { Failure: null } reused:
                    Complete(reused.Result);
                    return true;
                case ChildFailed failed:
                    Fail(failed.Failure);
                    return true;
                case OutcomeReused { Failure: { } failure }:
                    Fail(failure);
                    return true;
                default:
                    return false;
            }
        }

        private void Complete(JsonText result)
        {
            try
            {
                end.TrySetResult(result.To<TOut>()!);
            }
            catch (Exception thrown)
            {
                end.TrySetException(new InvalidOperationException($"The result of child run {Step?.Scheduled.Run} cannot be read as {typeof(TOut).Name}: {thrown.Message}", thrown));
            }
        }

        private void Fail(Failure failure)
        {
            if (failure.Kind is FailureKind.Cancelled && Cancellation.IsCancellationRequested) Cancel();
            else end.TrySetException(new ChildFailedException(Step?.Scheduled.Run ?? "", failure));
        }
    }

    // ---- fold ----

    public static bool Fold(RunState state, StepEvent e)
    {
        if (e is ChildScheduled scheduled)
        {
            var added = new ChildStep(scheduled, state, Phase.Reaching);
            if (state.TakeReuse(scheduled) is { Child.Stays: false } reuse) (added.Now, added.Reuse) = (Phase.Reusing, reuse);
            state.Add(added);
            return true;
        }
        if (state.Find<ChildStep>(e.Step) is not { } step) return false;
        switch (e)
        {
            case ChildCancelAsked:
                step.CancelAsked = true;
                if (step.Now is Phase.Awaiting) step.Reach(state);
                else if (step.Now is Phase.Reaching) step.Owner = state.Host!;
                return true;
            case ChildEndAsked:
                step.CancelAsked = true;
                step.Reach(state);
                return true;
            case ChildReplaced replaced:
                (step.Scheduled, step.At) = (step.Scheduled with { Run = replaced.Run }, state.Now);
                step.Reach(state);
                return true;
            case ChildReached reached:
                if (step.Now is Phase.Reaching && reached.Cancelled == step.CancelAsked) step.Now = Phase.Awaiting;
                return true;
            case ChildCompleted or ChildFailed or OutcomeReused:
                state.Close(e.Step);
                return true;
            default:
                return false;
        }
    }

    /// <summary>The run was cut while this child was open: it stays, gives the outcome it had, or another is started in its place.</summary>
    public void Cut(EffectChoice? choice, RunState state)
    {
        Epoch = state.Resets;
        if (choice is not { Child: { } child })
        {
            Now = Phase.Kept;
            return;
        }
        Scheduled = Scheduled with { Run = child.Run };
        (Now, Reuse) = choice.Action is not EffectAction.Reuse ? (Phase.Replacing, null) : child.Stays ? (Phase.Kept, (EffectChoice?)null) : (Phase.Reusing, choice);
    }

    /// <summary>The branch begins.</summary>
    public void Begin(RunState state)
    {
        if (Now is Phase.Kept) Reach(state);
    }

    private void Reach(RunState state) => (Now, Owner) = (Phase.Reaching, state.Host!);

    // ---- decide ----

    public IEnumerable<WorkflowEvent> OnDue(RunKey run) => Now switch
    {
        Phase.Reusing => [Reused!],
        Phase.Replacing => [new ChildReplaced(Number, IdOf(run, Number, Epoch))],
        Phase.Leaving => [new ChildEndAsked(Number)],
        _ => [],
    };

    /// <summary>How the child's end stands in the parent's history.</summary>
    public static StepEvent Ended(int step, RunClosed end) => end switch
    {
        RunCompleted completed => new ChildCompleted(step, completed.Result),
        RunFailed failed => new ChildFailed(step, failed.Failure with { Kind = failed.Failure.Kind is FailureKind.Cancelled ? FailureKind.Error : failed.Failure.Kind }),
        RunCancelled cancelled => new ChildFailed(step, new Failure("Cancelled", $"It was cancelled: {cancelled.Reason}", FailureKind.Cancelled)),
        RunTerminated terminated => new ChildFailed(step, new Failure("Terminated", $"It was terminated: {terminated.Reason}", FailureKind.Cancelled)),
        _ => throw new System.Diagnostics.UnreachableException(),
    };
}
