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

    private Task PutBackAsync(string tenant, OrderDraw draw, string run) => database.InTransaction(async transaction =>
    {
        await table.PutBackAsync(transaction, tenant, draw, run);
        return 0;
    });

    private Task<(bool Granted, decimal Others)> DrawAsync(string tenant, OrderDraw draw, string run) => database.InTransaction(transaction => table.DrawAsync(transaction, tenant, draw, run));
}
