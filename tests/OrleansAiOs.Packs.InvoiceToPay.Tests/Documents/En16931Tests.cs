namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class En16931Tests
{
    private static readonly string Good = SampleDoc.Xml("01");

    [Theory]
    [InlineData("<cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID>", "", "BR-01")]
    [InlineData("<cbc:ID>L-2001</cbc:ID>", "<cbc:ID> </cbc:ID>", "BR-02")]
    [InlineData("<cbc:IssueDate>2026-03-01</cbc:IssueDate>", "<cbc:IssueDate/>", "BR-03")]
    [InlineData("<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>", "", "BR-04")]
    [InlineData("<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>", "<cbc:InvoiceTypeCode>381</cbc:InvoiceTypeCode>", "BR-CL-01")]
    [InlineData("<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>", "", "BR-05")]
    [InlineData("<cbc:RegistrationName>Papier Lindqvist GmbH</cbc:RegistrationName>", "", "BR-06")]
    [InlineData("<cbc:RegistrationName>Halvorsen &amp; Roth GmbH</cbc:RegistrationName>", "", "BR-07")]
    [InlineData("<cbc:LineExtensionAmount currencyID=\"EUR\">240.00</cbc:LineExtensionAmount>", "", "BR-12")]
    [InlineData("<cbc:TaxExclusiveAmount currencyID=\"EUR\">252.50</cbc:TaxExclusiveAmount>", "", "BR-13")]
    [InlineData("<cbc:TaxInclusiveAmount currencyID=\"EUR\">295.44</cbc:TaxInclusiveAmount>", "", "BR-14")]
    [InlineData("<cbc:PayableAmount currencyID=\"EUR\">295.44</cbc:PayableAmount>", "", "BR-15")]
    [InlineData("<cbc:ID>2</cbc:ID>", "", "BR-21")]
    [InlineData("<cbc:InvoicedQuantity unitCode=\"C62\">120</cbc:InvoicedQuantity>", "", "BR-22 BR-23")]
    [InlineData("<cbc:InvoicedQuantity unitCode=\"C62\">120", "<cbc:InvoicedQuantity>120", "BR-23")]
    [InlineData("<cbc:LineExtensionAmount currencyID=\"EUR\">42.00</cbc:LineExtensionAmount>", "", "BR-24 BR-CO-10 BR-S-08")]
    [InlineData("<cbc:Name>Pencil HB</cbc:Name>", "", "BR-25")]
    [InlineData("<cbc:PriceAmount currencyID=\"EUR\">0.35</cbc:PriceAmount>", "", "BR-26")]
    [InlineData(">0.35</cbc:PriceAmount>", ">-0.35</cbc:PriceAmount>", "BR-27")]
    [InlineData("<cbc:AllowanceChargeReason>Freight</cbc:AllowanceChargeReason>", "", "BR-38")]
    [InlineData("<cbc:Amount currencyID=\"EUR\">12.50</cbc:Amount>", "", "BR-36 BR-CO-12 BR-S-08")]
    [InlineData("<cbc:TaxableAmount currencyID=\"EUR\">42.00</cbc:TaxableAmount>", "", "BR-45")]
    [InlineData("<cbc:PaymentMeansCode>58</cbc:PaymentMeansCode>", "", "BR-49")]
    [InlineData("<cbc:ID>DE89370400440532013000</cbc:ID>", "", "BR-61")]
    [InlineData("<cbc:CompanyID>DE811907980</cbc:CompanyID>", "", "BR-CO-26 BR-S-02 BR-S-04")]
    [InlineData("<cbc:DocumentCurrencyCode>", "<cbc:TaxCurrencyCode>SEK</cbc:TaxCurrencyCode><cbc:DocumentCurrencyCode>", "BR-53")]
    [InlineData("<cbc:DocumentCurrencyCode>", "<cbc:TaxPointDate>2026-03-01</cbc:TaxPointDate><cac:InvoicePeriod><cbc:DescriptionCode>35</cbc:DescriptionCode></cac:InvoicePeriod><cbc:DocumentCurrencyCode>", "BR-CO-03")]
    [InlineData("<cbc:DocumentCurrencyCode>", "<cac:InvoicePeriod><cbc:StartDate>2026-03-02</cbc:StartDate><cbc:EndDate>2026-03-01</cbc:EndDate></cac:InvoicePeriod><cbc:DocumentCurrencyCode>", "BR-29")]
    [InlineData("<cbc:DocumentCurrencyCode>", "<cac:InvoicePeriod/><cbc:DocumentCurrencyCode>", "BR-CO-19")]
    [InlineData("<cac:OrderReference>", "<cac:BillingReference/><cac:OrderReference>", "BR-55")]
    [InlineData("<cac:PaymentMeans>", "<cac:PayeeParty/><cac:PaymentMeans>", "BR-17")]
    [InlineData("<cac:PaymentMeans>", "<cac:TaxRepresentativeParty/><cac:PaymentMeans>", "BR-18 BR-19 BR-56")]
    [InlineData("<cbc:PayableAmount currencyID=\"EUR\">", "<cbc:PayableAmount currencyID=\"USD\">", "PEPPOL-EN16931-R051")]
    [InlineData("<cbc:PayableAmount currencyID=\"EUR\">", "<cbc:PayableAmount>", "BT-5")]
    [InlineData("<cbc:PriceAmount currencyID=\"EUR\">0.35", "<cbc:PriceAmount currencyID=\"HUF\">0.35", "PEPPOL-EN16931-R051")]
    [InlineData("<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>", "<cbc:InvoiceTypeCode>4711</cbc:InvoiceTypeCode>", "BR-CL-01")]
    [InlineData("<cbc:ID>S</cbc:ID>", "<cbc:ID>s</cbc:ID>", "BR-CL-17 BR-CL-18")]
    [InlineData("<cac:TaxTotal>", "<cac:TaxTotal><cbc:TaxAmount currencyID=\"SEK\">400.001</cbc:TaxAmount></cac:TaxTotal><cac:TaxTotal>", "BR-DEC-15")]
    [InlineData("<cbc:TaxAmount currencyID=\"EUR\">42.94<", "<cbc:TaxAmount currencyID=\"EUR\">42.940<", "BR-DEC-13")]
    [InlineData("<cbc:ChargeTotalAmount currencyID=\"EUR\">12.50</cbc:ChargeTotalAmount>", "", "BR-CO-12 BR-CO-13")]
    [InlineData("<cbc:TaxAmount currencyID=\"EUR\">42.94", "<cbc:TaxAmount currencyID=\"SEK\">42.94", "BR-CO-15")]
    [InlineData(">42.00</cbc:LineExtensionAmount>", ">42.000</cbc:LineExtensionAmount>", "BR-DEC-23")]
    [InlineData(">295.44</cbc:PayableAmount>", ">295.440</cbc:PayableAmount>", "BR-DEC-18")]
    [InlineData("<cbc:Percent>7</cbc:Percent>", "<cbc:Percent>0</cbc:Percent>", "BR-CO-17 BR-S-05 BR-S-09")]
    [InlineData("<cac:PaymentMeans>", "<cac:AdditionalDocumentReference><cbc:ID/></cac:AdditionalDocumentReference><cac:PaymentMeans>", "BR-52")]
    [InlineData("<cbc:Name>Pencil HB</cbc:Name>", "<cbc:Name>Pencil HB</cbc:Name><cac:AdditionalItemProperty><cbc:Name>Colour</cbc:Name></cac:AdditionalItemProperty>", "BR-54")]
    [InlineData("<cac:PaymentMeans>", "<cac:Delivery><cac:DeliveryLocation><cac:Address/></cac:DeliveryLocation></cac:Delivery><cac:PaymentMeans>", "BR-57")]
    [InlineData("<cac:AccountingSupplierParty>\n    <cac:Party>", "<cac:AccountingSupplierParty>\n    <cac:Party><cbc:EndpointID>1</cbc:EndpointID>", "BR-62")]
    [InlineData("<cac:AccountingCustomerParty>\n    <cac:Party>", "<cac:AccountingCustomerParty>\n    <cac:Party><cbc:EndpointID>1</cbc:EndpointID>", "BR-63")]
    [InlineData("<cbc:Name>Pencil HB</cbc:Name>", "<cbc:Name>Pencil HB</cbc:Name><cac:StandardItemIdentification><cbc:ID>1</cbc:ID></cac:StandardItemIdentification>", "BR-64")]
    [InlineData("<cbc:Name>Pencil HB</cbc:Name>", "<cbc:Name>Pencil HB</cbc:Name><cac:CommodityClassification><cbc:ItemClassificationCode>1</cbc:ItemClassificationCode></cac:CommodityClassification>", "BR-65")]
    public void Each_alteration_breaks_its_rules_and_no_others(string old, string @new, string rules) =>
        Rules(Good.With(old, @new)).Should().Be(rules);

    [Fact]
    public void A_sum_of_lines_that_is_wrong_is_told_with_both_figures()
    {
        var broken = En16931.Check(SampleDoc.Read("08")).Should().ContainSingle().Which;

        broken.ToString().Should().Be("BR-CO-10: sum of line net amounts is 1,299.00 but LineExtensionAmount says 1,300.00");
        (broken.Expected, broken.Found).Should().Be(("1,299.00", "1,300.00"));
    }

    [Theory]
    [InlineData("ChargeTotalAmount currencyID=\"EUR\">12.50", "ChargeTotalAmount currencyID=\"EUR\">12.51", "BR-CO-12: sum of document level charges is 12.50 but ChargeTotalAmount says 12.51")]
    [InlineData("TaxExclusiveAmount currencyID=\"EUR\">252.50", "TaxExclusiveAmount currencyID=\"EUR\">252.49", "BR-CO-13: line net amounts 240.00 - allowances 0.00 + charges 12.50 is 252.50 but TaxExclusiveAmount says 252.49")]
    [InlineData("TaxAmount currencyID=\"EUR\">42.94", "TaxAmount currencyID=\"EUR\">42.95", "BR-CO-14: sum of VAT category tax amounts is 42.94 but TaxTotal/TaxAmount says 42.95")]
    [InlineData("TaxInclusiveAmount currencyID=\"EUR\">295.44", "TaxInclusiveAmount currencyID=\"EUR\">295.45", "BR-CO-15: total without VAT 252.50 + VAT 42.94 is 295.44 but TaxInclusiveAmount says 295.45")]
    [InlineData("PayableAmount currencyID=\"EUR\">295.44", "PayableAmount currencyID=\"EUR\">95.44", "BR-CO-16: total with VAT 295.44 - paid 0.00 + rounding 0.00 is 295.44 but PayableAmount says 95.44")]
    public void Every_total_is_exact_to_the_cent(string old, string @new, string message) =>
        En16931.Check(SampleDoc.Parse(Good.With(old, @new))).First().ToString().Should().Be(message);

    [Theory]
    [InlineData("40.99", "43.93", "296.43", "")]
    [InlineData("41.00", "43.94", "296.44", "BR-CO-17 BR-S-09")]
    [InlineData("39.01", "41.95", "294.45", "")]
    [InlineData("39.00", "41.94", "294.44", "BR-CO-17 BR-S-09")]
    public void VAT_per_rate_may_be_off_by_less_than_one(string tax, string total, string withVat, string rules) =>
        Rules(Good.With(">40.00</cbc:TaxAmount>", $">{tax}</cbc:TaxAmount>").With(">42.94<", $">{total}<").With(">295.44<", $">{withVat}<")).Should().Be(rules);

    [Theory]
    [InlineData("42.99", "")]
    [InlineData("43.00", "BR-S-08")]
    [InlineData("41.01", "")]
    [InlineData("41.00", "BR-S-08")]
    public void The_taxable_amount_of_a_standard_rate_may_be_off_by_less_than_one(string taxable, string rules) =>
        Rules(Good.With(">42.00</cbc:TaxableAmount>", $">{taxable}</cbc:TaxableAmount>")).Should().Be(rules);

    [Fact]
    public void Half_a_cent_is_rounded_away_from_zero() =>
        (En16931.Round(39.995m), En16931.Round(-39.995m), En16931.Round(0.125m)).Should().Be((40.00m, -40.00m, 0.13m));

    [Fact]
    public void A_hostile_number_of_faults_is_not_reported_to_the_end()
    {
        var invoice = SampleDoc.Read("01");
        var faulty = invoice with { Lines = [.. Enumerable.Range(0, 9_000).Select(_ => new Line())] };

        En16931.Check(faulty).Should().HaveCount(En16931.MaxReported);
    }

    [Fact]
    public void Thousands_of_rates_are_checked_in_a_moment()
    {
        var rates = Enumerable.Range(1, 9_000).Select(rate => new VatCategory("S", rate / 1000m)).ToList();
        var invoice = SampleDoc.Read("01") with
        {
            Lines = [.. rates.Select(vat => new Line { Net = 1, Vat = vat })],
            VatTotals = [new VatTotal(0, "EUR", [.. rates.Select(vat => new VatBreakdown(1, 0, vat, null))])],
        };
        // The best of a few: the machine may have something else to do for a while.
        var took = Enumerable.Range(0, 5).Min(_ =>
        {
            var clock = System.Diagnostics.Stopwatch.StartNew();
            VatRules.Check(invoice).Count(broken => broken.Id == "BR-S-08").Should().Be(0);
            return clock.Elapsed;
        });
        took.Should().BeLessThan(TimeSpan.FromSeconds(2));
    }

    private static string Rules(string xml) => string.Join(" ", En16931.Check(SampleDoc.Parse(xml)).Select(broken => broken.Id).Distinct().Order(StringComparer.Ordinal));
}
