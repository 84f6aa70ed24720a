namespace OrleansAiOs.Sandbox;

/// <summary>
/// A payment provider that pays refunds: one key, one refund, and its first answer again for whoever asks twice. It knows nothing of orders:
/// under another key it pays the same order once more.
/// </summary>
public sealed class Refunds
{
    /// <summary>Refunds of this order are always refused, definitely: its card is closed.</summary>
    public const string ClosedOrder = "S-CLOSED";

    private readonly Action<BookEntry> record;
    private readonly TimeProvider time;
    private readonly Dictionary<string, Refund> byId = [];
    private readonly Dictionary<string, Refund> byKey = [];
    private readonly Dictionary<string, string> reversalOf = [];
    private readonly Dictionary<string, RefundKeyBooks> keys = [];
    private readonly Dictionary<(string Order, string Currency), RefundOrderBooks> orders = [];
    private long unreadable;

    internal Refunds(Action<BookEntry> record, TimeProvider time) => (this.record, this.time) = (record, time);

    internal SandboxReply Pay(string key, RefundOrder order)
    {
        if (byKey.TryGetValue(key, out var first))
        {
            return first.Reverses is null && first.Order == order ? Replayed(first) : throw Require.KeyReused(key);
        }

        if (order.Amount <= 0)
        {
            throw Require.Invalid("amount", $"{order.Amount:F2} cannot be paid back.", "Give more than zero.");
        }

        if (order.Order == ClosedOrder)
        {
            throw new Refusal(422, "card-closed", "The card this order was paid with is closed.") { Field = "order", Cure = "Pay the customer by other means." };
        }

        return Book(new Refund(NextId(), key, order, time.GetUtcNow()));
    }

    internal SandboxReply Reverse(string key, string id)
    {
        if (byKey.TryGetValue(key, out var first))
        {
            return first.Reverses == id ? Replayed(first) : throw Require.KeyReused(key);
        }

        if (!byId.TryGetValue(id, out var refund))
        {
            throw new Refusal(422, "no-such-refund", "There is no refund with this id.") { Field = "id", Cure = "Use the id the refund was answered with." };
        }

        if (refund.Reverses is { } original)
        {
            throw new Refusal(409, "is-a-reversal", $"{id} reverses {original}; a reversal stands.");
        }

        if (reversalOf.TryGetValue(id, out var reversal))
        {
            throw new Refusal(409, "already-reversed", $"{id} was already reversed by {reversal}, under another key.").With("reversedBy", reversal);
        }

        return Book(refund with { Id = NextId(), IdempotencyKey = key, At = time.GetUtcNow(), Reverses = id });
    }

    internal RefundBooks Books() => new(unreadable, [.. keys.Values], [.. orders.Values]);

    internal void Apply(BookEntry entry)
    {
        switch (entry)
        {
            case RequestReached reached:
                var row = Row(reached.Key);
                keys[reached.Key] = row with { Reached = row.Reached + 1 };
                break;
            case RefundBooked { Refund: var refund }:
                Apply(refund);
                break;
            default:
                unreadable++;
                break;
        }
    }

    private void Apply(Refund refund)
    {
        byId.Add(refund.Id, refund);
        byKey.Add(refund.IdempotencyKey, refund);
        var (key, amount, slot) = (Row(refund.IdempotencyKey), refund.Order.Amount!.Value, (refund.Order.Order!, refund.Order.Currency!));
        var order = orders.GetValueOrDefault(slot) ?? new RefundOrderBooks(slot.Item1, slot.Item2, 0, 0, 0, 0);
        if (refund.Reverses is { } original)
        {
            reversalOf.Add(original, refund.Id);
            keys[refund.IdempotencyKey] = key with { Reversals = key.Reversals + 1 };
            orders[slot] = order with { Reversals = order.Reversals + 1, Reversed = order.Reversed + amount };
        }
        else
        {
            keys[refund.IdempotencyKey] = key with { Refunds = key.Refunds + 1 };
            orders[slot] = order with { Refunds = order.Refunds + 1, Refunded = order.Refunded + amount };
        }
    }

    private SandboxReply Book(Refund refund)
    {
        record(new RefundBooked(refund));
        return Answer(refund);
    }

    private RefundKeyBooks Row(string key) => keys.GetValueOrDefault(key) ?? new RefundKeyBooks(key, 0, 0, 0);

    private string NextId() => $"R-{byId.Count + 1:D6}";

    private static SandboxReply Answer(Refund refund) => SandboxReply.Json(201, refund);

    private static SandboxReply Replayed(Refund first) => Answer(first).With("Idempotent-Replayed", "true");
}
