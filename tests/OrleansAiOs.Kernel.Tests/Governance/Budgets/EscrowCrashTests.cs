using System.Data.Common;
using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Tests.Governance.Budgets;

/// <summary>A host dies, or loses one answer, at every point where it meets the database; another goes on. Whatever the point, nothing is overspent, and nothing is lost.</summary>
public sealed class EscrowCrashTests(BudgetDatabase database) : IClassFixture<BudgetDatabase>
{
    private const decimal Limit = 100.00m;
    private static readonly EscrowPace Pace = EscrowBench.Pace with { FoldAfter = 4 };

    [Theory]
    [InlineData(nameof(Fate.Dies))]
    [InlineData(nameof(Fate.LosesAnswer))]
    public async Task At_every_point(string fate)
    {
        var points = 0;
        for (var at = 1; at <= points + 1; at++)
        {
            var source = new FaultySource(database.Source, at, Enum.Parse<Fate>(fate));
            await Story(source);
            points = Math.Max(points, source.Points);
            if (source.Points < at) break; // it came to the end before the fault
        }
        points.Should().BeGreaterThan(30, "the story grants, returns, sweeps and folds");
    }

    private async Task Story(FaultySource source)
    {
        var bench = new EscrowBench(database);
        var budget = await bench.SetAsync("eur", "amount:EUR", Limit);
        var sent = new HashSet<(string Run, int Step, decimal Amount)>();
        var runs = new List<PaperRun>();
        var open = new List<(PaperRun Run, int Step)>();
        var ended = new HashSet<PaperRun>();

        // The first host: some runs end and are told, one ends untold, one goes on; the last of the budget is fought for.
        var first = await bench.HostAsync(source, Pace);
        foreach (var (amounts, told) in new[] { (new[] { 10m, 5.55m }, true), ([7m], false), ([20m, 20m], true), ([0.01m], true), ([30m, 30m, 30m], true) })
        {
            var run = await bench.RunAsync();
            runs.Add(run);
            var leaving = await run.LetGoAsync([.. amounts.Select(amount => EscrowBench.Pay(amount))]);
            var left = new List<int>();
            foreach (var (intent, charge) in leaving)
            {
                var passed = await Covered(first, intent, charge);
                if (passed is true) sent.Add((run.Key.Id, intent.Step, charge.Units["amount:EUR"]));
                // A host that died records nothing further.
                if (source.IsDead || passed is null) open.Add((run, intent.Step));
                else if (passed is true) await run.CompleteAsync(intent.Step);
                else await run.RefuseAsync(intent.Step);
            }
            if (source.IsDead) break;
            if (open.Exists(step => step.Run == run)) continue;
            var spent = await run.EndAsync();
            ended.Add(run);
            if (told) first.Release(run.Key, spent);
        }
        await Idle(source);
        sent.Sum(payment => payment.Amount).Should().BeLessThanOrEqualTo(Limit);

        // The second takes over what was under way, and spends what is left.
        var second = await bench.HostAsync(pace: Pace);
        foreach (var run in runs.Where(run => !ended.Contains(run)))
        {
            if (open.Exists(step => step.Run == run)) foreach (var (intent, charge) in await run.TakeOverAsync(DateTimeOffset.UtcNow))
            {
                // What may have been sent is sent again with the same key: it is the same payment. All of the run's may have been, so all of them have to be covered.
                if (await Covered(second, intent, charge) is true)
                {
                    sent.Add((run.Key.Id, intent.Step, charge.Units["amount:EUR"]));
                    await run.CompleteAsync(intent.Step);
                }
            }
            await run.EndAsync();
        }
        var total = sent.Sum(payment => payment.Amount);
        total.Should().BeLessThanOrEqualTo(Limit);

        // What nobody can cover makes it look for what is left over.
        var last = await bench.RunAsync();
        await Refused(Limit + 0.01m);
        var standing = await bench.StandingAsync(budget);
        standing.Granted.Should().Be(0, "all runs are over");
        // What may have been sent, by a run's history, counts as spent, and nothing else does.
        var spending = 0m;
        foreach (var run in runs) spending += (await run.SpentAsync()).Total("amount:EUR");
        standing.Settled.Should().BeGreaterThanOrEqualTo(total).And.BeLessThanOrEqualTo(spending);
        if (spending == total) standing.Settled.Should().Be(total, "every cent is accounted for, once");

        if (standing.Free > 0)
        {
            var (rest, all) = (await last.LetGoAsync(EscrowBench.Pay(standing.Free))).Single();
            (await Covered(second, rest, all)).Should().BeTrue("nothing leaked");
        }
        await Refused(0.01m);

        async Task Refused(decimal amount)
        {
            var (intent, charge) = (await last.LetGoAsync(EscrowBench.Pay(amount))).Single();
            (await Covered(second, intent, charge)).Should().BeFalse();
            await last.RefuseAsync(intent.Step);
        }
    }

    /// <summary>Null if the database did not answer: then nothing is sent.</summary>
    private static async Task<bool?> Covered(Escrow host, EffectIntent intent, Charge charge)
    {
        try
        {
            return await host.CoverAsync(intent, charge) is null;
        }
        catch (DbException)
        {
            return null;
        }
    }

    // Returns are on their way by themselves: the story goes on when the host has done what it was told.
    private static async Task Idle(FaultySource source)
    {
        var (points, still) = (source.Points, 0);
        while (still < 5)
        {
            await Task.Delay(4);
            (points, still) = (source.Points, source.Points == points ? still + 1 : 0);
        }
    }
}
