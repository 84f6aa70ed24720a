using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Packs.InvoiceToPay.Receivers;

/// <summary>The general ledger. It recognises a key it has seen, so a posting may be sent again.</summary>
public static class Ledger
{
    /// <summary>Books a journal.</summary>
    public static readonly Activity<LedgerEntry, LedgerPosting> Post = Activity.Keyed("ledger.post",
        (LedgerClient ledger, LedgerEntry entry, IdempotencyKey key, ActivityContext call) => ledger.PostAsync(entry, key, call.Cancellation));

    /// <summary>Books the inverse.</summary>
    public static readonly Activity<LedgerPosting, LedgerPosting> Reverse = Activity.Keyed("ledger.reverse",
        (LedgerClient ledger, LedgerPosting posting, IdempotencyKey key, ActivityContext call) => ledger.ReverseAsync(posting, key, call.Cancellation));
}

public sealed record LedgerEntry(string Reference, string Supplier, Journal Journal);

public sealed record LedgerPosting(string Id);

/// <summary>The ledger over HTTP.</summary>
public sealed class LedgerClient(HttpClient http) : ReceiverClient(http)
{
    public async Task<LedgerPosting> PostAsync(LedgerEntry entry, IdempotencyKey key, CancellationToken cancellation) =>
        Identified(await SendAsync<LedgerPosting>(HttpMethod.Post, "ledger/postings", new
        {
            reference = Text(entry.Reference),
            supplier = Text(entry.Supplier),
            currency = entry.Journal.Currency,
            lines = entry.Journal.Postings.Select(line => new { account = line.Account, debit = Amount(line.Debit), credit = Amount(line.Credit) }),
        }, key, cancellation));

    public async Task<LedgerPosting> ReverseAsync(LedgerPosting posting, IdempotencyKey key, CancellationToken cancellation) =>
        Identified(await SendAsync<LedgerPosting>(HttpMethod.Post, $"ledger/postings/{Uri.EscapeDataString(posting.Id)}/reversal", new { }, key, cancellation));

    // Under a blank id nothing could be undone.
    private static LedgerPosting Identified(LedgerPosting posting) => posting.Id.Trim().Length > 0 ? posting : throw new InvalidDataException("The ledger's answer gives the posting no id.");
}
