using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Packs.InvoiceToPay.Tests;

/// <summary>The register over a real database.</summary>
public sealed class InvoiceTableTests(PostgresFixture database) : IClassFixture<PostgresFixture>
{
    private readonly InvoiceTable table = new();

    [Fact]
    public async Task Fifty_who_draw_on_an_order_at_once_take_no_more_than_is_listed()
    {
        var drawn = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => DrawAsync("t1", new OrderDraw("PO-1", 40m, 3m), $"run-{i}")));
        drawn.Count(draw => draw.Granted).Should().Be(13);
        drawn.Should().OnlyContain(draw => draw.Others <= 39m);
    }

    [Fact]
    public async Task The_same_run_is_answered_the_same_again_and_what_is_put_back_is_there_for_others()
    {
        var draw = new OrderDraw("PO-1", 40m, 30m);
        for (var i = 0; i < 2; i++) (await DrawAsync("t2", draw, "a")).Should().Be((true, 0m));
        (await DrawAsync("t2", draw, "b")).Should().Be((false, 30m));
        (await DrawAsync("t3", draw, "c")).Granted.Should().BeTrue("another tenant's order is another order");
        (await DrawAsync("t2", draw with { Listed = 50m }, "d")).Should().Be((true, 0m), "an order that is listed with another amount was brought up to date");
        await PutBackAsync("t2", draw, "a");
        (await DrawAsync("t2", draw, "b")).Should().Be((true, 0m));
    }

    [Fact]
    public async Task What_goes_beyond_an_order_is_taken_of_it_too_until_it_is_put_back()
    {
        var draw = new OrderDraw("PO-1", 100m, 60m);
        (await DrawAsync("t4", draw, "a")).Should().Be((true, 0m));
        (await DrawAsync("t4", draw, "b")).Should().Be((false, 60m));
        for (var i = 0; i < 2; i++) (await DrawAsync("t4", draw with { Beyond = true }, "b")).Should().Be((true, 60m));
        (await DrawAsync("t4", draw with { Amount = 40m }, "c")).Should().Be((false, 120m));
        await PutBackAsync("t4", draw with { Beyond = true }, "b");
        (await DrawAsync("t4", draw with { Amount = 40m }, "c")).Should().Be((true, 60m));
    }

    [Fact]
    public async Task A_document_claims_all_of_its_keys_or_none_and_says_whether_the_holders_end_is_still_to_come()
    {
        (await ClaimAsync("t5", "a", "k1", "k2")).Should().Be(("a", true));
        (await ClaimAsync("t5", "a", "k1", "k2")).Should().Be(("a", true), "asked again, it answers the same");
        (await ClaimAsync("t5", "b", "k3", "k2")).Should().Be(("a", true));
        (await ClaimAsync("t5", "c", "k3")).Should().Be(("c", true), "what b could have had it left");
        await database.InTransaction(async transaction => { await table.SettleAsync(transaction, "t5", "a"); return 0; });
        (await ClaimAsync("t5", "b", "k2")).Should().Be(("a", false));
        await ReleaseAsync("t5", "c", "k3");
        (await ClaimAsync("t5", "b", "k3", "k4")).Should().Be(("b", true));
        (await ClaimAsync("t6", "b", "k2")).Should().Be(("b", true), "another tenant's number is another number");
        await database.InTransaction(transaction => table.ClaimAsync(transaction, "t5", ["k9"], "of a build of before", endIsTold: false));
        (await ClaimAsync("t5", "b", "k9")).Should().Be(("of a build of before", false));
    }

    [Fact]
    public async Task Whoever_claims_while_others_release_learns_of_a_holder()
    {
        await ClaimAsync("t7", "nobody", "k"); // the tables are there
        await ReleaseAsync("t7", "nobody", "k");
        var holders = await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            var seen = new List<string?>();
            for (var n = 0; n < 100; n++)
            {
                var (run, keys) = ($"run-{i}", i % 2 == 0 ? new[] { "k1", "k2" } : ["k2", "k1"]);
                seen.Add((await ClaimAsync("t7", run, keys)).Holder);
                await ReleaseAsync("t7", run, keys);
            }
            return seen;
        }));
        holders.SelectMany(seen => seen).Should().HaveCount(800).And.OnlyContain(holder => holder != null && holder.StartsWith("run-"));
    }

    private Task<(string Holder, bool IsOpen)> ClaimAsync(string tenant, string run, params string[] keys) => database.InTransaction(transaction => table.ClaimAsync(transaction, tenant, keys, run, endIsTold: true));

    private Task ReleaseAsync(string tenant, string run, params string[] keys) => database.InTransaction(async transaction =>
    {
        await table.ReleaseAsync(transaction, tenant, keys, run);
        return 0;
    });

    private Task PutBackAsync(string tenant, OrderDraw draw, string run) => database.InTransaction(async transaction =>
    {
        await table.PutBackAsync(transaction, tenant, draw, run);
        return 0;
    });

    private Task<(bool Granted, decimal Others)> DrawAsync(string tenant, OrderDraw draw, string run) => database.InTransaction(transaction => table.DrawAsync(transaction, tenant, draw, run));
}
