using System.Text;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class HostileDocumentTests
{
    private static readonly string Good = SampleDoc.Xml("01");

    [Theory]
    [InlineData("<!DOCTYPE Invoice>")]
    [InlineData("<!DOCTYPE Invoice SYSTEM \"file:///etc/passwd\">")]
    [InlineData("<!DOCTYPE Invoice [<!ENTITY x SYSTEM \"http://127.0.0.1:1/\">]>")]
    [InlineData("<!DOCTYPE lolz [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>")]
    public void A_document_with_a_DTD_is_refused(string doctype)
    {
        var refused = Refusal(Good.With("?>", $"?>{doctype}"));

        refused.Found.Should().Be("it has a DTD (DOCTYPE)");
        refused.Cure.Should().StartWith("Remove the DOCTYPE");
    }

    [Fact]
    public void An_entity_that_nobody_declared_is_refused() =>
        Refusal(Good.With("L-2001", "&secret;")).Found.Should().StartWith("it is not well-formed XML").And.Contain("secret");

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("%PDF-1.7")]
    [InlineData("{\"number\":1}")]
    [InlineData("<Invoice")]
    [InlineData("<Invoice xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\">")]
    [InlineData("<Invoice xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\"/>more")]
    public void What_is_not_well_formed_is_refused(string text) =>
        Refusal(text).Message.Should().StartWith("The document").And.Contain("not well-formed XML");

    [Theory]
    [InlineData("<Invoice/>", "'Invoice' of namespace ''")]
    [InlineData("<Order xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Order-2\"/>", "'Order'")]
    [InlineData("<CreditNote xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\"/>", "'CreditNote'")]
    public void Another_root_is_refused(string text, string named) =>
        Refusal(text).Found.Should().StartWith($"its root is {named}");

    [Fact]
    public void An_empty_invoice_is_read_and_breaks_the_rules()
    {
        var invoice = SampleDoc.Parse("<Invoice xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\"/>");

        En16931.Check(invoice).Select(broken => broken.Id).Should().Equal(
            "BR-01", "BR-02", "BR-03", "BR-04", "BR-05", "BR-16", "BR-06", "BR-07", "BR-08", "BR-10", "BR-CO-26", "BR-12", "BR-13", "BR-14", "BR-15", "BR-CO-18");
    }

    [Theory]
    [InlineData("2.9544E2")]
    [InlineData("1,295.44")]
    [InlineData("295,44")]
    [InlineData("1 295.44")]
    [InlineData("NaN")]
    [InlineData("INF")]
    [InlineData("(295.44)")]
    [InlineData("--295.44")]
    [InlineData("295.44 EUR")]
    [InlineData("0x1F")]
    [InlineData("٣٥")]
    [InlineData(".")]
    [InlineData("-")]
    [InlineData("")]
    public void A_number_in_any_other_form_than_a_decimal_is_refused(string amount)
    {
        var refused = Refusal(Good.With(">295.44</cbc:PayableAmount>", $">{amount}</cbc:PayableAmount>"));

        refused.Term.Should().Be("BT-115 Amount due for payment, cbc:PayableAmount");
        refused.Found.Should().Be($"'{amount}' is not a decimal number");
        refused.Line.Should().Be(Good[..Good.IndexOf("<cbc:PayableAmount", StringComparison.Ordinal)].Count(character => character == '\n') + 1);
    }

    [Theory]
    [InlineData("123456789012345")]
    [InlineData("0.12345678901234567890123456789")]
    [InlineData("99999999999999999999999999999999999999")]
    public void A_number_that_cannot_be_reckoned_with_exactly_is_refused(string amount) =>
        Refusal(Good.With(">295.44</cbc:PayableAmount>", $">{amount}</cbc:PayableAmount>")).Found.Should().Contain("more digits");

    [Theory]
    [InlineData("+295.44", 295.44)]
    [InlineData("0000000000000000000000295.44", 295.44)]
    [InlineData("-0", 0)]
    [InlineData(".5", 0.5)]
    [InlineData("5.", 5)]
    public void Every_form_that_XML_Schema_allows_is_read(string amount, decimal expected) =>
        SampleDoc.Parse(Good.With(">295.44</cbc:PayableAmount>", $">{amount}</cbc:PayableAmount>")).Totals!.Payable.Should().Be(expected);

    [Theory]
    [InlineData("2026-13-01")]
    [InlineData("2026-02-29")]
    [InlineData("15.03.2026")]
    [InlineData("2026-3-15")]
    [InlineData("2026-03-15T00:00:00")]
    [InlineData("0000-00-00")]
    public void A_bad_date_is_refused_with_its_term_and_the_cure(string date) =>
        Refusal(Good.With("<cbc:DueDate>2026-03-15", $"<cbc:DueDate>{date}")).Message
            .Should().Be($"BT-9 Due date, cbc:DueDate (line 6, position 4): '{date}' is not a date. Write it as YYYY-MM-DD.");

    [Theory]
    [InlineData("2026-03-15Z")]
    [InlineData("2026-03-15+02:00")]
    public void A_time_zone_does_not_move_a_date(string date) =>
        SampleDoc.Parse(Good.With("<cbc:DueDate>2026-03-15", $"<cbc:DueDate>{date}")).DueDate.Should().Be(new DateOnly(2026, 3, 15));

    [Fact]
    public void An_amount_that_is_stated_twice_is_refused() =>
        Refusal(Good.With("<cbc:PayableAmount", "<cbc:PayableAmount currencyID=\"EUR\">1.00</cbc:PayableAmount><cbc:PayableAmount"))
            .Found.Should().Be("it occurs twice");

    [Fact]
    public void Totals_that_are_stated_twice_are_refused() =>
        Refusal(Good.With("<cac:LegalMonetaryTotal>", "<cac:LegalMonetaryTotal/><cac:LegalMonetaryTotal>")).Term.Should().StartWith("BG-22 Document totals");

    [Fact]
    public void An_element_inside_a_text_is_refused() =>
        Refusal(Good.With("L-2001", "L-<b>2001</b>")).Found.Should().Be("it holds an element, 'b'");

    [Fact]
    public void An_allowance_that_does_not_say_what_it_is_is_refused() =>
        Refusal(Good.With("<cbc:ChargeIndicator>true</cbc:ChargeIndicator>", "")).Found.Should().Be("it has no cbc:ChargeIndicator");

    [Fact]
    public void Depth_is_limited_also_where_nothing_is_read()
    {
        var deep = string.Concat(Enumerable.Repeat("<a>", 100_000)) + string.Concat(Enumerable.Repeat("</a>", 100_000));

        Refusal(Good.With("<cbc:ID>L-2001</cbc:ID>", $"<cbc:ID>L-2001</cbc:ID>{deep}")).Found.Should().Be("elements are nested more than 64 deep");
    }

    [Fact]
    public void Size_is_limited_also_where_the_length_is_not_known() =>
        Refusal(Good, new UblLimits { MaxBytes = 1_000 }).Found.Should().Be("it is larger than 1,000 bytes");

    [Fact]
    public void Lines_are_limited() =>
        Refusal(Good, new UblLimits { MaxLines = 1 }).Message.Should().StartWith("BG-25 Invoice line").And.Contain("there are more than 1 lines");

    [Fact]
    public void Groups_are_limited() =>
        Refusal(Good, new UblLimits { MaxGroups = 2 }).Found.Should().StartWith("it has more than 2 groups");

    [Fact]
    public void The_length_of_an_identifier_is_limited() =>
        Refusal(Good.With("L-2001", new string('9', 100_000))).Message.Should().StartWith("BT-1 Invoice number, cbc:ID").And.Contain("longer than 1,000 characters");

    [Fact]
    public void Bytes_that_are_not_in_the_declared_encoding_are_refused()
    {
        var bytes = Encoding.Latin1.GetBytes(Good.With("Papier Lindqvist", "Pâpier Lindqvist"));

        ((Action)(() => SampleDoc.Parse(bytes))).Should().Throw<UnreadableDocumentException>();
    }

    [Fact]
    public void A_fault_of_the_storage_is_not_a_fault_of_the_document() =>
        ((Action)(() => UblReader.Read(new BrokenStream()))).Should().Throw<IOException>();

    private static UnreadableDocumentException Refusal(string xml, UblLimits? limits = null) =>
        ((Action)(() => SampleDoc.Parse(xml, limits))).Should().ThrowExactly<UnreadableDocumentException>().Which;

    private sealed class BrokenStream : MemoryStream
    {
        public override int Read(byte[] buffer, int offset, int count) => throw new IOException("disk");
        public override int Read(Span<byte> buffer) => throw new IOException("disk");
    }
}
