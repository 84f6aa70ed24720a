using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Gating;

/// <summary>One attempt to call an activity or a tool, as the run's history tells it: each answer of the gate is one.</summary>
/// <param name="Version">The event that asked for it, with the gate's answer in it.</param>
/// <param name="Workflow">The run's workflow.</param>
/// <param name="Key">The idempotency key it went out under.</param>
/// <param name="Activity">What was called.</param>
/// <param name="Effect">The effect class it had at that moment.</param>
/// <param name="Input">What was sent, or would have been.</param>
/// <param name="Undoes">It undoes what a dead branch did.</param>
/// <param name="Chain">Who acts, on whose behalf: the first is the one on whose behalf.</param>
/// <param name="Gate">What the gate answered; null on a host without one.</param>
/// <param name="BeganAt">When it was asked for.</param>
public sealed record RecordedCall(RunKey Run, long Version, string Workflow, int Step, int Attempt, string Key, string Activity, Effect Effect, JsonText Input, bool Undoes, IReadOnlyList<string> Chain, GateRecord? Gate, DateTimeOffset BeganAt)
{
    /// <summary>How it ended, as far as is known.</summary>
    public CallOutcome Outcome { get; init; }

    /// <summary>When that was recorded; null while it is open.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Why it ended badly.</summary>
    public Failure? Failure { get; init; }

    /// <summary>Of one that failed: whether it is certain that it had no effect.</summary>
    public bool? NoEffect { get; init; }

    /// <summary>What it really came to, if the tool said so.</summary>
    public IReadOnlyDictionary<string, decimal>? Spent { get; init; }

    /// <summary>It was made by another installation, and came from there with the run.</summary>
    public bool IsImported { get; init; }
}

/// <summary>How a call ended.</summary>
public enum CallOutcome
{
    /// <summary>Let through; nothing is known of its end yet.</summary>
    UnderWay,

    /// <summary>It took effect, and was answered.</summary>
    Completed,

    /// <summary>It failed.</summary>
    Failed,

    /// <summary>It left, and no answer tells whether it took effect.</summary>
    Unknown,

    /// <summary>The gate refused it, or a person refused to sign it. Nothing was sent.</summary>
    Denied,

    /// <summary>The gate held it until somebody has signed; what it answered then is a call of its own. Nothing was sent.</summary>
    Held,

    /// <summary>The gate let it wait; what it answered then is a call of its own. Nothing was sent.</summary>
    Waiting,

    /// <summary>It was let through, and stopped before it left.</summary>
    NotSent,

    /// <summary>It was let through, and started anew or answered by another attempt before anything was known of its end: its host died, or it did not leave.</summary>
    Lost,

    /// <summary>Nothing was sent: it has the outcome of an effect that a reset left behind.</summary>
    Reused,

    /// <summary>The run ended, or was reset, before anything was known of its end.</summary>
    Abandoned,
}
