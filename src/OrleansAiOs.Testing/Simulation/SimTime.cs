namespace OrleansAiOs.Testing.Simulation;

/// <summary>The clock and the timers of one process of the simulated world: its wall clock is off by a skew and jumps, its timers follow virtual time.</summary>
internal sealed class SimTime(SimLoop loop, SimScheduler lane, TimeSpan skew) : TimeProvider
{
    private static readonly DateTimeOffset Beginning = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => loop.Now.Ticks;

    public override DateTimeOffset GetUtcNow() => Beginning + loop.Now + loop.Jumped + skew;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new SimTimer(loop, () => lane.Call(() => callback(state)));
        timer.Change(dueTime, period);
        return timer;
    }
}

/// <summary>One timer in the loop's heap. A new setting outdates the entries of earlier ones.</summary>
internal sealed class SimTimer(SimLoop loop, Action action) : ITimer
{
    private int setting;
    private TimeSpan period = Timeout.InfiniteTimeSpan;

    public bool IsSet(int asOf) => asOf == setting;

    public void Fire()
    {
        if (period > TimeSpan.Zero) loop.Schedule(this, setting, period);
        else setting++;
        action();
    }

    public bool Change(TimeSpan dueTime, TimeSpan newPeriod)
    {
        setting++;
        period = newPeriod;
        if (dueTime != Timeout.InfiniteTimeSpan) loop.Schedule(this, setting, dueTime);
        return true;
    }

    public void Dispose() => setting = int.MinValue;

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }
}
