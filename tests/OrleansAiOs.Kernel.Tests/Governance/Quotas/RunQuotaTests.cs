using System.Collections.Concurrent;
using OrleansAiOs.Kernel.Governance.Quotas;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Governance.Budgets;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Governance.Quotas;

/// <summary>How many runs may be open at once, over all hosts of a database, while runs begin and end and hosts are killed.</summary>
public sealed class RunQuotaTests(BudgetDatabase database) : IClassFixture<BudgetDatabase>, IAsyncLifetime
{
    private readonly QuotaBench bench = new(database);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await bench.DisposeAsync();

    private Task<Started> StartAsync(QuotaHost host, string id, string by = "ana") => host.Engine.StartRunAsync(bench.Start("sleeper", 1, id), by);

    private async Task EndAsync(QuotaHost host, string id)
    {
        await host.Engine.SignalAsync(bench.Key(id), Sleeper.Wake.Name, JsonText.From(1), "ana");
        await host.Engine.WaitAsync(bench.Key(id), default);
    }

    private async Task<bool> TriesAsync(QuotaHost host, string id)
    {
        try
        {
            return (await StartAsync(host, id)).IsNew;
        }
        catch (QuotaExceededException)
        {
            return false;
        }
    }

    [Fact]
    public async Task Of_two_hundred_starts_at_once_on_two_hosts_as_many_are_let_in_as_the_quota_allows_and_what_ends_makes_room()
    {
        await bench.SetAsync("all", runs: 5);
        var (a, b) = (await bench.HostAsync("a"), await bench.HostAsync("b"));
        var tries = await Task.WhenAll(Enumerable.Range(0, 200).Select(async i => (Id: $"r{i}", IsIn: await TriesAsync(i % 2 == 0 ? a : b, $"r{i}"))));
        tries.Count(each => each.IsIn).Should().Be(5);
        (await bench.OpenAsync()).Should().HaveCount(5);
        var refused = await FluentActions.Awaiting(() => StartAsync(b, "more")).Should().ThrowAsync<QuotaExceededException>()
            .WithMessage("Quota 'all' allows 5 open runs, and 5 are open. Wait for one to end or cancel one (aios list --status running), or have it raised: aios quota set all --runs …");
        refused.Which.RetryAfter.Should().BePositive();

        var (first, second) = (tries.First(each => each.IsIn).Id, tries.Last(each => each.IsIn).Id);
        await EndAsync(a, first);
        await EndAsync(b, second);
        (await Task.WhenAll(Enumerable.Range(0, 20).Select(i => TriesAsync(i % 2 == 0 ? a : b, $"s{i}")))).Count(isIn => isIn).Should().Be(2, "two have ended, on whichever host");
        (await bench.OpenAsync()).Should().HaveCount(5);
    }

