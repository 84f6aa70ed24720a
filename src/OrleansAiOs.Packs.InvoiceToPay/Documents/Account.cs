namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>An account of the general ledger. The chart is small and ours; a real one replaces <see cref="BookingRules"/> with it.</summary>
public sealed record Account(string Number, string Name)
{
    public static readonly Account InputVat = new("1410", "Input VAT");
    public static readonly Account Prepayments = new("1510", "Prepayments to suppliers");
    public static readonly Account TradePayables = new("2100", "Trade payables");
    public static readonly Account SplitPaymentVat = new("2230", "VAT due to the authority (split payment)");
    public static readonly Account Goods = new("6010", "Goods and materials");
    public static readonly Account OfficeSupplies = new("6020", "Office supplies");
    public static readonly Account Software = new("6030", "Software and subscriptions");
    public static readonly Account Freight = new("6040", "Freight and packaging");
    public static readonly Account Energy = new("6050", "Energy and water");
    public static readonly Account Equipment = new("6060", "IT equipment");
    public static readonly Account Insurance = new("6070", "Insurance");
    public static readonly Account TaxesAndFees = new("6080", "Taxes and public fees");
    public static readonly Account Services = new("6090", "Professional services");
    public static readonly Account RoundingDifferences = new("6990", "Rounding differences");
    public static readonly Account NeedsCoding = new("6999", "Needs coding");
}
