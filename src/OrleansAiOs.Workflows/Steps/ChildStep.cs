using System.Security.Cryptography;
using System.Text;
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
/// </summary>
internal sealed class ChildStep : OpenStep
{
    private ChildStep(ChildScheduled scheduled, string owner, DateTimeOffset at) : base(scheduled.Step) => (Scheduled, Owner, At) = (scheduled, owner, at);

    public ChildScheduled Scheduled { get; }

    public DateTimeOffset At { get; }

    /// <summary>The child has to be started, or asked to cancel, and it is not known that it was.</summary>
    public bool IsReaching { get; private set; } = true;

    public bool CancelAsked { get; private set; }

    public override DateTimeOffset? Due => null;

    public override bool UnderWay => IsReaching;

    public override RunWait Describe() => new("child", Scheduled.Workflow, Number, Why: $"run {Scheduled.Run}{(CancelAsked ? ", asked to end" : "")}", Since: At);

    // ---- the code's side ----

    public static Task<TOut> Call<TIn, TOut>(WorkflowExecution execution, Child<TIn, TOut> child, TIn input, ChildOptions options, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) return Task.FromCanceled<TOut>(cancellation);
        if (options.Id is { } given && (!RunKey.TryParse(execution.Run.Tenant, given, out var run, out var error) || run == execution.Run))
            throw new WorkflowFailedException($"The child's id cannot be '{given}': {error ?? "it is the parent's own."}");
        var waiter = new Waiter<TOut>(cancellation);
        var step = execution.NextStep(waiter);
        var id = waiter.Run = options.Id ?? IdOf(execution.Run, step);
        execution.Emit(new ChildScheduled(step, child.Workflow, id, JsonText.From(input), options.OnParentClose, options.BusinessKey));
        waiter.WatchCancellation(() => Cancel(execution, step, options.OnParentClose));
        return waiter.Task;
    }

    /// <summary>The same for a parent and a step, and a run id whatever the parent's length.</summary>
    public static string IdOf(RunKey parent, int step)
    {
        var id = $"{parent.Id}.{step}";
        return Encoding.UTF8.GetByteCount(id) <= 150 ? id : $"child-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id))[..16])}";
    }

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

        public string Run { get; set; } = "";

        public Task<TOut> Task => end.Task;

        public override void Cancel() => end.TrySetCanceled(Cancellation);

        public override void Imagine() => end.TrySetResult(MadeUp.Of<TOut>());

        public override bool Deliver(WorkflowEvent e)
        {
            switch (e)
            {
                case ChildCompleted completed:
                    try
                    {
                        end.TrySetResult(completed.Result.To<TOut>()!);
                    }
                    catch (Exception thrown)
                    {
                        end.TrySetException(new InvalidOperationException($"The result of child run {Run} cannot be read as {typeof(TOut).Name}: {thrown.Message}", thrown));
                    }
                    return true;
                case ChildFailed { Failure.Kind: FailureKind.Cancelled } when Cancellation.IsCancellationRequested:
                    Cancel();
                    return true;
                case ChildFailed failed:
                    end.TrySetException(new ChildFailedException(Run, failed.Failure));
                    return true;
                default:
                    return false;
            }
        }
    }

    // ---- fold ----

    public static bool Fold(RunState state, StepEvent e)
    {
        if (e is ChildScheduled scheduled)
        {
            state.Add(new ChildStep(scheduled, state.Host!, state.Now));
            return true;
        }
        if (state.Find<ChildStep>(e.Step) is not { } step) return false;
        switch (e)
        {
            case ChildCancelAsked:
                (step.IsReaching, step.CancelAsked, step.Owner) = (true, true, state.Host!);
                return true;
            case ChildReached reached:
                if (reached.Cancelled == step.CancelAsked) step.IsReaching = false;
                return true;
            case ChildCompleted or ChildFailed:
                state.Close(e.Step);
                return true;
            default:
                return false;
        }
    }

    // ---- decide ----

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
