namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>What each line, allowance, charge and VAT group must hold: BR-21 to BR-28, BR-30 to BR-48, BR-CO-04, BR-CO-18, BR-CO-20.</summary>
internal static class LineTerms
{
    public static IEnumerable<BrokenRule> Check(Invoice invoice) =>
        invoice.Lines.SelectMany(Line).Concat(DocumentLevel(invoice)).Concat(Vat(invoice));

    private static IEnumerable<BrokenRule> Line(Line line, int index)
    {
        var name = line.Id == "" ? $"the line at position {index + 1}" : $"line {line.Id}";
        if (line.Id == "") yield return BrokenRule.Missing("BR-21", $"Line identifier (BT-126) of {name}");
        if (line.Quantity is null) yield return BrokenRule.Missing("BR-22", $"Quantity (BT-129) of {name}");
        if (line.Unit is null) yield return BrokenRule.Missing("BR-23", $"Unit of the quantity (BT-130) of {name}");
        if (line.Net is null) yield return BrokenRule.Missing("BR-24", $"Net amount (BT-131) of {name}");
        if (line.ItemName == "") yield return BrokenRule.Missing("BR-25", $"Item name (BT-153) of {name}");
        if (line.Price is null) yield return BrokenRule.Missing("BR-26", $"Item net price (BT-146) of {name}");
        if (line.Price < 0) yield return Negative("BR-27", $"the item net price of {name}", line.Price.Value);
        if (line.GrossPrice < 0) yield return Negative("BR-28", $"the item gross price of {name}", line.GrossPrice.Value);
        if (line.Vat is null) yield return BrokenRule.Missing("BR-CO-04", $"VAT category of the item (BT-151) of {name}");
        if (line.Period is { } period)
        {
            if (period.End < period.Start)
                yield return new BrokenRule("BR-30",
                    $"the period of {name} ends on {period.End:yyyy-MM-dd}, before it starts on {period.Start:yyyy-MM-dd}", $"{period.Start:yyyy-MM-dd}", $"{period.End:yyyy-MM-dd}");
            if (period is { Start: null, End: null })
                yield return BrokenRule.Missing("BR-CO-20", $"Start (BT-134) or end (BT-135) of the period of {name}");
        }
        foreach (var allowanceCharge in line.AllowanceCharges)
        {
            var kind = allowanceCharge.IsCharge ? "a charge" : "an allowance";
            if (allowanceCharge.Amount is null)
                yield return BrokenRule.Missing(allowanceCharge.IsCharge ? "BR-43" : "BR-41", $"Amount of {kind} of {name}");
            if (allowanceCharge.Reason is null)
                yield return BrokenRule.Missing(allowanceCharge.IsCharge ? "BR-44" : "BR-42", $"Reason of {kind} of {name}");
        }
    }

    private static IEnumerable<BrokenRule> DocumentLevel(Invoice invoice)
    {
        foreach (var allowance in invoice.AllowanceCharges)
        {
            var kind = allowance.IsCharge ? "charge" : "allowance";
            if (allowance.Amount is null)
                yield return BrokenRule.Missing(allowance.IsCharge ? "BR-36" : "BR-31", $"Amount of a document level {kind}");
            if (allowance.Vat is null)
                yield return BrokenRule.Missing(allowance.IsCharge ? "BR-37" : "BR-32", $"VAT category of a document level {kind}");
            if (allowance.Reason is null)
                yield return BrokenRule.Missing(allowance.IsCharge ? "BR-38" : "BR-33", $"Reason of a document level {kind}");
        }
    }

    private static IEnumerable<BrokenRule> Vat(Invoice invoice)
    {
        if (!invoice.VatBreakdowns.Any())
            yield return BrokenRule.Missing("BR-CO-18", "VAT breakdown (BG-23, cac:TaxSubtotal): at least one");
        foreach (var group in invoice.VatBreakdowns)
        {
            if (group.Taxable is null) yield return BrokenRule.Missing("BR-45", "Taxable amount (BT-116) of a VAT breakdown");
            if (group.Tax is null) yield return BrokenRule.Missing("BR-46", "Tax amount (BT-117) of a VAT breakdown");
            if (group.Vat is null) yield return BrokenRule.Missing("BR-47", "Category code (BT-118) of a VAT breakdown");
            else if (group.Vat is { Rate: null, Code: not "O" })
                yield return BrokenRule.Missing("BR-48", $"Rate (BT-119) of the VAT breakdown for category {group.Vat.Code}");
        }
    }

    private static BrokenRule Negative(string id, string what, decimal found) =>
        new(id, $"{what} is {BrokenRule.Figure(found)} and must not be negative", "0.00 or more", BrokenRule.Figure(found));
}
