namespace OrleansAiOs.Workflows.Timers;

/// <summary>The store's clock, kept in step from the host's: timers are due by the store's time, whatever the host's clock says.</summary>
internal sealed class StoreClock(TimeProvider time)
{
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(500);

    private long aheadTicks;

    /// <summary>In whole microseconds, as the store keeps it.</summary>
    public DateTimeOffset Now
    {
        get
        {
            var now = time.GetUtcNow().AddTicks(Interlocked.Read(ref aheadTicks));
            return new DateTimeOffset(now.Ticks - now.Ticks % TimeSpan.TicksPerMicrosecond, TimeSpan.Zero);
        }
    }

    /// <summary>How far the store's clock is ahead of the host's.</summary>
    public TimeSpan Skew => TimeSpan.FromTicks(Interlocked.Read(ref aheadTicks));

    /// <summary>Whether the store's time is known.</summary>
    public bool IsSet { get; private set; }

    /// <summary>
    /// The store said it was <paramref name="storeTime"/>, somewhere between these two moments of the host. An answer that took long,
    /// or during which the host's clock was set, says too little to be used.
    /// </summary>
    public void Correct(DateTimeOffset storeTime, DateTimeOffset asked, DateTimeOffset answered, TimeSpan took)
    {
        if (took > Longest || (answered - asked - took).Duration() > Longest) return;
        Interlocked.Exchange(ref aheadTicks, (storeTime - (asked + (answered - asked) / 2)).Ticks);
        IsSet = true;
    }
}
