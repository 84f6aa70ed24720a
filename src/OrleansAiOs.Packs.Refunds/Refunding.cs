using System.Data.Common;
using OrleansAiOs.Packs.Refunds.Payments;
using OrleansAiOs.Packs.Refunds.Requests;
using OrleansAiOs.Packs.Refunds.Rules;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Packs.Refunds;

/// <summary>What the workflow does before any money moves.</summary>
public static class Refunding
{
    /// <summary>Reads the request, looks the order up, and proposes. A request that cannot be read is an answer and not an error.</summary>
    public static readonly Activity<Asked, Proposal> Propose = Activity.Pure("refunds.propose", (RefundSettings settings, Asked asked, ActivityContext _) =>
    {
        var (request, wrong) = RefundRequest.Read(asked.Request);
        return Task.FromResult(request is null
            ? Proposal.Reject(null, $"{string.Join("; ", wrong)}.")
            : RefundRules.Propose(request, settings.Orders.Find(request.Order), DateOnly.FromDateTime(asked.At.UtcDateTime)) with { ChargeBackWindow = settings.ChargeBackWindow });
    });

    /// <summary>Takes a share of what the order was paid with: all shares together never exceed it.</summary>
    public static readonly Activity<RefundClaim, RefundShare> Claim = Activity.Transactional("refunds.claim",
        (IRefundRegister register, RefundClaim claim, DbTransaction transaction, ActivityContext call) => register.ClaimAsync(transaction, call.Tenant, claim));

    /// <summary>Gives it up, when nothing was paid.</summary>
    public static readonly Activity<RefundShare, RefundShare> Release = Activity.Transactional("refunds.release",
        async (IRefundRegister register, RefundShare share, DbTransaction transaction, ActivityContext call) =>
        {
            await register.ReleaseAsync(transaction, call.Tenant, share.Order, call.Run);
            return share;
        });

    /// <summary>Weighs what is known of order and customer, and says what would be paid.</summary>
    public static readonly Activity<Granted, RefundPayment> Assess = Activity.Pure<Granted, RefundPayment>("refunds.assess", (granted, _) =>
    {
        var (proposal, share) = granted;
        var (request, order) = (proposal.Request!, proposal.Order!);
        var (risk, signals) = RefundRules.Assess(proposal, share.Others.Count, share.OfCustomer);
        var reasons = share.Amount < proposal.Amount ? [.. proposal.Reasons, $"{share.OthersAmount:0.00} of {order.Paid:0.00} is paid back already, or is about to be: what is left"] : proposal.Reasons;
        return Task.FromResult(new RefundPayment(order.Id, order.Customer, share.Amount, order.Currency, request.Reason, risk, signals, order.Paid, share.OthersAmount + share.Amount, reasons, request.Evidence, request.Note));
    });
}

/// <param name="Request">As it came: hostile until it is read.</param>
public sealed record Asked(JsonText Request, DateTimeOffset At);

public sealed record Granted(Proposal Proposal, RefundShare Share);
