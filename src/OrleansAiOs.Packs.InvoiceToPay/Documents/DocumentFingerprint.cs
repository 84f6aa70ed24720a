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
