using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Packs.InvoiceToPay.Receivers;

namespace OrleansAiOs.Packs.InvoiceToPay;

/// <summary>How a document ended, and why.</summary>
public sealed record Settlement(SettlementOutcome Outcome, string Why, string? Supplier = null, string? Number = null, decimal? Amount = null, string? Currency = null,
    string? PostingId = null, string? PaymentId = null)
{
    internal static Settlement Rejected(Invoice? invoice, string why) => Of(invoice, SettlementOutcome.Rejected, why);

    internal static Settlement Duplicate(Invoice invoice, string firstRun) =>
        Of(invoice, SettlementOutcome.Duplicate, $"{invoice.Seller?.DisplayName} has sent another document with the number {invoice.Number}: run {firstRun}");

    internal static Settlement WithoutTransfer(Invoice invoice, LedgerPosting posting) => invoice.Route switch
    {
        PaymentRoute.FromSupplier => Of(invoice, SettlementOutcome.Credited, $"Posted; the supplier owes us {-invoice.AmountOwed:N2} {invoice.Currency}"),
        PaymentRoute.SupplierCollects => Of(invoice, SettlementOutcome.Collected, "Posted; the supplier collects it by direct debit"),
        PaymentRoute.NoAccount => Of(invoice, SettlementOutcome.PaidByHand, "Posted; a controller has paid it by other means"),
        _ => Of(invoice, SettlementOutcome.NothingDue, "Posted; there is nothing to pay"),
    } with { PostingId = posting.Id };

    internal static Settlement OfNothing(Invoice invoice) => Of(invoice, SettlementOutcome.NothingDue, "There is nothing to post and nothing to pay");

    internal static Settlement Paid(Invoice invoice, LedgerPosting posting, BankPayment payment) =>
        Of(invoice, SettlementOutcome.Paid, $"{invoice.AmountOwed:N2} {invoice.Currency} to {payment.Iban}") with { PostingId = posting.Id, PaymentId = payment.Id };

    private static Settlement Of(Invoice? invoice, SettlementOutcome outcome, string why) =>
        new(outcome, why, invoice?.Seller?.DisplayName, invoice?.Number, invoice?.AmountOwed, invoice?.Currency);
}

public enum SettlementOutcome
{
    Paid,
    PaidByHand,
    Collected,
    Credited,
    NothingDue,
    Duplicate,
    Rejected,
}
