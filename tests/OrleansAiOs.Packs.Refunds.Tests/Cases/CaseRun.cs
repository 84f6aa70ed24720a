using System.Globalization;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Packs.Refunds.Payments;
using OrleansAiOs.Sandbox;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Packs.Refunds.Tests.Cases;

/// <summary>Plays one case, and says what came out otherwise than expected.</summary>
internal sealed class CaseRun(RefundCase played)
{
    private readonly List<string> wrong = [];
    private readonly List<DecisionSignature> given = [];

    public static async Task<IReadOnlyList<string>> PlayAsync(RefundCase played)
    {
        var run = new CaseRun(played);
        try
        {
            await run.PlayAsync();
        }
        catch (Exception e) when (e is TimeoutException or InvalidOperationException or CommandRefusedException)
        {
            run.wrong.Add($"{e.GetType().Name}: {e.Message}");
        }
        return [.. run.wrong.Select(text => $"{played.Name}: {text}")];
    }

    private async Task PlayAsync()
    {
        await using var world = new RefundWorld(played.Orders, new Hostility
        {
            Script = [.. (played.Faults ?? []).Select(fault => new ScriptedFault { Operation = SandboxOperation.RefundsPay, Fault = Enum.Parse<Fault>(fault) })],
        });
        await world.Host.StartAsync();
        List<RunKey> runs = [];
        foreach (var request in played.Requests)
        {
            var run = await world.Host.StartRunAsync("refund", JsonText.Parse(request.Body), $"{played.Name}.{runs.Count + 1}", by: request.By[^1], chain: request.By);
            runs.Add(run);
            foreach (var act in request.Acts) await ActAsync(world, run, act.Split(' '));
            // The next one comes when this one is decided: not only when nobody can charge it back any more.
            await world.Host.Until(run, row => row.ClosedAt is not null || row.Attributes?.GetValueOrDefault("state") == "paid");
        }
        foreach (var (request, run) in played.Requests.Zip(runs)) await CheckAsync(world, request, run);
        CheckBooks(world);
    }

    private async Task ActAsync(RefundWorld world, RunKey run, string[] act)
    {
        switch (act)
        {
            case ["wait", var hours]:
                await world.Host.UntilApproval(run);
                await world.Host.AdvanceAsync(TimeSpan.FromHours(int.Parse(hours, CultureInfo.InvariantCulture)));
                break;
            case ["pass", var minutes]: // what hangs is given up after half of one
                await world.Host.AdvanceAsync(TimeSpan.FromMinutes(int.Parse(minutes, CultureInfo.InvariantCulture)));
                break;
            case ["crash"]:
                await world.Host.KillAndRestartAsync();
                break;
            case ["charge-back"]:
                await world.Host.Until(run, row => row.Attributes?.GetValueOrDefault("state") == "paid");
                await world.Host.SignalAsync(run, Refund.ChargedBack, new ChargeBack("CB-1"));
                break;
            case ["disable", var who]:
                await world.Host.UntilApproval(run);
                world.Show($"principal/{who}", new PrincipalDisabled("left"));
                break;
            case [var how, var who]:
                var held = await world.Host.UntilApproval(run);
                var signature = how switch
                {
                    "sign" => world.Sign(who, held.Digest!),
                    "refuse" => world.Sign(who, held.Digest!, granted: false),
                    "forge" => world.Sign(who, held.Digest!, with: "user/saul"),
                    "turn" => world.Sign(who, held.Digest!, granted: false), // a refusal, sent as a grant
                    "late" => world.Sign(who, held.Digest!, at: world.Host.Now + TimeSpan.FromHours(97)),
                    "other-amount" => world.Sign(who, CanonicalJson.Digest(JsonText.Parse("""{"order":"S-1","amount":1.00}"""))) with { Digest = held.Digest! },
                    "replay" => given[0] with { Digest = held.Digest! },
                    _ => throw new ArgumentException($"There is no act '{how}'.", nameof(act)),
                };
                if (how == "sign") given.Add(signature);
                await world.SendAsync(run, held, who, signature, granted: how != "refuse");
                break;
            default:
                throw new ArgumentException($"There is no act '{string.Join(' ', act)}'.", nameof(act));
        }
    }

