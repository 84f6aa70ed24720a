using System.Data.Common;
using System.Text.Json.Serialization;
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
                : string.Join("; ", broken.Take(RulesShown)) + (broken.Count > RulesShown ? $"; and {broken.Count - RulesShown} more" : ""), DocumentFingerprint.DuplicateKeys(invoice));
        }
        catch (UnreadableDocumentException unreadable)
        {
            return new Reading(null, unreadable.Message);
        }
    }, new ActivityOptions { Concurrency = ReadingAtOnce });

    /// <summary>Claims supplier and number for this run; answers who holds them. Or says that what it claimed is settled.</summary>
    public static readonly Activity<Claim, Claimed> Claim = Activity.Transactional("invoice.claim",
        async (IInvoiceRegister register, Claim claim, DbTransaction transaction, ActivityContext call) =>
        {
            if (claim.Settles) await register.SettleAsync(transaction, call.Tenant, claim.Run);
            var (holder, isOpen) = await register.ClaimAsync(transaction, call.Tenant, claim.Keys ?? [claim.Key], claim.Run, endIsTold: claim.Keys is not null && !claim.Settles);
            return new Claimed(claim.Key, holder, claim.Keys, claim.Keys is null ? null : isOpen);
        });

    /// <summary>Gives the claim up, so that a mended document may come under the same number.</summary>
    public static readonly Activity<Claimed, Claimed> Release = Activity.Transactional("invoice.release",
        async (IInvoiceRegister register, Claimed claim, DbTransaction transaction, ActivityContext call) =>
        {
            await register.ReleaseAsync(transaction, call.Tenant, claim.Keys ?? [claim.Key], call.Run);
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
        Journal journal;
        try
        {
            journal = Booking.Post(invoice);
        }
        catch (ArgumentException)
        {
            throw new RefusedException("The document does not add up, so it cannot be booked."); // nor tried again
        }
        var payee = invoice.Payee?.DisplayName ?? supplier;
        return Task.FromResult(new Booked(supplier, order, journal, settings.OneApprovalAbove, new ForApproval(supplier, invoice.Number, invoice.IssueDate, invoice.DueDate,
            invoice.AmountOwed, invoice.Currency, invoice.CreditTransfer?.Account, order.Status, order.Why, journal.Postings, payee), settings.PayTimeout, Doubts.AtStake(invoice), [.. Doubts.Of(invoice)]));
    });
}

/// <summary>What reading gave: an invoice, or why not; an invoice with a rejection breaks a rule.</summary>
/// <param name="Keys">Under which a twin of it is found; null where a build of before has read it.</param>
public sealed record Reading(Invoice? Invoice, string? Rejection, IReadOnlyList<string>? Keys = null);

/// <param name="Keys">All keys of the document, <paramref name="Key"/> among them: all or none is claimed; null from a build that knew one only, and did not say when it was settled.</param>
/// <param name="Settles">It was paid, or posted: a twin need not wait for its end.</param>
public sealed record Claim(string Key, string Run,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Keys = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Settles = false);

/// <param name="IsOpen">The holder is still under way, and may give the number back.</param>
public sealed record Claimed(string Key, string Holder,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Keys = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] bool? IsOpen = null);

/// <summary>What a run takes of a purchase order. What others have taken counts as long as the same amount is listed: an order that is listed with another has been brought up to date.</summary>
/// <param name="Beyond">Whatever is left of it: somebody has let that pass.</param>
public sealed record OrderDraw(string Order, decimal Listed, decimal Amount, bool Beyond = false);

public sealed record Drawn(OrderDraw Draw, bool Granted, decimal Others);

/// <param name="AtStake">What the threshold is held against; null where a build of before has booked it.</param>
/// <param name="Doubts">Why a controller is asked, beside the amount.</param>
public sealed record Booked(string Supplier, OrderMatch Order, Journal Journal, decimal OneApprovalAbove, ForApproval ForApproval, TimeSpan? PayTimeout = null,
    decimal? AtStake = null, IReadOnlyList<string>? Doubts = null)
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
    IReadOnlyList<Posting> Postings, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Payee = null);
