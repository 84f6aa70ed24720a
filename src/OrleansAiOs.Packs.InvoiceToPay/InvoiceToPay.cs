using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Packs.InvoiceToPay.Receivers;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Packs.InvoiceToPay;

/// <summary>
/// One supplier document, from its arrival to its settlement. Started with the document's reference, under the document's hash as id:
/// the same document again answers with its first run.
/// </summary>
[Workflow("invoice-to-pay")]
public sealed class InvoiceToPay : Workflow<PayloadRef, Settlement>
{
    private const string DrawnOn = "orders are drawn on";
    private const string NothingToPost = "nothing is posted for nothing";

    // A run that ended without giving its number back (terminated, perhaps) is not waited for for ever: this is some hundred days.
    private const int AsksAgain = 120;

    private static readonly TimeSpan Deadline = TimeSpan.FromDays(3);
    private static readonly TimeSpan AsksFirst = TimeSpan.FromSeconds(2), AsksDaily = TimeSpan.FromDays(1);

    protected override async Task<Settlement> RunAsync(PayloadRef document)
    {
        var (invoice, rejection, keys) = await Call(Invoicing.Read, document);
        if (invoice is null) return Settlement.Rejected(null, rejection!);
        SetAttributes(("supplier", Short(invoice.Seller?.DisplayName)), ("number", Short(invoice.Number)), ("amount", $"{invoice.AmountOwed} {invoice.Currency}"));
        if (rejection is not null) return Settlement.Rejected(invoice, rejection);

        await using var saga = Saga(); // undone in reverse unless completed: on a rejection, a refused payment, a cancel
        var claim = new Claim(keys?[0] ?? DocumentFingerprint.DuplicateKey(invoice), RunId, keys);
        var twin = await TwinsEnd(claim, await saga.Call(Invoicing.Claim, claim, undo: Invoicing.Release));
        if (twin.Holder != RunId) return Settlement.Duplicate(invoice, twin.Holder);
        Booked booking;
        try
        {
            booking = await Call(Invoicing.Book, invoice);
        }
        catch (ActivityFailedException refusal) when (refusal.Failure.Kind is FailureKind.Error)
        {
            return Settlement.Rejected(invoice, refusal.Failure.Message);
        }
        var draw = booking.Order is { Status: OrderStatus.Matched or OrderStatus.Exceeded, Number: { } number, OpenAmount: { } listed, ClaimedAmount: > 0 and var claimed } ? new OrderDraw(number, listed, claimed) : null;
        if (draw is not null && booking.Order.Status is OrderStatus.Matched && Patched(DrawnOn))
            booking = booking.After(await saga.Call(Invoicing.Draw, draw, undo: Invoicing.PutBack), invoice.Currency);

        if ((booking.AtStake ?? invoice.AmountOwed) > 0 && await RefusedByPerson(invoice, booking) is { } refused) return Settlement.Rejected(invoice, refused);

        // What was let pass beyond the order is taken of it all the same: whoever comes next is not to find that left.
        if (draw is not null && booking.Order.Status is OrderStatus.Exceeded && Patched(DrawnOn))
            await saga.Call(Invoicing.Draw, draw with { Beyond = true }, undo: Invoicing.PutBack);

        if (booking.Journal.Postings.Count == 0 && Patched(NothingToPost)) return await Close(claim, saga.Complete(Settlement.OfNothing(invoice)));
        var posting = await saga.Call(Ledger.Post, new LedgerEntry(invoice.Number, booking.Supplier, booking.Journal), undo: Ledger.Reverse);
        if (invoice.Route is not PaymentRoute.Transfer) return await Close(claim, saga.Complete(Settlement.WithoutTransfer(invoice, posting)));

        if (invoice.DueDate is { } due && due.ToDateTime(TimeOnly.MinValue, DateTimeKind.Utc) is var moment && moment > Now)
        {
            SetAttributes(("state", $"pays on {due:yyyy-MM-dd}"));
            await Until(moment);
        }
        try
        {
            var order = new PaymentOrder(invoice.Payee?.DisplayName ?? booking.Supplier, invoice.CreditTransfer!.Account!, invoice.AmountOwed, invoice.Currency);
            var payment = await Call(Bank.Pay, order, new CallOptions { StartToClose = booking.PayTimeout });
            return await Close(claim, saga.Complete(Settlement.Paid(invoice, posting, payment)));
        }
        catch (ActivityFailedException refusal) when (refusal.Activity == Bank.Pay.Name)
        {
            return Settlement.Rejected(invoice, $"{(refusal.Failure.Kind is FailureKind.Denied ? "The payment is not allowed" : "The bank refused the payment")}: {refusal.Failure.Message}");
        }
    }

