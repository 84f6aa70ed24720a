using OrleansAiOs.Packs.Refunds.Payments;
using OrleansAiOs.Packs.Refunds.Rules;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Packs.Refunds;

/// <summary>
/// One request for a refund, from its arrival until nobody can charge it back any more. The rules propose; what moves money is one call,
/// refunds.pay, and the gate decides on it: the policy alone, or people who sign exactly what is sent.
/// </summary>
[Workflow("refund")]
public sealed class Refund : Workflow<JsonText, RefundResult>
{
    /// <summary>The customer's bank took the order's payment back: then the refund was one too many.</summary>
    public static readonly Signal<ChargeBack> ChargedBack = new("charge-back");

    protected override async Task<RefundResult> RunAsync(JsonText request)
    {
        try
        {
            return Ends(await DecideAsync(request));
        }
        catch (ActivityFailedException denied) when (denied.Failure.Kind is FailureKind.Denied)
        {
            return Ends(RefundResult.Denied(denied.Failure.Message)); // whoever asked may not even ask
        }
    }

    private async Task<RefundResult> DecideAsync(JsonText request)
    {
        var proposal = await Call(Refunding.Propose, new Asked(request, Now));
        if (proposal.Rejected is { } why) return RefundResult.Rejected(proposal, why);
        SetAttributes(("order", proposal.Order!.Id), ("amount", $"{RefundPayments.Money(proposal.Amount)} {proposal.Order.Currency}"));

        await using var claimed = Saga(); // the share is given up unless it is paid out
        var share = await claimed.Call(Refunding.Claim, new RefundClaim(proposal.Order.Id, RunId, proposal.Order.Customer, proposal.Amount, proposal.Order.Paid, Now), undo: Refunding.Release);
        if (share.Amount == 0) return RefundResult.Rejected(proposal, $"Order {share.Order} is paid back in full, by {string.Join(", ", share.Others)}.");
        var payment = await Call(Refunding.Assess, new Granted(proposal, share));
        SetAttributes(("state", "to be paid"), ("risk", payment.Risk.ToString()), ("amount", $"{RefundPayments.Money(payment.Amount)} {payment.Currency}"));

        ChargeBack? back;
        RefundPaid paid;
        await using (var paying = Saga()) // reversed if it is charged back
        {
            try
            {
                paid = await paying.Call(RefundPayments.Pay, payment, undo: RefundPayments.Reverse);
            }
            catch (ActivityFailedException failed) when (failed.Activity == RefundPayments.Pay.Name)
            {
                return RefundResult.NotPaid(payment, failed.Failure);
            }
            claimed.Complete(share);
            SetAttributes(("state", "paid"));
            try
            {
                back = await ChargeBackWithin(proposal.ChargeBackWindow);
            }
            catch (OperationCanceledException)
            {
                paying.Complete(paid); // who cancels the run only stops watching: what is paid is paid
                throw;
            }
            if (back is null) return paying.Complete(RefundResult.Paid(payment, paid));
        }
        return RefundResult.ChargedBack(payment, paid, back);
    }

    private async Task<ChargeBack?> ChargeBackWithin(TimeSpan window)
    {
        if (window <= TimeSpan.Zero) return null;
        var back = Receive(ChargedBack);
        var first = await Task.WhenAny(back, Sleep(window));
        if (first == back) return await back;
        await first; // it may have been cancelled
        return null;
    }

    private RefundResult Ends(RefundResult result)
    {
        SetAttributes(("state", result.Outcome.ToString()));
        return result;
    }
}

/// <param name="Reference">The bank's own reference.</param>
public sealed record ChargeBack(string Reference);
