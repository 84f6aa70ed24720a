using OrleansAiOs.Packs.Refunds.Requests;

namespace OrleansAiOs.Packs.Refunds.Rules;

/// <summary>
/// What the rules propose for a request: how much, and why; nothing if Rejected says why not. A proposal moves nothing: the policy decides on
/// the payment that comes of it.
/// </summary>
public sealed record Proposal(RefundRequest? Request, ShopOrder? Order, decimal Amount, IReadOnlyList<string> Reasons, string? Rejected = null, TimeSpan ChargeBackWindow = default)
{
    internal static Proposal Reject(RefundRequest? request, string why) => new(request, null, 0, [], why);
}

public enum RefundRisk
{
    Low,
    Medium,
    High,
}

/// <summary>The shop's terms for refunds. Pure: the same request, order and day give the same proposal.</summary>
public static class RefundRules
{
    private const int WithdrawalDays = 14;
    private const int ClaimDays = 180;
    private const int ArrivalDays = 3;
    private const int SomeRefunds = 2;
    private const int ManyRefunds = 5;

    /// <summary>How far back a customer's other refunds count.</summary>
    public static readonly TimeSpan Lookback = TimeSpan.FromDays(90);

    public static Proposal Propose(RefundRequest request, ShopOrder? order, DateOnly today)
    {
        if (order is null) return Proposal.Reject(request, $"There is no order {request.Order}.");
        // To the letter: a name that only looks the same is another name.
        if (!string.Equals(request.Customer, order.Customer, StringComparison.Ordinal)) return Proposal.Reject(request, $"Order {order.Id} was not placed by '{RefundRequest.Visible(request.Customer)}'.");
        if (request.Currency != order.Currency) return Proposal.Reject(request, $"Order {order.Id} was paid in {order.Currency}, and {request.Currency} is asked for.");
        if (OutOfTime(request.Reason, order, today) is { } late) return Proposal.Reject(request, late);

        List<string> reasons = [];
        var amount = request.Amount;
        if (amount > order.Paid)
        {
            amount = order.Paid;
            reasons.Add($"{request.Amount:0.00} was asked for, and {order.Paid:0.00} was paid");
        }
        if (NeedsEvidence(request.Reason) && request.Evidence.Count == 0)
        {
            amount = Math.Floor(amount * 50) / 100;
            reasons.Add($"{request.Reason} is shown by nothing: half of it");
            if (amount == 0) return Proposal.Reject(request, "Half of 0.01 is nothing.");
        }
        reasons.Add(request.Reason switch
        {
            RefundReason.Withdrawn => $"withdrawn within {WithdrawalDays} days",
            RefundReason.NotArrived => order.DeliveredOn is { } day ? $"said not to have arrived, and delivered on {day:yyyy-MM-dd} by the carrier's word" : "not delivered",
            _ => $"{request.Reason}, claimed within {ClaimDays} days",
        });
        return new Proposal(request, order, amount, reasons);
    }

    /// <summary>How much there is to be careful about, and what it is.</summary>
    /// <param name="proposal">One that was not rejected.</param>
    /// <param name="othersOfOrder">Runs with other refunds of the order.</param>
    /// <param name="refundsOfCustomer">The customer's other refunds of the last 90 days.</param>
    public static (RefundRisk Risk, IReadOnlyList<string> Signals) Assess(Proposal proposal, int othersOfOrder, int refundsOfCustomer)
    {
        List<(RefundRisk Risk, string Signal)> signals = [];
        var (request, order) = (proposal.Request!, proposal.Order!);
        if (request.Reason is RefundReason.NotArrived && order.DeliveredOn is not null) signals.Add((RefundRisk.High, "the carrier delivered it"));
        if (refundsOfCustomer >= ManyRefunds) signals.Add((RefundRisk.High, $"{refundsOfCustomer} other refunds in {Lookback.TotalDays:0} days"));
        else if (refundsOfCustomer >= SomeRefunds) signals.Add((RefundRisk.Medium, $"{refundsOfCustomer} other refunds in {Lookback.TotalDays:0} days"));
        if (othersOfOrder > 0) signals.Add((RefundRisk.Medium, $"{othersOfOrder} other refunds of this order"));
        if (NeedsEvidence(request.Reason) && request.Evidence.Count == 0) signals.Add((RefundRisk.Medium, "no evidence"));
        if (request.Amount > order.Paid) signals.Add((RefundRisk.Medium, "more was asked for than was paid"));
        return (signals.Count == 0 ? RefundRisk.Low : signals.Max(signal => signal.Risk), [.. signals.Select(signal => signal.Signal)]);
    }

    private static bool NeedsEvidence(RefundReason reason) => reason is RefundReason.Damaged or RefundReason.WrongItem;

    private static string? OutOfTime(RefundReason reason, ShopOrder order, DateOnly today)
    {
        if (today < order.PaidOn) return $"Order {order.Id} was paid on {order.PaidOn:yyyy-MM-dd}, which is yet to come.";
        if (reason is RefundReason.Withdrawn) return order.DeliveredOn is { } delivered && today > delivered.AddDays(WithdrawalDays) ? $"It was delivered on {delivered:yyyy-MM-dd}; it can be withdrawn from for {WithdrawalDays} days." : null;
        if (reason is RefundReason.NotArrived && today < order.PaidOn.AddDays(ArrivalDays)) return $"It was paid on {order.PaidOn:yyyy-MM-dd}; it may still arrive for {ArrivalDays} days.";
        return today > order.PaidOn.AddDays(ClaimDays) ? $"It was paid on {order.PaidOn:yyyy-MM-dd}; that is more than {ClaimDays} days ago." : null;
    }
}
