using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Checking;

/// <summary>All that is stored of one run, read at one moment.</summary>
public sealed record RunFacts(RunKey Run, IReadOnlyList<StoredEvent> History, RunRow? Row, DateTimeOffset? WakeUp);

/// <summary>An invariant that does not hold.</summary>
/// <param name="Invariant">Its name, I1 to I16.</param>
/// <param name="Run">The run it was found in; null if it belongs to none.</param>
/// <param name="What">What was found, and where.</param>
public sealed record Violation(string Invariant, RunKey? Run, string What)
{
    public override string ToString() => Run is { } run ? $"{Invariant} {run}: {What}" : $"{Invariant}: {What}";
}

/// <summary>What a receiver says it did: the number of effects by the reference it was given.</summary>
public sealed record ReceiverLedger(IReadOnlyDictionary<string, int> Effects);

public enum CommandKind
{
    Start,
    Signal,
    Cancel,
    Decide,
    Resolve,
    Unpark,
    Pause,
    Resume,
    Terminate,
    Update,
    RetryNow,
    Skip,
    Reset,
    Fork,
    Migrate,
}

/// <summary>A command whose sender was told that it is recorded.</summary>
public sealed record Acknowledged(RunKey Run, CommandKind Kind, string Key, long Version)
{
    /// <summary>Of a reset or a fork: what its sender chose for effects beyond the cut, by step.</summary>
    public IReadOnlyDictionary<int, EffectAction>? Effects { get; init; }
}

/// <summary>A command that was sent once, under a key of its own, and refused for good.</summary>
public sealed record Refused(RunKey Run, CommandKind Kind, string Key, string Why);

/// <summary>A query and its answer.</summary>
/// <param name="From">The highest version that its sender knew to be recorded when he asked.</param>
/// <param name="To">The version the history had when he had the answer.</param>
public sealed record Asked(RunKey Run, string Query, JsonText Answer, long From, long To);

/// <summary>What the sender of an update was told became of it.</summary>
public sealed record Answered(RunKey Run, string Key, UpdateOutcome Outcome);

/// <summary>What the checker is told besides the runs. What is left out is not checked.</summary>
public sealed record CheckerOptions
{
    /// <summary>The workflows' code: histories are replayed with it (I6).</summary>
    public Workflows.Hosting.WorkflowRegistry? Registry { get; init; }

    /// <summary>The receivers' own counts (I3). A reference belongs to one of them.</summary>
    public IReadOnlyList<ReceiverLedger> Ledgers { get; init; } = [];

    /// <summary>What senders were told (I1).</summary>
    public ILookup<RunKey, Acknowledged>? Acknowledged { get; init; }

    /// <summary>What senders were told is not done (I1).</summary>
    public ILookup<RunKey, Refused>? Refused { get; init; }

    /// <summary>What queries were answered (I14).</summary>
    public ILookup<RunKey, Asked>? Asked { get; init; }

    /// <summary>What updates were answered (I14).</summary>
    public ILookup<RunKey, Answered>? Answered { get; init; }

    /// <summary>Host incarnations that live; runs busy on any other are waiting to be taken over (I8). Null: not known.</summary>
    public IReadOnlyCollection<string>? LivingHosts { get; init; }

    /// <summary>When a host incarnation was declared dead, null if it was not: nothing is taken over from the living (I8).</summary>
    public Func<string, DateTimeOffset?>? DiedAt { get; init; }

    /// <summary>No run may still be open (after the last fault of a test) (I12).</summary>
    public bool AllHaveEnded { get; init; }
}
