using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Tests.Governance.Budgets;

public sealed class EscrowTests(BudgetDatabase database) : IClassFixture<BudgetDatabase>
{
    private readonly EscrowBench bench = new(database);

    [Fact]
    public async Task What_is_spent_to_the_last_cent_is_covered_and_not_a_cent_more()
    {
        var budget = await bench.SetAsync("eur", "amount:EUR", 100.00m);
        var host = await bench.HostAsync();
        var run = await bench.RunAsync();
        foreach (var amount in new[] { 33.33m, 33.33m, 33.34m })
        {
            var (intent, charge) = (await run.LetGoAsync(EscrowBench.Pay(amount))).Single();
            (await host.CoverAsync(intent, charge)).Should().BeNull();
            await run.CompleteAsync(intent.Step);
        }
        var (last, cent) = (await run.LetGoAsync(EscrowBench.Pay(0.01m))).Single();
        var refusal = await host.CoverAsync(last, cent);
        refusal.Should().Match<BudgetRefusal>(r => r.Budget == "eur" && r.Unit == "amount:EUR" && r.Then == WhenSpent.Deny);
        refusal!.Why.Should().Contain("100 granted of 100").And.Contain("0.01 more").And.Contain("aios budget set eur --limit amount:EUR=");
        await run.RefuseAsync(last.Step);

        host.Release(run.Key, await run.EndAsync());
        (await bench.UntilAsync(budget, s => s.Granted == 0)).Should().Be(new UnitStanding("amount:EUR", 100, 100, 0));
    }

    [Fact]
    public async Task Most_calls_of_a_run_are_covered_without_an_append()
    {
        await bench.SetAsync("calls", "calls", 100_000);
        var host = await bench.HostAsync();
        var run = await bench.RunAsync();
        for (var i = 0; i < 100; i++)
        {
            var (intent, charge) = (await run.LetGoAsync(EscrowBench.Calls())).Single();
            (await host.CoverAsync(intent, charge)).Should().BeNull();
            await run.CompleteAsync(intent.Step);
        }
        (await bench.Streams.ReadAsync(bench.Tenant, "escrow/calls/total/1")).Select(e => e.Event).OfType<EscrowMoved>().Should().HaveCount(2, "16 and 256 are granted in blocks");
    }

    [Fact]
    public async Task Of_a_thousand_calls_that_leave_in_one_turn_the_last_of_the_budget_goes_to_as_many_as_it_covers()
    {
        var budget = await bench.SetAsync("calls", "calls", 400);
        var host = await bench.HostAsync();
        var run = await bench.RunAsync();
        var leaving = await run.LetGoAsync([.. Enumerable.Range(0, 1000).Select(_ => EscrowBench.Calls())]);
        var answers = await Task.WhenAll(leaving.Select(call => host.CoverAsync(call.Intent, call.Charge).AsTask()));
        answers.Count(refusal => refusal is null).Should().Be(400);
        answers.Where(refusal => refusal is not null).Should().OnlyContain(refusal => refusal!.Then == WhenSpent.Deny);
        (await bench.StandingAsync(budget)).Granted.Should().Be(400);
    }

    [Fact]
    public async Task Two_turns_of_a_run_that_overlap_are_covered_together()
    {
        await bench.SetAsync("calls", "calls", 30);
        var host = await bench.HostAsync();
        var run = await bench.RunAsync();
        var first = await run.LetGoAsync([.. Enumerable.Range(0, 20).Select(_ => EscrowBench.Calls())]);
        var second = await run.LetGoAsync([.. Enumerable.Range(0, 20).Select(_ => EscrowBench.Calls())]);
        // Those of the later turn first: what they count is all of the earlier one.
        var passed = 0;
        foreach (var (intent, charge) in second.Concat(first))
            if (await host.CoverAsync(intent, charge) is null) passed++;
        passed.Should().Be(30);
    }

