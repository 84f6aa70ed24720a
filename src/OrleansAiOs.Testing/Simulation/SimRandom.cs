namespace OrleansAiOs.Testing.Simulation;

/// <summary>All chance of one simulation, from its seed (SplitMix64).</summary>
internal sealed class SimRandom(ulong seed)
{
    private ulong state = seed * 0xD1342543DE82EF95 + 0x9E3779B97F4A7C15;

    public ulong Next()
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return z ^ z >> 31;
    }

    /// <summary>From 0 up to, not including, <paramref name="n"/>.</summary>
    public int Below(int n) => (int)((Next() >> 32) * (ulong)n >> 32);

    public bool Chance(double probability) => (Next() >> 11) * (1.0 / (1ul << 53)) < probability;

    public TimeSpan UpTo(TimeSpan longest) => new((long)((Next() >> 11) * (1.0 / (1ul << 53)) * longest.Ticks));

    public TimeSpan Between(double seconds, double secondsMax) => TimeSpan.FromSeconds(seconds) + UpTo(TimeSpan.FromSeconds(secondsMax - seconds));
}
