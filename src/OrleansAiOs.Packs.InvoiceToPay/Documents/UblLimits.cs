namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>What a document may cost us before we know that it is one. Attachments count only towards <see cref="MaxBytes"/>.</summary>
public sealed record UblLimits
{
    public static readonly UblLimits Default = new();

    public long MaxBytes { get; init; } = 64 * 1024 * 1024;
    public int MaxDepth { get; init; } = 64;
    public int MaxLines { get; init; } = 10_000;
    /// <summary>Everything else that is kept and may repeat: allowances, charges, VAT groups, payment means, identifiers.</summary>
    public int MaxGroups { get; init; } = 20_000;
    /// <summary>Of an identifier, number or date, with its indentation: beyond it the document is refused.</summary>
    public int MaxTextLength { get; init; } = 1_000;
    /// <summary>Of a name or reason: beyond it the rest is left out.</summary>
    public int MaxLabelLength { get; init; } = 200;
}