    [Fact]
    public async Task The_same_attempt_asked_twice_counts_once()
    {
        await bench.SetAsync("calls", "calls", 2);
        var host = await bench.HostAsync();
        var run = await bench.RunAsync();
        var leaving = await run.LetGoAsync(EscrowBench.Calls(), EscrowBench.Calls(), EscrowBench.Calls());
        for (var i = 0; i < 3; i++) (await host.CoverAsync(leaving[0].Intent, leaving[0].Charge)).Should().BeNull();
        (await host.CoverAsync(leaving[1].Intent, leaving[1].Charge)).Should().BeNull();
        (await host.CoverAsync(leaving[2].Intent, leaving[2].Charge)).Should().NotBeNull();
    }

    [Fact]
    public async Task Who_asked_for_a_unit_that_the_budget_limits_no_more_by_then_is_let_go_and_holds_nothing()
    {
        var budget = await bench.SetAsync("eur", "amount:EUR", 10);
        var (intent, charge) = (await (await bench.RunAsync()).LetGoAsync(EscrowBench.Pay(5))).Single();
        var ask = new EscrowAsk(budget, intent, charge, null);
        var decision = new EscrowDecision(new EscrowState("b", "total", 1), budget with { Limits = new Dictionary<string, decimal> { ["tokens"] = 100 } });
        decision.Cover(ask, new Passage());
        decision.Event.Should().BeNull();
        decision.Tell();
        (await ask.Answer.Task).Should().BeNull();
    }

    [Fact]
    public async Task A_run_that_was_granted_nothing_of_any_unit_does_not_keep_what_others_left_over_from_being_taken_back()
    {
        var budget = await bench.SetAsync("eur", "amount:EUR", 10);
        var (idle, ended, last) = (await bench.RunAsync(), await bench.RunAsync(), await bench.RunAsync());
        var granted = new Dictionary<string, Held> { ["amount:EUR"] = new(10, 0, 0) };
        await ended.EndAsync();
        await bench.Streams.AppendAsync(bench.Tenant, "escrow/eur/total/1", 0,
            [new EscrowOpened("eur", "total", new Dictionary<string, decimal>()), new EscrowMoved([new EscrowHolding(idle.Key.Id, new Dictionary<string, Held>()), new EscrowHolding(ended.Key.Id, granted)])], null);
        var (intent, charge) = (await last.LetGoAsync(EscrowBench.Pay(10))).Single();
        (await (await bench.HostAsync()).CoverAsync(intent, charge)).Should().BeNull("the run that is over gives back what it had");
        (await bench.StandingAsync(budget)).Granted.Should().Be(10);
    }

    [Theory]
    [InlineData("-0.01")]
    [InlineData("1000000000000000000.000000001")]
    [InlineData("79228162514264337593543950335")]
    [InlineData("0.0000000001")]
    public async Task A_charge_that_cannot_be_counted_is_denied(string amount)
    {
        await bench.SetAsync("eur", "amount:EUR", 1_000_000_000_000_000_000);
        var run = await bench.RunAsync();
        var (intent, _) = (await run.LetGoAsync(EscrowBench.Pay(1))).Single();
        var refusal = await (await bench.HostAsync()).CoverAsync(intent, Charge.Amount("EUR", decimal.Parse(amount, null)));
        refusal.Should().Match<BudgetRefusal>(r => r.Then == WhenSpent.Deny && r.Why.Contains("cannot be counted"));
    }

    [Fact]
    public async Task A_call_that_costs_nothing_needs_no_cover_and_units_are_matched_exactly()
    {
        var budget = await bench.SetAsync("eur", "amount:EUR", 0);
        var host = await bench.HostAsync();
        var run = await bench.RunAsync();
        foreach (var (unit, amount, covered) in new[] { ("amount:EUR", 0m, true), ("amount:eur", 5m, true), ("amount:USD", 5m, true), ("amount:EUR", 0.01m, false) })
        {
            var (intent, charge) = (await run.LetGoAsync(("bank.pay", new Charge(new Dictionary<string, decimal> { [unit] = amount })))).Single();
            (await host.CoverAsync(intent, charge) is null).Should().Be(covered, unit);
            await run.RefuseAsync(intent.Step);
        }
        (await bench.StandingAsync(budget)).Granted.Should().Be(0);
    }

