namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>What rate a category may state. No rate at all is right only where VAT does not apply.</summary>
internal sealed record RateRule(string Text, Func<decimal?, bool> Allows)
{
    public static readonly RateRule Positive = new("more than 0 %", rate => rate > 0);
    public static readonly RateRule Zero = new("0 %", rate => rate == 0);
    public static readonly RateRule ZeroOrMore = new("0 % or more", rate => rate >= 0);
    public static readonly RateRule None = new("absent", rate => rate is null);
}

/// <summary>Which identifiers of seller and buyer a category demands or forbids; null when they are as they should be.</summary>
internal sealed record PartyRule(Func<Invoice, string?> Complaint)
{
    public static readonly PartyRule Seller = new(invoice => HasTaxId(invoice) ? null : NoSeller);
    public static readonly PartyRule SellerVatId = new(invoice => HasVatId(invoice) ? null : NoSeller);

    public static readonly PartyRule SellerAndBuyer = new(invoice =>
        !HasTaxId(invoice) ? NoSeller : invoice.Buyer is { VatId: not null } or { LegalId: not null } ? null : NoBuyer);

    public static readonly PartyRule VatIdsOfBoth = new(invoice => !HasVatId(invoice) ? NoSeller : invoice.Buyer?.VatId is null ? NoBuyer : null);

    public static readonly PartyRule NoVatIds = new(invoice =>
        HasVatId(invoice) || invoice.Buyer?.VatId is not null ? "a VAT identifier of seller or buyer is stated, which must not be" : null);

    private const string NoSeller = "the seller's VAT identifier (BT-31, BT-32 or BT-63) is missing";
    private const string NoBuyer = "the buyer's VAT identifier (BT-48) or legal registration (BT-47) is missing";

    private static bool HasTaxId(Invoice invoice) => invoice.Seller?.TaxId is not null || HasVatId(invoice);

    private static bool HasVatId(Invoice invoice) => (invoice.Seller?.VatId ?? invoice.TaxRepresentative?.VatId) is not null;
}
