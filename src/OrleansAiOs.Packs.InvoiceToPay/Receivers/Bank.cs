using System.Globalization;
using System.Net;
using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Packs.InvoiceToPay.Receivers;

/// <summary>
/// The bank. It pays every order that reaches it, so an order is never sent again while the outcome of one is unknown: the bank is asked
/// by reference, and told to void the reference before anybody concludes "never".
/// </summary>
public static class Bank
{
    public static readonly Activity<PaymentOrder, BankPayment> Pay = Activity.AtMostOnce("bank.pay",
        (BankClient bank, PaymentOrder order, IdempotencyKey reference, ActivityContext call) => bank.PayAsync(order, reference, call.Cancellation),
        reconcile: (BankClient bank, PaymentOrder order, IdempotencyKey reference, ActivityContext call) => bank.ReconcileAsync(order, reference, call.Cancellation))
        .Charging(order => Charge.Amount(order.Currency, order.Amount, order.Iban))
        .Describing(order => $"Pay {Money(order.Amount)} {order.Currency} to {order.Creditor}, {order.Iban}");

    private static string Money(decimal amount) => amount.ToString("N2", CultureInfo.InvariantCulture);
}

public sealed record PaymentOrder(string Creditor, string Iban, decimal Amount, string Currency);

public sealed record BankPayment(string Id, string Iban, decimal Amount);

/// <summary>The bank over HTTP.</summary>
public sealed class BankClient(HttpClient http) : ReceiverClient(http)
{
    public async Task<BankPayment> PayAsync(PaymentOrder order, IdempotencyKey reference, CancellationToken cancellation)
    {
        var paid = await SendAsync<BankPayment>(HttpMethod.Post, "bank/payments",
            new { creditor = Text(order.Creditor), iban = order.Iban, amount = Amount(order.Amount), currency = order.Currency, reference = reference.Value }, reference, cancellation);
        return Difference(order, paid) is { } difference ? throw new InvalidDataException(difference) : paid;
    }

    public async Task<Reconciled<BankPayment>> ReconcileAsync(PaymentOrder order, IdempotencyKey reference, CancellationToken cancellation)
    {
        var inquiry = await SendAsync<Inquiry>(HttpMethod.Get, $"bank/payments?reference={reference.Value}", null, null, cancellation);
        if (inquiry.Payments is [var paid, ..]) return Known(order, paid, "the bank knows the reference");
        if (inquiry.Payments is null) return Reconciled<BankPayment>.StillUnknown("The bank's answer to the inquiry lists no payments, not even none.");
        // Not there yet: the order may still be on its way. From the void on, the bank refuses it.
        using var voiding = await AskAsync(HttpMethod.Post, $"bank/references/{reference.Value}/void", new { }, null, cancellation);
        if (voiding.StatusCode is HttpStatusCode.Conflict && await ReadAsync<Voided>(voiding, cancellation) is { Payments: [var late, ..] })
            return Known(order, late, "the payment arrived before the void");
        if (voiding.IsSuccessStatusCode && (await ReadAsync<VoidAnswer>(voiding, cancellation)).Voided)
            return Reconciled<BankPayment>.NeverWill("the bank had no payment under the reference, and has voided it");
        return Reconciled<BankPayment>.StillUnknown($"The bank answered {(int)voiding.StatusCode} to the void.");
    }

    private static Reconciled<BankPayment> Known(PaymentOrder order, BankPayment? paid, string how) =>
        paid is null ? Reconciled<BankPayment>.StillUnknown("The bank lists a payment that is null.")
        : Difference(order, paid) is { } difference ? Reconciled<BankPayment>.StillUnknown(difference) : Reconciled<BankPayment>.Happened(paid, how);

    /// <summary>Why this is no payment of that order. Null where it is one.</summary>
    private static string? Difference(PaymentOrder order, BankPayment paid) =>
        paid.Id.Trim().Length == 0 ? "The bank's answer gives the payment no id."
        : paid.Amount != order.Amount || Iban.Normalise(paid.Iban) != Iban.Normalise(order.Iban) ? $"The bank names a payment of {Amount(paid.Amount)} to {XsdText.Excerpt(paid.Iban)}, and the order was {Amount(order.Amount)} to {order.Iban}."
        : null;

    private sealed record Inquiry(IReadOnlyList<BankPayment?>? Payments = null);

    private sealed record Voided(IReadOnlyList<BankPayment?>? Payments = null);

    private sealed record VoidAnswer(bool Voided);
}
