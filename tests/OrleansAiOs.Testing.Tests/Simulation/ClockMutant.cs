namespace OrleansAiOs.Testing.Tests.Simulation;

/// <summary>A clock that never notices that its process stood still: between two looks at most two seconds have passed.</summary>
internal sealed class PausesUnnoticed(TimeProvider inner) : TimeProvider
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(3);
    private TimeSpan missed;
    private DateTimeOffset seen = inner.GetUtcNow();

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        var now = inner.GetUtcNow();
        if (now - seen > Longest) missed += now - seen - Longest;
        seen = now;
        return now - missed;
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => inner.CreateTimer(callback, state, dueTime, period);
}

/// <summary>A clock that is set back an hour every now and then, and forward again.</summary>
internal sealed class GoesBack(TimeProvider inner) : TimeProvider
{
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => inner.GetUtcNow() is var now && now.Second % 10 < 5 ? now : now - TimeSpan.FromHours(1);

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => inner.CreateTimer(callback, state, dueTime, period);
}
