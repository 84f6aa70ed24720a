using static OrleansAiOs.Packs.InvoiceToPay.Documents.En16931;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>BR-CO-10 to BR-CO-16: lines to total, total to VAT, VAT to the amount due. A missing total is left to BR-12 to BR-15.</summary>
internal static class DocumentTotals
{
    public static IEnumerable<BrokenRule> Check(Invoice invoice)
    {
        var totals = invoice.Totals ?? new Totals();
        return Sums(invoice, totals).Concat(Vat(invoice)).Concat(WithVat(invoice, totals)).Concat(Payable(totals));
    }

    private static IEnumerable<BrokenRule> Sums(Invoice invoice, Totals totals)
    {
        var lines = Round(invoice.Lines.Sum(line => line.Net ?? 0));
        if (totals.LineNet is { } lineNet && lineNet != lines)
            yield return BrokenRule.Differs("BR-CO-10", "sum of line net amounts", lines, "LineExtensionAmount", lineNet);

        var allowances = Round(invoice.AllowanceCharges.Where(entry => !entry.IsCharge).Sum(entry => entry.Amount ?? 0));
        if (IsWrong(totals.Allowances, allowances, invoice.AllowanceCharges.Any(entry => !entry.IsCharge)))
            yield return BrokenRule.Differs("BR-CO-11",
                "sum of document level allowances", allowances, "AllowanceTotalAmount", totals.Allowances);

        var charges = Round(invoice.AllowanceCharges.Where(entry => entry.IsCharge).Sum(entry => entry.Amount ?? 0));
        if (IsWrong(totals.Charges, charges, invoice.AllowanceCharges.Any(entry => entry.IsCharge)))
            yield return BrokenRule.Differs("BR-CO-12", "sum of document level charges", charges, "ChargeTotalAmount", totals.Charges);

        if (totals is not { LineNet: { } net, WithoutVat: { } withoutVat }) yield break;
        var expected = Round(net + (totals.Charges ?? 0) - (totals.Allowances ?? 0));
        if (withoutVat != expected)
            yield return BrokenRule.Differs("BR-CO-13",
                $"line net amounts {BrokenRule.Figure(net)} - allowances {BrokenRule.Figure(totals.Allowances ?? 0)} + charges {BrokenRule.Figure(totals.Charges ?? 0)}", expected, "TaxExclusiveAmount", withoutVat);
    }

    /// <summary>A total may be left out only where there is nothing to total.</summary>
    private static bool IsWrong(decimal? stated, decimal sum, bool hasAny) => stated is { } amount ? amount != sum : hasAny;

    private static IEnumerable<BrokenRule> Vat(Invoice invoice) =>
        from total in invoice.VatTotals
        where total.Breakdowns.Count > 0
        let sum = Round(total.Breakdowns.Sum(breakdown => breakdown.Tax ?? 0))
        where total.Amount != sum
        select BrokenRule.Differs("BR-CO-14", "sum of VAT category tax amounts", sum, "TaxTotal/TaxAmount", total.Amount);

    private static IEnumerable<BrokenRule> WithVat(Invoice invoice, Totals totals)
    {
        if (invoice.Currency == "") yield break;
        var count = invoice.VatTotals.Count(invoice.IsInDocumentCurrency);
        if (count != 1)
        {
            yield return new BrokenRule("BR-CO-15",
                $"there must be one total VAT amount (BT-110) in {invoice.Currency}, and there are {count}", "1", $"{count}");
            yield break;
        }
        if (totals is not { WithoutVat: { } withoutVat, WithVat: { } withVat }) yield break;
        var expected = Round(withoutVat + invoice.Vat!.Value);
        if (withVat != expected)
            yield return BrokenRule.Differs("BR-CO-15",
                $"total without VAT {BrokenRule.Figure(withoutVat)} + VAT {BrokenRule.Figure(invoice.Vat.Value)}", expected, "TaxInclusiveAmount", withVat);
    }

    private static IEnumerable<BrokenRule> Payable(Totals totals)
    {
        if (totals is not { WithVat: { } withVat, Payable: { } payable }) yield break;
        var (prepaid, rounding) = (totals.Prepaid ?? 0, totals.Rounding ?? 0);
        var expected = Round(withVat - prepaid + rounding);
        if (payable != expected)
            yield return BrokenRule.Differs("BR-CO-16",
                $"total with VAT {BrokenRule.Figure(withVat)} - paid {BrokenRule.Figure(prepaid)} + rounding {BrokenRule.Figure(rounding)}", expected, "PayableAmount", payable);
    }
}
