namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class BookingTests
{
    [Fact]
    public void An_invoice_is_posted_to_the_accounts_its_rules_say() =>
        Text(Booking.Post(SampleDoc.Read("01"))).Should().Equal(
            "6020 debit 240.00: rule 'office': 'paper' in 'Copy paper A4, 80 g'; rule 'office': 'pencil' in 'Pencil HB'",
            "6040 debit 12.50: rule 'freight': 'freight' in 'Freight'",
            "1410 debit 42.94: total VAT (BT-110)",
            "2100 credit 295.44: amount due to Papier Lindqvist GmbH (BT-115)");

    [Fact]
    public void A_credit_note_is_posted_the_other_way_round() =>
        Text(Booking.Post(SampleDoc.Read("09"))).Should().Equal(
            "6020 credit 49.50: rule 'office': 'paper' in 'Copy paper A4, 80 g, damaged'",
            "1410 credit 9.41: total VAT (BT-110)",
            "2100 debit 58.91: amount due to Papier Lindqvist GmbH (BT-115)");

    [Fact]
    public void A_negative_correction_is_posted_like_a_credit_note() =>
        Text(Booking.Post(SampleDoc.Read("10"))).Should().Equal(
            "6090 credit 320.00: rule 'services by reference': accounting reference 'SRV-12'",
            "1410 credit 60.80: total VAT (BT-110)",
            "2100 debit 380.80: amount due to Cabinet Morel SARL (BT-115)");

    [Fact]
    public void What_was_paid_before_and_what_was_rounded_have_their_accounts()
    {
        var invoice = SampleDoc.Read("01");
        var totals = invoice.Totals! with { Prepaid = 100, Rounding = 0.06m, Payable = 195.50m };

        var journal = Booking.Post(invoice with { Totals = totals });

        Text(journal).Should().Contain(["6990 debit 0.06: rounding amount (BT-114)", "1510 credit 100.00: paid amount (BT-113)"]);
        journal.IsBalanced.Should().BeTrue();
    }

    [Fact]
    public void A_document_that_does_not_add_up_cannot_be_posted()
    {
        var invoice = SampleDoc.Read("01");
        var broken = invoice with { Totals = invoice.Totals! with { Payable = 295.45m } };

        ((Action)(() => Booking.Post(broken))).Should().Throw<ArgumentException>().WithMessage("The document does not add up: debit 295.44, credit 295.45.*");
    }

    [Fact]
    public void A_reversal_takes_every_amount_back()
    {
        var journal = Booking.Post(SampleDoc.Read("01"));
        var reversed = journal.Reversed("payment refused");

        foreach (var (posting, back) in journal.Postings.Zip(reversed.Postings))
            (back.Account, back.Debit, back.Credit, back.Why).Should().Be((posting.Account, posting.Credit, posting.Debit, "payment refused"));
    }

    [Fact]
    public void A_discount_that_no_rule_knows_follows_the_largest_line()
    {
        var rules = new BookingRules([new("paper", Account.OfficeSupplies) { Words = ["paper"] }, new("pencils", Account.Goods) { Words = ["pencil"] }]);

        Text(Booking.Post(SampleDoc.Read("01"), rules)).Should().Contain("6020 debit 210.50: rule 'paper': 'paper' in 'Copy paper A4, 80 g'; charge 'Freight' follows the largest line");
    }

    [Fact]
    public void What_no_rule_takes_needs_coding()
    {
        var journal = Booking.Post(SampleDoc.Read("01"), new BookingRules([]));

        journal.NeedsCoding.Should().BeTrue();
        Text(journal)[0].Should().StartWith("6999 debit 252.50: no rule applies to 'Copy paper A4, 80 g'");
    }

    [Fact]
    public void The_first_rule_that_applies_decides()
    {
        var rules = new BookingRules(
        [
            new("no condition", Account.Insurance),
            new("our paper supplier's pencils", Account.Goods) { Supplier = "DE 811 907 980", Words = ["pencil"] },
            new("reference", Account.Software) { AccountingCost = "sw-" },
            new("anything at 19 %", Account.Services) { VatCategory = "S" },
        ]);
        var seller = new Party { VatId = "DE811907980" };

        rules.Code(seller, null, "Pencils", "S").Should().Be(new Coding(Account.Goods, "rule 'our paper supplier's pencils': supplier DE 811 907 980, 'pencil' in 'Pencils'"));
        rules.Code(null, null, "Pencils", "S").Account.Should().Be(Account.Services);
        rules.Code(seller, "SW-3", "Stencils", "S").Account.Should().Be(Account.Software);
        rules.Code(seller, null, "Stencils", "Z").Account.Should().Be(Account.NeedsCoding);
    }

    [Theory]
    [InlineData("pen", "Parker Pen", true)]
    [InlineData("pen", "pens, blue", true)]
    [InlineData("pen", "Pension plan", false)]
    [InlineData("pen", "Open day; a pen", true)]
    [InlineData("licen*", "IExpress licentiekosten", true)]
    [InlineData("tax", "Syntax checker", false)]
    public void A_word_is_found_as_a_word(string word, string item, bool isFound) =>
        (new BookingRules([new("word", Account.Goods) { Words = [word] }]).Code(null, null, item, null).Account == Account.Goods).Should().Be(isFound);

    private static List<string> Text(Journal journal) =>
        [.. journal.Postings.Select(posting => $"{posting.Account} {(posting.Debit != 0 ? "debit" : "credit")} {BrokenRule.Figure(posting.Debit + posting.Credit)}: {posting.Why}")];
}