    [Fact]
    public async Task While_runs_begin_and_end_on_two_hosts_and_one_is_killed_there_are_never_more_open_than_the_quota_allows()
    {
        const int quota = 4;
        await bench.SetAsync("all", runs: quota);
        var (a, b) = (await bench.HostAsync("a", TimeSpan.FromSeconds(5)), await bench.HostAsync("b", TimeSpan.FromSeconds(5)));
        var most = 0;
        var lefts = new ConcurrentBag<string>();
        using var done = new CancellationTokenSource();
        var watch = Task.Run(async () =>
        {
            while (!done.IsCancellationRequested) most = Math.Max(most, (await bench.OpenAsync()).Count);
        });
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async worker =>
        {
            var host = worker < quota - 1 ? a : b; // fewer on the one that is killed: a place of which nobody knows whether its run began is kept for a minute
            for (var i = 0; i < 10; i++)
            {
                var id = $"w{worker}-{i}";
                try
                {
                    if (worker == 0 && i == 5) a.Kill();
                    await QuotaBench.Until(async () =>
                    {
                        if (await TriesAsync(host, id)) return true;
                        foreach (var row in await bench.OpenAsync())
                            if (lefts.Contains(row.Run.Id)) await b.Engine.TerminateAsync(row.Run, "nobody will wake it", "ana");
                        return false;
                    }, () => $"{id} finds no room");
                    await EndAsync(host, id);
                }
                catch (CommandRefusedException)
                {
                    lefts.Add(id); // what became of it, the killed host cannot say
                    host = b;
                }
            }
        }));
        foreach (var row in await bench.OpenAsync()) await b.Engine.TerminateAsync(row.Run, "the test is over", "ana");
        await done.CancelAsync();
        await watch;
        most.Should().BeInRange(1, quota);
        await EveryRunWasNamedAsync(quota);
    }

    // In what is stored: never more than there may be, in any event, and no run without being named first.
    private async Task EveryRunWasNamedAsync(int quota)
    {
        var named = new Dictionary<string, long>();
        var page = new OpenRunPage(1);
        foreach (var e in await bench.Streams.ReadAsync(bench.Tenant, "escrow/all/runs/1"))
        {
            page.Apply(e.Event, e.At);
            page.Runs.Count.Should().BeLessThanOrEqualTo(quota);
            foreach (var run in page.Runs.Keys) named.TryAdd(run, e.Seq);
        }
        var rows = await bench.Store.ListAsync(new RunQuery(bench.Tenant, Limit: 1000), default);
        rows.Should().HaveCountGreaterThan(quota);
        rows.Select(row => row.Run.Id).Should().BeSubsetOf(named.Keys);
    }

    [Fact]
    public async Task A_start_that_is_sent_twice_is_answered_from_what_is_there_and_takes_no_second_place()
    {
        await bench.SetAsync("all", runs: 2);
        var host = await bench.HostAsync("a");
        await StartAsync(host, "one");
        (await StartAsync(host, "one")).IsNew.Should().BeFalse();
        await StartAsync(host, "two");
        (await StartAsync(host, "one")).IsNew.Should().BeFalse("a full quota refuses nothing that is there");
        await EndAsync(host, "one");
        await StartAsync(host, "three");
        (await StartAsync(host, "one")).IsNew.Should().BeFalse("nor what is over");
        (await CountAsync(host)).Should().Be((2, 2));
    }

    [Fact]
    public async Task A_start_that_is_refused_for_something_else_keeps_no_place()
    {
        var host = await bench.HostAsync("a");
        await StartAsync(host, "one");
        await EndAsync(host, "one");
        await bench.SetAsync("all", runs: 1);
        await QuotaBench.Until(async () => (await CountAsync(host)).Open == 0, () => "nothing is open");
        await FluentActions.Awaiting(() => host.Engine.StartRunAsync(bench.Start("sleeper", 2, "one"), "ana")).Should().ThrowAsync<CommandRefusedException>().WithMessage("*with another input*");
        await QuotaBench.Until(() => TriesAsync(host, "two"), () => "what was refused keeps its place");
    }

    [Fact]
    public async Task Children_are_part_of_the_run_that_started_them()
    {
        await bench.SetAsync("all", runs: 1);
        var host = await bench.HostAsync("a");
        await host.Engine.StartRunAsync(bench.Start("parent-of-sleepers", 3, "parent"), "ana");
        await QuotaBench.Until(async () => (await bench.OpenAsync()).Count == 4, () => "its children do not start");
        (await TriesAsync(host, "another")).Should().BeFalse();
    }

    [Fact]
    public async Task What_was_open_before_there_was_the_quota_counts_and_what_others_have_open_does_not_count_for_a_principal()
    {
        var host = await bench.HostAsync("a");
        foreach (var (id, by) in new[] { ("1", "ana"), ("2", "ana"), ("3", "ben") }) await StartAsync(host, id, by);
        await bench.SetAsync("all", runs: 4);
        await bench.SetAsync("anas", runs: 3, principal: "user/ana");
        await BeginAsync(host);
        (await CountAsync(host)).Should().Be((4, 3));
        var other = await bench.HostAsync("b");
        await StartAsync(other, "4");
        await FluentActions.Awaiting(() => StartAsync(other, "5", "ben")).Should().ThrowAsync<QuotaExceededException>().WithMessage("Quota 'all' allows 4 open runs, and 4 are open*");
        await EndAsync(host, "3");
        await FluentActions.Awaiting(() => StartAsync(other, "6")).Should().ThrowAsync<QuotaExceededException>().WithMessage("Quota 'anas' of user/ana allows 3 open runs, and 3 are open*");
        await StartAsync(other, "7", "ben");
        (await CountAsync(host)).Should().Be((4, 4));
    }

    [Fact]
    public async Task A_run_that_is_over_is_reset_and_forked_only_where_there_is_room()
    {
        await bench.SetAsync("all", runs: 1);
        var host = await bench.HostAsync("a");
        await StartAsync(host, "old");
        await EndAsync(host, "old");
        await StartAsync(host, "new");
        await FluentActions.Awaiting(() => host.Engine.ResetAsync(new ResetRun(bench.Key("old"), 1, "again"), "ana")).Should().ThrowAsync<QuotaExceededException>();
        await FluentActions.Awaiting(() => host.Engine.ForkAsync(new ForkRun(bench.Key("old"), 1), "ana")).Should().ThrowAsync<QuotaExceededException>();
        await EndAsync(host, "new");
        await host.Engine.ResetAsync(new ResetRun(bench.Key("old"), 1, "again", DropSignals: true), "ana");
        (await TriesAsync(await bench.HostAsync("b"), "another")).Should().BeFalse("what was reset is open");
        await EndAsync(host, "old");
        (await TriesAsync(host, "another")).Should().BeTrue();
    }

    [Fact]
    public async Task What_a_dead_host_let_in_and_did_not_start_is_dropped_when_no_start_of_it_can_be_on_its_way()
    {
        await bench.SetAsync("all", runs: 1);
        var (dead, alive) = (await bench.HostAsync("a"), await bench.HostAsync("b"));
        await dead.Runs.AdmitAsync(bench.Key("never"), ["ana"], wasOver: false);
        (await TriesAsync(alive, "one")).Should().BeFalse();
        dead.Kill();
        await bench.Store.RetireAsync(dead.Engine.Options.HostId, default);
        (await TriesAsync(alive, "one")).Should().BeFalse("it may still be on its way");
        var later = new ManualTime();
        later.Advance(DateTimeOffset.UtcNow.AddSeconds(61) - later.GetUtcNow());
        var view = new QuotaView();
        var catalogue = new Catalogue(bench.Streams, [view], TimeProvider.System);
        var runs = new OpenRuns(bench.Streams, database.Source, bench.Store, view, catalogue.FreshAsync, alive.Engine.Options.HostId, later);
        await runs.AdmitAsync(bench.Key("two"), ["ana"], wasOver: false);
    }

    [Fact]
    public async Task A_long_ledger_goes_on_in_its_next_stream_with_all_that_is_open()
    {
        await bench.SetAsync("all", runs: 3);
        var host = await bench.HostAsync("a", foldAfter: 4);
        await StartAsync(host, "stays");
        for (var i = 0; i < 6; i++)
        {
            await StartAsync(host, $"r{i}");
            await EndAsync(host, $"r{i}");
        }
        (await bench.EventsAsync("escrow/all/runs/2")).Should().BeGreaterThan(0);
        await StartAsync(host, "x");
        await StartAsync(host, "y");
        (await TriesAsync(await bench.HostAsync("b"), "z")).Should().BeFalse();
        (await CountAsync(host)).Should().Be((3, 3));
    }

    private async Task BeginAsync(QuotaHost host) => await host.Runs.BeginAsync((await host.Catalogued()).Find(bench.Tenant, "all")!);

    private async Task<(int Limit, int Open)> CountAsync(QuotaHost host)
    {
        var view = new QuotaView();
        await new Catalogue(bench.Streams, [view], TimeProvider.System).FreshAsync();
        var standing = await host.Runs.StandingAsync(view.Find(bench.Tenant, "all")!);
        return (standing.Limit, standing.Open);
    }
}
