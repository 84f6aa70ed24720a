using Microsoft.Extensions.Logging;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Governance.Quotas;
using OrleansAiOs.Kernel.Governance.RunLimits;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Governance.Gate;

/// <summary>What the gate asks.</summary>
public sealed record KernelGateParts
{
    /// <summary>Makes sure that what the views know is at most half a second old (<see cref="Catalogue.FreshAsync"/>).</summary>
    public required Func<CancellationToken, ValueTask> Fresh { get; init; }

    public required IdentityView Identity { get; init; }

    public required Rights Rights { get; init; }

    public required KillSwitchView Switches { get; init; }

    public required SignatureCheck Signatures { get; init; }

    /// <summary>The policies in force for a tenant.</summary>
    public required Func<string, ActivePolicies> Policies { get; init; }

    public required ILogger Log { get; init; }

    /// <summary>A tenant's tool by name; null for activities of deployed code.</summary>
    public Func<string, string, ToolFacts?> Tool { get; init; } = static (_, _) => null;

    /// <summary>What a run may move at most: what it would hit.</summary>
    public Func<EffectIntent, Charge, LimitHit?> Limits { get; init; } = static (_, _) => null;

    /// <summary>Sets the charge aside in the budgets, and beyond them as far as was signed for; null if they cover it.</summary>
    public Func<EffectIntent, Charge, Overdraft?, CancellationToken, ValueTask<BudgetRefusal?>> Covers { get; init; } = static (_, _, _, _) => default;

    /// <summary>Who may sign for what a spent budget does not cover.</summary>
    public Func<EffectIntent, Charge, IReadOnlyList<HoldDemand>> Overdrafts { get; init; } = static (_, _) => [];

    /// <summary>How many calls may be under way at once, how many runs be open, and how much be stored; null for as much as there is.</summary>
    public QuotaParts? Quotas { get; init; }

    public Action<RunKey, RunSpending> Ended { get; init; } = static (_, _) => { };
}
