namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>
/// The rules of EN 16931-1: mandatory terms and arithmetic, exactly as the standard's own Schematron tests them
/// (ConnectingEurope/eInvoicing-EN16931, validation 1.3.16, ubl/schematron/UBL/EN16931-UBL-model.sch). What that accepts we accept, and
/// <see cref="Doubts"/> are for a person. But for money's sake: type codes and VAT categories are of their lists (BR-CL-01, BR-CL-17, BR-CL-18: no rule would hold an unknown category to its lines),
/// every amount is in the document's currency (Peppol's R051, for all), and total VAT has two decimals (BR-DEC-13 and BR-DEC-15, which can never fail there). So:
/// <list type="bullet">
/// <item>Sums, totals and amounts due are compared exactly (BR-CO-10 to BR-CO-16), rounded to two decimals.</item>
/// <item>VAT per rate may differ by less than 1.00 (BR-CO-17, BR-S-09), and so may the taxable amount per rate of the categories that have
/// several rates (BR-S-08, BR-AF-08, BR-AG-08): suppliers reckon VAT per line. Other categories are exact and their VAT is zero.</item>
/// <item>BR-CO-25 (due date or payment terms) was withdrawn from the Schematron in 1.3.16.</item>
/// <item>A line's net amount is not reckoned from quantity and price: that is Peppol's rule, and <see cref="PeppolRules"/> has it.</item>
/// </list>
/// Rounding is half away from zero. XPath rounds half towards plus infinity, which differs only for negative sums with more than two
/// decimals, and those break BR-DEC-23 or its like anyway.
/// </summary>
public static class En16931
{
    /// <summary>A hostile document can break a rule on each of its lines; nobody reads more than these, and events stay small.</summary>
    public const int MaxReported = 100;

    /// <summary>Empty for a document that is right.</summary>
    public static IReadOnlyList<BrokenRule> Check(Invoice invoice) =>
    [
        .. MandatoryTerms.Check(invoice)
            .Concat(LineTerms.Check(invoice))
            .Concat(Decimals.Check(invoice))
            .Concat(DocumentTotals.Check(invoice))
            .Concat(VatRules.Check(invoice))
            .Concat(PeppolRules.Currency(invoice))
            .Concat(invoice.IsPeppol ? PeppolRules.Check(invoice) : [])
            .Take(MaxReported),
    ];

    internal static decimal Round(decimal amount) => Math.Round(amount, 2, MidpointRounding.AwayFromZero);
}
