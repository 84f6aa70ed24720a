namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>
/// One rule: every condition that is stated must hold. <see cref="Supplier"/> is any identifier of the seller,
/// <see cref="AccountingCost"/> the beginning of BT-133 or BT-19, and of <see cref="Words"/> one must stand in the item's name ("licen*" is
/// the beginning of a word).
/// </summary>
public sealed record BookingRule(string Name, Account Account)
{
    public string? Supplier { get; init; }
    public string? AccountingCost { get; init; }
    public IReadOnlyList<string> Words { get; init; } = [];
    public string? VatCategory { get; init; }

    /// <summary>Why the rule applies, in words; null when it does not. A rule without conditions never applies.</summary>
    internal string? Apply(Party? seller, string? accountingCost, string text, string? vatCategory)
    {
        var reasons = new List<string>();
        if (Supplier is not null && !Say(reasons, $"supplier {Supplier}", seller?.AllIds.Any(IsSupplier) == true)) return null;
        if (AccountingCost is not null && !Say(reasons, $"accounting reference '{accountingCost}'", accountingCost?.StartsWith(AccountingCost, StringComparison.OrdinalIgnoreCase) == true)) return null;
        if (Words.Count > 0)
        {
            var word = Words.FirstOrDefault(word => HasWord(text, word));
            if (!Say(reasons, $"'{word}' in '{XsdText.Excerpt(text)}'", word is not null)) return null;
        }
        if (VatCategory is not null && !Say(reasons, $"VAT category {VatCategory}", vatCategory == VatCategory)) return null;
        return reasons.Count == 0 ? null : $"rule '{Name}': {string.Join(", ", reasons)}";
    }

    private bool IsSupplier(string id) => DocumentFingerprint.FoldId(id) == DocumentFingerprint.FoldId(Supplier!);

    /// <summary>As a word or its plural, so that 'pen' finds 'Pens' and not 'Pension'; or with * as the beginning of one.</summary>
    private static bool HasWord(string text, string word)
    {
        var (stem, isBeginning) = word.EndsWith('*') ? (word[..^1], true) : (word, false);
        for (var at = 0; (at = text.IndexOf(stem, at, StringComparison.OrdinalIgnoreCase)) >= 0; at++)
        {
            if (at > 0 && char.IsLetterOrDigit(text[at - 1])) continue;
            var rest = text.AsSpan(at + stem.Length);
            if (rest.StartsWith("s", StringComparison.OrdinalIgnoreCase)) rest = rest[1..];
            if (isBeginning || rest.IsEmpty || !char.IsLetterOrDigit(rest[0])) return true;
        }
        return false;
    }

    private static bool Say(List<string> reasons, string reason, bool holds)
    {
        reasons.Add(reason);
        return holds;
    }
}

/// <summary>Rules in order; the first that applies decides. Total: what no rule takes goes to <see cref="Account.NeedsCoding"/>.</summary>
public sealed class BookingRules(IReadOnlyList<BookingRule> rules)
{
    public static readonly BookingRules Default = new(
    [
        new("software by reference", Account.Software) { AccountingCost = "SW-" },
        new("services by reference", Account.Services) { AccountingCost = "SRV-" },
        new("equipment by reference", Account.Equipment) { AccountingCost = "IT-" },
        new("insurance", Account.Insurance) { Words = ["insurance", "versicherung*", "verzekering*", "assicurazione"] },
        new("freight", Account.Freight) { Words = ["freight", "packaging", "shipping", "transport costs", "fracht", "versand"] },
        new("energy", Account.Energy) { Words = ["electricity", "kwh", "gas supply", "strom", "transportvermogen", "transportdienst", "aansluitdienst"] },
        new("equipment", Account.Equipment) { Words = ["laptop", "computer", "monitor", "network cable", "server"] },
        new("software", Account.Software) { Words = ["subscription", "licen*", "software", "hosting"] },
        new("office", Account.OfficeSupplies) { Words = ["paper", "pen", "pencil", "toner", "blocknote", "balpennen", "office"] },
        new("services", Account.Services) { Words = ["consult*", "training", "audit", "legal advice"] },
        new("taxes and fees", Account.TaxesAndFees) { Words = ["tax", "taxes", "fee", "duty"] },
        new("not subject to VAT", Account.TaxesAndFees) { VatCategory = "O" },
    ]);

    public Coding Code(Party? seller, string? accountingCost, string text, string? vatCategory)
    {
        foreach (var rule in rules)
            if (rule.Apply(seller, accountingCost, text, vatCategory) is { } why) return new Coding(rule.Account, why);
        return new Coding(Account.NeedsCoding, $"no rule applies to '{XsdText.Excerpt(text)}'");
    }
}

/// <summary>The account of one amount, and why.</summary>
public sealed record Coding(Account Account, string Why);
