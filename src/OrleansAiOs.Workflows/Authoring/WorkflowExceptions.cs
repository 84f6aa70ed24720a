using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows;

/// <summary>
/// A failure that belongs to the business: when it leaves the workflow's code, the run has failed, for good. Any other exception
/// is taken for a fault of the code: the run is parked, keeps its history, and goes on when a mended build is deployed.
/// </summary>
public class WorkflowFailedException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A step ended badly: its attempts are used up, or an exception was named as final.</summary>
public sealed class ActivityFailedException : WorkflowFailedException
{
    internal ActivityFailedException(string activity, Failure failure)
        : base($"{activity}: {failure.Message}") => (Activity, Failure) = (activity, failure);

    /// <summary>The activity's name.</summary>
    public string Activity { get; }

    /// <summary>What the last attempt ended with.</summary>
    public Failure Failure { get; }
}

/// <summary>
/// Thrown by an activity: this attempt was not sent, so it had no effect. Unlike a <see cref="RefusedException"/> it is no word of the
/// receiver: what became of an earlier attempt is as unknown as it was.
/// </summary>
/// <param name="message">Why it was not sent, and what to do next.</param>
/// <param name="retry">False when asking again is pointless.</param>
/// <param name="retryAfter">The pause to make, instead of the policy's.</param>
public sealed class WithheldException(string message, bool retry = false, TimeSpan? retryAfter = null) : Exception(message)
{
    /// <summary>Whether the policy may try again.</summary>
    public bool Retry { get; } = retry;

    /// <summary>The pause to make.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>
/// Thrown by an activity: the receiver answered a definite no, nothing happened. For <see cref="Effect.AtMostOnce"/> this is what
/// allows a further attempt. <see cref="HttpRequestException"/> with a 4xx status or a refused connection counts the same.
/// </summary>
/// <param name="message">What was refused, and why.</param>
/// <param name="retry">False when asking again is pointless.</param>
/// <param name="retryAfter">The pause the receiver asked for, instead of the policy's.</param>
public sealed class RefusedException(string message, bool retry = false, TimeSpan? retryAfter = null) : Exception(message)
{
    /// <summary>Whether the policy may try again.</summary>
    public bool Retry { get; } = retry;

    /// <summary>The pause the receiver asked for.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}
