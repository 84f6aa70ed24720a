namespace OrleansAiOs.Sandbox;

/// <summary>A receiver that deduplicates: one key, one posting, and its first answer again for whoever asks twice.</summary>
internal sealed class Ledger(Action<BookEntry> record, TimeProvider time)
{
    private readonly Dictionary<string, Posting> byId = [];
    private readonly Dictionary<string, Posting> byKey = [];
    private readonly Dictionary<string, string> reversalOf = [];
    private readonly Dictionary<(string Account, string Currency), Balance> balances = [];
    private readonly Dictionary<string, LedgerKeyBooks> keys = [];
    private readonly Dictionary<string, LedgerReferenceBooks> references = [];
    private long unreadable;

    public SandboxReply Post(string key, PostingOrder order)
    {
        if (byKey.TryGetValue(key, out var first))
        {
            return first.Answers(order) ? Replayed(first) : throw Require.KeyReused(key);
        }

        RequireBalance(order);
        return Book(new Posting(NextId(), key, order.Reference!, order.Supplier!, order.Currency!, order.LinesToBook(), time.GetUtcNow()));
    }

    public SandboxReply Reverse(string key, string id)
    {
        if (byKey.TryGetValue(key, out var first))
        {
            return first.Reverses == id ? Replayed(first) : throw Require.KeyReused(key);
        }

        var posting = Known(id);
        if (posting.Reverses is { } original)
        {
            throw new Refusal(409, "is-a-reversal", $"{id} reverses {original}; a reversal stands.") { Cure = "Post the document anew." };
        }

        if (reversalOf.TryGetValue(id, out var reversal))
        {
            throw new Refusal(409, "already-reversed", $"{id} was already reversed by {reversal}, under another key.")
                .With("reversedBy", reversal);
        }

        return Book(posting with
        {
            Id = NextId(),
            IdempotencyKey = key,
            Lines = [.. posting.Lines.Select(line => line.Inverse())],
            BookedAt = time.GetUtcNow(),
            Reverses = id,
        });
    }

    public SandboxReply Find(string id) =>
        SandboxReply.Json(200, Known(id) with { ReversedBy = reversalOf.GetValueOrDefault(id) });

    public SandboxReply Balances() => SandboxReply.Json(200, new Dictionary<string, object>
    {
        ["balances"] = balances.Values.OrderBy(b => b.Account, StringComparer.Ordinal).ThenBy(b => b.Currency, StringComparer.Ordinal),
    });

    public LedgerBooks Books() => new(unreadable, [.. keys.Values], [.. references.Values]);

    public void Apply(BookEntry entry)
    {
        switch (entry)
        {
            case RequestReached reached:
                var row = Row(reached.Key);
                keys[reached.Key] = row with { Reached = row.Reached + 1 };
                break;
            case PostingBooked { Posting: var posting }:
                Apply(posting);
                break;
            default:
                unreadable++;
                break;
        }
    }

    private void Apply(Posting posting)
    {
        var (postings, reversals) = posting.Reverses is null ? (1, 0) : (0, 1);
        byId.Add(posting.Id, posting);
        byKey.Add(posting.IdempotencyKey, posting);
        if (posting.Reverses is { } original)
        {
            reversalOf.Add(original, posting.Id);
        }

        foreach (var line in posting.Lines)
        {
            var slot = (line.Account!, posting.Currency);
            var balance = balances.GetValueOrDefault(slot) ?? new Balance(line.Account!, posting.Currency, 0, 0);
            balances[slot] = balance with { Debit = balance.Debit + line.Debit, Credit = balance.Credit + line.Credit };
        }

        var key = Row(posting.IdempotencyKey);
        keys[posting.IdempotencyKey] = key with { Postings = key.Postings + postings, Reversals = key.Reversals + reversals };
        var reference = references.GetValueOrDefault(posting.Reference) ?? new LedgerReferenceBooks(posting.Reference, 0, 0);
        references[posting.Reference] = reference with
        {
            Postings = reference.Postings + postings,
            Reversals = reference.Reversals + reversals,
        };
    }

    private static void RequireBalance(PostingOrder order)
    {
        var debit = order.LinesToBook().Sum(line => line.Debit);
        var credit = order.LinesToBook().Sum(line => line.Credit);
        if (debit != credit)
        {
            throw new Refusal(422, "unbalanced", $"Debits are {debit:F2} and credits {credit:F2}: {debit - credit:F2} too much on one side.")
            {
                Field = "lines",
                Cure = "Make both sums equal.",
            }.With("debit", debit).With("credit", credit).With("difference", debit - credit);
        }
    }

    private SandboxReply Book(Posting posting)
    {
        record(new PostingBooked(posting));
        return Answer(posting);
    }

    private Posting Known(string id) => byId.GetValueOrDefault(id)
        ?? throw new Refusal(404, "no-such-posting", "There is no posting with this id.") { Field = "id", Cure = "Use the id the posting was answered with." };

    private LedgerKeyBooks Row(string key) => keys.GetValueOrDefault(key) ?? new LedgerKeyBooks(key, 0, 0, 0);

    private string NextId() => $"P-{byId.Count + 1:D6}";

    private static SandboxReply Answer(Posting posting) => SandboxReply.Json(201, posting);

    private static SandboxReply Replayed(Posting first) => Answer(first).With("Idempotent-Replayed", "true");

    private sealed record Balance(string Account, string Currency, decimal Debit, decimal Credit)
    {
        public decimal Net => Debit - Credit;
    }
}
