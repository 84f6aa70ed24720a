using System.Text;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class UblReaderTests
{
    private static readonly string Good = SampleDoc.Xml("01");

    [Fact]
    public void A_document_is_read_term_by_term()
    {
        var invoice = SampleDoc.Parse(Good);

        invoice.Kind.Should().Be(InvoiceKind.Invoice);
        invoice.Number.Should().Be("L-2001");
        invoice.IssueDate.Should().Be(new DateOnly(2026, 3, 1));
        invoice.DueDate.Should().Be(new DateOnly(2026, 3, 15));
        invoice.Currency.Should().Be("EUR");
        invoice.OrderNumber.Should().Be("PO-1001");
        invoice.Seller.Should().BeEquivalentTo(new Party { Name = "Papier Lindqvist GmbH", VatId = "DE811907980", HasAddress = true, Country = "DE" });
        invoice.Lines.Select(line => (line.Id, line.Quantity, line.Unit, line.Net, line.ItemName, line.Vat))
            .Should().Equal(("1", 40m, "C62", 198.00m, "Copy paper A4, 80 g", new VatCategory("S", 19)), ("2", 120m, "C62", 42.00m, "Pencil HB", new VatCategory("S", 7)));
        invoice.AllowanceCharges.Should().ContainSingle().Which.SignedAmount.Should().Be(12.50m);
        invoice.Vat.Should().Be(42.94m);
        invoice.Totals!.Payable.Should().Be(295.44m);
        invoice.CreditTransfer!.Account.Should().Be("DE89370400440532013000");
        invoice.OtherCurrencies.Should().BeEmpty();
    }

    [Fact]
    public void Prefixes_are_the_senders_business()
    {
        var other = Good.With("<cbc:", "<x:").With("</cbc:", "</x:").With("xmlns:cbc=", "xmlns:x=")
            .With("<Invoice ", "<u:Invoice ").With(" xmlns=\"", " xmlns:u=\"").With("</Invoice>", "</u:Invoice>");

        SampleDoc.Parse(other).Should().BeEquivalentTo(SampleDoc.Parse(Good));
    }

    [Fact]
    public void A_term_of_another_namespace_is_not_the_term()
    {
        var invoice = SampleDoc.Parse(Good.With("<cbc:ID>L-2001</cbc:ID>", "<ID xmlns=\"urn:other\">L-2001</ID>"));

        invoice.Number.Should().BeEmpty();
        En16931.Check(invoice).Should().ContainSingle().Which.Id.Should().Be("BR-02");
    }

    [Fact]
    public void A_credit_note_is_due_when_its_payment_means_say()
    {
        var xml = SampleDoc.Xml("09").With("<cbc:PaymentID>", "<cbc:PaymentDueDate>2026-04-01</cbc:PaymentDueDate><cbc:PaymentID>");

        SampleDoc.Parse(xml).DueDate.Should().Be(new DateOnly(2026, 4, 1));
    }

    [Theory]
    [InlineData("NA", null)]
    [InlineData("na", null)]
    [InlineData("NA-1", "NA-1")]
    public void Peppols_NA_means_no_purchase_order(string reference, string? expected) =>
        SampleDoc.Parse(Good.With("PO-1001", reference)).OrderNumber.Should().Be(expected);

    [Fact]
    public void A_SEPA_creditor_reference_does_not_identify_the_seller()
    {
        var xml = Good.With("<cac:AccountingSupplierParty>\n    <cac:Party>",
            "<cac:AccountingSupplierParty>\n    <cac:Party><cac:PartyIdentification><cbc:ID schemeID=\"SEPA\">DE98ZZZ09999999999</cbc:ID></cac:PartyIdentification>");

        SampleDoc.Parse(xml).Seller!.Ids.Should().BeEmpty();
    }

    [Fact]
    public void Comments_CDATA_and_line_breaks_do_not_change_a_text()
    {
        var xml = Good.With("<cbc:ID>L-2001</cbc:ID>", "<cbc:ID>\n  L-<!-- a -->20<![CDATA[01]]>\n</cbc:ID>");

        SampleDoc.Parse(xml).Number.Should().Be("L-2001");
    }

    [Fact]
    public void Another_encoding_is_read_when_it_is_declared()
    {
        var xml = Good.With("encoding=\"utf-8\"", "encoding=\"utf-16\"").With("Papier Lindqvist", "Papier Łindqvist");

        SampleDoc.Parse(Encoding.Unicode.GetPreamble().Concat(Encoding.Unicode.GetBytes(xml)).ToArray()).Seller!.Name.Should().Be("Papier Łindqvist GmbH");
    }

    [Fact]
    public void A_long_item_name_is_cut_and_not_refused()
    {
        var invoice = SampleDoc.Parse(Good.With("Pencil HB", new string('p', 5_000)));

        invoice.Lines[1].ItemName.Should().Be(new string('p', 199) + "…", "receivers take 200 characters");
    }

    [Fact]
    public void An_attachment_of_megabytes_costs_no_memory_and_leaves_no_trace()
    {
        var bytes = SampleDoc.Bytes("11");
        bytes.Length.Should().BeGreaterThan(4_000_000);
        SampleDoc.Parse(bytes);

        var before = GC.GetAllocatedBytesForCurrentThread();
        var invoice = SampleDoc.Parse(bytes);

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(1_000_000);
        invoice.Number.Should().Be("M-309");
        System.Text.Json.JsonSerializer.Serialize(invoice).Length.Should().BeLessThan(3_000);
    }
}
