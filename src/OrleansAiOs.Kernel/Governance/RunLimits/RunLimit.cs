using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Governance.RunLimits;

/// <summary>What becomes of a call that would take its run over a limit.</summary>
public enum OnHit
{
    /// <summary>It fails.</summary>
    Deny,

    /// <summary>It is held until somebody in one of the limit's roles signs it.</summary>
    Approve,
}

/// <summary>How far one run may go: by unit ("calls" among them), and how many different targets it may reach.</summary>
/// <param name="Tool">For its calls of this tool; "*" for all its calls together.</param>
/// <param name="Units">At most so much of each; what is not named is not limited.</param>
/// <param name="Targets">At most so many different ones; null for any number.</param>
/// <param name="Roles">Who may sign for more, if <see cref="OnHit.Approve"/>.</param>
[StoredAs("run-limit-set")]
public sealed record RunLimitSet(string Tool, IReadOnlyDictionary<string, decimal> Units, int? Targets = null, OnHit OnHit = OnHit.Deny, IReadOnlyList<string>? Roles = null) : KernelEvent;

[StoredAs("run-limit-removed")]
public sealed record RunLimitRemoved(string Tool) : KernelEvent;

/// <summary>A call would take its run over a limit.</summary>
/// <param name="Tool">The limit's: a tool's name, or "*".</param>
/// <param name="Unit">What there would be too much of: a unit, or "targets".</param>
/// <param name="Why">In words, for people.</param>
/// <param name="Demand">Who may let it, all the same; null if nobody.</param>
public sealed record LimitHit(string Tool, string Unit, string Why, HoldDemand? Demand);
