using System.Collections.Concurrent;
using System.Diagnostics;
using OrleansAiOs.Packs.Refunds;
using OrleansAiOs.Packs.Refunds.Requests;
using OrleansAiOs.Sandbox;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.LoadTests;

/// <summary>
/// refunds: 10,000 synthetic requests through the real engine, gate and policy over PostgreSQL, against a provider that loses requests and replies,
/// while the host is halted in the middle of whatever it does and started anew, again and again. What was paid is counted in the provider's own
/// books: 0 unauthorised, 0 doubled, and each charge-back reversed once.
/// </summary>
internal static class RefundsCase
{
    private const string Chargeback = "charge-back";
    private static readonly string Photo = new('a', 64);

    /// <summary>What is asked for, what people do, and what the provider's books have to say of the order.</summary>
    private sealed record Case(string Order, string Kind, decimal Amount, decimal Paid, string[] Signers, bool Refused = false);

    private static Case Make(int i) => (i % 20) switch
    {
        < 10 => new Case($"L-{i}", "auto", 10m + i % 40, 10m + i % 40, []),
        < 13 => new Case($"L-{i}", "signed", 80m, 80m, ["user/lea"]),
        13 => new Case($"L-{i}", "refused", 80m, 0, ["user/lea"], Refused: true),
        14 => new Case($"L-{i}", "forged", 80m, 0, ["user/lea"], Refused: true),
        15 => new Case($"L-{i}", "signed-by-two", 600m, 600m, ["user/lea", "user/carl"]),
        16 => new Case($"L-{i}", "forbidden", 6000m, 0, []),
        17 => new Case($"L-{i}", "not-the-customer", 20m, 0, []),
        18 => new Case($"L-{i}", "twice-at-once", 30m, 30m, []),
        _ => new Case($"L-{i}", Chargeback, 25m, 25m, []),
    };

    public static async Task MeasureAsync()
    {
        var (n, kills) = (Bench.Num("REFUNDS_N", 10_000), Bench.Num("REFUNDS_KILLS", 20));
        var cases = Enumerable.Range(0, n).Select(Make).ToList();
        using var provider = new Sandbox.Sandbox(new SandboxOptions { Hostility = Hostile() });
        await using var world = await RefundsWorld.StartAsync(provider, new ShopOrders(cases.Select(c => new ShopOrder(c.Order, $"Customer {c.Order}", c.Amount, "EUR", DateOnly.FromDateTime(DateTime.UtcNow).AddDays(-5), DateOnly.FromDateTime(DateTime.UtcNow).AddDays(-2)))));
        var watch = Stopwatch.StartNew();
        var done = 0;
        ConcurrentBag<string> troubles = [];
        var work = Bench.PoolAsync(n, Bench.Num("INFLIGHT", 64), async i =>
        {
            foreach (var trouble in await PlayAsync(world, cases[i])) troubles.Add(trouble);
            Interlocked.Increment(ref done);
        });
        var killed = 0;
        while (!work.IsCompleted)
        {
            // Spread over the work, and not over time: the machine may be slow.
            if (killed < kills && Volatile.Read(ref done) >= (killed + 1) * n / (kills + 1))
            {
                await world.KillAndRestartAsync();
                killed++;
            }
            await Task.WhenAny(work, Task.Delay(20));
        }
        await work;
        var seconds = watch.Elapsed.TotalSeconds;

        var rows = provider.Books().Refunds.Orders.ToDictionary(row => row.Order);
        var (unauthorised, doubled, lost, uncompensated, compensated) = (0, 0, 0, 0, 0);
        foreach (var c in cases)
        {
            var row = rows.GetValueOrDefault(c.Order) ?? new RefundOrderBooks(c.Order, "EUR", 0, 0, 0, 0);
            if (row.Refunds > 1) doubled++;
            else if (row.Refunded > c.Paid || row.Currency != "EUR") unauthorised++;
            else if (row.Refunded < c.Paid) lost++;
            if (row.Reversed != (c.Kind == Chargeback ? c.Paid : 0) || row.Reversals > 1) uncompensated++;
            else if (c.Kind == Chargeback) compensated++;
        }
        unauthorised += rows.Keys.Except(cases.Select(c => c.Order)).Count() + await world.UnansweredAsync(cases.SelectMany(RunsOf));
        var keys = provider.Books().Refunds.Keys;
        Bench.Emit("refunds", new
        {
            n, kills = killed, seconds, cases_per_s = n / seconds, unauthorised, doubled, lost, not_compensated = uncompensated, compensated, troubles = troubles.Count,
            requests_at_provider = keys.Sum(key => key.Reached), refunds = keys.Sum(key => key.Refunds), reversals = keys.Sum(key => key.Reversals),
        });
        foreach (var trouble in troubles.Take(20)) Console.Error.WriteLine(trouble);
        if (unauthorised + doubled + lost + uncompensated + troubles.Count > 0) Environment.ExitCode = 1;
    }

    private static IEnumerable<string> RunsOf(Case c) => c.Kind == "twice-at-once" ? [c.Order, $"{c.Order}-b"] : [c.Order];

    private static async Task<IReadOnlyList<string>> PlayAsync(RefundsWorld world, Case c)
    {
        List<string> troubles = [];
        var body = JsonText.From(new { order = c.Order, customer = c.Kind == "not-the-customer" ? "Somebody Else" : $"Customer {c.Order}", amount = c.Amount, currency = "EUR", reason = "Damaged", evidence = new[] { Photo } });
        await Task.WhenAll(RunsOf(c).Select(run => world.AskAsync(host => host.StartRunAsync(new StartRun("refund", body, run, Chain: ["user/ana"]), "user/ana"))));
        foreach (var signer in c.Signers)
        {
            if (await world.HeldAsync(c.Order, signer) is not { } held) continue; // it counted already, before a kill
            if (c.Kind == "forged") await world.SignAsync(c.Order, held, signer, granted: true, with: "user/ana");
            await world.SignAsync(c.Order, held, signer, granted: !c.Refused, with: signer, who: c.Kind == "forged" ? "user/leo" : signer);
        }
        foreach (var run in RunsOf(c))
        {
            var row = await world.UntilAsync(run, row => row.ClosedAt is not null || row.Attributes?.GetValueOrDefault("state") == "paid");
            if (c.Kind != Chargeback || row.ClosedAt is not null) continue;
            await world.AskAsync(host => host.SignalAsync(new RunKey(RunKey.DefaultTenant, run), Refund.ChargedBack.Name, JsonText.From(new ChargeBack($"CB-{run}")), "user/ana", $"cb-{run}"));
            row = await world.UntilAsync(run, row => row.ClosedAt is not null);
            if (row.Attributes?.GetValueOrDefault("state") != nameof(RefundOutcome.ChargedBack)) troubles.Add($"{run} was charged back, and ended as {row.Attributes?.GetValueOrDefault("state")}");
        }
        return troubles;
    }

    // Without what makes a caller wait half a minute: it is the kills that are measured.
    private static Hostility Hostile()
    {
        var odds = new Dictionary<Fault, double> { [Fault.LoseRequest] = 0.02, [Fault.LoseReply] = 0.04, [Fault.FailAfter] = 0.02, [Fault.GarbageAfter] = 0.02 };
        return new Hostility { Seed = Bench.Num("REFUNDS_SEED", 1), Odds = new Dictionary<SandboxOperation, IReadOnlyDictionary<Fault, double>> { [SandboxOperation.RefundsPay] = odds, [SandboxOperation.RefundsReverse] = odds } };
    }
}
