using System.Globalization;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>What keeps every rule and is paid by nobody unasked. Whoever is asked reads these reasons.</summary>
internal static class Doubts
{
    // UNTDID 1001: partial, commercial, debit note, corrected, prepayment, self-billed, factored, metered services, construction. Others may be no demand
    // for money at all: 325 is a pro forma, whose invoice is still to come, and 751 is for information.
    private static readonly string[] Payable = ["82", "326", "380", "381", "383", "384", "386", "389", "393", "875", "876", "877"];

    // UNTDID 4461: not defined, and the credit transfers. Others, a card perhaps, say that it is paid already or in another way.
    private static readonly string[] Transfers = ["1", "30", "31", "42", "57", "58"];

    // Above the highest rate of the EU (27 %).
    private const decimal VatShare = 0.30m;

    /// <summary>What the threshold is held against: what we would pay, or book as bought, if that is more. Zero or less where the document only lowers what we owe.</summary>
    public static decimal AtStake(Invoice invoice) => Math.Max(invoice.AmountOwed, Gross(invoice));

    public static IEnumerable<string> Of(Invoice invoice)
    {
        if (AtStake(invoice) <= 0) yield break;
        var (owed, gross, rounding) = (invoice.AmountOwed, Gross(invoice), invoice.Totals?.Rounding ?? 0);
        // An order is held against the total without VAT: what is added behind it would be held against nothing.
        if (owed - Math.Max(gross, 0) >= 1) yield return $"{Money(owed, invoice)} is due, more than its total of {Money(gross, invoice)}";
        if (Math.Abs(rounding) >= 1) yield return $"it rounds by {Money(rounding, invoice)}";
        if (Math.Abs(invoice.Vat ?? 0) > VatShare * Math.Abs(invoice.Totals?.WithoutVat ?? 0))
            yield return $"its VAT of {Money(invoice.Vat ?? 0, invoice)} is more than {VatShare:0 %} of {Money(invoice.Totals?.WithoutVat ?? 0, invoice)}";
        if (invoice.Payee is { } payee && payee.DisplayName != invoice.Seller?.DisplayName) yield return $"the money goes to {XsdText.Excerpt(payee.DisplayName)}, and not to who sent it";
        if (!Payable.Contains(invoice.TypeCode)) yield return $"its type {XsdText.Excerpt(invoice.TypeCode)} may be no demand for payment";
        if (invoice.Route is PaymentRoute.Transfer && invoice.PaymentInstructions.FirstOrDefault(means => !Transfers.Contains(means.Code)) is { } other)
            yield return $"its payment means {XsdText.Excerpt(other.Code ?? "")} is no credit transfer, and it may be paid already";
    }

    private static decimal Gross(Invoice invoice) => invoice.Sign * (invoice.Totals?.WithVat ?? 0);

    private static string Money(decimal amount, Invoice invoice) => string.Create(CultureInfo.InvariantCulture, $"{amount:N2} {invoice.Currency}");
}
