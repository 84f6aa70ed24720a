using System.Data.Common;
using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Packs.InvoiceToPay;

/// <summary>What the pipeline does with the document itself.</summary>
public static class Invoicing
{
    private const int RulesShown = 5;

    // The XML reader blocks its thread while the next part comes from the database. Were all threads such readers, none would be left
    // to take the database's answers: it is work for the processor anyway.
    private const int ReadingAtOnce = 4;

    /// <summary>Reads and checks the document. One that cannot be read, or breaks a rule, is an answer and not an error.</summary>
    public static readonly Activity<PayloadRef, Reading> Read = Activity.Pure("invoice.read", async (IPayloadStore payloads, PayloadRef document, ActivityContext call) =>
    {
        await using var content = await payloads.OpenAsync(call.Tenant, document.Sha256, call.Cancellation)
            ?? throw new RefusedException($"There is no payload {document.Sha256}. Upload the document first.");
        try
        {
            var invoice = UblReader.Read(content);
            var broken = En16931.Check(invoice);
            return new Reading(invoice, broken.Count == 0 ? null
                : string.Join("; ", broken.Take(RulesShown)) + (broken.Count > RulesShown ? $"; and {broken.Count - RulesShown} more" : ""));
        }
        catch (UnreadableDocumentException unreadable)
        {
            return new Reading(null, unreadable.Message);
        }
    }, new ActivityOptions { Concurrency = ReadingAtOnce });

    /// <summary>Claims supplier and number for this run; answers who holds them.</summary>
    public static readonly Activity<Claim, Claimed> Claim = Activity.Transactional("invoice.claim",
        async (IInvoiceRegister register, Claim claim, DbTransaction transaction, ActivityContext call) =>
            new Claimed(claim.Key, await register.ClaimAsync(transaction, call.Tenant, claim.Key, claim.Run)));

    /// <summary>Gives the claim up, so that a mended document may come under the same number.</summary>
    public static readonly Activity<Claimed, Claimed> Release = Activity.Transactional("invoice.release",
        async (IInvoiceRegister register, Claimed claim, DbTransaction transaction, ActivityContext call) =>
        {
            await register.ReleaseAsync(transaction, call.Tenant, claim.Key, call.Run);
            return claim;
        });

    /// <summary>Takes of the order what the document claims: invoices that each fit are not to exceed it together.</summary>
    public static readonly Activity<OrderDraw, Drawn> Draw = Activity.Transactional("invoice.draw",
        async (IInvoiceRegister register, OrderDraw draw, DbTransaction transaction, ActivityContext call) =>
        {
            var (granted, others) = await register.DrawAsync(transaction, call.Tenant, draw, call.Run);
            return new Drawn(draw, granted, others);
        });

    /// <summary>Gives it back: the document is not paid.</summary>
    public static readonly Activity<Drawn, Drawn> PutBack = Activity.Transactional("invoice.put-back",
        async (IInvoiceRegister register, Drawn drawn, DbTransaction transaction, ActivityContext call) =>
        {
            await register.PutBackAsync(transaction, call.Tenant, drawn.Draw, call.Run);
            return drawn;
        });

    /// <summary>Finds the order and the accounts.</summary>
    public static readonly Activity<Invoice, Booked> Book = Activity.Pure("invoice.book", (InvoiceSettings settings, Invoice invoice, ActivityContext _) =>
    {
        var supplier = invoice.Seller?.DisplayName ?? "";
        var order = settings.PurchaseOrders.Match(invoice);
        var journal = Booking.Post(invoice);
        return Task.FromResult(new Booked(supplier, order, journal, settings.OneApprovalAbove, new ForApproval(supplier, invoice.Number, invoice.IssueDate, invoice.DueDate,
            invoice.AmountOwed, invoice.Currency, invoice.CreditTransfer?.Account, order.Status, order.Why, journal.Postings), settings.PayTimeout));
    });
}

/// <summary>What reading gave: an invoice, or why not; an invoice with a rejection breaks a rule.</summary>
public sealed record Reading(Invoice? Invoice, string? Rejection);

public sealed record Claim(string Key, string Run);

public sealed record Claimed(string Key, string Holder);

/// <summary>What a run takes of a purchase order. What others have taken counts as long as the same amount is listed: an order that is listed with another has been brought up to date.</summary>
/// <param name="Beyond">Whatever is left of it: somebody has let that pass.</param>
public sealed record OrderDraw(string Order, decimal Listed, decimal Amount, bool Beyond = false);

public sealed record Drawn(OrderDraw Draw, bool Granted, decimal Others);

public sealed record Booked(string Supplier, OrderMatch Order, Journal Journal, decimal OneApprovalAbove, ForApproval ForApproval, TimeSpan? PayTimeout = null)
{
    /// <summary>The same where others have taken too much of the order.</summary>
    public Booked After(Drawn drawn, string currency)
    {
        if (drawn.Granted) return this;
        var why = $"{drawn.Draw.Amount:N2} {currency} without VAT is more than what is left of purchase order '{drawn.Draw.Order}': other documents have taken {drawn.Others:N2} of {drawn.Draw.Listed:N2}";
        return this with { Order = Order with { Status = OrderStatus.Exceeded, Why = why }, ForApproval = ForApproval with { OrderStatus = OrderStatus.Exceeded, Order = why } };
    }
}

/// <summary>What an approver reads, and what the decision is bound to.</summary>
public sealed record ForApproval(string Supplier, string Number, DateOnly? IssuedOn, DateOnly? DueOn, decimal Amount, string Currency, string? Account, OrderStatus OrderStatus, string Order,
    IReadOnlyList<Posting> Postings);
