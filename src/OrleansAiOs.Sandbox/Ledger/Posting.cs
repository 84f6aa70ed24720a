namespace OrleansAiOs.Sandbox;

/// <summary>One line of a posting: an account debited or credited.</summary>
internal sealed record PostingLine
{
    public string? Account { get; init; }

    public decimal Debit { get; init; }

    public decimal Credit { get; init; }

    public PostingLine Inverse() => this with { Debit = Credit, Credit = Debit };
}

/// <summary>A posting in the books, kept for ever; a reversal is another one that names the first.</summary>
internal sealed record Posting(
    string Id,
    string IdempotencyKey,
    string Reference,
    string Supplier,
    string Currency,
    IReadOnlyList<PostingLine> Lines,
    DateTimeOffset BookedAt,
    string? Reverses = null)
{
    /// <summary>Told to readers only: the first answer must stay the same after a reversal.</summary>
    public string? ReversedBy { get; init; }

    public bool Answers(PostingOrder order) =>
        Reverses is null
        && Reference == order.Reference
        && Supplier == order.Supplier
        && Currency == order.Currency
        && Lines.SequenceEqual(order.LinesToBook());
}
