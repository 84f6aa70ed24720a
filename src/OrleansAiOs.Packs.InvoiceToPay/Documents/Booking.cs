namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>
/// Turns a document that keeps <see cref="En16931"/>'s rules into postings. Expenses and VAT stand in debit, payables and what was paid
/// before in credit; a credit note turns all of them, and a negative amount stands on the other side. It balances because the rules do:
/// lines + charges - allowances = total without VAT (BR-CO-10 to 13), + VAT = total with VAT (15), - paid + rounding = payable (16).
/// </summary>
public static class Booking
{
    public static Journal Post(Invoice invoice, BookingRules? rules = null)
    {
        var totals = invoice.Totals ?? throw new ArgumentException("The document has no totals: check it with En16931 first.", nameof(invoice));
        var entries = Expenses(invoice, rules ?? BookingRules.Default)
            .Append(new Entry(Account.InputVat, invoice.Vat ?? 0, "total VAT (BT-110)"))
            .Append(new Entry(Account.RoundingDifferences, totals.Rounding ?? 0, "rounding amount (BT-114)"))
            .Append(new Entry(Account.TradePayables, -(totals.Payable ?? 0), $"amount due to {invoice.Seller?.DisplayName} (BT-115)"))
            .Concat(Paid(invoice, totals));
        var journal = new Journal(invoice.Currency, [.. entries.Where(entry => entry.Amount != 0).Select(entry => entry.ToPosting(invoice.Sign))]);
        return journal.IsBalanced
            ? journal
            : throw new ArgumentException($"The document does not add up: debit {BrokenRule.Figure(journal.Debit)}, credit {BrokenRule.Figure(journal.Credit)}. Check it with En16931 first.", nameof(invoice));
    }

    /// <summary>One entry per account, in the order of the document, with the reasons of the amounts in it.</summary>
    private static IEnumerable<Entry> Expenses(Invoice invoice, BookingRules rules)
    {
        var coded = invoice.Lines.Select(line => (
                Coding: rules.Code(invoice.Seller, line.AccountingCost ?? invoice.AccountingCost, line.ItemName, line.Vat?.Code),
                Amount: line.Net ?? 0))
            .ToList();
        var main = coded.Count == 0 ? null : coded.MaxBy(line => Math.Abs(line.Amount)).Coding.Account;
        coded.AddRange(invoice.AllowanceCharges.Select(entry => (Coding: Code(rules, invoice, entry, main), Amount: entry.SignedAmount)));
        return coded.GroupBy(amount => amount.Coding.Account)
            .Select(account => new Entry(account.Key, account.Sum(amount => amount.Amount), Reasons(account.Select(amount => amount.Coding.Why))));
    }

    /// <summary>A discount or charge that no rule knows follows the largest line: it made the same thing cheaper or dearer.</summary>
    private static Coding Code(BookingRules rules, Invoice invoice, AllowanceCharge entry, Account? main)
    {
        var coding = rules.Code(invoice.Seller, null, entry.Reason ?? "", entry.Vat?.Code);
        if (coding.Account != Account.NeedsCoding || main is null) return coding;
        return new Coding(main, $"{(entry.IsCharge ? "charge" : "allowance")} '{XsdText.Excerpt(entry.Reason ?? "")}' follows the largest line");
    }

    /// <summary>Under Italian split payment (category B) the "paid" VAT was not paid: the buyer owes it to the tax office.</summary>
    private static IEnumerable<Entry> Paid(Invoice invoice, Totals totals)
    {
        var paid = totals.Prepaid ?? 0;
        var split = invoice.VatBreakdowns.Where(breakdown => breakdown.Vat?.Code == "B").Sum(breakdown => breakdown.Tax ?? 0);
        var toAuthority = Math.Sign(split) == Math.Sign(paid) && Math.Abs(split) <= Math.Abs(paid) ? split : 0;
        yield return new Entry(Account.SplitPaymentVat, -toAuthority, "VAT under split payment, paid to the tax office (BT-117, category B)");
        yield return new Entry(Account.Prepayments, -(paid - toAuthority), "paid amount (BT-113)");
    }

    private static string Reasons(IEnumerable<string> reasons)
    {
        var distinct = reasons.Distinct().ToList();
        return string.Join("; ", distinct.Take(3)) + (distinct.Count > 3 ? $"; and {distinct.Count - 3} more" : "");
    }

    /// <summary>Positive is debit.</summary>
    private sealed record Entry(Account Account, decimal Amount, string Why)
    {
        public Posting ToPosting(int sign)
        {
            var amount = sign * Amount;
            return new Posting(Account.Number, Account.Name, Math.Max(amount, 0), Math.Max(-amount, 0), Why);
        }
    }
}
