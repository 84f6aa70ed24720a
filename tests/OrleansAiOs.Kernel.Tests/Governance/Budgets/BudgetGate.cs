using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Tests.Governance.Budgets;

/// <summary>A gate that knows of nothing but budgets.</summary>
internal sealed class BudgetGate(Escrow escrow, Func<EffectIntent, Charge> charge) : IEffectGate
{
    public GateRecord Judge(EffectIntent intent) => new(GateAnswer.Allow, intent.Chain, Charge: charge(intent));

    public async ValueTask<GateRecord?> RecheckAsync(EffectIntent intent, GateRecord recorded, CancellationToken cancellation)
    {
        if (await escrow.CoverAsync(intent, recorded.Charge!, null, cancellation) is not { } refusal) return null;
        return new GateRecord(refusal.Then is WhenSpent.Wait ? GateAnswer.Wait : GateAnswer.Deny, intent.Chain, Charge: recorded.Charge, Why: refusal.Why, RetryAt: refusal.RetryAt);
    }

    public void Ended(RunKey run, RunSpending spent) => escrow.Release(run, spent);
}
