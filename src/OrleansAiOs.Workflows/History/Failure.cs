namespace OrleansAiOs.Workflows.History;

/// <summary>Why an attempt, a step or a run ended badly, as it is stored.</summary>
/// <param name="Type">The exception's type name, for people and for <c>catch … when</c>; never loaded as a type.</param>
/// <param name="Message">What happened, to what, and what to do next.</param>
/// <param name="Kind">What the engine makes of it.</param>
public sealed record Failure(string Type, string Message, FailureKind Kind = FailureKind.Error)
{
    private const int MessageCharsMax = 4000;

    internal static Failure Of(Exception exception, FailureKind kind = FailureKind.Error) =>
        new(exception.GetType().Name, Clean(exception.Message), kind);

    // A message from outside may be megabytes long, or hold a NUL that jsonb refuses.
    internal static string Clean(string text)
    {
        text = text.Replace('\0', '\uFFFD');
        return text.Length <= MessageCharsMax ? text : text[..MessageCharsMax] + "…";
    }
}

public enum FailureKind
{
    /// <summary>The tool answered with an error.</summary>
    Error,

    /// <summary>It could not be started in time (schedule-to-start).</summary>
    NotStartedInTime,

    /// <summary>It did not answer in time (start-to-close).</summary>
    NoAnswerInTime,

    /// <summary>It stopped reporting that it lives (heartbeat).</summary>
    NoHeartbeat,

    /// <summary>All its attempts together took too long (schedule-to-close).</summary>
    TooLate,

    /// <summary>The host that ran it died.</summary>
    HostLost,

    /// <summary>It was asked to stop and did.</summary>
    Cancelled,

    /// <summary>The gate did not let it through, or a person refused to sign it. Nothing was sent.</summary>
    Denied,
}
