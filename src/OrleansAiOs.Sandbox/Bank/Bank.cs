namespace OrleansAiOs.Sandbox;

/// <summary>A receiver that never deduplicates: it pays every order that reaches it, and can be asked or told to void by reference.</summary>
public sealed class Bank
{
    /// <summary>Payments to this account are always refused, definitely.</summary>
    public const string RefusedAccount = "DE02120300000000202051";

    private readonly Action<BookEntry> record;
    private readonly TimeProvider time;
    private readonly Dictionary<string, List<Payment>> payments = [];
    private readonly HashSet<string> voided = [];
    private readonly Dictionary<string, BankReferenceBooks> references = [];
    private long paymentCount;
    private long unreadable;

    internal Bank(Action<BookEntry> record, TimeProvider time) => (this.record, this.time) = (record, time);

    internal SandboxReply Pay(PaymentOrder order)
    {
        if (voided.Contains(order.Reference!))
        {
            throw new Refusal(409, "reference-voided", "This reference was voided; nothing will be paid under it.") { Field = "reference" };
        }

        if (order.Amount <= 0)
        {
            throw Require.Invalid("amount", $"{order.Amount:F2} cannot be paid.", "Give more than zero.");
        }

        if (order.Account() == RefusedAccount)
        {
            throw new Refusal(422, "account-refused", "The bank refuses payments to this account.") { Field = "iban", Cure = "Pay to another account." };
        }

        var id = $"B-{paymentCount + 1:D6}";
        var payment = new Payment(id, order.Reference!, order.Creditor!, order.Account(), order.Amount!.Value, order.Currency!, time.GetUtcNow());
        record(new PaymentMade(payment));
        return SandboxReply.Json(201, payment);
    }

    internal SandboxReply Inquire(string reference) => SandboxReply.Json(200, new Dictionary<string, object>
    {
        ["reference"] = reference,
        ["voided"] = voided.Contains(reference),
        ["payments"] = PaidUnder(reference),
    });

    internal SandboxReply Void(string reference)
    {
        if (PaidUnder(reference) is { Count: > 0 } paid)
        {
            throw new Refusal(409, "already-paid", $"Under this reference {paid.Count} payment(s) were made.") { Field = "reference" }
                .With("payments", paid);
        }

        if (!voided.Contains(reference))
        {
            record(new ReferenceVoided(reference, time.GetUtcNow()));
        }

        return SandboxReply.Json(200, new Dictionary<string, bool> { ["voided"] = true });
    }

    internal BankBooks Books() => new(unreadable, [.. references.Values]);

    internal void Apply(BookEntry entry)
    {
        switch (entry)
        {
            case RequestReached reached:
                var row = Row(reached.Key);
                references[reached.Key] = reached.Operation switch
                {
                    SandboxOperation.BankPay => row with { Reached = row.Reached + 1 },
                    SandboxOperation.BankVoid => row with { VoidRequests = row.VoidRequests + 1 },
                    _ => row with { Inquiries = row.Inquiries + 1 },
                };
                break;
            case PaymentMade { Payment: var payment }:
                Apply(payment);
                break;
            case ReferenceVoided { Reference: var reference }:
                voided.Add(reference);
                references[reference] = Row(reference) with { Voids = 1 };
                break;
            default:
                unreadable++;
                break;
        }
    }

    private void Apply(Payment payment)
    {
        if (!payments.TryGetValue(payment.Reference, out var paid))
        {
            payments.Add(payment.Reference, paid = []);
        }

        paid.Add(payment);
        paymentCount++;
        references[payment.Reference] = Row(payment.Reference) with { Payments = paid.Count };
    }

    private IReadOnlyList<Payment> PaidUnder(string reference) => payments.GetValueOrDefault(reference) ?? [];

    private BankReferenceBooks Row(string reference) =>
        references.GetValueOrDefault(reference) ?? new BankReferenceBooks(reference, 0, 0, 0, 0, 0);
}