    /// <summary>Who holds the number in the end: a twin that is still under way may be refused yet, and then this document is the mended one.</summary>
    private async Task<Claimed> TwinsEnd(Claim claim, Claimed twin)
    {
        var pause = AsksFirst;
        for (var asked = 0; twin.Holder != RunId && twin.IsOpen == true && asked < AsksAgain; asked++)
        {
            if (asked == 0) SetAttributes(("state", $"awaits the end of {Short(twin.Holder)}, which has its number"));
            await Sleep(pause);
            pause = pause * 2 < AsksDaily ? pause * 2 : AsksDaily;
            twin = await Call(Invoicing.Claim, claim, cancellation: CancellationToken.None); // what it may get, the first one's undo gives back
        }
        return twin;
    }

    /// <summary>Asks the people who must agree, one after the other. Nobody decides twice, and nobody on what they brought in themselves.</summary>
    private async Task<string?> RefusedByPerson(Invoice invoice, Booked booking)
    {
        var tookPart = new List<string?> { StartedBy };
        foreach (var (question, role) in Questions(invoice, booking))
        {
            SetAttributes(("state", $"awaits {role}"));
            var decision = await Approval($"{invoice.Number} of {Short(booking.Supplier)}: {question}", booking.ForApproval, by: role, notBy: tookPart, within: Deadline);
            if (!decision.Granted)
                return decision.Expired ? $"No {role} decided within {Deadline.TotalDays:0} days: {question}" : $"{decision.By!.Id} refused: {question}{(decision.Comment is { } said ? $" ({said})" : "")}";
            tookPart.Add(decision.By!.Id);
        }
        SetAttributes(("state", "approved"));
        return null;
    }

    private static IEnumerable<(string Question, string Role)> Questions(Invoice invoice, Booked booking)
    {
        if (booking.Order.NeedsApproval) yield return (booking.Order.Why, Roles.Buyer);
        // One question for all of it: nobody decides twice, and there may be one controller only.
        var (atStake, doubts) = (booking.AtStake ?? invoice.AmountOwed, booking.Doubts ?? []);
        if (atStake > booking.OneApprovalAbove) doubts = [$"{atStake:N2} {invoice.Currency} is above {booking.OneApprovalAbove:N2}", .. doubts];
        if (doubts.Count > 0) yield return (string.Join("; ", doubts), Roles.Controller);
        if (invoice.Route is PaymentRoute.NoAccount)
            yield return ($"it names no account to pay to: pay {invoice.AmountOwed:N2} {invoice.Currency} by other means, then approve", Roles.Controller);
    }

    // What is settled stays settled, whether or not somebody hears of it: the notice cannot be cancelled away.
    private async Task<Settlement> Close(Claim claim, Settlement settlement)
    {
        SetAttributes(("state", settlement.Outcome.ToString().ToLowerInvariant()));
        try
        {
            if (claim.Keys is not null) await Call(Invoicing.Claim, claim with { Settles = true }, cancellation: CancellationToken.None);
            await Call(Desk.Notify, new Notice($"{settlement.Number}: {settlement.Outcome}", settlement.Why), cancellation: CancellationToken.None);
        }
        catch (ActivityFailedException refusal)
        {
            SetAttributes(("notice", Short(refusal.Failure.Message)));
        }
        return settlement;
    }

    private static string Short(string? text) => text is null ? "" : text.Length <= 80 ? text : text[..79] + "…";
}
