namespace OrleansAiOs.Testing.Simulation;

/// <summary>
/// The part of the loop one process has. Killed, nothing of it ever runs again, like a process after kill -9; paused, it stands
/// still between two continuations, like one after SIGSTOP, while the rest of the world goes on.
/// </summary>
internal sealed class SimScheduler(SimLoop loop, int number) : TaskScheduler
{
    private readonly List<Action> held = [];

    public int Number => number;

    public bool IsDead { get; private set; }

    public bool IsPaused { get; private set; }

    public void Kill()
    {
        IsDead = true;
        held.Clear();
    }

    public void Pause() => IsPaused = true;

    public void Resume()
    {
        IsPaused = false;
        foreach (var action in held.ToArray()) action();
        held.Clear();
    }

    /// <summary>Runs a timer's callback: now, on resuming, or never.</summary>
    public void Call(Action action)
    {
        if (IsDead) return;
        if (IsPaused) held.Add(action);
        else action();
    }

    /// <summary>Begins asynchronous work of this process.</summary>
    public Task Begin(Func<Task> work)
    {
        using (ExecutionContext.SuppressFlow()) return Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.DenyChildAttach, this).Unwrap();
    }

    public void Execute(Task task)
    {
        if (IsDead) return;
        if (IsPaused) held.Add(() => loop.Enqueue(this, task));
        else TryExecuteTask(task);
    }

    protected override void QueueTask(Task task)
    {
        if (!IsDead) loop.Enqueue(this, task);
    }

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks() => [];
}
