using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Budgets;

// What stands in the streams "escrow/{budget}/{period}/{n}", n from 1. The catalogue does not read them: each budget's queue does.

/// <summary>A stream of a budget's escrow begins: what those before it came to, in one line. The runs that held something are carried behind it.</summary>
/// <param name="Spent">By runs that are settled, by unit.</param>
[StoredAs("escrow-opened")]
public sealed record EscrowOpened(string Budget, string Period, IReadOnlyDictionary<string, decimal> Spent) : KernelEvent;

[StoredAs("escrow-carried")]
public sealed record EscrowCarried(IReadOnlyList<EscrowHolding> Runs) : KernelEvent;

/// <summary>What one append moves, for many runs.</summary>
/// <param name="Grants">Runs that asked: what they hold from now on.</param>
/// <param name="Trims">Runs that have not asked for long: what they hold from now on, which is what they have spent.</param>
/// <param name="Returns">Runs that are over: what they held is free again, but for what they spent.</param>
[StoredAs("escrow-moved")]
public sealed record EscrowMoved(IReadOnlyList<EscrowHolding>? Grants = null, IReadOnlyList<EscrowHolding>? Trims = null, IReadOnlyList<EscrowReturn>? Returns = null) : KernelEvent;

/// <param name="Run">The run's id.</param>
/// <param name="Units">By unit.</param>
/// <param name="SignedBy">Who let it have more than there was.</param>
/// <param name="At">When it last asked, where that is not the event's own time.</param>
public sealed record EscrowHolding(string Run, IReadOnlyDictionary<string, Held> Units, IReadOnlyList<string>? SignedBy = null, DateTimeOffset? At = null);

/// <param name="Granted">All that the run was granted.</param>
/// <param name="Since">What it had spent before, which counts elsewhere: in an earlier period, or before there was the budget.</param>
/// <param name="Spent">What it had spent behind that when it last asked.</param>
public sealed record Held(decimal Granted, decimal Since, decimal Spent);

/// <param name="Spent">By unit, what it spent behind "since"; more than was granted only if a tool came to more than it had said it would.</param>
public sealed record EscrowReturn(string Run, IReadOnlyDictionary<string, decimal> Spent);