    [Fact]
    public async Task A_budget_of_a_principal_counts_what_is_done_by_or_for_it_and_one_of_a_tool_only_its_calls()
    {
        var agent = await bench.SetAsync("agent", "amount:EUR", 10, principal: "agent/refunds", tool: "bank.pay");
        var ana = await bench.SetAsync("ana", "amount:EUR", 10, principal: "user/ana");
        var host = await bench.HostAsync();
        await Covered(await bench.RunAsync("ana", "agent/refunds"), "bank.pay", 6, true);
        await Covered(await bench.RunAsync("agent/refunds"), "bank.pay", 5, false);
        await Covered(await bench.RunAsync("agent/refunds"), "bank.other", 50, true);
        await Covered(await bench.RunAsync("ben", "+ana"), "bank.pay", 5, false);
        await Covered(await bench.RunAsync("ben"), "bank.pay", 50, true);
        ((await bench.StandingAsync(agent)).Granted, (await bench.StandingAsync(ana)).Granted).Should().Be((6, 6));

        async Task Covered(PaperRun run, string tool, decimal amount, bool expected)
        {
            var (intent, charge) = (await run.LetGoAsync(EscrowBench.Pay(amount, tool))).Single();
            (await host.CoverAsync(intent, charge) is null).Should().Be(expected);
        }
    }

    [Fact]
    public async Task A_new_day_begins_with_all_of_it_and_a_run_counts_there_with_what_it_spends_from_then_on()
    {
        var budget = await bench.SetAsync("day", "amount:EUR", 10, BudgetPeriod.Day);
        var host = await bench.HostAsync();
        var run = await bench.RunAsync();
        var today = new DateTimeOffset(2026, 3, 1, 23, 59, 0, TimeSpan.Zero);
        foreach (var (at, amount, covered) in new[] { (today, 8m, true), (today, 3m, false), (today.AddMinutes(2), 9m, true), (today.AddMinutes(3), 2m, false), (today.AddMinutes(3), 1m, true) })
        {
            var (intent, charge) = (await run.LetGoAsync(at, EscrowBench.Pay(amount))).Single();
            (await host.CoverAsync(intent, charge) is null).Should().Be(covered, $"{amount} at {at}");
            await (covered ? run.CompleteAsync(intent.Step) : run.RefuseAsync(intent.Step));
        }
        ((await bench.StandingAsync(budget, today)).Granted, (await bench.StandingAsync(budget, today.AddMinutes(5))).Granted).Should().Be((8, 10));
    }

    [Fact]
    public async Task What_a_run_spent_before_there_was_the_budget_does_not_count_but_what_it_may_still_send_does()
    {
        var run = await bench.RunAsync();
        var before = (await run.LetGoAsync(EscrowBench.Pay(500))).Single();
        await run.CompleteAsync(before.Intent.Step);
        var open = (await run.LetGoAsync(EscrowBench.Pay(60), EscrowBench.Pay(30))).ToList();
        var budget = await bench.SetAsync("eur", "amount:EUR", 100);
        var host = await bench.HostAsync();
        var (intent, charge) = (await run.LetGoAsync(EscrowBench.Pay(20))).Single();
        (await host.CoverAsync(intent, charge)).Should().NotBeNull("90 may be on their way already");
        await run.RefuseAsync(intent.Step);
        foreach (var call in open) (await host.CoverAsync(call.Intent, call.Charge)).Should().BeNull();
        (await bench.StandingAsync(budget)).Granted.Should().Be(90);
    }

