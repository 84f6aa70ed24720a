namespace OrleansAiOs.Sandbox;

/// <summary>What a caller asks the bank to pay.</summary>
internal sealed record PaymentOrder : IBody
{
    public static string Example =>
        """{"creditor":"Acme","iban":"NL57 RABO 0107307510","amount":"100.00","currency":"EUR","reference":"INV-1"}""";

    public string? Creditor { get; init; }

    public string? Iban { get; init; }

    public decimal? Amount { get; init; }

    public string? Currency { get; init; }

    public string? Reference { get; init; }

    /// <summary>The account without the spaces people write into it.</summary>
    public string Account() => Iban!.Replace(" ", "", StringComparison.Ordinal).ToUpperInvariant();

    public void RequireReadable()
    {
        Require.Reference(Reference);
        Require.Text(Creditor, "creditor", charsMax: 200);
        Require.Currency(Currency);
        Require.Text(Iban, "iban", charsMax: 50);

        // No check digits: real examples of the standard carry made-up accounts, and they too must be payable here.
        var account = Account();
        if (account.Length is < 5 or > 34 || !account.All(char.IsAsciiLetterOrDigit))
        {
            throw Require.Invalid("iban", "iban is no account number.", "Give 5 to 34 letters and digits; spaces do not count.");
        }

        if (Amount is null)
        {
            throw Require.Invalid("amount", "amount is missing.", "Give what is to be paid, such as \"100.00\".");
        }
    }
}
