using OrleansAiOs.Workflows.Explaining;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>How many attempts of one activity a host runs at once, and how many it begins per second. First come, first served.</summary>
internal sealed class ActivityGate(int concurrency, double? perSecond, TimeProvider time, Action<Attempt> start)
{
    private readonly Lock sync = new();
    private readonly Queue<Attempt> waiting = new();
    private int running;
    private DateTimeOffset nextStart;
    private ITimer? pause;

    public void Enter(Attempt attempt)
    {
        lock (sync) waiting.Enqueue(attempt);
        Admit();
    }

    public AttemptView View(bool isStarted)
    {
        lock (sync) return new AttemptView(isStarted, running, waiting.Count, concurrency, perSecond, pause is null ? null : nextStart);
    }

    public void Leave()
    {
        lock (sync) running--;
        Admit();
    }

    private void Admit()
    {
        while (true)
        {
            Attempt attempt;
            lock (sync)
            {
                if (running >= concurrency || waiting.Count == 0 || pause is not null) return;
                if (perSecond is { } rate && !MayStart(rate)) return;
                attempt = waiting.Dequeue();
                if (!attempt.Claim()) continue;
                running++;
            }
            start(attempt);
        }
    }

    private bool MayStart(double rate)
    {
        var now = time.GetUtcNow();
        if (nextStart > now)
        {
            pause = time.CreateTimer(_ =>
            {
                lock (sync)
                {
                    pause?.Dispose();
                    pause = null;
                }
                Admit();
            }, null, nextStart - now, Timeout.InfiniteTimeSpan);
            return false;
        }
        nextStart = (nextStart == default || nextStart < now ? now : nextStart) + TimeSpan.FromSeconds(1 / rate);
        return true;
    }
}
