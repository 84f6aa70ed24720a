namespace OrleansAiOs.Sandbox;

/// <summary>What can befall one request: before it is booked, or after.</summary>
public enum Fault
{
    /// <summary>The connection breaks and the request never arrives.</summary>
    LoseRequest,

    /// <summary>Booked; the connection breaks before the reply.</summary>
    LoseReply,

    /// <summary>The caller hears nothing; the request is delivered later, see <see cref="Hostility.Hold"/>.</summary>
    Hold,

    /// <summary>429 with Retry-After; not booked.</summary>
    TooManyRequests,

    /// <summary>500; not booked.</summary>
    FailBefore,

    /// <summary>500, although booked.</summary>
    FailAfter,

    /// <summary>Never answered; not booked.</summary>
    HangBefore,

    /// <summary>Never answered, although booked.</summary>
    HangAfter,

    /// <summary>200 with bytes that are no JSON; not booked.</summary>
    GarbageBefore,

    /// <summary>200 with bytes that are no JSON, although booked.</summary>
    GarbageAfter,
}

/// <summary>What the caller of a held request sees meanwhile.</summary>
public enum HeldCaller
{
    Abort,
    Hang,
}
