using static OrleansAiOs.Packs.InvoiceToPay.Documents.En16931;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>BR-CO-17 and the families BR-S, BR-Z, BR-E, BR-AE, BR-IC, BR-G, BR-O, BR-AF, BR-AG and BR-B, which repeat one pattern per category.</summary>
internal static class VatRules
{
    public static IEnumerable<BrokenRule> Check(Invoice invoice)
    {
        var uses = VatUses.Of(invoice);
        return invoice.VatBreakdowns.SelectMany(TaxIsRateTimesTaxable)
            .Concat(UnknownCategories(invoice, uses))
            .Concat(VatFamily.All.SelectMany(family => family.Check(invoice, uses)))
            .Concat(IntraCommunityDelivery(invoice))
            .Concat(NotSubjectStandsAlone(invoice, uses))
            .Concat(SplitPaymentIsItalian(invoice, uses));
    }

    /// <summary>Under a code that no family has, no rule would hold the breakdown to the lines.</summary>
    private static IEnumerable<BrokenRule> UnknownCategories(Invoice invoice, VatUses uses)
    {
        foreach (var code in Unknown(invoice.VatBreakdowns.Select(group => group.Vat?.Code).Concat(uses.Allowances.Keys.Concat(uses.Charges.Keys).Select(vat => vat.Code)))) yield return Complaint("BR-CL-17", code);
        foreach (var code in Unknown(uses.Lines.Keys.Select(vat => vat.Code))) yield return Complaint("BR-CL-18", code);

        static IEnumerable<string> Unknown(IEnumerable<string?> codes) => codes.OfType<string>().Where(code => code != "B" && !VatFamily.All.Any(family => family.Code == code)).Distinct();
        static BrokenRule Complaint(string id, string code) => new(id, $"'{XsdText.Excerpt(code)}' is no VAT category", "S, Z, E, AE, K, G, O, L, M or B", code);
    }

    /// <summary>BR-CO-17 with the Schematron's tolerance: signs aside, strictly less than 1 apart.</summary>
    private static IEnumerable<BrokenRule> TaxIsRateTimesTaxable(VatBreakdown group)
    {
        if (group is not { Taxable: { } taxable, Tax: { } tax, Vat: { } vat }) yield break;
        if (vat.Rate is { } rate && WholePercent(rate) != 0)
        {
            var expected = TaxOf(taxable, rate);
            if (Math.Abs(Math.Abs(tax) - expected) >= 1)
                yield return BrokenRule.Differs("BR-CO-17",
                    $"VAT of category {vat.Code} at {BrokenRule.Rate(rate)} on {BrokenRule.Figure(taxable)}", taxable < 0 ? -expected : expected, "its TaxAmount", tax);
        }
        else if (Math.Round(tax, MidpointRounding.AwayFromZero) != 0)
            yield return BrokenRule.Differs("BR-CO-17",
                $"VAT of category {vat.Code} at {BrokenRule.Rate(vat.Rate)} on {BrokenRule.Figure(taxable)}", 0, "its TaxAmount", tax);
    }

    internal static decimal TaxOf(decimal taxable, decimal rate) => Round(Math.Abs(taxable) * rate / 100);

    /// <summary>The Schematron asks whether the rate rounds to zero, so 0.4 % counts as no rate.</summary>
    private static decimal WholePercent(decimal rate) => Math.Round(rate, MidpointRounding.AwayFromZero);

    private static IEnumerable<BrokenRule> IntraCommunityDelivery(Invoice invoice)
    {
        if (!invoice.VatBreakdowns.Any(group => group.Vat?.Code == "K")) yield break;
        if (invoice.DeliveryDate is null && invoice.Period is null)
            yield return BrokenRule.Missing("BR-IC-11", "Delivery date (BT-72) or invoicing period (BG-14) of an intra-community supply");
        if (invoice.DeliveryCountry is null)
            yield return BrokenRule.Missing("BR-IC-12", "Deliver-to country (BT-80) of an intra-community supply");
    }

    private static IEnumerable<BrokenRule> NotSubjectStandsAlone(Invoice invoice, VatUses uses)
    {
        if (!invoice.VatBreakdowns.Any(group => group.Vat?.Code == "O")) yield break;
        if (invoice.VatBreakdowns.FirstOrDefault(group => group.Vat is { Code: not "O" })?.Vat is { } other)
            yield return Mixed("BR-O-11", "a VAT breakdown", other);
        if (uses.Lines.Keys.FirstOrDefault(vat => vat.Code != "O") is { } line) yield return Mixed("BR-O-12", "a line", line);
        if (uses.Allowances.Keys.FirstOrDefault(vat => vat.Code != "O") is { } allowance)
            yield return Mixed("BR-O-13", "an allowance", allowance);
        if (uses.Charges.Keys.FirstOrDefault(vat => vat.Code != "O") is { } charge) yield return Mixed("BR-O-14", "a charge", charge);
    }

    private static BrokenRule Mixed(string id, string where, VatCategory other) =>
        new(id, $"a document not subject to VAT (O) has {where} of category {other.Code}", "O", other.Code);

    /// <summary>BR-B-01 looks at every country in the document; these are the ones we keep.</summary>
    private static IEnumerable<BrokenRule> SplitPaymentIsItalian(Invoice invoice, VatUses uses)
    {
        if (!uses.Has("B") && !invoice.VatBreakdowns.Any(breakdown => breakdown.Vat?.Code == "B")) yield break;
        string?[] countries = [invoice.Seller?.Country, invoice.Buyer?.Country, invoice.TaxRepresentative?.Country, invoice.DeliveryCountry];
        if (countries.FirstOrDefault(country => country is not (null or "IT")) is { } abroad)
            yield return new BrokenRule("BR-B-01",
                $"split payment (B) is for domestic Italian invoices, and a party is in {abroad}", "IT", abroad);
        if (uses.Has("S") || invoice.VatBreakdowns.Any(breakdown => breakdown.Vat?.Code == "S"))
            yield return new BrokenRule("BR-B-02", "a document with split payment (B) also has the standard rate (S)", "B", "S");
    }
}
