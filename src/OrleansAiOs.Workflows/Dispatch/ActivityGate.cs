using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>
/// How many attempts of one activity a host runs at once, and how many it begins per second. Where they have to wait, the next is of the
/// tenant that has the fewest under way here, of those the one served longest ago; within a tenant, of the run with the highest
/// priority; among equals, the one that came first. So no priority of one tenant holds up another. Waiting costs a place in a queue and,
/// while the rate is what they wait for, one timer.
/// </summary>
/// <param name="quotas">Who gives each its place among the calls that may be under way at once, on all hosts; null for nobody.</param>
internal sealed class ActivityGate(ActivityOptions options, TimeProvider time, Action<Attempt> start, IEffectGate? quotas = null)
{
    private readonly Lock sync = new();
    private readonly Dictionary<string, Share> shares = new(StringComparer.Ordinal);
    private readonly SortedSet<Share> waiting = new(ByShare);
    private readonly TokenBucket? rate = options.PerSecond is { } perSecond ? new TokenBucket(perSecond, options.Burst, time) : null;
    private int running;
    private long order;
    private ITimer? pause;
    private DateTimeOffset pausedUntil;

    private static readonly Comparer<Share> ByShare = Comparer<Share>.Create((a, b) =>
        (a.Running, a.Served).CompareTo((b.Running, b.Served)) is not 0 and var share ? share : string.CompareOrdinal(a.Tenant, b.Tenant));

    public void Enter(Attempt attempt)
    {
        Telemetry.Waits(attempt, 1);
        Queue(attempt);
    }

    private void Queue(Attempt attempt)
    {
        lock (sync)
        {
            if (!shares.TryGetValue(attempt.Run.Tenant, out var share)) shares.Add(attempt.Run.Tenant, share = new Share(attempt.Run.Tenant));
            share.Waiting.Enqueue(attempt, (-attempt.Priority, order++));
            waiting.Add(share);
        }
        Admit();
    }

    public AttemptView View(bool isStarted, string tenant, string? awaitsPlace)
    {
        lock (sync)
            return new AttemptView(isStarted, running, shares.Values.Sum(share => share.Waiting.Count), options.Concurrency, options.PerSecond, pause is null ? null : pausedUntil,
                running < options.Concurrency && shares.GetValueOrDefault(tenant)?.Running >= options.ConcurrencyPerTenant ? options.ConcurrencyPerTenant : null, isStarted ? null : awaitsPlace);
    }

    public void Leave(Attempt attempt)
    {
        lock (sync)
        {
            running--;
            var share = shares[attempt.Run.Tenant];
            Change(share, () => share.Running--);
        }
        Admit();
    }

    private void Admit()
    {
        while (true)
        {
            Attempt attempt;
            lock (sync)
            {
                if (running >= options.Concurrency || pause is not null || waiting.Min is not { } share || share.Running >= options.ConcurrencyPerTenant) return;
                // One that its time-out gave up has left the queue in all but place, and takes no token.
                if (share.Waiting.Peek() is { IsClaimed: true } gone)
                {
                    Telemetry.Waits(gone, -1);
                    Change(share, () => share.Waiting.Dequeue());
                    continue;
                }
                if (rate?.Take() is { } wait && wait > TimeSpan.Zero)
                {
                    pausedUntil = time.GetUtcNow() + wait;
                    pause = time.CreateTimer(static self => ((ActivityGate)self!).GoOn(), this, wait, Timeout.InfiniteTimeSpan);
                    return;
                }
                attempt = share.Waiting.Peek();
                // Who waits for a place holds no slot, and comes back.
                if (quotas is not null && !attempt.Enter(quotas, () => Queue(attempt)))
                {
                    rate?.PutBack();
                    Change(share, () => share.Waiting.Dequeue());
                    continue;
                }
                var claimed = attempt.Claim();
                Telemetry.Waits(attempt, -1);
                Change(share, () =>
                {
                    share.Waiting.Dequeue();
                    if (!claimed) return;
                    share.Running++;
                    share.Served = order++;
                });
                if (!claimed) continue;
                running++;
            }
            start(attempt);
        }
    }

    private void GoOn()
    {
        lock (sync)
        {
            pause?.Dispose();
            pause = null;
        }
        Admit();
    }

    // What a sorted set sorts by changes only while it is not in there.
    private void Change(Share share, Action change)
    {
        waiting.Remove(share);
        change();
        if (share.Waiting.Count > 0) waiting.Add(share);
        else if (share.Running == 0) shares.Remove(share.Tenant);
    }

    /// <summary>What one tenant has here.</summary>
    private sealed class Share(string tenant)
    {
        public string Tenant => tenant;

        public PriorityQueue<Attempt, (int, long)> Waiting { get; } = new();

        public int Running { get; set; }

        public long Served { get; set; } = -1;
    }
}
