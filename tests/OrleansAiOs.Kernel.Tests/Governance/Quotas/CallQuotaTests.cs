using OrleansAiOs.Kernel.Governance.Quotas;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Governance.Budgets;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Governance.Quotas;

/// <summary>How many calls may be under way at once, over all hosts of a database, while hosts come, wait and are killed.</summary>
public sealed class CallQuotaTests(BudgetDatabase database) : IClassFixture<BudgetDatabase>, IAsyncLifetime
{
    private readonly QuotaBench bench = new(database);

    private Callees Outside => bench.Outside;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await bench.DisposeAsync();

    [Fact]
    public async Task Of_a_thousand_calls_on_two_hosts_of_which_one_is_killed_never_more_are_under_way_than_the_quota_and_every_run_ends()
    {
        const int quota = 7, runs = 100, calls = 10;
        await bench.SetAsync("all", calls: quota);
        await bench.SetAsync("wide", calls: 50, principal: "user/ana"); // each call needs a place of both
        var (a, b) = (await bench.HostAsync("a", TimeSpan.FromSeconds(5)), await bench.HostAsync("b", TimeSpan.FromSeconds(5)));
        var started = await Task.WhenAll(Enumerable.Range(0, runs).Select(i => (i % 2 == 0 ? a : b).Engine.StartRunAsync(bench.Start("call-at-once", calls, $"r{i}"), "ana")));
        using var done = new CancellationTokenSource();
        var world = AnswerAsync(done.Token);
        await QuotaBench.Until(() => Outside.Calls >= 200, Say);
        a.Kill();
        var c = await bench.HostAsync("c", TimeSpan.FromSeconds(5));
        foreach (var run in started)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            (await c.Engine.WaitAsync(run.Run, patience.Token)).Should().BeOfType<RunCompleted>();
        }
        await done.CancelAsync();
        await world;
        Outside.Most.Should().Be(quota, "all of it is used, and no more");
        Outside.Calls.Should().BeGreaterThanOrEqualTo(runs * calls, "what the killed host had under way or not recorded is called again");
        // In what is stored too: never more than there are, in any event.
        await LedgerNeverHoldsMoreAsync("all", quota);
    }

    private async Task LedgerNeverHoldsMoreAsync(string id, int quota)
    {
        var page = new PlacePage(1);
        foreach (var e in await bench.Streams.ReadAsync(bench.Tenant, $"escrow/{id}/calls/1"))
        {
            page.Apply(e.Event, e.At);
            page.Hosts.Values.Sum(host => host.Places).Should().BeLessThanOrEqualTo(quota);
        }
        page.Version.Should().BeGreaterThan(0);
    }

    private async Task AnswerAsync(CancellationToken until)
    {
        while (!until.IsCancellationRequested)
        {
            if (Outside.Now > 0) Outside.TryLetOneGo();
            await Task.Yield();
        }
    }

    [Fact]
    public async Task A_quota_costs_a_call_no_append_and_the_tenant_a_few()
    {
        const int calls = 200;
        Outside.LetAllGo();
        await bench.SetAsync("all", calls: 2, principal: "user/ben");
        var host = await bench.HostAsync("a", idle: TimeSpan.FromHours(1)); // however slow the machine is, it has no moment of which it could be said that nothing is called
        await bench.HostAsync("other");
        var appends = 0;
        host.Engine.Appended += _ => Interlocked.Increment(ref appends);
        await host.Engine.RunAsync(bench.Start("call-in-turn", calls, "without"), "ana");
        var without = appends;
        appends = 0;
        await host.Engine.RunAsync(bench.Start("call-in-turn", calls, "with"), "ben");
        appends.Should().Be(without).And.Be(calls + 1, "a turn for the start and for each outcome");
        (await bench.EventsAsync("escrow/all/calls/1")).Should().BeInRange(1, 4);
    }

    [Fact]
    public async Task Two_hosts_that_both_have_more_to_do_share_the_quota_and_what_one_has_no_use_for_the_other_gets()
    {
        await bench.SetAsync("all", calls: 4);
        var (a, b) = (await bench.HostAsync("a"), await bench.HostAsync("b"));
        await a.Engine.StartRunAsync(bench.Start("call-at-once", 100, "a"), "ana");
        await QuotaBench.Until(() => Outside.Now == 4, Say);
        await b.Engine.StartRunAsync(bench.Start("call-at-once", 100, "b"), "ana");
        // As its calls end, the first gives back what is more than its half; it has to hear of the second first, and calls end all the while.
        await QuotaBench.Until(async () =>
        {
            if (Outside.Now == 4) Outside.TryLetOneGo();
            return (await StandingAsync(a)).Hosts is [{ Places: 2 }, { Places: 2 }];
        }, Say);
        await QuotaBench.Until(() => Outside.Now == 4, Say);
        Outside.LetAllGo();
        await a.Engine.WaitAsync(bench.Key("a"), default);
        await b.Engine.WaitAsync(bench.Key("b"), default);
        await QuotaBench.Until(async () => (await StandingAsync(a)) is { Free: 4, Hosts.Count: 0 }, Say);
        Outside.Most.Should().Be(4);
    }

    [Fact]
    public async Task A_single_place_goes_from_host_to_host()
    {
        await bench.SetAsync("all", calls: 1);
        var (a, b, c) = (await bench.HostAsync("a"), await bench.HostAsync("b"), await bench.HostAsync("c"));
        using var done = new CancellationTokenSource();
        var world = AnswerAsync(done.Token);
        // None of the three is done before the others have had their turn.
        var ends = new[] { a, b, c }.Select((host, i) => host.Engine.RunAsync(bench.Start("call-at-once", 10, $"r{i}"), "ana")).ToList();
        await Task.WhenAll(ends);
        await done.CancelAsync();
        await world;
        (Outside.Most, Outside.Calls).Should().Be((1, 30));
    }

    [Fact]
    public async Task Who_waits_goes_on_when_the_quota_is_raised_and_when_it_is_removed()
    {
        await bench.SetAsync("all", calls: 1);
        var host = await bench.HostAsync("a");
        await host.Engine.StartRunAsync(bench.Start("call-at-once", 6, "r"), "ana");
        await QuotaBench.Until(() => Outside.Now == 1, Say);
        (await host.Engine.ExplainAsync(bench.Key("r"))).Causes.Should().Contain(cause => cause.Code == "quota-full" && cause.Says.Contains("as many calls are under way as quota 'all' allows, 1 on all hosts"));
        (await StandingAsync(host)).Should().Match<CallStanding>(standing => standing.UnderWay == 1 && standing.Waiting == 5 && standing.Free == 0);
        await bench.SetAsync("all", calls: 3);
        await QuotaBench.Until(() => Outside.Now == 3, Say);
        await bench.RemoveAsync("all");
        await QuotaBench.Until(() => Outside.Now == 6, Say);
    }

    [Fact]
    public async Task A_quota_of_a_principal_keeps_nobody_else_waiting_and_the_urgent_go_first()
    {
        await bench.SetAsync("bens", calls: 1, principal: "user/ben");
        var host = await bench.HostAsync("a");
        await host.Engine.StartRunAsync(bench.Start("call-at-once", 1, "first"), "ben");
        await QuotaBench.Until(() => Outside.Now == 1, Say);
        await host.Engine.StartRunAsync(bench.Start("call-at-once", 2, "late") with { Priority = -1 }, "ben");
        await host.Engine.StartRunAsync(bench.Start("call-at-once", 3, "urgent") with { Priority = 5 }, "ben");
        await host.Engine.StartRunAsync(bench.Start("call-at-once", 4, "anas"), "ana");
        await QuotaBench.Until(() => Outside.Now == 5, Say);
        Outside.LetAllGo();
        await host.Engine.WaitAsync(bench.Key("late"), default);
        var (late, urgent) = (bench.Key("late").Id, bench.Key("urgent").Id);
        Outside.Order.Where(run => run == late || run == urgent).Should().Equal(urgent, urgent, urgent, late, late);
    }

    [Fact]
    public async Task Who_waits_takes_nothing_of_the_rate_of_an_activity()
    {
        await bench.SetAsync("all", calls: 1);
        var host = await bench.HostAsync("a");
        await host.Engine.StartRunAsync(bench.Start("call-seldom", 2, "r"), "ana");
        await QuotaBench.Until(() => Outside.Now == 1, Say);
        // Two may begin, and the next in a quarter of an hour: the second has waited, and is one of the two.
        Outside.TryLetOneGo();
        await QuotaBench.Until(() => Outside.Calls == 2, Say);
        Outside.LetAllGo();
        await host.Engine.WaitAsync(bench.Key("r"), default);
    }

    [Fact]
    public async Task Who_is_cancelled_while_waiting_is_not_called()
    {
        await bench.SetAsync("all", calls: 1);
        var host = await bench.HostAsync("a");
        await host.Engine.StartRunAsync(bench.Start("call-at-once", 1, "first"), "ana");
        await QuotaBench.Until(() => Outside.Now == 1, Say);
        await host.Engine.StartRunAsync(bench.Start("call-at-once", 1, "second"), "ana");
        await host.Engine.CancelAsync(bench.Key("second"), "not needed", "ana");
        (await host.Engine.WaitAsync(bench.Key("second"), default)).Should().BeOfType<RunCancelled>();
        Outside.Calls.Should().Be(1);
    }

    [Fact]
    public async Task A_host_that_was_declared_dead_uses_none_of_its_places_and_another_has_them()
    {
        await bench.SetAsync("all", calls: 2);
        var (a, b) = ($"{bench.Tenant}-a", $"{bench.Tenant}-b");
        foreach (var host in new[] { a, b }) await bench.Store.BeatAsync(host, alone: false, TimeSpan.FromMinutes(1), default);
        using var first = await PlacesAsync(a);
        using var second = await PlacesAsync(b);
        var place = await EnterAsync(first);
        await EnterAsync(first);
        first.Holds(Intent, place).Should().BeTrue();
        second.Enter(Intent, 0, () => { }, out var awaits).Should().BeNull();
        awaits.Should().Contain("quota 'all'");
        await bench.Store.RetireAsync(a, default);
        (await EnterAsync(second)).Should().NotBeNull();
        // It finds out at its next look, and a call that was about to be sent is not.
        await QuotaBench.Until(() => !first.Holds(Intent, place), () => "it still takes itself for alive");
        place.Dispose();
        first.Enter(Intent, 0, () => { }, out _).Should().BeNull();
    }

    [Fact]
    public async Task A_long_ledger_goes_on_in_its_next_stream()
    {
        await bench.SetAsync("all", calls: 3);
        var host = await bench.HostAsync("a", foldAfter: 3);
        for (var i = 0; i < 4; i++)
        {
            var run = await host.Engine.StartRunAsync(bench.Start("call-at-once", 1, $"r{i}"), "ana");
            await QuotaBench.Until(() => Outside.Now == 1, Say);
            Outside.TryLetOneGo();
            await host.Engine.WaitAsync(run.Run, default);
            await QuotaBench.Until(async () => (await StandingAsync(host)).Hosts.Count == 0, Say); // what is idle goes back
        }
        (await bench.EventsAsync("escrow/all/calls/2")).Should().BeGreaterThan(0);
    }

    // ---- places without an engine ----

    private EffectIntent Intent => new(bench.Key("r"), "w", 1, 0, 1, "outside.call", Effect.Pure, JsonText.From(1), null, null, ["ana"], DateTimeOffset.UtcNow, false, false, null, [], RunSpending.None);

    private async Task<Places> PlacesAsync(string host)
    {
        var view = new QuotaView();
        var catalogue = new Catalogue(bench.Streams, [view], TimeProvider.System);
        await catalogue.FreshAsync();
        return new Places(bench.Streams, database.Source, view, catalogue.FreshAsync, host, TimeSpan.FromMinutes(1), TimeProvider.System, PlacePace.Usual with { Every = TimeSpan.FromMilliseconds(20) });
    }

    private async Task<EffectPlace> EnterAsync(Places places)
    {
        EffectPlace? place = null;
        await QuotaBench.Until(() => (place = places.Enter(Intent, 0, () => { }, out _)) is not null, () => "there is no place");
        return place!;
    }

    private async Task<CallStanding> StandingAsync(QuotaHost host)
    {
        var view = new QuotaView();
        await new Catalogue(bench.Streams, [view], TimeProvider.System).FreshAsync();
        return await host.Places.StandingAsync(view.Find(bench.Tenant, "all")!);
    }

    private string Say() => $"{Outside.Now} under way, {Outside.Most} at most, {Outside.Calls} in all";
}
