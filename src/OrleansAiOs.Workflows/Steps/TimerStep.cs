using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Steps;

/// <summary>A moment the code waits for. Set in the append that asks for it, with the run's wake-up row; fired by the store's clock.</summary>
internal sealed class TimerStep(TimerSet set, DateTimeOffset at) : OpenStep(set.Step)
{
    /// <summary>When it was set.</summary>
    public DateTimeOffset At => at;

    public override DateTimeOffset? Due => set.Due;

    public override RunWait Describe() => new("timer", Step: Number, Until: set.Due);

    // ---- the code's side ----

    public static Task Until(WorkflowExecution execution, DateTimeOffset moment, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) return Task.FromCanceled(cancellation);
        if (moment <= execution.State.Now) return Task.CompletedTask;
        var waiter = new MomentWaiter(cancellation);
        var step = Set(execution, moment, waiter);
        waiter.WatchCancellation(() =>
        {
            Cancel(execution, step);
            waiter.Cancel();
        });
        return waiter.Task;
    }

    public static int Set(WorkflowExecution execution, DateTimeOffset moment, Waiter waiter)
    {
        var step = execution.NextStep(waiter);
        execution.Emit(new TimerSet(step, moment));
        return step;
    }

    public static void Cancel(WorkflowExecution execution, int step)
    {
        if (execution.State.Find<TimerStep>(step) is null) return;
        execution.Emit(new TimerCancelled(step));
        execution.Take(step);
    }

    private sealed class MomentWaiter(CancellationToken cancellation) : Waiter(cancellation)
    {
        private readonly TaskCompletionSource fired = new();

        public Task Task => fired.Task;

        public override void Cancel() => fired.TrySetCanceled(Cancellation);

        public override void Imagine() => fired.TrySetResult();

        public override bool Deliver(WorkflowEvent e) => fired.TrySetResult();
    }

    // ---- fold ----

    public static bool Fold(RunState state, StepEvent e)
    {
        if (e is TimerSet set) state.Add(new TimerStep(set, state.Now));
        else if (e is TimerFired or TimerCancelled) state.Close(e.Step);
        else return false;
        return true;
    }

    // ---- decide ----

    public IEnumerable<WorkflowEvent> OnDue(DateTimeOffset now) => set.Due <= now ? [new TimerFired(Number)] : [];
}
