using static OrleansAiOs.Packs.InvoiceToPay.Documents.BrokenRule;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>
/// The arithmetic that Peppol BIS Billing 3.0 adds (OpenPEPPOL/peppol-bis-invoice-3, rules/sch/PEPPOL-EN16931-UBL.sch), for documents that
/// claim it. Its slack is 0.02 either way, inclusive; prices are exact.
/// </summary>
internal static class PeppolRules
{
    private const decimal Slack = 0.02m;

    public static IEnumerable<BrokenRule> Check(Invoice invoice) =>
        invoice.AllowanceCharges.SelectMany(entry => Percentage(entry, "the document"))
            .Concat(invoice.Lines.SelectMany(Line));

    /// <summary>Held against every document: money is paid in the one currency, whatever the sender claims to follow.</summary>
    public static IEnumerable<BrokenRule> Currency(Invoice invoice)
    {
        if (invoice.Currency != "" && invoice.OtherCurrencies.Count > 0)
            yield return new BrokenRule("PEPPOL-EN16931-R051",
                $"all amounts must be in {invoice.Currency}, but one is in {invoice.OtherCurrencies[0]}", invoice.Currency, invoice.OtherCurrencies[0]);
    }

    private static IEnumerable<BrokenRule> Percentage(AllowanceCharge entry, string owner)
    {
        var kind = $"{(entry.IsCharge ? "a charge" : "an allowance")} of {owner}";
        switch (entry)
        {
            case { Percentage: { } percentage, BaseAmount: { } baseAmount }:
                var expected = baseAmount * percentage / 100;
                if (!IsNear(entry.Amount ?? 0, expected))
                    yield return Differs("PEPPOL-EN16931-R040",
                        $"{Rate(percentage)} of {Figure(baseAmount)}", expected, $"the amount of {kind}", entry.Amount);
                break;
            case { Percentage: not null }: yield return Missing("PEPPOL-EN16931-R041", $"Base amount of {kind}, which has a percentage,"); break;
            case { BaseAmount: not null }: yield return Missing("PEPPOL-EN16931-R042", $"Percentage of {kind}, which has a base amount,"); break;
        }
    }

    private static IEnumerable<BrokenRule> Line(Line line)
    {
        var name = $"line {line.Id}";
        foreach (var broken in line.AllowanceCharges.SelectMany(entry => Percentage(entry, name))) yield return broken;
        if (line.BaseQuantity <= 0)
            yield return new BrokenRule("PEPPOL-EN16931-R121",
                $"the price base quantity of {name} is {Figure(line.BaseQuantity.Value)} and must be more than zero", "more than 0", Figure(line.BaseQuantity.Value));
        if (line is { GrossPrice: { } gross, Price: { } price } && price != gross - (line.PriceDiscount ?? 0))
            yield return Differs("PEPPOL-EN16931-R046",
                $"gross price {Figure(gross)} - discount {Figure(line.PriceDiscount ?? 0)} of {name}", gross - (line.PriceDiscount ?? 0), "the item net price", price);
        if (NetOf(line) is not { } net)
            yield return new BrokenRule("PEPPOL-EN16931-R120",
                $"the net amount of {name} cannot be reckoned: its quantity and price give more than 28 digits");
        else if (!IsNear(line.Net ?? 0, net))
            yield return Differs("PEPPOL-EN16931-R120", $"{Reckoning(line)} of {name}", net, "LineExtensionAmount", line.Net);
    }

    /// <summary>Quantity times price per base quantity, plus charges, minus allowances; null where it exceeds every number we have.</summary>
    private static decimal? NetOf(Line line)
    {
        var baseQuantity = line.BaseQuantity is { } stated && stated != 0 ? stated : 1;
        try
        {
            // Multiplied first: 1000 pieces at 1.00 for 3 is exact this way but for the one division.
            return (line.Quantity ?? 1) * (line.Price ?? 0) / baseQuantity + En16931.Round(line.AllowanceCharges.Sum(entry => entry.SignedAmount));
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    private static string Reckoning(Line line)
    {
        var per = line.BaseQuantity is null or 0 or 1 ? "" : $" per {Figure(line.BaseQuantity.Value)}";
        var extras = line.AllowanceCharges.Count == 0 ? "" : $" with allowances and charges of {Figure(line.AllowanceCharges.Sum(entry => entry.SignedAmount))}";
        return $"{Figure(line.Quantity ?? 1)} x {Figure(line.Price ?? 0)}{per}{extras}";
    }

    private static bool IsNear(decimal stated, decimal reckoned) => Math.Abs(stated - reckoned) <= Slack;
}
