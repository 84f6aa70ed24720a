using System.Globalization;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>
/// One rule a document breaks: the standard's identifier, a sentence with the figures, and where figures are compared what the other
/// figures add up to (<see cref="Expected"/>) and what the document states (<see cref="Found"/>).
/// </summary>
public sealed record BrokenRule(string Id, string Text, string? Expected = null, string? Found = null)
{
    public override string ToString() => $"{Id}: {Text}";

    internal static BrokenRule Missing(string id, string term) => new(id, $"{term} is missing");

    internal static BrokenRule Differs(string id, string reckoned, decimal expected, string stated, decimal? found) =>
        new(id, $"{reckoned} is {Figure(expected)} but {stated} {(found is { } f ? $"says {Figure(f)}" : "is missing")}", Figure(expected), found is { } g ? Figure(g) : null);

    /// <summary>1,299.00: grouped, at least two decimals, all that are not zero.</summary>
    internal static string Figure(decimal amount) => amount.ToString("#,##0.00##########################", CultureInfo.InvariantCulture);

    internal static string Rate(decimal? rate) => rate is { } percent ? percent.ToString("0.##########", CultureInfo.InvariantCulture) + " %" : "no rate";
}
