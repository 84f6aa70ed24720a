namespace OrleansAiOs.Kernel.Audit;

/// <summary>Ways in which what is stored is not what the trail says.</summary>
public enum AuditFault
{
    /// <summary>An event says something else than what was appended; also one that changed places with another.</summary>
    Edited,

    /// <summary>An event is gone, and no purge says why.</summary>
    Deleted,

    /// <summary>An event is there that no host appended.</summary>
    Inserted,

    /// <summary>A stream's head and its events do not agree: something in between or at the end was taken away.</summary>
    Broken,

    /// <summary>A document or a large body is not what its name, the hash, says; or it is gone.</summary>
    Payload,

    /// <summary>A purge was forged, or the record of one changed.</summary>
    Purge,

    /// <summary>A block or a batch of the trail itself was changed.</summary>
    Trail,

    /// <summary>The database is behind the checkpoints outside: it was put back, or the end of the trail cut off.</summary>
    RolledBack,

    /// <summary>The checkpoints themselves are not whole.</summary>
    CheckpointBroken,

    /// <summary>Two histories of one log.</summary>
    Forked,

    /// <summary>Signed by a key that is not known.</summary>
    KeyUnknown,
}

/// <summary>One thing that <c>aios audit verify</c> found.</summary>
/// <param name="Where">A stream, an event of it, a block or a line of checkpoints.</param>
/// <param name="What">In words.</param>
public sealed record AuditFinding(AuditFault Fault, string Where, string What)
{
    public override string ToString() => $"{Fault.ToString().ToLowerInvariant()}: {Where}: {What}";
}
