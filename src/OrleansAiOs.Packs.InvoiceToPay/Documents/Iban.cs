namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>ISO 13616: the check digits, not the length per country, which is a list.</summary>
public static class Iban
{
    public static string? Normalise(string? account)
    {
        var kept = string.Concat((account ?? "").Where(character => !char.IsWhiteSpace(character))).ToUpperInvariant();
        return kept.Length == 0 ? null : kept;
    }

    public static bool IsValid(string account)
    {
        if (account.Length is < 15 or > 34 || !account.All(char.IsAsciiLetterOrDigit)) return false;
        if (!char.IsAsciiLetter(account[0]) || !char.IsAsciiLetter(account[1])) return false;
        var remainder = 0;
        foreach (var character in account[4..] + account[..4])
        {
            var value = char.IsAsciiDigit(character) ? character - '0' : char.ToUpperInvariant(character) - 'A' + 10;
            remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
        }
        return remainder == 1;
    }
}
