namespace OrleansAiOs.Sandbox;

/// <summary>What a caller asks the ledger to book.</summary>
internal sealed record PostingOrder : IBody
{
    private const int LinesMax = 1_000;

    public static string Example =>
        """{"reference":"INV-1","supplier":"Acme","currency":"EUR","lines":[{"account":"4400","debit":"100.00"},{"account":"1600","credit":"100.00"}]}""";

    public string? Reference { get; init; }

    public string? Supplier { get; init; }

    public string? Currency { get; init; }

    public IReadOnlyList<PostingLine?>? Lines { get; init; }

    // Methods, not properties: a property would be a member callers could send.
    public IReadOnlyList<PostingLine> LinesToBook() => [.. Lines!.Select(line => line!)];

    public void RequireReadable()
    {
        Require.Reference(Reference);
        Require.Text(Supplier, "supplier", charsMax: 200);
        Require.Currency(Currency);
        if (Lines is not { Count: >= 2 and <= LinesMax })
        {
            throw Require.Invalid("lines", $"A posting has {Lines?.Count ?? 0} lines.", $"Give 2 to {LinesMax} lines.");
        }

        for (var i = 0; i < Lines.Count; i++)
        {
            RequireReadable(Lines[i], $"lines[{i}]");
        }
    }

    private static void RequireReadable(PostingLine? line, string field)
    {
        Require.Text(line?.Account, field + ".account", charsMax: 100);
        if (line is { Debit: < 0 } or { Credit: < 0 } or { Debit: > 0, Credit: > 0 })
        {
            throw Require.Invalid(
                field,
                $"{field} debits {line.Debit:F2} and credits {line.Credit:F2}.",
                "Give one of the two, not negative: a negative debit is a credit.");
        }
    }
}
