using System.Text.Json.Serialization;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>
/// What the pipeline needs of one UBL 2.1 document, whether or not it is a good one: a missing text is empty, a missing date or amount is
/// null, and <see cref="En16931"/> says which of them had to be there. It is stored in an event, so attachments and prose stay outside.
/// </summary>
public sealed record Invoice
{
    public required InvoiceKind Kind { get; init; }
    /// <summary>BT-24: the specification the sender claims to follow.</summary>
    public string Customization { get; init; } = "";
    public string Number { get; init; } = "";
    public string TypeCode { get; init; } = "";
    public DateOnly? IssueDate { get; init; }
    public DateOnly? DueDate { get; init; }
    public DateOnly? TaxPointDate { get; init; }
    public string Currency { get; init; } = "";
    public string? VatCurrency { get; init; }
    public string? BuyerReference { get; init; }
    /// <summary>BT-13 without Peppol's "NA", which means that there is no purchase order.</summary>
    public string? OrderNumber { get; init; }
    public string? SalesOrderNumber { get; init; }
    public string? AccountingCost { get; init; }
    public Party? Seller { get; init; }
    public Party? Buyer { get; init; }
    public Party? Payee { get; init; }
    public Party? TaxRepresentative { get; init; }
    public Period? Period { get; init; }
    public DateOnly? DeliveryDate { get; init; }
    public string? DeliveryCountry { get; init; }
    public IReadOnlyList<PrecedingInvoice> Preceding { get; init; } = [];
    public IReadOnlyList<PaymentInstruction> PaymentInstructions { get; init; } = [];
    public IReadOnlyList<AllowanceCharge> AllowanceCharges { get; init; } = [];
    public IReadOnlyList<VatTotal> VatTotals { get; init; } = [];
    public Totals? Totals { get; init; }
    public IReadOnlyList<Line> Lines { get; init; } = [];
    /// <summary>What is missing in groups that are read and not kept: attachments, item attributes, addresses of delivery and endpoints.</summary>
    public IReadOnlyList<Gap> Gaps { get; init; } = [];
    /// <summary>Currencies of amounts other than <see cref="Currency"/>, apart from the VAT total in accounting currency.</summary>
    public IReadOnlyList<string> OtherCurrencies { get; init; } = [];

    [JsonIgnore] public bool IsPeppol => Customization.StartsWith(PeppolBilling, StringComparison.Ordinal);

    /// <summary>BT-110, the one VAT total in the document's own currency; null where there is none or more than one.</summary>
    [JsonIgnore] public decimal? Vat => VatTotals.Count(IsInDocumentCurrency) == 1 ? VatTotals.First(IsInDocumentCurrency).Amount : null;

    [JsonIgnore] public IEnumerable<VatBreakdown> VatBreakdowns => VatTotals.SelectMany(total => total.Breakdowns);

    /// <summary>The document lowers what we owe: a credit note, or an invoice that corrects another with negative amounts.</summary>
    [JsonIgnore] public bool IsCredit => Sign * (Totals?.WithVat ?? 0) < 0 || (Totals?.WithVat ?? 0) == 0 && Kind == InvoiceKind.CreditNote;

    /// <summary>What we owe the supplier for this document: positive to pay, negative to get back, zero when nothing moves.</summary>
    [JsonIgnore] public decimal AmountOwed => Sign * (Totals?.Payable ?? 0);

    [JsonIgnore] public MoneyDirection Direction => Math.Sign(AmountOwed) switch
    {
        > 0 => MoneyDirection.ToSupplier,
        < 0 => MoneyDirection.FromSupplier,
        _ => MoneyDirection.None,
    };

    /// <summary>A credit note states what comes back as positive amounts, a negative correction as negative ones.</summary>
    [JsonIgnore] public int Sign => Kind == InvoiceKind.CreditNote ? -1 : 1;

    /// <summary>The first payment instruction that names an account.</summary>
    [JsonIgnore] public PaymentInstruction? CreditTransfer => PaymentInstructions.FirstOrDefault(means => means.Account is not null);

    /// <summary>How the money moves. Under direct debit (49, 59) the supplier collects, and paying as well would pay twice.</summary>
    [JsonIgnore] public PaymentRoute Route => Direction switch
    {
        MoneyDirection.None => PaymentRoute.NothingDue,
        MoneyDirection.FromSupplier => PaymentRoute.FromSupplier,
        _ when PaymentInstructions.Any(means => means.Code is "49" or "59") => PaymentRoute.SupplierCollects,
        _ when CreditTransfer is not null => PaymentRoute.Transfer,
        _ => PaymentRoute.NoAccount,
    };

    internal bool IsInDocumentCurrency(VatTotal total) => total.Amount is not null && total.Currency == Currency;

    private const string PeppolBilling = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0";
}

/// <summary>Which of UBL's two documents it is; what it does to our debt is <see cref="Invoice.IsCredit"/>.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<InvoiceKind>))]
public enum InvoiceKind
{
    Invoice,
    CreditNote,
}

[JsonConverter(typeof(JsonStringEnumConverter<MoneyDirection>))]
public enum MoneyDirection
{
    None,
    ToSupplier,
    FromSupplier,
}

[JsonConverter(typeof(JsonStringEnumConverter<PaymentRoute>))]
public enum PaymentRoute
{
    NothingDue,
    Transfer,
    SupplierCollects,
    FromSupplier,
    /// <summary>Money is due, and the document names no account to pay it to: a person must find one.</summary>
    NoAccount,
}
