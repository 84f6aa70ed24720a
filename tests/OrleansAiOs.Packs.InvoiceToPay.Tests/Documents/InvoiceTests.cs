namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class InvoiceTests
{
    [Theory]
    [InlineData(InvoiceKind.Invoice, 119, 119, MoneyDirection.ToSupplier, false)]
    [InlineData(InvoiceKind.Invoice, -119, -119, MoneyDirection.FromSupplier, true)]
    [InlineData(InvoiceKind.CreditNote, 119, -119, MoneyDirection.FromSupplier, true)]
    [InlineData(InvoiceKind.CreditNote, -119, 119, MoneyDirection.ToSupplier, false)]
    [InlineData(InvoiceKind.Invoice, 0, 0, MoneyDirection.None, false)]
    [InlineData(InvoiceKind.CreditNote, 0, 0, MoneyDirection.None, true)]
    public void Money_goes_where_the_kind_and_the_sign_say(InvoiceKind kind, decimal amount, decimal owed, MoneyDirection direction, bool isCredit)
    {
        var invoice = new Invoice { Kind = kind, Totals = new Totals { WithVat = amount, Payable = amount } };

        (invoice.AmountOwed, invoice.Direction, invoice.IsCredit).Should().Be((owed, direction, isCredit));
    }

    [Fact]
    public void A_paid_invoice_is_no_credit_and_nothing_is_due()
    {
        var invoice = new Invoice { Kind = InvoiceKind.Invoice, Totals = new Totals { WithVat = 119, Prepaid = 119, Payable = 0 } };

        (invoice.Route, invoice.IsCredit).Should().Be((PaymentRoute.NothingDue, false));
    }

    [Theory]
    [InlineData("58", "DE89 3704 0044 0532 0130 00", PaymentRoute.Transfer)]
    [InlineData("58", null, PaymentRoute.NoAccount)]
    [InlineData("59", "DE89370400440532013000", PaymentRoute.SupplierCollects)]
    [InlineData("49", null, PaymentRoute.SupplierCollects)]
    public void An_invoice_that_the_supplier_collects_is_not_paid_as_well(string code, string? account, PaymentRoute route) =>
        new Invoice { Kind = InvoiceKind.Invoice, Totals = new Totals { WithVat = 1, Payable = 1 }, PaymentInstructions = [new() { Code = code, StatedAccount = account }] }
            .Route.Should().Be(route);

    [Theory]
    [InlineData("de89 3704 0044 0532 0130 00", "DE89370400440532013000", true)]
    [InlineData("DE88370400440532013000", "DE88370400440532013000", false)]
    [InlineData("IBAN32423940", "IBAN32423940", false)]
    [InlineData("DK1212341234123412", "DK1212341234123412", false)]
    [InlineData(SampleInvoices.RefusedAccount, SampleInvoices.RefusedAccount, true)]
    public void An_account_is_normalised_and_its_check_digits_are_checked(string stated, string account, bool isValid)
    {
        var means = new PaymentInstruction { StatedAccount = stated };

        (means.Account, means.HasValidIban).Should().Be((account, isValid));
    }
}
