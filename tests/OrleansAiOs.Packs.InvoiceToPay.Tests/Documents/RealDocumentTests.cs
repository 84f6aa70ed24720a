using System.Text.Json;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>
/// What is right for each real document, and why. The verdict was compared with the official validator: EN 16931 validation 1.3.16
/// accepts the same 28 and refuses the same one, for the same rule.
/// </summary>
public sealed class RealDocumentTests
{
    private const string Right = "";

    public static TheoryData<string, string, decimal, string, PaymentRoute, string> Outcomes => new()
    {
        { "en16931/guide-example1.xml", Right, 250.33m, "EUR", PaymentRoute.Transfer, "a returned item stands as a negative net of a positive quantity: EN 16931 has no rule for line arithmetic" },
        { "en16931/guide-example2.xml", Right, 801.78m, "NOK", PaymentRoute.Transfer, "1,801.78 with VAT of which 1,000.00 is paid; the exempt group is negative; VAT 365.13 on 1,460.50 is rounded up from 365.125" },
        { "en16931/guide-example3.xml", Right, 1125.00m, "DKK", PaymentRoute.Transfer, "2 x 800.00 stated as 400.00: not a Peppol document, so line arithmetic is not checked" },
        { "en16931/issue116.xml", Right, 830m, "SEK", PaymentRoute.NoAccount, "an exempt group of 0 because an allowance and a charge cancel out; no payment means" },
        { "en16931/it-attachment-split-payment.xml", Right, 1246.00m, "EUR", PaymentRoute.Transfer, "split payment: the 'paid' 274.12 is the VAT that we owe the tax office" },
        { "en16931/sample-discount-price.xml", Right, 15.15m, "EUR", PaymentRoute.NoAccount, "prices have four decimals, amounts two; the accounting currency is the document's own; means 4 without an account" },
        { "en16931/ubl-tc434-creditnote1.xml", Right, -100.11m, "EUR", PaymentRoute.FromSupplier, "a credit note, exempt, without due date" },
        { "en16931/ubl-tc434-example1.xml", Right, 250.33m, "EUR", PaymentRoute.Transfer, "as guide-example1, with other payment means: its twin" },
        { "en16931/ubl-tc434-example10.xml", Right, 250.33m, "EUR", PaymentRoute.Transfer, "a second TaxTotal of 2,000.73 SEK is the VAT in accounting currency and no part of the sum" },
        { "en16931/ubl-tc434-example2.xml", Right, 801.78m, "NOK", PaymentRoute.Transfer, "as guide-example2, its charge indicator written 0" },
        { "en16931/ubl-tc434-example3.xml", Right, 2005.00m, "DKK", PaymentRoute.Transfer, "two rates, 25 % with the freight and 10 %" },
        { "en16931/ubl-tc434-example4.xml", Right, 4675.00m, "DKK", PaymentRoute.Transfer, "two rates" },
        { "en16931/ubl-tc434-example5.xml", Right, 2337.50m, "DKK", PaymentRoute.SupplierCollects, "half is paid, and the supplier collects the rest by direct debit (49)" },
        { "en16931/ubl-tc434-example6.xml", Right, 4675.00m, "DKK", PaymentRoute.NoAccount, "the smallest document there may be: no payment means" },
        { "en16931/ubl-tc434-example7.xml", Right, 3200.00m, "SEK", PaymentRoute.Transfer, "not subject to VAT (O): no rate and no VAT identifier; no due date" },
        { "en16931/ubl-tc434-example8.xml", Right, 1099.78m, "EUR", PaymentRoute.Transfer, "prices per 12 and with five decimals" },
        { "en16931/ubl-tc434-example9.xml", Right, 177.87m, "EUR", PaymentRoute.Transfer, "one line, one rate" },
        { "peppol/Allowance-example.xml", Right, 6125.00m, "EUR", PaymentRoute.Transfer, "Peppol's arithmetic holds: percentages, base quantity 2, gross 450 - 40 = 410; 1,000 is paid" },
        { "peppol/GR-base-example-TaxRepresentative.xml", "BR-06: Seller name (BT-27, cac:PartyLegalEntity/cbc:RegistrationName) is missing", 1656.25m, "EUR", PaymentRoute.Transfer, "the seller has a trading name only; the official validator refuses it too" },
        { "peppol/GR-base-example-correct.xml", Right, 1656.25m, "EUR", PaymentRoute.Transfer, "the same seller with its name" },
        { "peppol/Norwegian-example-1.xml", Right, 802.00m, "NOK", PaymentRoute.Transfer, "801.78 and a rounding amount of 0.22" },
        { "peppol/Vat-category-S.xml", Right, 8550m, "EUR", PaymentRoute.Transfer, "charge and allowance at 25 %, a second rate of 15 %" },
        { "peppol/base-creditnote-correction.xml", Right, -1656.25m, "EUR", PaymentRoute.FromSupplier, "a credit note for invoice Snippet1" },
        { "peppol/base-example.xml", Right, 1656.25m, "EUR", PaymentRoute.Transfer, "one line returns goods, with a negative quantity" },
        { "peppol/base-negative-inv-correction.xml", Right, -1656.25m, "EUR", PaymentRoute.FromSupplier, "an invoice with negative amounts takes invoice Snippet1 back" },
        { "peppol/sales-order-example.xml", Right, 1656.25m, "EUR", PaymentRoute.Transfer, "order reference 'NA': there is a sales order and no purchase order" },
        { "peppol/vat-category-E.xml", Right, 1200.00m, "GBP", PaymentRoute.Transfer, "exempt, with a reason code; no due date" },
        { "peppol/vat-category-O.xml", Right, 3200.00m, "SEK", PaymentRoute.Transfer, "not subject to VAT" },
        { "peppol/vat-category-Z.xml", Right, 1200.00m, "GBP", PaymentRoute.Transfer, "zero rated, so no exemption reason" },
    };

