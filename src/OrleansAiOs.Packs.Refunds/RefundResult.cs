using OrleansAiOs.Packs.Refunds.Payments;
using OrleansAiOs.Packs.Refunds.Rules;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Packs.Refunds;

public enum RefundOutcome
{
    Paid,

    /// <summary>Paid, charged back, and reversed.</summary>
    ChargedBack,

    /// <summary>The rules propose nothing.</summary>
    Rejected,

    /// <summary>The policy forbids it, a person refused, or nobody signed in time. Nothing was sent.</summary>
    Denied,

    /// <summary>The payment provider refused it, or never answered.</summary>
    Failed,
}

/// <summary>How a request ended, and why.</summary>
/// <param name="Amount">What was paid; 0 if nothing was.</param>
/// <param name="Reasons">Why the rules proposed this amount.</param>
/// <param name="Risk">What was weighed; null if it did not come so far.</param>
/// <param name="PaymentId">The provider's own id of the refund.</param>
public sealed record RefundResult(RefundOutcome Outcome, string Why, string? Order, decimal Amount, string? Currency, IReadOnlyList<string> Reasons, RefundRisk? Risk = null, string? PaymentId = null)
{
    internal static RefundResult Rejected(Proposal proposal, string why) => new(RefundOutcome.Rejected, why, proposal.Request?.Order, 0, proposal.Request?.Currency, proposal.Reasons);

    internal static RefundResult Denied(string why) => new(RefundOutcome.Denied, why, null, 0, null, []);

    internal static RefundResult NotPaid(RefundPayment payment, Failure failure) =>
        new(failure.Kind is FailureKind.Denied ? RefundOutcome.Denied : RefundOutcome.Failed, failure.Message, payment.Order, 0, payment.Currency, payment.Reasons, payment.Risk);

    internal static RefundResult Paid(RefundPayment payment, RefundPaid paid) =>
        new(RefundOutcome.Paid, string.Join("; ", payment.Reasons), payment.Order, payment.Amount, payment.Currency, payment.Reasons, payment.Risk, paid.Id);

    internal static RefundResult ChargedBack(RefundPayment payment, RefundPaid paid, ChargeBack back) =>
        new(RefundOutcome.ChargedBack, $"Charged back by {Requests.RefundRequest.Visible(back.Reference)}: {paid.Id} was taken back", payment.Order, 0, payment.Currency, payment.Reasons, payment.Risk, paid.Id);
}