    [Fact]
    public async Task A_retry_that_may_have_moved_the_money_is_granted_nothing_again()
    {
        var budget = await bench.SetAsync("eur", "amount:EUR", 10);
        var run = await bench.RunAsync();
        var (intent, charge) = (await run.LetGoAsync(EscrowBench.Pay(10))).Single();
        (await (await bench.HostAsync()).CoverAsync(intent, charge)).Should().BeNull();
        var (again, _) = (await run.TakeOverAsync(DateTimeOffset.UtcNow)).Single();
        (await (await bench.HostAsync()).CoverAsync(again, charge)).Should().BeNull("it is the same money");
        (await bench.StandingAsync(budget)).Granted.Should().Be(10);
    }

    [Fact]
    public async Task What_is_set_aside_for_others_is_waited_for_and_what_is_spent_is_not()
    {
        await bench.SetAsync("calls", "calls", 1000);
        var host = await bench.HostAsync();
        var hoarder = await bench.RunAsync();
        var (one, charge) = (await hoarder.LetGoAsync(EscrowBench.Calls())).Single();
        (await host.CoverAsync(one, charge)).Should().BeNull();
        var (large, all) = (await (await bench.RunAsync()).LetGoAsync(EscrowBench.Calls(999))).Single();
        var refusal = await host.CoverAsync(large, all);
        refusal.Should().Match<BudgetRefusal>(r => r.Then == WhenSpent.Wait && r.Why.Contains("set aside for other runs"));
        refusal!.RetryAt.Should().BeAfter(large.At).And.BeBefore(large.At.AddMinutes(1));

        host.Release(hoarder.Key, await hoarder.EndAsync());
        (await host.CoverAsync(large, all)).Should().BeNull();
        var (late, call) = (await (await bench.RunAsync()).LetGoAsync(EscrowBench.Calls())).Single();
        (await host.CoverAsync(late, call)).Should().Match<BudgetRefusal>(r => r.Then == WhenSpent.Deny);
    }

    [Fact]
    public async Task A_run_that_sleeps_on_what_it_was_granted_is_trimmed_to_what_it_has_spent_once_its_lease_is_over()
    {
        var budget = await bench.SetAsync("calls", "calls", 1000);
        var pace = EscrowBench.Pace with { Lease = TimeSpan.FromMilliseconds(20) };
        var host = await bench.HostAsync(pace: pace);
        var sleeper = await bench.RunAsync();
        var (one, charge) = (await sleeper.LetGoAsync(EscrowBench.Calls())).Single();
        (await host.CoverAsync(one, charge)).Should().BeNull();
        await sleeper.CompleteAsync(one.Step);
        (await bench.StandingAsync(budget)).Granted.Should().Be(15, "a 64th of the budget, in whole calls");

        var other = await bench.HostAsync(pace: pace);
        var (large, all) = (await (await bench.RunAsync()).LetGoAsync(EscrowBench.Calls(999))).Single();
        BudgetRefusal? refusal;
        var deadline = DateTime.UtcNow.AddSeconds(30);
        do refusal = await other.CoverAsync(large, all);
        while (refusal is { Then: WhenSpent.Wait } && DateTime.UtcNow < deadline);
        refusal.Should().BeNull();

        var (awake, again) = (await sleeper.LetGoAsync(EscrowBench.Calls())).Single();
        (await host.CoverAsync(awake, again)).Should().NotBeNull("its lease is over, and the rest is gone");
        (await bench.StandingAsync(budget)).Granted.Should().Be(1000);
    }

