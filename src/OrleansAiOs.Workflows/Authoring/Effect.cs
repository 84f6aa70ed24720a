namespace OrleansAiOs.Workflows;

/// <summary>
/// What a tool activity does to the world, and so what the engine may do when it does not know whether an attempt took effect.
/// Every activity declares one; there is no default.
/// </summary>
public enum Effect
{
    /// <summary>Nothing outside changes. Run again freely.</summary>
    Pure,

    /// <summary>Doing it twice is the same as once. Run again freely.</summary>
    Idempotent,

    /// <summary>The receiver recognises the idempotency key and does it once. Run again with the same key.</summary>
    Keyed,

    /// <summary>It writes to the engine's own database, in a transaction that also holds its outcome. A re-run finds the outcome.</summary>
    Transactional,

    /// <summary>
    /// The receiver does not recognise repeats. Never run again while the outcome of an attempt is unknown; a definite no
    /// (refused connection, 429, 4xx) may be followed by a new attempt.
    /// </summary>
    AtMostOnce,
}
