namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>The families of rules per VAT category, on an invoice of one line of 100.00 that is right for the category.</summary>
public sealed class VatRulesTests
{
    public static TheoryData<string, string, decimal?> Categories => new()
    {
        { "S", "BR-S", 20m },
        { "Z", "BR-Z", 0m },
        { "E", "BR-E", 0m },
        { "AE", "BR-AE", 0m },
        { "K", "BR-IC", 0m },
        { "G", "BR-G", 0m },
        { "O", "BR-O", null },
        { "L", "BR-AF", 7m },
        { "M", "BR-AG", 4m },
    };

    [Theory]
    [MemberData(nameof(Categories))]
    public void A_document_that_is_right_for_its_category_breaks_nothing(string code, string family, decimal? rate) =>
        Rules(Right(code, rate)).Should().BeEmpty(family);

    [Theory]
    [MemberData(nameof(Categories))]
    public void A_category_without_its_breakdown_breaks_rule_01(string code, string family, decimal? rate) =>
        Rules(Right(code, rate) with { VatTotals = [new VatTotal(0, "EUR", [])] }).Should().Contain($"{family}-01");

    [Theory]
    [MemberData(nameof(Categories))]
    public void A_category_with_the_wrong_identifiers_breaks_rules_02_to_04(string code, string family, decimal? rate)
    {
        var party = code == "O" ? new Party { VatId = "DE1" } : new Party();
        var vat = new VatCategory(code, rate);
        AllowanceCharge[] both = [new() { IsCharge = false, Amount = 1, Vat = vat }, new() { IsCharge = true, Amount = 1, Vat = vat }];

        Rules(Right(code, rate) with { Seller = party, AllowanceCharges = both }).Should().Contain([$"{family}-02", $"{family}-03", $"{family}-04"]);
    }

    [Theory]
    [MemberData(nameof(Categories))]
    public void A_category_with_the_wrong_rate_breaks_rules_05_to_07(string code, string family, decimal? rate)
    {
        var right = Right(code, rate);
        var wrong = new VatCategory(code, code switch { "S" => 0, "L" or "M" => -1, _ => 5 });

        Rules(right with { Lines = [right.Lines[0] with { Vat = wrong }] }).Should().Contain($"{family}-05");
        Rules(right with { AllowanceCharges = [new() { IsCharge = false, Amount = 0, Vat = wrong }] }).Should().Contain($"{family}-06");
        Rules(right with { AllowanceCharges = [new() { IsCharge = true, Amount = 0, Vat = wrong }] }).Should().Contain($"{family}-07");
    }

    [Theory]
    [MemberData(nameof(Categories))]
    public void A_category_with_another_taxable_amount_breaks_rule_08(string code, string family, decimal? rate) =>
        Rules(WithBreakdown(Right(code, rate), breakdown => breakdown with { Taxable = 101 })).Should().Contain($"{family}-08");

    [Theory]
    [MemberData(nameof(Categories))]
    public void A_category_with_another_tax_breaks_rule_09(string code, string family, decimal? rate) =>
        Rules(WithBreakdown(Right(code, rate), breakdown => breakdown with { Tax = breakdown.Tax + 1 })).Should().Contain($"{family}-09");

    [Theory]
    [MemberData(nameof(Categories))]
    public void An_exemption_reason_is_there_exactly_where_the_category_is_exempt(string code, string family, decimal? rate) =>
        Rules(WithBreakdown(Right(code, rate), breakdown => breakdown with { ExemptionReason = breakdown.ExemptionReason is null ? "because" : null }))
            .Should().Equal($"{family}-10");

    [Theory]
    [InlineData("Z")]
    [InlineData("E")]
    [InlineData("AE")]
    public void Only_categories_with_several_rates_have_a_tolerance(string code) =>
        Rules(WithBreakdown(Right(code, 0), breakdown => breakdown with { Taxable = 100.01m })).Should().Equal($"BR-{code}-08");

    [Fact]
    public void What_is_not_subject_to_VAT_stands_alone()
    {
        var right = Right("O", null);
        var line = right.Lines[0] with { Vat = new VatCategory("Z", 0) };

        Rules(right with { Lines = [.. right.Lines, line], Seller = new Party { TaxId = "1" } }).Should().Contain("BR-O-12");
    }

    [Fact]
    public void An_intra_community_supply_says_when_and_where_it_went() =>
        Rules(Right("K", 0) with { DeliveryDate = null, DeliveryCountry = null }).Should().Equal("BR-IC-11", "BR-IC-12");

    [Fact]
    public void Split_payment_is_Italian_and_never_with_the_standard_rate()
    {
        var split = Right("B", 22);
        var standard = split.Lines[0] with { Vat = new VatCategory("S", 22) };

        Rules(split).Should().Equal("BR-B-01");
        var italian = new Party { VatId = "IT1", Country = "IT" };
        Rules(split with { Seller = italian, Buyer = italian, Lines = [.. split.Lines, standard] }).Should().Contain("BR-B-02").And.NotContain("BR-B-01");
    }

    [Fact]
    public void A_rate_that_rounds_to_zero_counts_as_none_as_in_the_Schematron()
    {
        var invoice = Right("L", 0.4m);

        Rules(invoice).Should().BeEmpty("0.40 of tax rounds to zero too");
        Rules(WithBreakdown(invoice, breakdown => breakdown with { Tax = 0.6m })).Should().Equal("BR-CO-17");
    }

    private static List<string> Rules(Invoice invoice) => [.. VatRules.Check(invoice).Select(broken => broken.Id)];

    private static Invoice WithBreakdown(Invoice invoice, Func<VatBreakdown, VatBreakdown> change) =>
        invoice with { VatTotals = [invoice.VatTotals[0] with { Breakdowns = [change(invoice.VatTotals[0].Breakdowns[0])] }] };

    private static Invoice Right(string code, decimal? rate)
    {
        var vat = new VatCategory(code, rate);
        var tax = rate ?? 0;
        var isExempt = code is "E" or "AE" or "K" or "G" or "O";
        var ids = code == "O" ? new Party { TaxId = "1", Country = "DE" } : new Party { VatId = "DE1", Country = "DE" };
        return new Invoice
        {
            Kind = InvoiceKind.Invoice,
            Currency = "EUR",
            Seller = ids,
            Buyer = ids,
            DeliveryDate = SampleDoc.Today,
            DeliveryCountry = "IT",
            Lines = [new Line { Id = "1", Net = 100, Vat = vat }],
            VatTotals = [new VatTotal(tax, "EUR", [new VatBreakdown(100, tax, vat, isExempt ? "reason" : null)])],
        };
    }
}
