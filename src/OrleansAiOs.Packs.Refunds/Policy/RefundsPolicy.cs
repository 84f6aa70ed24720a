using OrleansAiOs.Kernel.Governance.Policies;

namespace OrleansAiOs.Packs.Refunds.Policy;

/// <summary>Who may refund how much alone, and who has to sign the rest.</summary>
public static class RefundsPolicy
{
    public static ShippedPolicy Shipped { get; } = ShippedPolicy.In(typeof(RefundsPolicy).Assembly, "refunds");
}
