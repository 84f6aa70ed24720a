namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>A bucket that fills at a rate, up to its size; whoever begins takes a token out. By the stopwatch: a clock may jump. Not for several threads at once.</summary>
internal sealed class TokenBucket(double perSecond, int size, TimeProvider time)
{
    private double tokens = size;
    private long filledAt = time.GetTimestamp();

    /// <summary>Whoever took a token does not begin.</summary>
    public void PutBack() => tokens = Math.Min(size, tokens + 1);

    /// <returns>Zero if a token was taken; else how long to wait until there is one.</returns>
    public TimeSpan Take()
    {
        var now = time.GetTimestamp();
        tokens = Math.Min(size, tokens + time.GetElapsedTime(filledAt, now).TotalSeconds * perSecond);
        filledAt = now;
        // What a sum of fractions leaves short of one is less than any timer can wait for.
        if (tokens > 1 - 1e-9)
        {
            tokens = Math.Max(0, tokens - 1);
            return TimeSpan.Zero;
        }
        // Rounded up to what a timer counts in: woken early, it would find nothing.
        return TimeSpan.FromMilliseconds(Math.Max(1, Math.Ceiling((1 - tokens) / perSecond * 1000)));
    }
}
