using OrleansAiOs.Kernel.Governance.Policies;

namespace OrleansAiOs.Packs.InvoiceToPay.Policy;

/// <summary>Whose signature a payment to a supplier needs.</summary>
public static class InvoicesPolicy
{
    public static ShippedPolicy Shipped { get; } = ShippedPolicy.In(typeof(InvoicesPolicy).Assembly, "invoices");
}