    private async Task CheckAsync(RefundWorld world, Request request, RunKey run)
    {
        var end = await world.Host.EndOf(run);
        if (end is not RunCompleted completed)
        {
            wrong.Add($"{run.Id} ended as {end}");
            return;
        }
        var result = completed.Result.To<RefundResult>()!;
        if (result.Outcome != request.Outcome) wrong.Add($"{run.Id} was expected to be {request.Outcome}, and is {result.Outcome}: {result.Why}");
        if (request.Why is { } why && !result.Why.Contains(why, StringComparison.Ordinal)) wrong.Add($"{run.Id} does not say '{why}': {result.Why}");
        if (request.Outcome is RefundOutcome.Paid && result.Amount != request.Paid) wrong.Add($"{run.Id} was expected to pay {request.Paid}, and paid {result.Amount}");

        // What the history says about who let the payment through, and what was sent.
        var history = await world.Host.HistoryOf(run);
        var pay = history.OfType<StepScheduled>().SingleOrDefault(step => step.Activity == RefundPayments.Pay.Name);
        var verdicts = pay is null ? [] : history.OfType<AttemptStarted>().Where(started => started.Step == pay.Step).Select(started => started.Gate).Prepend(pay.Gate).OfType<GateRecord>().ToList();
        var allowed = verdicts.Where(verdict => verdict.Answer is GateAnswer.Allow).ToList();
        if (allowed.Count > 0 != (request.Paid is not null) && request.Outcome is not RefundOutcome.Failed) wrong.Add($"{run.Id}: the gate answered {string.Join(", ", verdicts.Select(verdict => verdict.Answer))}");
        if (request.Paid is { } paid && pay!.Input.To<RefundPayment>()!.Amount != paid) wrong.Add($"{run.Id}: {pay.Input} was sent");
        var signers = allowed.SelectMany(verdict => verdict.SignedBy ?? []).Distinct().ToList();
        if (request.Paid is not null && !signers.SequenceEqual(request.Signers ?? [])) wrong.Add($"{run.Id} was expected to be signed by [{string.Join(", ", request.Signers ?? [])}], and was by [{string.Join(", ", signers)}]");
    }

    // The provider's own books: nothing that was not expected, nothing twice, nothing more than was paid.
    private void CheckBooks(RefundWorld world)
    {
        var books = world.Provider.Books().Refunds;
        foreach (var key in books.Keys.Where(key => key.Refunds > 1 || key.Reversals > 1)) wrong.Add($"doubled: {key}");
        foreach (var order in played.Orders)
        {
            var expected = played.Requests.Where(request => request.Paid is not null && request.Body.Contains($"\"{order.Id}\"", StringComparison.Ordinal)).ToList();
            var rows = books.Orders.Where(row => row.Order == order.Id).ToList();
            var (refunded, reversed) = (rows.Sum(row => row.Refunded), rows.Sum(row => row.Reversed));
            if (refunded != expected.Sum(request => request.Paid!.Value) || rows.Sum(row => row.Refunds) != expected.Count) wrong.Add($"unauthorised or lost: of {order.Id} {refunded} was paid back in {rows.Sum(row => row.Refunds)} refunds, expected were {expected.Sum(request => request.Paid)} in {expected.Count}");
            if (reversed != expected.Where(request => request.Outcome is RefundOutcome.ChargedBack).Sum(request => request.Paid!.Value)) wrong.Add($"of {order.Id} {reversed} was reversed");
            if (refunded > order.Paid || rows.Any(row => row.Currency != order.Currency)) wrong.Add($"of {order.Id} {refunded} was paid back, and {order.Paid} {order.Currency} was paid");
        }
        foreach (var row in books.Orders.Where(row => played.Orders.All(order => order.Id != row.Order))) wrong.Add($"unauthorised: {row}");
    }
}