    [SharedDataTheory]
    [MemberData(nameof(Outcomes))]
    public void Every_real_document_has_its_one_right_outcome(string file, string broken, decimal owed, string currency, PaymentRoute route, string because)
    {
        var invoice = Read(file);

        string.Join("; ", En16931.Check(invoice)).Should().Be(broken, because);
        invoice.AmountOwed.Should().Be(owed, because);
        invoice.Currency.Should().Be(currency, because);
        invoice.Route.Should().Be(route, because);
        invoice.IsCredit.Should().Be(owed < 0, because);
    }

    [SharedDataTheory]
    [MemberData(nameof(Outcomes))]
    public void Every_real_document_balances_when_it_is_posted(string file, string broken, decimal owed, string currency, PaymentRoute route, string because)
    {
        var journal = Booking.Post(Read(file));

        journal.IsBalanced.Should().BeTrue($"{because} ({broken} {currency} {route})");
        var payable = journal.Postings.Single(posting => posting.Account == Account.TradePayables.Number);
        (payable.Credit - payable.Debit).Should().Be(owed);
    }

    [SharedDataTheory]
    [MemberData(nameof(Outcomes))]
    public void Every_real_document_survives_being_stored(string file, string broken, decimal owed, string currency, PaymentRoute route, string because)
    {
        var invoice = Read(file);
        var stored = JsonSerializer.Serialize(invoice);

        JsonSerializer.Serialize(JsonSerializer.Deserialize<Invoice>(stored)).Should().Be(stored, $"{because} ({broken} {owed} {currency} {route})");
        stored.Length.Should().BeLessThan(8_000, "attachments and prose are not kept");
    }

    [SharedDataFact]
    public void The_table_names_every_real_document()
    {
        var files = Directory.EnumerateFiles(SharedData.Invoices!, "*.xml", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(SharedData.Invoices!, file).Replace('\\', '/'));

        Outcomes.Select(row => (string)row[0]).Should().BeEquivalentTo(files);
    }

    [SharedDataFact]
    public void Real_documents_that_call_themselves_the_same_are_twins()
    {
        var twins = Outcomes.Select(row => (File: Path.GetFileName((string)row[0]), Key: DocumentFingerprint.DuplicateKey(Read((string)row[0]))))
            .GroupBy(document => document.Key, document => document.File)
            .Where(group => group.Count() > 1)
            .Select(group => string.Join(" ", group));

        twins.Should().BeEquivalentTo(
            "guide-example1.xml ubl-tc434-example1.xml ubl-tc434-example10.xml",
            "guide-example2.xml ubl-tc434-example2.xml",
            "guide-example3.xml ubl-tc434-example3.xml",
            "Allowance-example.xml Vat-category-S.xml base-example.xml sales-order-example.xml",
            "vat-category-E.xml vat-category-Z.xml");
    }

    [SharedDataFact]
    public void Split_payment_is_posted_to_the_tax_office_and_not_as_a_prepayment()
    {
        var journal = Booking.Post(Read("en16931/it-attachment-split-payment.xml"));

        journal.Postings.Should().ContainSingle(posting => posting.Account == Account.SplitPaymentVat.Number).Which.Credit.Should().Be(274.12m);
        journal.Postings.Should().NotContain(posting => posting.Account == Account.Prepayments.Number);
    }

    private static Invoice Read(string file)
    {
        using var stream = File.OpenRead(Path.Combine(SharedData.Invoices!, file));
        return UblReader.Read(stream);
    }
}
