namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>The net amounts of lines, allowances and charges by category and rate, summed once: a document may have thousands of each.</summary>
internal sealed class VatUses
{
    private readonly Dictionary<VatCategory, decimal> taxable = [];
    private readonly Dictionary<string, decimal> taxableOfAllRates = [];

    public Dictionary<VatCategory, decimal> Lines { get; } = [];
    public Dictionary<VatCategory, decimal> Allowances { get; } = [];
    public Dictionary<VatCategory, decimal> Charges { get; } = [];

    public static VatUses Of(Invoice invoice)
    {
        var uses = new VatUses();
        foreach (var line in invoice.Lines) uses.Add(uses.Lines, line.Vat, line.Net ?? 0, 1);
        foreach (var entry in invoice.AllowanceCharges)
            uses.Add(entry.IsCharge ? uses.Charges : uses.Allowances, entry.Vat, entry.Amount ?? 0, entry.IsCharge ? 1 : -1);
        return uses;
    }

    public bool Has(string code) => taxableOfAllRates.ContainsKey(code);

    public bool HasRate(string code, decimal rate) => taxable.ContainsKey(new VatCategory(code, rate));

    /// <summary>Lines plus charges minus allowances of a category, at one rate or at all.</summary>
    public decimal Taxable(string code, decimal? rate) =>
        rate is null ? taxableOfAllRates.GetValueOrDefault(code) : taxable.GetValueOrDefault(new VatCategory(code, rate));

    private void Add(Dictionary<VatCategory, decimal> amounts, VatCategory? vat, decimal amount, int sign)
    {
        if (vat is null) return;
        amounts[vat] = amounts.GetValueOrDefault(vat) + amount;
        taxable[vat] = taxable.GetValueOrDefault(vat) + sign * amount;
        taxableOfAllRates[vat.Code] = taxableOfAllRates.GetValueOrDefault(vat.Code) + sign * amount;
    }
}
