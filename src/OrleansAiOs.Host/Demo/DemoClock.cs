namespace OrleansAiOs.Host.Demo;

/// <summary>The system's clock, which the demo can move forward, and says so when it does. Timers that are due by then fire.</summary>
internal sealed class DemoClock : TimeProvider
{
    private readonly Lock sync = new();
    private readonly HashSet<DemoTimer> timers = [];
    private TimeSpan ahead;

    public override DateTimeOffset GetUtcNow()
    {
        lock (sync) return System.GetUtcNow() + ahead;
    }

    public void MoveTo(DateTimeOffset moment)
    {
        List<DemoTimer> pending;
        TimeSpan by;
        lock (sync)
        {
            by = moment - System.GetUtcNow() - ahead;
            if (by <= TimeSpan.Zero) return;
            ahead += by;
            pending = [.. timers];
        }
        foreach (var timer in pending) timer.Advance(by);
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new DemoTimer(this, callback, state);
        lock (sync) timers.Add(timer);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class DemoTimer : ITimer
    {
        private readonly DemoClock clock;
        private readonly ITimer inner;
        private DateTimeOffset due;
        private TimeSpan period;

        public DemoTimer(DemoClock clock, TimerCallback callback, object? state)
        {
            this.clock = clock;
            inner = System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        public bool Change(TimeSpan dueTime, TimeSpan newPeriod)
        {
            period = newPeriod;
            due = dueTime == Timeout.InfiniteTimeSpan ? DateTimeOffset.MaxValue : System.GetUtcNow() + dueTime;
            return inner.Change(dueTime, newPeriod);
        }

        public void Advance(TimeSpan by)
        {
            if (due == DateTimeOffset.MaxValue || due <= System.GetUtcNow()) return;
            var left = due - by - System.GetUtcNow();
            Change(left > TimeSpan.Zero ? left : TimeSpan.Zero, period);
        }

        public void Dispose()
        {
            lock (clock.sync) clock.timers.Remove(this);
            inner.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
