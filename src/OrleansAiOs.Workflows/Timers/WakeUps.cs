using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Timers;

/// <summary>
/// Wakes runs when their time has come. The truth is the wake-up row, written with the events; this is its near edge in memory:
/// all rows due within the horizon that this host knows of, and the moment of the first one beyond. One timer is armed for the
/// earlier of the two, so nothing is asked of the store while nothing is due. A crash loses only the copy.
///
/// In a cluster a host loads the rows of the buckets it serves, and what it hears of others' beyond the horizon it passes on to whoever serves
/// them. What is near it keeps, whosever it is: the run is active here, and should this host die, the others look again.
///
/// A wake-up that comes too early decides nothing and is noted again; one that is noted twice wakes twice, harmlessly.
/// </summary>
internal sealed class WakeUps(IRunStore store, StoreClock clock, TimeProvider time, TaskScheduler scheduler, Action<RunKey> wake, Action<Exception> onTrouble) : IDisposable
{
    private static readonly TimeSpan Horizon = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LongestSleep = TimeSpan.FromMinutes(5); // a timer goes by elapsed time: a clock that was set, or a machine that was suspended, is noticed only on waking
    private const int Page = 1000;
    private const int LongestPage = 1024 * Page;

    private readonly Lock sync = new();
    private readonly PriorityQueue<RunKey, (DateTimeOffset, long)> near = new();
    private DateTimeOffset beyond = DateTimeOffset.MaxValue;
    private DateTimeOffset meanwhile = DateTimeOffset.MaxValue; // the earliest heard of while the store was being asked, which may not have seen it
    private DateTimeOffset loadedTo = DateTimeOffset.MinValue;
    private ITimer? timer;
    private DateTimeOffset armedFor = DateTimeOffset.MaxValue;
    private IReadOnlyCollection<int>? served; // null: all, there is nobody else
    private Action<int, DateTimeOffset>? passOn;
    private bool looked; // the host has begun: before, its clock is not the store's
    private long order;
    private int page = Page; // a run that is busy leaves its row where it is, past due: behind a full page of these others would never come up, so the next is longer
    private bool loading;
    private bool stopped;

    /// <summary>Looks at the store for what is due: at the start, and when another host has died.</summary>
    public void Look()
    {
        lock (sync)
        {
            looked = true;
            beyond = meanwhile = DateTimeOffset.MinValue;
        }
        Arm();
    }

    /// <summary>From now on this host serves these buckets and no others.</summary>
    /// <param name="buckets">Which; the caller changes them no more.</param>
    /// <param name="passOn">Is told when another's bucket has something due beyond the horizon. Must be quick.</param>
    public void ServeOnly(IReadOnlyCollection<int> buckets, Action<int, DateTimeOffset> passOn)
    {
        bool gained;
        lock (sync)
        {
            gained = looked && buckets.Any(bucket => served?.Contains(bucket) is not true);
            (served, this.passOn) = (buckets, passOn);
        }
        if (gained) Look();
    }

    /// <summary>A wake-up row was committed.</summary>
    public void Note(RunKey run, DateTimeOffset due)
    {
        int? elsewhere = null;
        lock (sync)
        {
            if (due <= loadedTo || due <= clock.Now + Horizon) near.Enqueue(run, (due, order++));
            else if (served is null || WakeUpBuckets.Of(run) is var bucket && served.Contains(bucket)) Expect(due);
            else elsewhere = bucket;
        }
        if (elsewhere is { } other) passOn!(other, due);
        else Arm();
    }

    /// <summary>Another host committed a wake-up row of a bucket that is served here.</summary>
    public void Note(DateTimeOffset due)
    {
        lock (sync)
        {
            if (!looked) return; // it is found when the host begins
            Expect(due);
        }
        Arm();
    }

    private void Expect(DateTimeOffset due)
    {
        if (due < beyond) beyond = due;
        if (due < meanwhile) meanwhile = due;
    }

    public void Dispose()
    {
        lock (sync)
        {
            stopped = true;
            timer?.Dispose();
        }
    }

    private void Arm()
    {
        lock (sync)
        {
            if (stopped || loading) return;
            var next = near.TryPeek(out _, out var first) && first.Item1 < beyond ? first.Item1 : beyond;
            if (next == DateTimeOffset.MaxValue || (timer is not null && armedFor == next)) return;
            armedFor = next;
            var now = clock.Now;
            var sleep = next <= now ? TimeSpan.Zero : next - now < LongestSleep ? next - now : LongestSleep;
            timer?.Dispose();
            timer = time.CreateTimer(static self => ((WakeUps)self!).Ring(), this, sleep, Timeout.InfiniteTimeSpan);
            // The machine may have stood still between the look at the clock and the timer, which goes by elapsed time.
            if (next > now && next <= clock.Now) timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
    }

    private void Ring()
    {
        List<RunKey>? due = null;
        bool load;
        lock (sync)
        {
            if (stopped) return;
            armedFor = DateTimeOffset.MaxValue;
            timer?.Dispose();
            timer = null;
            var now = clock.Now;
            while (near.TryPeek(out var run, out var at) && at.Item1 <= now)
            {
                near.Dequeue();
                (due ??= []).Add(run);
            }
            load = !loading && beyond <= now; // a timer that was replaced may still ring
            if (load)
            {
                loading = true;
                meanwhile = DateTimeOffset.MaxValue;
            }
        }
        foreach (var run in due ?? []) wake(run);
        if (load) using (ExecutionContext.SuppressFlow()) _ = Task.Factory.StartNew(LoadAsync, CancellationToken.None, TaskCreationOptions.DenyChildAttach, scheduler);
        else Arm();
    }

    private async Task LoadAsync()
    {
        try
        {
            IReadOnlyCollection<int>? buckets;
            lock (sync) buckets = served;
            var upTo = clock.Now + Horizon;
            // Who serves nothing asks nothing.
            IReadOnlyList<WakeUp> rows = buckets is { Count: 0 } ? [] : await store.WakeUpsAsync(upTo, page, buckets, CancellationToken.None);
            // A full page: go on from its end as soon as these have been woken.
            var full = rows.Count == page;
            var next = buckets is { Count: 0 } ? null : full ? rows[^1].Due : await store.NextWakeUpAsync(upTo, buckets, CancellationToken.None);
            lock (sync)
            {
                foreach (var row in rows) near.Enqueue(row.Run, (row.Due, order++));
                beyond = next ?? DateTimeOffset.MaxValue;
                var behind = full && beyond <= clock.Now;
                if (behind) beyond = clock.Now + TimeSpan.FromMilliseconds(100) * (page / Page);
                page = behind ? Math.Min(2 * page, LongestPage) : Page;
                loadedTo = upTo;
            }
        }
        catch (Exception e)
        {
            onTrouble(e);
            lock (sync) beyond = clock.Now + TimeSpan.FromSeconds(1);
        }
        lock (sync)
        {
            if (meanwhile < beyond) beyond = meanwhile;
            loading = false;
        }
        Arm();
    }
}
