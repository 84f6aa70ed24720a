using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>The code's end of an open step: what completes the task it awaits.</summary>
internal abstract class Waiter(CancellationToken cancellation)
{
    private CancellationTokenRegistration registration;

    protected CancellationToken Cancellation => cancellation;

    /// <summary>Completes the task if this event does; false if the step goes on.</summary>
    public abstract bool Deliver(WorkflowEvent e);

    public abstract void Cancel();

    /// <summary>Completes the task with something made up: a diagnosis goes on past an operation that the history knows nothing of.</summary>
    public virtual void Imagine() => Cancel();

    public void WatchCancellation(Action cancel)
    {
        if (cancellation.CanBeCanceled) registration = cancellation.UnsafeRegister(static state => ((Action)state!)(), cancel);
    }

    public void Unwatch() => registration.Dispose();
}
