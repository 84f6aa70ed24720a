using System.Text;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class PurchaseOrdersTests
{
    private const string Order = """{ "number": "PO-1001", "supplier": "DE811907980", "currency": "EUR", "openAmount": 252.50 }""";
    private static readonly Invoice Invoice = SampleDoc.Read("01");

    [Fact]
    public void A_document_within_its_order_matches() =>
        Read($"{{\"orders\":[{Order}]}}").Match(Invoice).Should().Be(
            new OrderMatch(OrderStatus.Matched, "252.50 EUR without VAT is within the 252.50 EUR open on purchase order 'PO-1001'", "PO-1001", 252.50m, 252.50m));

    [Fact]
    public void An_order_goes_by_the_number_it_is_listed_under_however_documents_write_it() =>
        Read($"{{\"orders\":[{Order}]}}").Match(Invoice with { OrderNumber = "po-1001" }).Number.Should().Be("PO-1001");

    [Fact]
    public void A_document_above_its_order_is_told_by_how_much()
    {
        var match = Read($"{{\"orders\":[{Order.Replace("252.50", "250")}]}}").Match(Invoice);

        match.Status.Should().Be(OrderStatus.Exceeded);
        match.Why.Should().Be("252.50 EUR without VAT is more than the 250.00 EUR still open on purchase order 'PO-1001', by 2.50 EUR");
        match.NeedsApproval.Should().BeTrue();
    }

    [Fact]
    public void A_document_without_a_reference_has_no_order() =>
        PurchaseOrders.None.Match(Invoice with { OrderNumber = null }).Should().Be(new OrderMatch(OrderStatus.None, "the document names no purchase order (BT-13)"));

    [Fact]
    public void A_number_that_nobody_knows_is_unknown() =>
        PurchaseOrders.None.Match(Invoice).Should().Be(new OrderMatch(OrderStatus.Unknown, "purchase order 'PO-1001' is not known", "PO-1001"));

    [Fact]
    public void Another_suppliers_order_does_not_match() =>
        Read($"{{\"orders\":[{Order.Replace("DE811907980", "DE1")}]}}").Match(Invoice).Should().Be(
            new OrderMatch(OrderStatus.OtherSupplier, "purchase order 'PO-1001' is for supplier 'DE1', and the document is from 'Papier Lindqvist GmbH'", "PO-1001"));

    [Fact]
    public void An_order_in_another_currency_does_not_match() =>
        Read($"{{\"orders\":[{Order.Replace("EUR", "USD")}]}}").Match(Invoice).Status.Should().Be(OrderStatus.OtherCurrency);

    [Fact]
    public void The_supplier_of_an_order_may_be_any_of_its_identifiers_however_it_is_written()
    {
        var orders = Read($"{{\"orders\":[{Order.Replace("DE811907980", "hrb 12.34")}]}}");

        orders.Match(Invoice with { Seller = Invoice.Seller! with { LegalId = "HRB-1234" } }).Status.Should().Be(OrderStatus.Matched);
    }

    [Fact]
    public void A_credit_note_never_exceeds_its_order() =>
        Read($"{{\"orders\":[{Order.Replace("252.50", "0")}]}}").Match(Invoice with { Kind = InvoiceKind.CreditNote }).Status.Should().Be(OrderStatus.Matched);

    [Theory]
    [InlineData("", "not valid JSON at line 1, byte 1")]
    [InlineData("{", "not valid JSON at line 1, byte 2")]
    [InlineData("[]", """the file must be an object with a list: { "orders": [ … ] }""")]
    [InlineData("""{"orders":{}}""", """the file must be an object with a list: { "orders": [ … ] }""")]
    [InlineData("""{"orders":[1]}""", "orders[0] is the number 1 and must be an object")]
    [InlineData("""{"orders":[{}]}""", "orders[0].number is missing")]
    [InlineData("""{"orders":[{"number":7}]}""", "orders[0].number is the number 7 and must be a text")]
    [InlineData("""{"orders":[{"number":" "}]}""", "orders[0].number has 0 characters and must have 1 to 200")]
    [InlineData("""{"orders":[{"number":"\ud800"}]}""", "orders[0].number is no valid Unicode text")]
    [InlineData("""{"orders":[{"number":"a","supplier":null}]}""", "orders[0].supplier is null and must be a text")]
    [InlineData("""{"orders":[{"number":"a","supplier":"b","currency":"EUR","openAmount":"5"}]}""", "orders[0].openAmount is a text and must be a number such as 1000.00")]
    [InlineData("""{"orders":[{"number":"a","supplier":"b","currency":"EUR","openAmount":1e99}]}""", "orders[0].openAmount is the number 1e99 and must be a number such as 1000.00")]
    [InlineData("""{"orders":[{"number":"a","supplier":"b","currency":"EUR","openAmount":-1}]}""", "orders[0].openAmount is -1.00 and must be from 0 to 99,999,999,999,999.00")]
    [InlineData("""{"orders":[[[[[[[[[[]]]]]]]]]]}""", "not valid JSON at line 1, byte 18")]
    public void A_file_with_a_fault_is_refused_with_the_field(string json, string found) =>
        ((Action)(() => Read(json))).Should().Throw<UnreadablePurchaseOrdersException>().WithMessage($"The purchase orders cannot be read: {found.Replace("*", "\\*")}.");

    [Fact]
    public void An_order_that_is_listed_twice_is_refused() =>
        ((Action)(() => Read($"{{\"orders\":[{Order},{Order.Replace("PO", "po")}]}}"))).Should().Throw<UnreadablePurchaseOrdersException>().WithMessage("*order 'po-1001' is listed twice*");

    private static PurchaseOrders Read(string json) => PurchaseOrders.Read(new MemoryStream(Encoding.UTF8.GetBytes(json)));
}
