using OrleansAiOs.Packs.InvoiceToPay;
using OrleansAiOs.Packs.InvoiceToPay.Receivers;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.EndToEnd.NextBuild;

/// <summary>The pipeline as another version of its code has it: every invoice is approved, and paid as soon as it is.</summary>
[Workflow("invoice-to-pay", Version = "2")]
public sealed class NextInvoiceToPay : Workflow<PayloadRef, Settlement>
{
    protected override async Task<Settlement> RunAsync(PayloadRef document)
    {
        var (invoice, rejection, _) = await Call(Invoicing.Read, document);
        if (invoice is null || rejection is not null) return new Settlement(SettlementOutcome.Rejected, rejection!);
        var booking = await Call(Invoicing.Book, invoice);
        var decision = await Approval($"Pay {invoice.Number}", booking.ForApproval, by: Roles.Buyer, within: TimeSpan.FromDays(3));
        if (!decision.Granted) return new Settlement(SettlementOutcome.Rejected, "Nobody agreed.");
        var posting = await Call(Ledger.Post, new LedgerEntry(invoice.Number, booking.Supplier, booking.Journal));
        var payment = await Call(Bank.Pay, new PaymentOrder(booking.Supplier, invoice.CreditTransfer!.Account!, invoice.AmountOwed, invoice.Currency), new CallOptions { StartToClose = booking.PayTimeout });
        await Call(Desk.Notify, new Notice($"{invoice.Number}: paid", "By the next build."));
        return new Settlement(SettlementOutcome.Paid, "By the next build.", booking.Supplier, invoice.Number, invoice.AmountOwed, invoice.Currency, posting.Id, payment.Id);
    }
}
