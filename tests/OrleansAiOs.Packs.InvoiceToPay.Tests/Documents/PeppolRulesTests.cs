namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class PeppolRulesTests
{
    private const string Peppol = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0";

    [Theory]
    [InlineData(100.02, "")]
    [InlineData(99.98, "")]
    [InlineData(100.03, "PEPPOL-EN16931-R120: 10.00 x 10.00 of line 1 is 100.00 but LineExtensionAmount says 100.03")]
    [InlineData(-100, "PEPPOL-EN16931-R120: 10.00 x 10.00 of line 1 is 100.00 but LineExtensionAmount says -100.00")]
    public void A_line_is_quantity_times_price_within_two_cents(decimal net, string expected) =>
        Check(new Line { Id = "1", Quantity = 10, Price = 10, Net = net }).Should().Be(expected);

    [Fact]
    public void A_line_reckons_with_its_base_quantity_allowances_and_charges()
    {
        AllowanceCharge[] extras = [new() { IsCharge = true, Amount = 5 }, new() { IsCharge = false, Amount = 2 }];
        var line = new Line { Id = "1", Quantity = 1000, Price = 3, BaseQuantity = 100, AllowanceCharges = extras };

        Check(line with { Net = 33 }).Should().BeEmpty();
        Check(line with { Net = 30 }).Should().Be("PEPPOL-EN16931-R120: 1,000.00 x 3.00 per 100.00 with allowances and charges of 3.00 of line 1 is 33.00 but LineExtensionAmount says 30.00");
    }

    [Fact]
    public void A_line_of_a_document_that_does_not_claim_Peppol_is_not_reckoned()
    {
        var xml = SampleDoc.Xml("01").With("<cbc:InvoicedQuantity unitCode=\"C62\">40<", "<cbc:InvoicedQuantity unitCode=\"C62\">41<");

        En16931.Check(SampleDoc.Parse(xml)).Should().BeEmpty();
        En16931.Check(SampleDoc.Parse(xml.With("urn:cen.eu:en16931:2017", Peppol))).Should().ContainSingle().Which.Id.Should().Be("PEPPOL-EN16931-R120");
    }

    [Theory]
    [InlineData(10.0, 200.0, 20.02, "")]
    [InlineData(10.0, 200.0, 20.03, "R040")]
    [InlineData(10.0, null, 20.00, "R041")]
    [InlineData(null, 200.0, 20.00, "R042")]
    public void A_percentage_and_its_base_give_the_amount(double? percentage, double? baseAmount, double amount, string expected)
    {
        var allowance = new AllowanceCharge { IsCharge = false, Amount = (decimal)amount, Percentage = (decimal?)percentage, BaseAmount = (decimal?)baseAmount };

        string.Join(" ", PeppolRules.Check(Document() with { AllowanceCharges = [allowance] }).Select(broken => broken.Id))
            .Should().Be(expected == "" ? "" : $"PEPPOL-EN16931-{expected}");
    }

    [Fact]
    public void A_net_price_is_the_gross_price_less_its_discount() =>
        Check(new Line { Id = "1", Quantity = 1, Price = 410, Net = 410, GrossPrice = 450, PriceDiscount = 39.99m })
            .Should().Be("PEPPOL-EN16931-R046: gross price 450.00 - discount 39.99 of line 1 is 410.01 but the item net price says 410.00");

    [Fact]
    public void A_base_quantity_is_more_than_zero() =>
        Check(new Line { Id = "1", Quantity = 1, Price = 1, Net = 1, BaseQuantity = 0 }).Should().StartWith("PEPPOL-EN16931-R121");

    [Fact]
    public void A_line_beyond_all_numbers_is_a_broken_rule_and_no_crash() =>
        Check(new Line { Id = "1", Quantity = 99_999_999_999_999m, Price = 99_999_999_999_999m, BaseQuantity = 0.00000000000001m, Net = 1 })
            .Should().StartWith("PEPPOL-EN16931-R120: the net amount of line 1 cannot be reckoned");

    private static string Check(Line line) => string.Join("; ", PeppolRules.Check(Document() with { Lines = [line] }));

    private static Invoice Document() => new() { Kind = InvoiceKind.Invoice, Currency = "EUR", Customization = Peppol };
}
