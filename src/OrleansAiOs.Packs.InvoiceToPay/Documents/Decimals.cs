using System.Globalization;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>BR-DEC: amounts have at most two decimals as written, so 1.000 has one too many. Prices and quantities may have more.</summary>
internal static class Decimals
{
    public static IEnumerable<BrokenRule> Check(Invoice invoice) =>
        from amount in Amounts(invoice)
        where amount.Value is { Scale: > 2 }
        let written = amount.Value?.ToString(CultureInfo.InvariantCulture)
        select new BrokenRule(amount.Id, $"{amount.Name} is {written} and may have two decimals", "at most 2 decimals", written);

    private static IEnumerable<(string Id, string Name, decimal? Value)> Amounts(Invoice invoice)
    {
        var totals = invoice.Totals ?? new Totals();
        yield return ("BR-DEC-09", "sum of line net amounts (BT-106)", totals.LineNet);
        yield return ("BR-DEC-10", "sum of allowances (BT-107)", totals.Allowances);
        yield return ("BR-DEC-11", "sum of charges (BT-108)", totals.Charges);
        yield return ("BR-DEC-12", "total without VAT (BT-109)", totals.WithoutVat);
        yield return ("BR-DEC-14", "total with VAT (BT-112)", totals.WithVat);
        yield return ("BR-DEC-16", "paid amount (BT-113)", totals.Prepaid);
        yield return ("BR-DEC-17", "rounding amount (BT-114)", totals.Rounding);
        yield return ("BR-DEC-18", "amount due for payment (BT-115)", totals.Payable);
        foreach (var entry in invoice.AllowanceCharges)
        {
            yield return (entry.IsCharge ? "BR-DEC-05" : "BR-DEC-01", "amount of a document level allowance or charge", entry.Amount);
            yield return (entry.IsCharge ? "BR-DEC-06" : "BR-DEC-02", "base amount of a document level allowance or charge", entry.BaseAmount);
        }
        foreach (var total in invoice.VatTotals) yield return (invoice.IsInDocumentCurrency(total) ? "BR-DEC-13" : "BR-DEC-15", "total VAT amount (BT-110 or BT-111)", total.Amount);
        foreach (var group in invoice.VatBreakdowns)
        {
            yield return ("BR-DEC-19", "taxable amount (BT-116) of a VAT breakdown", group.Taxable);
            yield return ("BR-DEC-20", "tax amount (BT-117) of a VAT breakdown", group.Tax);
        }
        foreach (var line in invoice.Lines)
        {
            yield return ("BR-DEC-23", $"net amount (BT-131) of line {line.Id}", line.Net);
            foreach (var entry in line.AllowanceCharges)
            {
                yield return (entry.IsCharge ? "BR-DEC-27" : "BR-DEC-24", $"amount of an allowance or charge of line {line.Id}", entry.Amount);
                yield return (entry.IsCharge ? "BR-DEC-28" : "BR-DEC-25", $"base amount of an allowance or charge of line {line.Id}", entry.BaseAmount);
            }
        }
    }
}
