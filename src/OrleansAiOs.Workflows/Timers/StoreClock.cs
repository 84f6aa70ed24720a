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
    /// The store said it was <paramref name="storeTime"/>, somewhere between these two moments of the host (Cristian, Probabilistic Clock
    /// Synchronization, 1989). The first answer is taken at its middle. Every other only says between what the difference lies: the clock is
    /// moved if it is outside of that, and no further, so that what a quick answer said well no slow one says worse. An answer during which
    /// the host's clock was set says nothing.
    /// </summary>
    /// <returns>Whether the answer was a quick one.</returns>
    public bool Correct(DateTimeOffset storeTime, DateTimeOffset asked, DateTimeOffset answered, TimeSpan took)
    {
        if ((answered - asked - took).Duration() > Longest) return false;
        var (least, most) = ((storeTime - answered).Ticks, (storeTime - asked).Ticks);
        if (least > most) return false;
        var ahead = IsSet ? Math.Clamp(Interlocked.Read(ref aheadTicks), least, most) : least + (most - least) / 2;
        Interlocked.Exchange(ref aheadTicks, ahead);
        IsSet = true;
        return took <= Longest;
    }
}
