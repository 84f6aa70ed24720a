using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Governance.Approvals;

internal static class Signers
{
    /// <summary>Somebody with one of the roles who has no part in the effect: nobody signs for going beyond what restrains themselves.</summary>
    public static HoldDemand Others(EffectIntent intent, IReadOnlyList<string> roles) => new(roles, NotBy: [.. intent.Chain.Select(PrincipalId.Of)]);
}
