using System.Text.Json.Serialization;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>Seller, buyer, payee or tax representative. <see cref="Name"/> is the registered name, not the trading name.</summary>
public sealed record Party
{
    public string Name { get; init; } = "";
    public string? TradingName { get; init; }
    public string? VatId { get; init; }
    /// <summary>BT-32: a registration with the tax office that is not a VAT identifier.</summary>
    public string? TaxId { get; init; }
    public string? LegalId { get; init; }
    public IReadOnlyList<string> Ids { get; init; } = [];
    public bool HasAddress { get; init; }
    public string? Country { get; init; }

    [JsonIgnore] public IEnumerable<string> AllIds => new[] { VatId, LegalId, TaxId }.OfType<string>().Concat(Ids);
    [JsonIgnore] public string DisplayName => Name.Length > 0 ? Name : TradingName ?? "(no name)";
}

public sealed record Line
{
    public string Id { get; init; } = "";
    public decimal? Quantity { get; init; }
    public string? Unit { get; init; }
    public decimal? Net { get; init; }
    public string? AccountingCost { get; init; }
    public Period? Period { get; init; }
    public string ItemName { get; init; } = "";
    public VatCategory? Vat { get; init; }
    public decimal? Price { get; init; }
    public decimal? BaseQuantity { get; init; }
    public decimal? PriceDiscount { get; init; }
    public decimal? GrossPrice { get; init; }
    public IReadOnlyList<AllowanceCharge> AllowanceCharges { get; init; } = [];
}

/// <summary>A category (S, Z, E, AE, K, G, O, L, M, B) and its rate in percent. Kept only where the tax scheme is VAT.</summary>
public sealed record VatCategory(string Code, decimal? Rate);

public sealed record AllowanceCharge
{
    public required bool IsCharge { get; init; }
    public decimal? Amount { get; init; }
    public decimal? BaseAmount { get; init; }
    public decimal? Percentage { get; init; }
    /// <summary>The reason's text, else its code.</summary>
    public string? Reason { get; init; }
    public VatCategory? Vat { get; init; }

    [JsonIgnore] public decimal SignedAmount => IsCharge ? Amount ?? 0 : -(Amount ?? 0);
}

/// <summary>One cac:TaxTotal: the VAT in the document's currency with its breakdown, or the bare total in accounting currency.</summary>
public sealed record VatTotal(decimal? Amount, string? Currency, IReadOnlyList<VatBreakdown> Breakdowns);

public sealed record VatBreakdown(decimal? Taxable, decimal? Tax, VatCategory? Vat, string? ExemptionReason);

/// <summary>cac:LegalMonetaryTotal: BT-106 to BT-109 and BT-112 to BT-115.</summary>
public sealed record Totals
{
    public decimal? LineNet { get; init; }
    public decimal? Allowances { get; init; }
    public decimal? Charges { get; init; }
    public decimal? WithoutVat { get; init; }
    public decimal? WithVat { get; init; }
    public decimal? Prepaid { get; init; }
    public decimal? Rounding { get; init; }
    public decimal? Payable { get; init; }
    public string? PayableCurrency { get; init; }
}

/// <summary><see cref="Account"/> is normalised (no blanks, upper case), <see cref="StatedAccount"/> as the document writes it.</summary>
public sealed record PaymentInstruction
{
    public string? Code { get; init; }
    public string? Remittance { get; init; }
    public string? StatedAccount { get; init; }
    public string? AccountName { get; init; }
    public string? Mandate { get; init; }

    [JsonIgnore] public string? Account => Iban.Normalise(StatedAccount);
    [JsonIgnore] public bool HasValidIban => Account is { } account && Iban.IsValid(account);
}

/// <summary>A mandatory term that is missing in a group which is not kept, and the rule that demands it.</summary>
public sealed record Gap(string Rule, string Term);

public sealed record PrecedingInvoice(string Number, DateOnly? IssueDate);

public sealed record Period(DateOnly? Start, DateOnly? End, string? TaxPointCode);