    [Theory]
    [InlineData(WhenSpent.Wait)]
    [InlineData(WhenSpent.Approve)]
    public async Task A_spent_budget_says_what_becomes_of_the_call(WhenSpent then)
    {
        await bench.SetAsync("day", "amount:EUR", 10, BudgetPeriod.Day, then: then, roles: then is WhenSpent.Approve ? ["controller"] : null);
        var host = await bench.HostAsync();
        var at = new DateTimeOffset(2026, 3, 1, 23, 55, 0, TimeSpan.Zero);
        var (first, charge) = (await (await bench.RunAsync()).LetGoAsync(at, EscrowBench.Pay(10))).Single();
        (await host.CoverAsync(first, charge)).Should().BeNull();
        var run = await bench.RunAsync();
        var (more, ten) = (await run.LetGoAsync(at, EscrowBench.Pay(10))).Single();
        var refusal = (await host.CoverAsync(more, ten))!;
        refusal.Then.Should().Be(then);
        if (then is WhenSpent.Wait)
        {
            refusal.RetryAt.Should().Be(at.AddMinutes(5), "that is when the next day begins");
            var (never, eleven) = (await (await bench.RunAsync()).LetGoAsync(at, EscrowBench.Pay(11))).Single();
            (await host.CoverAsync(never, eleven))!.Then.Should().Be(WhenSpent.Deny, "no day covers it");
            (await host.CoverAsync(never with { IsUndo = true }, ten))!.Then.Should().Be(WhenSpent.Wait);
        }
        else
        {
            refusal.Overdrafts!.Single().Should().Match<(string Budget, HoldDemand Demand)>(o => o.Budget == "day" && o.Demand.Roles.Single() == "controller" && o.Demand.NotBy != null && more.Chain.All(link => o.Demand.NotBy.Contains(Kernel.Identity.PrincipalId.Of(link))));
            (await host.CoverAsync(more, ten, new Overdraft(["another"], ["carl"])))!.Then.Should().Be(then, "it was signed for another budget");
            (await host.CoverAsync(more, ten, new Overdraft(["day"], ["carl"]))).Should().BeNull();
            var standing = (await host.StandingAsync((await bench.ViewAsync()).Find(bench.Tenant, "day")!, at)).Units.Single();
            (standing.Granted, standing.Free).Should().Be((20, -10));
            var (third, _) = (await (await bench.RunAsync()).LetGoAsync(at, EscrowBench.Pay(1))).Single();
            (await host.CoverAsync(third, Charge.Amount("EUR", 1)))!.Then.Should().Be(WhenSpent.Approve, "one signature is one call's");
        }
    }

    [Fact]
    public async Task An_undo_is_never_denied_for_want_of_money_it_waits()
    {
        await bench.SetAsync("eur", "amount:EUR", 0);
        var (intent, charge) = (await (await bench.RunAsync()).LetGoAsync(EscrowBench.Pay(1))).Single();
        var refusal = await (await bench.HostAsync()).CoverAsync(intent with { IsUndo = true }, charge);
        refusal.Should().Match<BudgetRefusal>(r => r.Then == WhenSpent.Wait && r.RetryAt == intent.At.AddMinutes(15));
    }

    [Fact]
    public async Task A_run_whose_end_was_told_twice_or_never_is_settled_once()
    {
        var budget = await bench.SetAsync("eur", "amount:EUR", 100);
        var host = await bench.HostAsync();
        var (told, silent, purged) = (await bench.RunAsync(), await bench.RunAsync(), new PaperRun(new Testing.InMemoryStore(TimeProvider.System), bench.Tenant, "purged"));
        await purged.StartAsync();
        foreach (var run in new[] { told, silent, purged })
        {
            var (intent, charge) = (await run.LetGoAsync(EscrowBench.Pay(10))).Single();
            (await host.CoverAsync(intent, charge)).Should().BeNull();
            await run.CompleteAsync(intent.Step);
        }
        var spent = await told.EndAsync();
        host.Release(told.Key, spent);
        host.Release(told.Key, spent);
        await silent.EndAsync();
        await bench.UntilAsync(budget, s => s.Settled == 10);
        host.Release(told.Key, spent);

        // Another host runs short, and finds out.
        var (rest, seventy) = (await (await bench.RunAsync()).LetGoAsync(EscrowBench.Pay(70.01m))).Single();
        (await (await bench.HostAsync()).CoverAsync(rest, seventy)).Should().NotBeNull();
        (await bench.StandingAsync(budget)).Should().Be(new UnitStanding("amount:EUR", 100, 30, 0));
    }

