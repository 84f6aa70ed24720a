using System.Text;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>
/// The project's own sample input: a document for each outcome of the pipeline and the purchase orders they refer to. Content depends on
/// today only, so the same day writes the same bytes. Invented parties, and account numbers from the examples that banks publish.
/// </summary>
public static class SampleInvoices
{
    /// <summary>An account of valid form at which the sandbox bank refuses every payment.</summary>
    public const string RefusedAccount = "DE02120300000000202051";

    /// <summary>Amounts above this need an approval in the demonstration; "large-purchase" is above, all others below.</summary>
    public const decimal ApprovalThreshold = 10_000m;

    public const string PurchaseOrdersFile = "purchase-orders.json";

    /// <summary>Writes the documents and the purchase orders, and answers what each is about.</summary>
    public static IReadOnlyList<Sample> Write(string directory, DateOnly today)
    {
        Directory.CreateDirectory(directory);
        var documents = SampleDocuments.All(today);
        foreach (var (sample, document) in documents) File.WriteAllBytes(Path.Combine(directory, sample.File), document.ToUbl());
        File.WriteAllText(Path.Combine(directory, PurchaseOrdersFile), PurchaseOrdersJson, new UTF8Encoding(false));
        return [.. documents.Select(entry => entry.Sample)];
    }

    private const string PurchaseOrdersJson = """
        {
          "orders": [
            { "number": "PO-1001", "supplier": "DE811907980", "currency": "EUR", "openAmount": 2500.00 },
            { "number": "PO-1002", "supplier": "NL004495445B01", "currency": "EUR", "openAmount": 40000.00 },
            { "number": "PO-1003", "supplier": "DE811907980", "currency": "EUR", "openAmount": 600.00 },
            { "number": "PO-1004", "supplier": "FR83404833048", "currency": "EUR", "openAmount": 9000.00 }
          ]
        }

        """;
}

/// <summary>A file of <see cref="SampleInvoices"/> and what the pipeline is to make of it.</summary>
public sealed record Sample(string File, string About);
