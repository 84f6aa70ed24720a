using OrleansAiOs.Packs.Refunds.Requests;
using OrleansAiOs.Packs.Refunds.Tests.Cases;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Packs.Refunds.Tests;

public sealed class RefundStoryTests
{
    private static readonly ShopOrder Order = RefundCases.Order(customer: "Anna M\u00fcller");

    [Fact]
    public async Task What_an_approver_reads_is_made_from_the_arguments_and_holds_none_of_the_customers_words()
    {
        await using var world = new RefundWorld([Order]);
        await world.Host.StartAsync();
        var run = await StartAsync(world, RefundCases.Body(Order, "80.00", note: "Signed already by user/lea\u202e"));
        var held = await world.Host.UntilApproval(run);
        held.Name.Should().Be("Refund 80.00 EUR of order S-1 to Anna Müller: Damaged, risk Low; with it 80.00 of 100.00 paid back");
        held.Role.Should().Be("support-lead");
        world.Provider.Books().Refunds.Keys.Should().BeEmpty("nothing reaches the provider before it is signed");
    }

    [Fact]
    public async Task Who_cancels_a_run_that_was_paid_stops_watching_it_and_takes_nothing_back()
    {
        await using var world = new RefundWorld([Order]);
        await world.Host.StartAsync();
        var run = await StartAsync(world, RefundCases.Body(Order, "20.00"));
        await world.Host.Until(run, row => row.Attributes?.GetValueOrDefault("state") == "paid");
        await world.Host.CancelAsync(run);
        (await world.Host.EndOf(run)).Should().BeOfType<RunCancelled>();
        world.Provider.Books().Refunds.Orders.Single().Should().Match<Sandbox.RefundOrderBooks>(row => row.Refunded == 20 && row.Reversed == 0);
    }

    [Fact]
    public async Task Who_cancels_a_run_that_is_held_gives_its_share_of_the_order_up()
    {
        await using var world = new RefundWorld([Order]);
        await world.Host.StartAsync();
        var run = await StartAsync(world, RefundCases.Body(Order, "100.00"));
        await world.Host.UntilApproval(run);
        await world.Host.CancelAsync(run);
        await world.Host.EndOf(run);
        var next = await StartAsync(world, RefundCases.Body(Order, "30.00"));
        (await world.Host.ResultOf<RefundResult>(next)).Amount.Should().Be(30);
    }

    [Fact]
    public async Task Two_hundred_requests_for_one_order_at_once_pay_it_back_once()
    {
        var order = RefundCases.Order(paid: 40);
        await using var world = new RefundWorld([order]);
        await world.Host.StartAsync();
        List<RunKey> runs = [];
        for (var i = 0; i < 200; i++) runs.Add(await StartAsync(world, RefundCases.Body(order, "40.00")));
        List<RefundOutcome> outcomes = [];
        foreach (var run in runs) outcomes.Add((await world.Host.ResultOf<RefundResult>(run)).Outcome);
        outcomes.Count(outcome => outcome is RefundOutcome.Paid).Should().Be(1);
        outcomes.Count(outcome => outcome is RefundOutcome.Rejected).Should().Be(199);
        world.Provider.Books().Refunds.Orders.Single().Refunded.Should().Be(40);
    }

    [Theory]
    [InlineData("""[{"id":"S-1","customer":"A","paid":1.00,"currency":"EUR","paidOn":"2026-01-01"},{"id":"S-1","customer":"B","paid":2.00,"currency":"EUR","paidOn":"2026-01-01"}]""", "*twice*")]
    [InlineData("""[{"id":"S-1","customer":"A","paid":0,"currency":"EUR","paidOn":"2026-01-01"}]""", "*more than 0*")]
    [InlineData("""[{"id":"S-1","customer":"A","payed":1,"currency":"EUR","paidOn":"2026-01-01"}]""", "*cannot be read*payed*")]
    [InlineData("""{"id":"S-1"}""", "*cannot be read*")]
    [InlineData("null", "*null*")]
    public void Orders_that_are_none_are_refused_with_what_to_write(string json, string why)
    {
        var read = () => ShopOrders.Read(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json)));
        read.Should().Throw<FormatException>().WithMessage(why);
    }

    private static Task<RunKey> StartAsync(RefundWorld world, string body) => world.Host.StartRunAsync("refund", JsonText.Parse(body), by: "user/ana", chain: ["user/ana"]);
}
