namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>Rules -01 to -10 of one VAT category. The families differ in a few choices only, which are its parameters.</summary>
internal sealed record VatFamily(string Code, string Prefix, string Name, RateRule Rate, PartyRule Parties, bool NeedsExemptionReason)
{
    public static readonly VatFamily[] All =
    [
        new("S", "BR-S", "Standard rated", RateRule.Positive, PartyRule.Seller, false),
        new("Z", "BR-Z", "Zero rated", RateRule.Zero, PartyRule.Seller, false),
        new("E", "BR-E", "Exempt from VAT", RateRule.Zero, PartyRule.Seller, true),
        new("AE", "BR-AE", "Reverse charge", RateRule.Zero, PartyRule.SellerAndBuyer, true),
        new("K", "BR-IC", "Intra-community supply", RateRule.Zero, PartyRule.VatIdsOfBoth, true),
        new("G", "BR-G", "Export outside the EU", RateRule.Zero, PartyRule.SellerVatId, true),
        new("O", "BR-O", "Not subject to VAT", RateRule.None, PartyRule.NoVatIds, true),
        new("L", "BR-AF", "IGIC", RateRule.ZeroOrMore, PartyRule.Seller, false),
        new("M", "BR-AG", "IPSI", RateRule.ZeroOrMore, PartyRule.Seller, false),
    ];

    /// <summary>S, L and M have a breakdown per rate and a tolerance; the others exactly one breakdown, exact and without VAT.</summary>
    private bool HasRates => Rate == RateRule.Positive || Rate == RateRule.ZeroOrMore;

    public IEnumerable<BrokenRule> Check(Invoice invoice, VatUses uses)
    {
        var breakdowns = invoice.VatBreakdowns.Where(group => group.Vat?.Code == Code).ToList();
        if (breakdowns.Count == 0 && !uses.Has(Code)) return [];
        return Presence(breakdowns.Count, uses).Concat(PartyIds(invoice, uses)).Concat(Rates(uses)).Concat(breakdowns.SelectMany(group => Breakdown(group, uses)));
    }

    private IEnumerable<BrokenRule> Presence(int count, VatUses uses)
    {
        if (!HasRates && count != 1)
            yield return new BrokenRule($"{Prefix}-01",
                $"there must be one VAT breakdown for {Name} ({Code}), and there are {count}", "1", $"{count}");
        else if (HasRates && count > 0 != uses.Has(Code))
            yield return new BrokenRule($"{Prefix}-01",
                $"{Name} ({Code}) must be both in the VAT breakdown and on a line, allowance or charge, and is only {(count > 0 ? "in the breakdown" : "on these")}");
    }

    private IEnumerable<BrokenRule> PartyIds(Invoice invoice, VatUses uses)
    {
        if (Parties.Complaint(invoice) is not { } complaint) yield break;
        if (uses.Lines.Keys.Any(IsOurs)) yield return new BrokenRule($"{Prefix}-02", $"a line is {Name} ({Code}) and {complaint}");
        if (uses.Allowances.Keys.Any(IsOurs))
            yield return new BrokenRule($"{Prefix}-03", $"an allowance is {Name} ({Code}) and {complaint}");
        if (uses.Charges.Keys.Any(IsOurs)) yield return new BrokenRule($"{Prefix}-04", $"a charge is {Name} ({Code}) and {complaint}");
    }

    private IEnumerable<BrokenRule> Rates(VatUses uses) =>
        Wrong("05", "line", uses.Lines).Concat(Wrong("06", "allowance", uses.Allowances)).Concat(Wrong("07", "charge", uses.Charges));

    private IEnumerable<BrokenRule> Wrong(string rule, string what, Dictionary<VatCategory, decimal> amounts) =>
        from vat in amounts.Keys
        where IsOurs(vat) && !Rate.Allows(vat.Rate)
        select new BrokenRule($"{Prefix}-{rule}", $"the rate of a {what} that is {Name} ({Code}) must be {Rate.Text}, and it is {BrokenRule.Rate(vat.Rate)}", Rate.Text, BrokenRule.Rate(vat.Rate));

    private IEnumerable<BrokenRule> Breakdown(VatBreakdown group, VatUses uses)
    {
        var rate = HasRates ? group.Vat!.Rate : null;
        var name = rate is null ? $"{Name} ({Code})" : $"{Name} ({Code}) at {BrokenRule.Rate(rate)}";
        if (group.Taxable is { } taxable && !(HasRates && rate is null))
        {
            var expected = uses.Taxable(Code, rate);
            var isNowhere = Code == "S" && !uses.HasRate(Code, rate!.Value);
            if (isNowhere || (HasRates ? Math.Abs(taxable - expected) >= 1 : taxable != expected))
                yield return BrokenRule.Differs($"{Prefix}-08",
                    $"lines + charges - allowances of {name}", expected, "its TaxableAmount", taxable);
            if (HasRates && group.Tax is { } tax && Math.Abs(Math.Abs(tax) - VatRules.TaxOf(taxable, rate!.Value)) >= 1)
                yield return BrokenRule.Differs($"{Prefix}-09",
                    $"VAT of {name} on {BrokenRule.Figure(taxable)}", VatRules.TaxOf(taxable, rate.Value) * (taxable < 0 ? -1 : 1), "its TaxAmount", tax);
        }
        if (!HasRates && group.Tax is { } notZero && notZero != 0)
            yield return BrokenRule.Differs($"{Prefix}-09", $"VAT of {name}", 0, "its TaxAmount", notZero);
        if (NeedsExemptionReason && group.ExemptionReason is null)
            yield return BrokenRule.Missing($"{Prefix}-10", $"VAT exemption reason (BT-120 or BT-121) of {name}");
        if (!NeedsExemptionReason && group.ExemptionReason is not null)
            yield return new BrokenRule($"{Prefix}-10", $"{name} must not state a VAT exemption reason", Found: group.ExemptionReason);
    }

    private bool IsOurs(VatCategory vat) => vat.Code == Code;
}
