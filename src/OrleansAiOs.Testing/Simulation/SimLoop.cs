namespace OrleansAiOs.Testing.Simulation;

/// <summary>
/// The one thread on which a simulated world runs: it picks the next ready continuation by chance, and lets virtual time pass only
/// when none is ready. The picks are hashed, so that two runs of one seed can be compared.
/// </summary>
internal sealed class SimLoop(SimRandom random)
{
    private readonly List<(SimScheduler Lane, Task Task)> ready = [];
    private readonly PriorityQueue<(SimTimer Timer, int Setting), (long At, long Order)> timers = new();
    private int thread;
    private long order;

    // Some mutants go round in circles without letting time pass.
    private const long ContinuationsMax = 200_000;

    /// <summary>Virtual time since the beginning. Never goes back, whatever clocks show.</summary>
    public TimeSpan Now { get; private set; }

    /// <summary>What clocks show beyond <see cref="Now"/>: it jumps.</summary>
    public TimeSpan Jumped { get; set; }

    /// <summary>Nothing is ready to run.</summary>
    public bool IsIdle => ready.Count == 0;

    public ulong Hash { get; private set; } = 14695981039346656037;

    public long Continuations { get; private set; }

    /// <summary>Work that came from another thread: nothing could repeat it.</summary>
    public bool WasLeft { get; private set; }

    public void Enqueue(SimScheduler lane, Task task)
    {
        if (thread != 0 && Environment.CurrentManagedThreadId != thread)
        {
            WasLeft = true;
            return;
        }
        ready.Add((lane, task));
    }

    public void Schedule(SimTimer timer, int setting, TimeSpan after) =>
        timers.Enqueue((timer, setting), ((Now + (after > TimeSpan.Zero ? after : TimeSpan.Zero)).Ticks, order++));

    /// <summary>Runs an action of the world, which belongs to no host, at a later moment.</summary>
    public void After(TimeSpan delay, Action action) => Schedule(new SimTimer(this, action), 0, delay);

    /// <returns>False if the time was up, or nothing was left that could ever happen, before <paramref name="isOver"/> said so.</returns>
    public bool Run(Func<bool> isOver, TimeSpan until)
    {
        thread = Environment.CurrentManagedThreadId;
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            while (!isOver())
            {
                if (Continuations > ContinuationsMax) return false;
                if (ready.Count > 0) RunOne();
                else if (!Advance(until)) return false;
            }
            return true;
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    private void RunOne()
    {
        var at = ready.Count == 1 ? 0 : random.Below(ready.Count);
        var (lane, task) = ready[at];
        var last = ready.Count - 1;
        ready[at] = ready[last];
        ready.RemoveAt(last);
        Mix((ulong)lane.Number << 32 | (uint)at << 16 | (uint)last);
        Continuations++;
        lane.Execute(task);
    }

    private bool Advance(TimeSpan until)
    {
        while (timers.TryPeek(out var next, out var when))
        {
            if (!next.Timer.IsSet(next.Setting))
            {
                timers.Dequeue();
                continue;
            }
            if (when.At > until.Ticks) return false;
            timers.Dequeue();
            Now = new TimeSpan(when.At);
            Mix((ulong)when.At);
            next.Timer.Fire();
            return true;
        }
        return false;
    }

    private void Mix(ulong value) => Hash = (Hash ^ value) * 1099511628211;
}
