using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>Two identities of a document: its bytes, and what its supplier calls it. Twins share the second and differ in the first.</summary>
public static class DocumentFingerprint
{
    public static string OfBytes(ReadOnlySpan<byte> document) => Convert.ToHexStringLower(SHA256.HashData(document));

    public static string OfBytes(Stream document) => Convert.ToHexStringLower(SHA256.HashData(document));

    /// <summary>
    /// Supplier, kind and number, apart from case and blanks. The kind belongs to it: suppliers number invoices and credit notes in series
    /// of their own, and Peppol's example credit note "Snippet1" corrects the invoice "Snippet1" of the same supplier.
    /// </summary>
    public static string DuplicateKey(Invoice invoice) => $"{Supplier(invoice.Seller)}/{invoice.Kind}/{Fold(invoice.Number)}";

    /// <summary>
    /// One key for each name of the supplier that the document states, whatever it calls that name: a second copy may state others of them,
    /// and an order is found by any. In the number, what stands between letters and digits is all the same: "RE 1" is "RE-1", and "1-11" is not "11-1".
    /// The one key of before comes first: documents have been claimed under it.
    /// </summary>
    public static IReadOnlyList<string> DuplicateKeys(Invoice invoice)
    {
        var number = string.Join('-', Parts(invoice.Number)).ToUpperInvariant();
        return [.. Names(invoice.Seller).Distinct().Select(name => $"seller:{name}/{invoice.Kind}/{number}").Prepend(DuplicateKey(invoice)).Select(Short)];
    }

    private static IEnumerable<string> Names(Party? seller)
    {
        foreach (var id in seller?.AllIds ?? []) yield return FoldId(id);
        // A VAT identifier is written with its country in front, and without.
        if (seller is { VatId: { } vatId, Country: { } country } && FoldId(vatId) is [var first, ..] && char.IsDigit(first)) yield return FoldId(country) + FoldId(vatId);
        if (seller?.AllIds.Any() != true) yield return Fold(seller?.DisplayName ?? "");
    }

    private static IEnumerable<string> Parts(string number)
    {
        for (var (at, start) = (0, 0); at <= number.Length; at++)
        {
            if (at < number.Length && char.IsLetterOrDigit(number[at])) continue;
            if (at > start) yield return number[start..at];
            start = at + 1;
        }
    }

    /// <summary>An index of the database holds no key of thousands of characters.</summary>
    private static string Short(string key) => key.Length <= 500 ? key : $"sha256:{OfBytes(Encoding.UTF8.GetBytes(key))}";

    /// <summary>The strongest identifier there is; its name only where there is none, as names are spelt in many ways.</summary>
    public static string Supplier(Party? seller) => seller switch
    {
        { VatId: { } vatId } => $"vat:{FoldId(vatId)}",
        { LegalId: { } legalId } => $"legal:{FoldId(legalId)}",
        { TaxId: { } taxId } => $"tax:{FoldId(taxId)}",
        { Ids: [var id, ..] } => $"id:{FoldId(id)}",
        _ => $"name:{Fold(seller?.DisplayName ?? "")}",
    };

    /// <summary>Identifiers are also written with points, hyphens and blanks: NL8200.98.395.B.01 is NL820098395B01.</summary>
    internal static string FoldId(string id) => string.Concat(id.Where(char.IsLetterOrDigit)).ToUpperInvariant();

    private static string Fold(string text)
    {
        var folded = new StringBuilder(text.Length);
        foreach (var word in text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            folded.Append(folded.Length == 0 ? "" : " ").Append(word.ToUpperInvariant());
        return folded.ToString();
    }
}
