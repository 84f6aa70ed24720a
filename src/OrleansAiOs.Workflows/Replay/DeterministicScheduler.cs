namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// Runs a workflow's continuations one at a time, first come first served, on the thread that runs the turn, and only then.
/// Work that is queued from another thread (the code awaited something the engine does not know) is refused and reported:
/// its place in the order could not be repeated.
/// </summary>
internal sealed class DeterministicScheduler(Action<string> onForeignWork, Patience? patience = null) : TaskScheduler
{
    // So that what code threw whose time was over still reaches who awaits it.
    private const int MoreWhenOver = 100;

    private readonly Queue<Task> ready = new();
    private int turnThread;
    private volatile bool collected;

    /// <summary>Runs the action, and everything that becomes ready by it, until nothing is.</summary>
    /// <returns>How many pieces of work ran, the action among them.</returns>
    public int RunToQuiescence(Action<object?> action, object? state)
    {
        turnThread = Environment.CurrentManagedThreadId;
        var (context, culture) = (SynchronizationContext.Current, Thread.CurrentThread.CurrentCulture);
        try
        {
            // An await prefers the caller's context to the scheduler it runs on: a test's or a window's would lead the code away.
            if (context is not null) SynchronizationContext.SetSynchronizationContext(null);
            Thread.CurrentThread.CurrentCulture = System.Globalization.CultureInfo.InvariantCulture;
            using (ExecutionContext.SuppressFlow())
                _ = Task.Factory.StartNew(action, state, CancellationToken.None, TaskCreationOptions.DenyChildAttach, this);
            var ran = 0;
            for (var more = MoreWhenOver; ready.TryDequeue(out var task) && (patience is not { IsOver: true } || more-- > 0); ran++) TryExecuteTask(task);
            return ran;
        }
        finally
        {
            Thread.CurrentThread.CurrentCulture = culture;
            if (context is not null) SynchronizationContext.SetSynchronizationContext(context);
            turnThread = 0;
        }
    }

    private const string Left = "The workflow's code awaited something outside the engine (I/O, Task.Run, a semaphore with a time-out, ConfigureAwait(false)…), "
        + "and went on from another thread. Put that work into an activity, or await it through the workflow's own members and Time.";

    /// <summary>Whether continuations wait behind the one that runs.</summary>
    public bool HasMore => ready.Count > 0;

    /// <summary>Whether the caller is code that this scheduler runs at this moment.</summary>
    public bool IsOnTurn => Environment.CurrentManagedThreadId == turnThread;

    /// <summary>
    /// The collector's finalizer disposes a timer of the code. If it ends a wait by that, the code was garbage with it (a wait keeps its
    /// timer alive): the run has left memory, and what this activation of it would do now is nobody's business.
    /// </summary>
    public void Collected() => collected |= !Thread.CurrentThread.IsThreadPoolThread;

    /// <exception cref="InvalidOperationException">The caller runs elsewhere; the run is parked for it.</exception>
    public void DemandTurn()
    {
        if (IsOnTurn) return;
        onForeignWork(Left);
        throw new InvalidOperationException(Left);
    }

    protected override void QueueTask(Task task)
    {
        if (IsOnTurn) ready.Enqueue(task);
        else if (!collected || Thread.CurrentThread.IsThreadPoolThread) onForeignWork(Left);
    }

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks() => ready.ToArray();
}
