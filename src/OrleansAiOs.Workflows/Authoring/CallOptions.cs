namespace OrleansAiOs.Workflows;

/// <summary>How a step is retried and timed. What a call leaves out (null), the activity's declaration says; what that leaves out, the default.</summary>
public record CallOptions
{
    /// <summary>When an attempt is repeated. Default: <see cref="RetryPolicy.Default"/>.</summary>
    public RetryPolicy? Retry { get; init; }

    /// <summary>From the append that scheduled the attempt to its start on a host. Default: no limit.</summary>
    public TimeSpan? ScheduleToStart { get; init; }

    /// <summary>From the start of one attempt to its answer. Default: 30 s.</summary>
    public TimeSpan? StartToClose { get; init; }

    /// <summary>From the scheduling of the step to its end, all attempts and pauses included. Default: no limit.</summary>
    public TimeSpan? ScheduleToClose { get; init; }

    /// <summary>The longest silence between two calls of <see cref="ActivityContext.Heartbeat"/>. Default: not watched.</summary>
    public TimeSpan? Heartbeat { get; init; }

    internal static readonly TimeSpan StartToCloseDefault = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan LongestWatch = TimeSpan.FromDays(49); // a timer of the base library takes no more

    internal CallOptions Over(CallOptions other) => new CallOptions
    {
        Retry = Retry ?? other.Retry,
        ScheduleToStart = ScheduleToStart ?? other.ScheduleToStart,
        StartToClose = StartToClose ?? other.StartToClose,
        ScheduleToClose = ScheduleToClose ?? other.ScheduleToClose,
        Heartbeat = Heartbeat ?? other.Heartbeat,
    }.Checked();

    // Here the code that asks for it is told; where the clocks are set, nobody would be.
    private CallOptions Checked()
    {
        Check(nameof(ScheduleToStart), ScheduleToStart);
        Check(nameof(StartToClose), StartToClose);
        Check(nameof(Heartbeat), Heartbeat);
        return this;

        static void Check(string name, TimeSpan? limit)
        {
            if (limit is { } given && (given <= TimeSpan.Zero || given > LongestWatch))
                throw new ArgumentOutOfRangeException(name, given, $"{name} must be more than zero and at most {LongestWatch.TotalDays} days.");
        }
    }
}

/// <summary>What holds for every call of an activity, and how many of them a host runs at once.</summary>
public sealed record ActivityOptions : CallOptions
{
    /// <summary>Attempts of this activity under way at once on one host, 1 to 10,000. Default: 256.</summary>
    public int Concurrency { get; init; } = 256;

    /// <summary>Attempts of this activity begun per second on one host. Default: no limit.</summary>
    public double? PerSecond { get; init; }

    /// <summary>How many may begin at once after a rest, where <see cref="PerSecond"/> limits the rate, 1 to 10,000. Default: 1.</summary>
    public int Burst { get; init; } = 1;

    /// <summary>Of <see cref="Concurrency"/>, the most that one tenant may have. Default: all.</summary>
    public int? ConcurrencyPerTenant { get; init; }
}