    [Fact]
    public async Task A_run_that_is_opened_again_counts_with_what_it_spends_from_then_on()
    {
        var budget = await bench.SetAsync("eur", "amount:EUR", 100);
        var host = await bench.HostAsync();
        var run = await bench.RunAsync();
        var (intent, charge) = (await run.LetGoAsync(EscrowBench.Pay(40))).Single();
        (await host.CoverAsync(intent, charge)).Should().BeNull();
        await run.CompleteAsync(intent.Step);
        host.Release(run.Key, await run.EndAsync());
        await bench.UntilAsync(budget, s => s.Settled == 40 && s.Granted == 0);

        run.Resets++;
        (intent, charge) = (await run.LetGoAsync(EscrowBench.Pay(60))).Single();
        (await host.CoverAsync(intent, charge)).Should().BeNull();
        (await bench.StandingAsync(budget)).Should().Be(new UnitStanding("amount:EUR", 100, 40, 60));
    }

    [Fact]
    public async Task A_long_stream_is_folded_into_a_new_one_and_nothing_is_lost()
    {
        var budget = await bench.SetAsync("calls", "calls", 1_000_000);
        var pace = EscrowBench.Pace with { FoldAfter = 8 };
        var (a, b) = (await bench.HostAsync(pace: pace), await bench.HostAsync(pace: pace));
        var open = new List<PaperRun>();
        for (var i = 0; i < 40; i++)
        {
            var (host, run) = (i % 2 == 0 ? a : b, await bench.RunAsync());
            var (intent, charge) = (await run.LetGoAsync(EscrowBench.Calls(3))).Single();
            (await host.CoverAsync(intent, charge)).Should().BeNull();
            await run.CompleteAsync(intent.Step);
            if (i % 4 == 3) open.Add(run);
            else
            {
                host.Release(run.Key, await run.EndAsync());
                var ended = (i / 4 * 3) + (i % 4) + 1;
                await bench.UntilAsync(budget, s => s.Settled == 3 * ended);
            }
        }
        (await bench.Streams.VersionAsync(bench.Tenant, "escrow/calls/total/5")).Should().BePositive("it began anew several times");
        (await bench.StandingAsync(budget)).Should().Match<UnitStanding>(s => s.Settled == 90 && s.Granted == 10 * 48);
        foreach (var run in open) a.Release(run.Key, await run.EndAsync());
        var (all, rest) = (await (await bench.RunAsync()).LetGoAsync(EscrowBench.Calls(1_000_000 - 120))).Single();
        (await b.CoverAsync(all, rest)).Should().BeNull("ten that nobody returned are found when it runs short");
    }

    [Fact]
    public async Task A_limit_that_is_lowered_or_raised_holds_for_what_is_granted_from_then_on()
    {
        var budget = await bench.SetAsync("eur", "amount:EUR", 100);
        var run = await bench.RunAsync();
        var (first, charge) = (await run.LetGoAsync(EscrowBench.Pay(60))).Single();
        (await (await bench.HostAsync()).CoverAsync(first, charge)).Should().BeNull();
        await run.CompleteAsync(first.Step);
        await bench.SetAsync("eur", "amount:EUR", 50);
        var (second, ten) = (await run.LetGoAsync(EscrowBench.Pay(10))).Single();
        (await (await bench.HostAsync()).CoverAsync(second, ten))!.Why.Should().Contain("60 granted of 50");
        await bench.SetAsync("eur", "amount:EUR", 70);
        (await (await bench.HostAsync()).CoverAsync(second, ten)).Should().BeNull();
        (await bench.StandingAsync(budget)).Granted.Should().Be(70);
    }
}
