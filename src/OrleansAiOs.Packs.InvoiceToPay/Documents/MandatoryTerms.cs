namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>What an invoice must hold as a whole: BR-01 to BR-20, BR-29, BR-49 to BR-57, BR-61 to BR-65, BR-CO-03, BR-CO-19, BR-CO-26.</summary>
internal static class MandatoryTerms
{
    // Of UNTDID 1001 (BR-CL-01) those that say credit, and the others: money would otherwise go the wrong way.
    private static readonly string[] CreditNoteTypes = ["81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "502", "503", "532"];
    private static readonly string[] InvoiceTypes =
    [
        "71", "80", "82", "84", "102", "130", "202", "203", "204", "211", "218", "219", "295", "325", "326", "331", "380", "382", "383", "384", "385", "386", "387", "388", "389", "390", "393",
        "394", "395", "456", "457", "527", "553", "575", "623", "633", "751", "780", "817", "870", "875", "876", "877", "935",
    ];

    public static IEnumerable<BrokenRule> Check(Invoice invoice) =>
        Header(invoice).Concat(Parties(invoice)).Concat(Totals(invoice)).Concat(Payment(invoice)).Concat(References(invoice))
            .Concat(invoice.Gaps.Select(gap => BrokenRule.Missing(gap.Rule, gap.Term)));

    private static IEnumerable<BrokenRule> Header(Invoice invoice)
    {
        if (invoice.Customization == "") yield return BrokenRule.Missing("BR-01", "Specification identifier (BT-24, cbc:CustomizationID)");
        if (invoice.Number == "") yield return BrokenRule.Missing("BR-02", "Invoice number (BT-1, cbc:ID)");
        if (invoice.IssueDate is null) yield return BrokenRule.Missing("BR-03", "Issue date (BT-2, cbc:IssueDate)");
        if (invoice.TypeCode == "") yield return BrokenRule.Missing("BR-04", "Type code (BT-3)");
        else if (!(invoice.Kind == InvoiceKind.CreditNote ? CreditNoteTypes : InvoiceTypes).Contains(invoice.TypeCode))
            yield return new BrokenRule("BR-CL-01",
                $"type code {invoice.TypeCode} does not go with a UBL {invoice.Kind}", Found: invoice.TypeCode);
        if (invoice.Currency == "") yield return BrokenRule.Missing("BR-05", "Currency (BT-5, cbc:DocumentCurrencyCode)");
        if (invoice.Lines.Count == 0) yield return BrokenRule.Missing("BR-16", "Every invoice line (BG-25): at least one");
        if (invoice.TaxPointDate is not null && invoice.Period?.TaxPointCode is not null)
            yield return new BrokenRule("BR-CO-03",
                "VAT point date (BT-7) and VAT point date code (BT-8) exclude each other, and both are stated");
    }

    private static IEnumerable<BrokenRule> Parties(Invoice invoice)
    {
        var (seller, buyer) = (invoice.Seller ?? new Party(), invoice.Buyer ?? new Party());
        if (seller.Name == "") yield return BrokenRule.Missing("BR-06", "Seller name (BT-27, cac:PartyLegalEntity/cbc:RegistrationName)");
        if (buyer.Name == "") yield return BrokenRule.Missing("BR-07", "Buyer name (BT-44, cac:PartyLegalEntity/cbc:RegistrationName)");
        if (!seller.HasAddress) yield return BrokenRule.Missing("BR-08", "Seller postal address (BG-5)");
        else if (seller.Country is null) yield return BrokenRule.Missing("BR-09", "Seller country code (BT-40)");
        if (!buyer.HasAddress) yield return BrokenRule.Missing("BR-10", "Buyer postal address (BG-8)");
        else if (buyer.Country is null) yield return BrokenRule.Missing("BR-11", "Buyer country code (BT-55)");
        if (invoice.Payee is { } payee && (payee.TradingName is null || payee.TradingName == seller.TradingName || payee.Ids.Intersect(seller.Ids).Any()))
            yield return new BrokenRule("BR-17", "Payee (BG-10) needs a name (BT-59) and must be another than the seller");
        if (seller.VatId is null && seller.LegalId is null && seller.Ids.Count == 0)
            yield return BrokenRule.Missing("BR-CO-26",
                "Seller identifier (BT-29), legal registration (BT-30) or VAT identifier (BT-31): one of them");
        if (invoice.TaxRepresentative is not { } representative) yield break;
        if (representative.TradingName is null) yield return BrokenRule.Missing("BR-18", "Tax representative name (BT-62)");
        if (!representative.HasAddress) yield return BrokenRule.Missing("BR-19", "Tax representative postal address (BG-12)");
        else if (representative.Country is null) yield return BrokenRule.Missing("BR-20", "Tax representative country code (BT-69)");
        if (representative.VatId is null) yield return BrokenRule.Missing("BR-56", "Tax representative VAT identifier (BT-63)");
    }

    private static IEnumerable<BrokenRule> Totals(Invoice invoice)
    {
        var totals = invoice.Totals ?? new Totals();
        if (totals.LineNet is null) yield return BrokenRule.Missing("BR-12", "Sum of line net amounts (BT-106, cbc:LineExtensionAmount)");
        if (totals.WithoutVat is null) yield return BrokenRule.Missing("BR-13", "Total without VAT (BT-109, cbc:TaxExclusiveAmount)");
        if (totals.WithVat is null) yield return BrokenRule.Missing("BR-14", "Total with VAT (BT-112, cbc:TaxInclusiveAmount)");
        if (totals.Payable is null) yield return BrokenRule.Missing("BR-15", "Amount due for payment (BT-115, cbc:PayableAmount)");
        if (invoice.VatCurrency is { } currency && !invoice.VatTotals.Any(total => total.Amount is not null && total.Currency == currency))
            yield return BrokenRule.Missing("BR-53", $"Total VAT amount (BT-111) in the accounting currency {currency}");
        // No rule of the Schematron, as the schema demands it: to pay 100 EUR for 100 of anything would be wrong whatever a validator says.
        if (totals is { Payable: not null, PayableCurrency: null })
            yield return BrokenRule.Missing("BT-5", "Currency (currencyID) of the amount due for payment (BT-115)");
    }

    private static IEnumerable<BrokenRule> Payment(Invoice invoice)
    {
        foreach (var means in invoice.PaymentInstructions)
        {
            if (means.Code is null) yield return BrokenRule.Missing("BR-49", "Payment means code (BT-81)");
            if (means.Code is "30" or "58" && means.StatedAccount is null)
                yield return BrokenRule.Missing("BR-61", $"Payment account (BT-84) for payment means {means.Code}, a credit transfer,");
        }
    }

    private static IEnumerable<BrokenRule> References(Invoice invoice)
    {
        if (invoice.Preceding.Any(preceding => preceding.Number == ""))
            yield return BrokenRule.Missing("BR-55", "Preceding invoice number (BT-25)");
        if (invoice.Period is not { } period) yield break;
        if (period.End < period.Start)
            yield return new BrokenRule("BR-29",
                $"the invoicing period ends on {period.End:yyyy-MM-dd}, before it starts on {period.Start:yyyy-MM-dd}", $"{period.Start:yyyy-MM-dd}", $"{period.End:yyyy-MM-dd}");
        if (period is { Start: null, End: null, TaxPointCode: null })
            yield return BrokenRule.Missing("BR-CO-19", "Start (BT-73) or end (BT-74) of the invoicing period, which is there,");
    }
}
