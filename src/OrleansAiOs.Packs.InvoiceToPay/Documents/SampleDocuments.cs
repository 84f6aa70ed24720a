namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>The samples one by one.</summary>
internal static class SampleDocuments
{
    private static readonly SampleSupplier Paper = new("Papier Lindqvist GmbH", "DE811907980", "Hamburg", "DE", "DE89370400440532013000");
    private static readonly SampleSupplier Machines = new("Van Aalst Machines B.V.", "NL004495445B01", "Eindhoven", "NL", "NL91ABNA0417164300");
    private static readonly SampleSupplier Advice = new("Cabinet Morel SARL", "FR83404833048", "Lyon", "FR", "FR1420041010050500013M02606");
    private static readonly SampleSupplier Power = new("Stadtwerke Ostheim AG", "DE129274202", "Ostheim", "DE", "DE75512108001245126199");

    public static IReadOnlyList<(Sample Sample, SampleDocument Document)> All(DateOnly today)
    {
        var due = today.AddDays(-1);
        var issued = today.AddDays(-15);
        return
        [
            (new("01-small-paid-at-once.xml", "small, its order known, due yesterday: paid at once"),
                new("L-2001", Paper, issued, new("Copy paper A4, 80 g", 40, 4.95m), new("Pencil HB", 120, 0.35m, 7)) { Due = due, Order = "PO-1001", Freight = 12.50m }),
            (new("02-order-known.xml", "its purchase order PO-1004 covers it: paid without an approval"),
                new("M-310", Advice, issued, new SampleLine("Consulting, days", 3, 890.00m) { AccountingCost = "SRV-12" }) { Due = due, Order = "PO-1004" }),
            (new("03-no-order.xml", "names no purchase order: a person approves"),
                new("SO-77120", Power, issued, new("Electricity, kWh", 3120, 0.2974m), new("Meter rental", 1, 14.90m)) { Due = due }),
            (new("04-unknown-order.xml", "names purchase order PO-9999, which nobody knows: a person approves"),
                new("L-2002", Paper, issued, new SampleLine("Toner cartridge", 6, 74.50m)) { Due = due, Order = "PO-9999" }),
            (new("05-large-purchase.xml", "above the threshold of 10,000.00 EUR: someone else than its preparer approves"),
                new("VA-88", Machines, issued, new SampleLine("Server rack, assembled", 2, 11_450.00m) { AccountingCost = "IT-07" }) { Due = due, Order = "PO-1002" }),
            (new("06-due-later.xml", "due in 30 days: posted now, paid then"),
                new("M-311", Advice, today, new SampleLine("Training, days", 2, 640.00m) { AccountingCost = "SRV-12" }) { Due = today.AddDays(30), Order = "PO-1004" }),
            (new("07-twin-of-01.xml", "the number L-2001 of the same supplier again, with other content: a duplicate"),
                new("l-2001 ", Paper, issued, new SampleLine("Copy paper A4, 80 g", 42, 4.95m)) { Due = due, Order = "PO-1001" }),
            (new("08-does-not-add-up.xml", "the lines are 1,299.00 and the document says 1,300.00: rejected, BR-CO-10"),
                new("VA-89", Machines, issued, new SampleLine("Monitor 27 inch", 3, 433.00m)) { Due = due, Order = "PO-1002", Broken = 1.00m }),
            (new("09-credit-note.xml", "a credit note for damaged paper of L-2001: the posting is turned, nothing is paid"),
                new("LG-15", Paper, today.AddDays(-3), new SampleLine("Copy paper A4, 80 g, damaged", 10, 4.95m)) { Kind = InvoiceKind.CreditNote, Corrects = "L-2001" }),
            (new("10-negative-correction.xml", "an invoice with negative amounts takes back half a training day of M-311"),
                new("M-312", Advice, today, new SampleLine("Training, days", -0.5m, 640.00m) { AccountingCost = "SRV-12" }) { Due = due, Corrects = "M-311" }),
            (new("11-large-attachment.xml", "carries time sheets of 3 MB: read like any other, and paid"),
                new("M-309", Advice, issued, new SampleLine("Consulting, days", 1, 890.00m) { AccountingCost = "SRV-12" }) { Due = due, Order = "PO-1004", AttachmentBytes = 3 * 1024 * 1024 }),
            (new("12-account-refused.xml", "the bank refuses its account: the posting is reversed"),
                new("L-2003", Paper, issued, new SampleLine("Office chair mat", 2, 38.00m)) { Due = due, Order = "PO-1001", Account = SampleInvoices.RefusedAccount }),
            (new("13-more-than-ordered.xml", "712.50 EUR without VAT, and 600.00 EUR are open on PO-1003: a person approves"),
                new("L-2004", Paper, issued, new SampleLine("Packaging tape, boxes", 75, 9.50m)) { Due = due, Order = "PO-1003" }),
        ];
    }
}
