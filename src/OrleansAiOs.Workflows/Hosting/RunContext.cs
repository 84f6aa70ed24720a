using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Timers;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>What a run needs of the host it is active on.</summary>
internal sealed record RunContext
{
    public required WorkflowRegistry Registry { get; init; }

    public required string HostId { get; init; }

    public required StoreClock Clock { get; init; }

    public required IdSource Ids { get; init; }

    public required Func<string, bool> IsLiving { get; init; }

    public required Func<RunKey, Action<string>> OnForeignWork { get; init; }

    /// <summary>Declares the activities that code knows by name only.</summary>
    public IActivityDirectory? Directory { get; init; }

    /// <summary>Told of each command that a replay finds as it was recorded.</summary>
    public Action<WorkflowEvent, WorkflowEvent>? Matched { get; init; }

    /// <summary>For a replay that is to go on behind a difference.</summary>
    public LenientReplay? Lenient { get; init; }

    /// <summary>What every attempt passes; null lets all through.</summary>
    public IEffectGate? Gate { get; init; }

    /// <summary>For a replay of code that may not come to rest.</summary>
    public Patience? Patience { get; init; }

    public int SignalsMax { get; init; } = 10_000;
}
