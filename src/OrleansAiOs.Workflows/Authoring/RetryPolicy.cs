namespace OrleansAiOs.Workflows;

/// <summary>
/// When an attempt that failed is followed by another. Waiting costs nothing: it is a wake-up row, not a thread.
/// The decision is made where the exception is at hand, and recorded; replay follows the record, not the policy.
/// </summary>
public sealed record RetryPolicy
{
    private const double ForEver = 100 * 365 * 86_400.0; // more does not fit a calendar

    private readonly Type[] never = [];

    /// <summary>For ever, first after 1 s, doubling, at most 1 min apart.</summary>
    public static RetryPolicy Default { get; } = new();

    /// <summary>One attempt.</summary>
    public static RetryPolicy None { get; } = new() { Attempts = 1 };

    /// <summary>Pause before the second attempt. Each pause is drawn from ±20 % around its value.</summary>
    public TimeSpan First { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Each further pause is this many times the one before; at least 1.</summary>
    public double Factor { get; init; } = 2;

    /// <summary>No pause is longer.</summary>
    public TimeSpan Longest { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Attempts in all, the first included; 0 = no limit.</summary>
    public int Attempts { get; init; }

    /// <summary>This policy, but an exception of this type (or a derived one) ends the step at once.</summary>
    public RetryPolicy NeverOn<TException>() where TException : Exception => new(this, [.. never, typeof(TException)]);

    /// <summary>The default policy with another number of attempts.</summary>
    public static RetryPolicy UpTo(int attempts) => new() { Attempts = attempts };

    /// <summary>A policy with the default values.</summary>
    public RetryPolicy()
    {
    }

    private RetryPolicy(RetryPolicy from, Type[] never)
    {
        (First, Factor, Longest, Attempts) = (from.First, from.Factor, from.Longest, from.Attempts);
        this.never = never;
    }

    internal bool Allows(int attempt, Exception? exception) =>
        (Attempts == 0 || attempt < Attempts) && (exception is null || !Array.Exists(never, type => type.IsInstanceOfType(exception)));

    internal TimeSpan PauseAfter(int attempt, double random)
    {
        var pause = Math.Min(First.TotalSeconds * Math.Pow(Math.Max(1, Factor), Math.Min(attempt - 1, 60)), Longest.TotalSeconds) * (0.8 + 0.4 * random);
        return pause > 0 ? TimeSpan.FromSeconds(Math.Min(pause, ForEver)) : TimeSpan.Zero;
    }
}
