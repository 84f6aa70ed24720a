using OrleansAiOs.Packs.InvoiceToPay;
using OrleansAiOs.Packs.InvoiceToPay.Documents;

namespace OrleansAiOs.EndToEnd;

/// <summary>A document of the batch, and how it has to end.</summary>
/// <param name="Amount">What is owed; no two of a batch owe the same, so that a payment names its invoice whatever its reference.</param>
internal sealed record BatchInvoice(string Number, byte[] Document, decimal Amount, SettlementOutcome Ends, bool IsPosted, bool IsReversed)
{
    /// <summary>Somebody cancels it at a moment of their own: it is either settled as if nobody had, or nothing is left of it.</summary>
    public bool MayBeCancelled { get; init; }

    public string Creditor => "Papier Lindqvist GmbH";

    public bool IsPaid => Ends is SettlementOutcome.Paid;

    /// <summary>Somebody is told how it was settled; a rejection tells nobody.</summary>
    public bool IsTold => Ends is not SettlementOutcome.Rejected;
}

/// <summary>As many distinct invoices as wanted, on their way through the whole pipeline: paid, approved and paid, refused by the bank, credited.</summary>
internal static class InvoiceBatch
{
    private const string KnownOrder = "PO-1";
    private static readonly DateOnly Issued = new(2026, 3, 2);
    private static readonly SampleSupplier Supplier = new("Papier Lindqvist GmbH", "DE811907980", "Hamburg", "DE", "DE89370400440532013000");

    private const string OrdersJson = $$"""{ "orders": [ { "number": "{{KnownOrder}}", "supplier": "DE811907980", "currency": "EUR", "openAmount": 9000000.00 } ] }""";

    public static BatchInvoice Paid(int i) => Make(i, SettlementOutcome.Paid);

    /// <summary>A buyer has to agree first.</summary>
    public static BatchInvoice AwaitingApproval(int i) => Make(i, SettlementOutcome.Paid, order: null);

    /// <summary>One in ten awaits an approval, one is refused by the bank, one is a credit note.</summary>
    public static BatchInvoice Mixed(int i) => (i % 10) switch
    {
        3 => AwaitingApproval(i),
        5 => Make(i, SettlementOutcome.Rejected, account: SampleInvoices.RefusedAccount),
        8 => Make(i, SettlementOutcome.Credited, InvoiceKind.CreditNote),
        _ => Paid(i),
    };

    /// <summary>Writes the purchase orders, and answers the setting that names them.</summary>
    public static (string Name, string Value) WriteOrders(string folder)
    {
        var file = Path.Combine(folder, "orders.json");
        File.WriteAllText(file, OrdersJson);
        return ("AIOS_INVOICE_ORDERS", file);
    }

    private static BatchInvoice Make(int i, SettlementOutcome ends, InvoiceKind kind = InvoiceKind.Invoice, string? order = KnownOrder, string? account = null)
    {
        var number = $"E-{i:00000}";
        var net = 100 + i * 0.10m;
        var document = new SampleDocument(number, Supplier, Issued, new SampleLine("Copy paper A4, 80 g", 1, net, Rate: 10))
        {
            Kind = kind,
            Due = Issued.AddDays(14),
            Order = order,
            Account = account,
        };
        return new BatchInvoice(number, document.ToUbl(), net * 1.10m, ends, IsPosted: true, IsReversed: ends is SettlementOutcome.Rejected);
    }
}
