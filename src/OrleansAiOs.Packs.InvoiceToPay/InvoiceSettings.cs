using OrleansAiOs.Packs.InvoiceToPay.Documents;

namespace OrleansAiOs.Packs.InvoiceToPay;

/// <summary>What the owner of the pipeline decides.</summary>
public sealed record InvoiceSettings
{
    /// <summary>Open purchase orders, from AIOS_INVOICE_ORDERS.</summary>
    public PurchaseOrders PurchaseOrders { get; init; } = PurchaseOrders.None;

    /// <summary>Amounts above this, in the document's currency, need a controller. From AIOS_INVOICE_APPROVAL_ABOVE.</summary>
    public decimal OneApprovalAbove { get; init; } = 10_000m;

    /// <summary>How long the bank may take to answer an order before it is asked what became of it. From AIOS_INVOICE_PAY_TIMEOUT, in seconds; the engine's default when null.</summary>
    public TimeSpan? PayTimeout { get; init; }
}
