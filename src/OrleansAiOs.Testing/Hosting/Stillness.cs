namespace OrleansAiOs.Testing.Hosting;

/// <summary>Counts what a host does at this moment. Still is it when nothing runs, and nothing waits to run.</summary>
internal sealed class Stillness
{
    private readonly Lock sync = new();
    private int busy;
    private long version;
    private TaskCompletionSource? change;

    public void Enter()
    {
        lock (sync) (busy, version) = (busy + 1, version + 1);
        Tell();
    }

    public void Leave()
    {
        lock (sync) busy--;
        Tell();
    }

    /// <summary>Something that may have been waited for was done from outside.</summary>
    public void Touch()
    {
        lock (sync) version++;
        Tell();
    }

    /// <summary>Whether it is still, as of which version, and a task that ends when that is so no more.</summary>
    public (bool IsStill, long Version, Task Change) Look()
    {
        lock (sync) return (busy == 0, version, (change ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task);
    }

    /// <summary>Enters if it has been still since that version: of many who look, one moves time.</summary>
    public bool TryEnter(long since)
    {
        lock (sync)
        {
            if (busy > 0 || version != since) return false;
            (busy, version) = (1, version + 1);
        }
        Tell();
        return true;
    }

    private void Tell()
    {
        TaskCompletionSource? waited;
        lock (sync) (waited, change) = (change, null);
        waited?.SetResult();
    }
}

/// <summary>Where one host incarnation's turns and tools run: on the thread pool, counted. Killed, nothing of it goes on.</summary>
internal sealed class CountedScheduler(Stillness stillness) : TaskScheduler
{
    private volatile bool dead;

    public void Kill() => dead = true;

    public Task Begin(Func<Task> work)
    {
        using (ExecutionContext.SuppressFlow()) return Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.DenyChildAttach, this).Unwrap();
    }

    public Task<T> Begin<T>(Func<Task<T>> work)
    {
        using (ExecutionContext.SuppressFlow()) return Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.DenyChildAttach, this).Unwrap();
    }

    protected override void QueueTask(Task task)
    {
        if (dead) return;
        stillness.Enter();
        ThreadPool.UnsafeQueueUserWorkItem(static state =>
        {
            var (self, task) = state;
            try
            {
                if (!self.dead) self.TryExecuteTask(task);
            }
            finally
            {
                self.Leave();
            }
        }, (this, task), preferLocal: true);
    }

    private void Leave() => stillness.Leave();

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks() => [];
}
