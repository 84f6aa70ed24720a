namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>Documents that keep every rule, as the official validator would have it, and that nobody should pay unasked.</summary>
public sealed class DoubtsTests
{
    private static readonly string Good = SampleDoc.Xml("01"); // 252.50 + 42.94 VAT = 295.44
    private const string Total = "<cbc:PayableAmount currencyID=\"EUR\">295.44</cbc:PayableAmount>";

    [Theory]
    [InlineData(Total, "<cbc:PrepaidAmount currencyID=\"EUR\">-9800.00</cbc:PrepaidAmount><cbc:PayableAmount currencyID=\"EUR\">10095.44</cbc:PayableAmount>", "10,095.44 EUR is due, more than its total of 295.44 EUR", "10095.44")]
    [InlineData(Total, "<cbc:PayableRoundingAmount currencyID=\"EUR\">1.00</cbc:PayableRoundingAmount><cbc:PayableAmount currencyID=\"EUR\">296.44</cbc:PayableAmount>",
        "296.44 EUR is due, more than its total of 295.44 EUR|it rounds by 1.00 EUR", "296.44")]
    [InlineData(Total, "<cbc:PrepaidAmount currencyID=\"EUR\">9800.00</cbc:PrepaidAmount><cbc:PayableRoundingAmount currencyID=\"EUR\">9800.00</cbc:PayableRoundingAmount>" + Total, "it rounds by 9,800.00 EUR", "295.44")]
    [InlineData(Total, "<cbc:PayableRoundingAmount currencyID=\"EUR\">0.01</cbc:PayableRoundingAmount><cbc:PayableAmount currencyID=\"EUR\">295.45</cbc:PayableAmount>", "", "295.45")]
    [InlineData(Total, "<cbc:PrepaidAmount currencyID=\"EUR\">295.44</cbc:PrepaidAmount><cbc:PayableAmount currencyID=\"EUR\">0</cbc:PayableAmount>", "", "295.44")]
    [InlineData("<cac:PaymentMeans>", "<cac:PayeeParty><cac:PartyName><cbc:Name>Other Ltd</cbc:Name></cac:PartyName></cac:PayeeParty><cac:PaymentMeans>", "the money goes to Other Ltd, and not to who sent it", "295.44")]
    [InlineData(">380<", ">325<", "its type 325 may be no demand for payment", "295.44")]
    [InlineData(">380<", ">751<", "its type 751 may be no demand for payment", "295.44")]
    [InlineData(">58<", ">48<", "its payment means 48 is no credit transfer, and it may be paid already", "295.44")]
    [InlineData(">58<", ">30<", "", "295.44")]
    public void A_controller_reads_why_he_is_asked(string old, string @new, string doubts, string atStake)
    {
        var invoice = SampleDoc.Parse(Good.With(old, @new));

        En16931.Check(invoice).Should().BeEmpty();
        string.Join('|', Doubts.Of(invoice)).Should().Be(doubts);
        Doubts.AtStake(invoice).ToString(System.Globalization.CultureInfo.InvariantCulture).Should().Be(atStake);
    }

    [Fact]
    public void No_rate_is_too_high_for_the_rules_and_more_VAT_than_any_country_takes_is_asked_about()
    {
        var invoice = SampleDoc.Parse(Good.With("<cbc:Percent>19</cbc:Percent>", "<cbc:Percent>9700</cbc:Percent>").With(">40.00</cbc:TaxAmount>", ">20418.50</cbc:TaxAmount>")
            .With(">42.94<", ">20421.44<").With(">295.44</cbc:TaxInclusiveAmount>", ">20673.94</cbc:TaxInclusiveAmount>").With(">295.44</cbc:PayableAmount>", ">20673.94</cbc:PayableAmount>"));

        En16931.Check(invoice).Should().BeEmpty();
        Doubts.Of(invoice).Should().ContainSingle().Which.Should().Be("its VAT of 20,421.44 EUR is more than 30 % of 252.50 EUR");
    }

    [Fact]
    public void What_lowers_our_debt_raises_no_doubts_and_a_credit_note_that_wants_money_does()
    {
        Doubts.Of(SampleDoc.Read("09")).Concat(Doubts.Of(SampleDoc.Read("10"))).Should().BeEmpty();
        var wants = SampleDoc.Xml("09").With("<cbc:PayableAmount currencyID=\"EUR\">58.91<", "<cbc:PrepaidAmount currencyID=\"EUR\">9058.91</cbc:PrepaidAmount><cbc:PayableAmount currencyID=\"EUR\">-9000.00<");

        En16931.Check(SampleDoc.Parse(wants)).Should().BeEmpty();
        Doubts.Of(SampleDoc.Parse(wants)).Should().ContainSingle().Which.Should().Be("9,000.00 EUR is due, more than its total of -58.91 EUR");
    }

    [SharedDataTheory]
    [MemberData(nameof(RealDocumentTests.Outcomes), MemberType = typeof(RealDocumentTests))]
    public void Real_documents_raise_none_but_of_their_payees(string file, string broken, decimal owed, string currency, PaymentRoute route, string because)
    {
        using var stream = File.OpenRead(Path.Combine(SharedData.Invoices!, file));

        Doubts.Of(UblReader.Read(stream)).Where(doubt => !doubt.StartsWith("the money goes to ", StringComparison.Ordinal)).Should().BeEmpty($"{because} ({broken} {owed} {currency} {route})");
    }
}
