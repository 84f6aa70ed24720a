using System.Net;
using System.Net.Sockets;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>How an attempt ended, as the executor saw it.</summary>
internal abstract record AttemptOutcome
{
    /// <summary>The tool answered.</summary>
    /// <param name="Spent">What the tool says it came to.</param>
    public sealed record Answered(JsonText Result, IReadOnlyDictionary<string, decimal>? Spent = null) : AttemptOutcome;

    /// <summary>The gate did not let it through, when it was about to be sent.</summary>
    public sealed record Refused(Gating.GateRecord By) : AttemptOutcome;

    /// <summary>Its dispatch window had passed, or it was stopped before it left: the run has to append again first.</summary>
    public sealed record NotSent : AttemptOutcome;

    /// <summary>It failed.</summary>
    /// <param name="Definite">It is certain that it had no effect.</param>
    /// <param name="Final">Asking again changes nothing: the receiver's no is final, or its answer is one that cannot be stored.</param>
    public sealed record Failed(Failure Failure, Exception? Exception, bool Definite, bool Final, TimeSpan? RetryAfter) : AttemptOutcome;

    /// <summary>What an exception says about the effect. Whatever is not known to be a no, is not a no.</summary>
    public static Failed Of(Exception exception) => exception switch
    {
        UnstorableException => new(Failure.Of(exception), exception, Definite: false, Final: true, null),
        WithheldException withheld => new(Failure.Of(exception), exception, Definite: true, Final: !withheld.Retry, withheld.RetryAfter),
        RefusedException refused => new(Failure.Of(exception), exception, Definite: true, Final: !refused.Retry, refused.RetryAfter),
        HttpRequestException { StatusCode: HttpStatusCode.TooManyRequests } => new(Failure.Of(exception), exception, true, false, null),
        // 408 and 425 speak of the request, not of its effect.
        HttpRequestException { StatusCode: { } status } when (int)status is >= 400 and < 500 and not 408 and not 425 =>
            new(Failure.Of(exception), exception, true, true, null),
        HttpRequestException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound } } =>
            new(Failure.Of(exception), exception, true, false, null),
        _ => new(Failure.Of(exception), exception, false, false, null),
    };
}

/// <summary>The tool did its work, and answered what cannot be stored.</summary>
internal sealed class UnstorableException(string message, Exception? inner = null) : Exception(message, inner);
