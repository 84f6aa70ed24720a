using FsCheck;
using FsCheck.Fluent;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class BookingProperties
{
    /// <summary>Whatever En16931 accepts balances, on both sides to the cent, with payables equal to what is owed.</summary>
    [Fact]
    public void Every_accepted_document_balances()
    {
        var invoices =
            from kind in Gen.Elements(InvoiceKind.Invoice, InvoiceKind.CreditNote)
            from lines in Gen.NonEmptyListOf(Gen.Zip(Cents(-90_000, 90_000), Gen.Elements(5m, 7m, 19m, 25m)))
            from extras in Gen.ListOf(Gen.Zip(Cents(0, 5_000), Gen.Elements(true, false)))
            from prepaid in Gen.OneOf(Gen.Constant<decimal?>(null), Cents(-1_000, 9_000).Select(amount => (decimal?)amount))
            from rounding in Gen.OneOf(Gen.Constant<decimal?>(null), Cents(-50, 50).Select(amount => (decimal?)amount))
            select Build(kind, [.. lines], [.. extras], prepaid, rounding);

        Prop.ForAll(invoices.ToArbitrary(), invoice =>
        {
            var broken = En16931.Check(invoice);
            var journal = Booking.Post(invoice);
            var payable = journal.Postings.Where(posting => posting.Account == Account.TradePayables.Number).Sum(posting => posting.Credit - posting.Debit);
            return (broken.Count == 0).Label(string.Join("; ", broken))
                .And(journal.IsBalanced.Label($"{journal.Debit} / {journal.Credit}"))
                .And((payable == invoice.AmountOwed).Label($"payable {payable}, owed {invoice.AmountOwed}"))
                .And(journal.Postings.All(posting => posting is { Debit: >= 0, Credit: >= 0 } && (posting.Debit == 0) != (posting.Credit == 0)).Label("one side each"));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithReplay(20260316, 7));
    }

    private static Gen<decimal> Cents(int from, int to) => Gen.Choose(from, to).Select(cents => cents / 100m);

    private static Invoice Build(InvoiceKind kind, List<(decimal Net, decimal Rate)> lines, List<(decimal Amount, bool IsCharge)> extras, decimal? prepaid, decimal? rounding)
    {
        var template = SampleDoc.Read("01");
        var rate = lines[0].Rate;
        var allowanceCharges = extras.Select(extra => new AllowanceCharge { IsCharge = extra.IsCharge, Amount = extra.Amount, Reason = "agreed", Vat = new VatCategory("S", rate) }).ToList();
        var breakdowns = lines.Concat(allowanceCharges.Select(entry => (Net: entry.SignedAmount, Rate: rate)))
            .GroupBy(amount => amount.Rate, amount => amount.Net)
            .Select(nets => new VatBreakdown(nets.Sum(), En16931.Round(nets.Sum() * nets.Key / 100), new VatCategory("S", nets.Key), null))
            .ToList();
        var (lineNet, vat) = (lines.Sum(line => line.Net), breakdowns.Sum(breakdown => breakdown.Tax!.Value));
        var (charges, allowances) = (Sum(true), Sum(false));
        var withVat = lineNet + (charges ?? 0) - (allowances ?? 0) + vat;
        return template with
        {
            Kind = kind,
            TypeCode = kind == InvoiceKind.CreditNote ? "381" : "380",
            Lines = [.. lines.Select((line, index) => template.Lines[0] with { Id = $"{index}", Net = line.Net, Vat = new VatCategory("S", line.Rate), ItemName = index % 2 == 0 ? "Paper" : "Thing" })],
            AllowanceCharges = allowanceCharges,
            VatTotals = [new VatTotal(vat, "EUR", breakdowns)],
            Totals = new Totals
            {
                LineNet = lineNet,
                Charges = charges,
                Allowances = allowances,
                WithoutVat = withVat - vat,
                WithVat = withVat,
                Prepaid = prepaid,
                Rounding = rounding,
                Payable = withVat - (prepaid ?? 0) + (rounding ?? 0),
                PayableCurrency = "EUR",
            },
        };

        decimal? Sum(bool isCharge) => extras.Any(extra => extra.IsCharge == isCharge) ? extras.Where(extra => extra.IsCharge == isCharge).Sum(extra => extra.Amount) : null;
    }
}
