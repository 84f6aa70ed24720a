using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Testing.Tests.Hosting;

/// <summary>The code of docs/testing.md: each block of that page stands here, word for word.</summary>
public sealed class TestingGuideTests
{
    public sealed record Order(string Item, decimal Price);

    public sealed record Receipt(string Number);

    public sealed class BankClient
    {
        public Task<Receipt> PayAsync(Order order, IdempotencyKey key) => throw new InvalidOperationException("no bank in a test");
    }

    public static class Bank
    {
        public static readonly Activity<Order, Receipt> Pay = Activity.Keyed("bank.pay",
            (BankClient bank, Order order, IdempotencyKey key, ActivityContext call) => bank.PayAsync(order, key));
    }

    [Workflow("buy")]
    public sealed class Buy : Workflow<Order, string>
    {
        protected override async Task<string> RunAsync(Order order)
        {
            var decision = await Approval($"Buy {order.Item}", order, by: "manager", within: TimeSpan.FromDays(3));
            if (!decision.Granted) return decision.Expired ? "nobody decided" : "refused";
            await Sleep(TimeSpan.FromDays(30));
            return (await Call(Bank.Pay, order)).Number;
        }
    }

    private static readonly Decider Mia = new("mia", ["manager"], "test");

    [Fact]
    public async Task Pays_after_thirty_days()
    {
        await using var host = await new WorkflowTestHost(new WorkflowRegistry().Add<Buy>())
            .Replace(Bank.Pay, (order, call) => new Receipt($"B-1 for {order.Price}"))
            .StartAsync();

        var run = await host.StartRunAsync("buy", new Order("desk", 400));
        await host.DecideAsync(run, granted: true, Mia);

        Assert.Equal("B-1 for 400", await host.ResultOf<string>(run));
        Assert.Equal(new DateTime(2026, 1, 31), host.Now.Date); // it began on 2026-01-01
    }

    [Fact]
    public async Task Gives_up_after_three_days()
    {
        await using var host = await new WorkflowTestHost(new WorkflowRegistry().Add<Buy>()).StartAsync();
        var run = await host.StartRunAsync("buy", new Order("desk", 400));

        await host.AdvanceAsync(TimeSpan.FromDays(2));
        Assert.True((await host.Store.FindAsync(run, default))!.AwaitsApproval);

        Assert.Equal("nobody decided", await host.ResultOf<string>(run));
    }

    [Fact]
    public async Task Outlives_a_crash()
    {
        await using var host = await new WorkflowTestHost(new WorkflowRegistry().Add<Buy>())
            .Replace(Bank.Pay, (order, call) => new Receipt("B-1"))
            .StartAsync();
        var run = await host.StartRunAsync("buy", new Order("desk", 400));
        await host.UntilApproval(run);

        await host.KillAndRestartAsync();

        await host.DecideAsync(run, granted: true, Mia);
        Assert.Equal("B-1", await host.ResultOf<string>(run));
    }

    [Fact]
    public async Task Pays_once_whatever_goes_wrong()
    {
        var paid = new HashSet<string>();
        var report = await WorkflowTestHost.CrashEverywhereAsync(
            () =>
            {
                paid = [];
                return new WorkflowTestHost(new WorkflowRegistry().Add<Buy>()).Replace(Bank.Pay, (order, call) =>
                {
                    paid.Add(call.Key.Value); // as a bank does that recognises keys
                    return new Receipt("B-1");
                });
            },
            async host =>
            {
                var run = await host.StartRunAsync("buy", new Order("desk", 400));
                await host.DecideAsync(run, granted: true, Mia);
                Assert.Equal("B-1", await host.ResultOf<string>(run));
                Assert.Single(paid);
            });
        Assert.True(report.Passes > 20);
    }

    [Fact]
    public void The_page_shows_this_code()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "OrleansAiOs.sln"))) folder = Path.GetDirectoryName(folder)!;
        var here = Squeeze(File.ReadAllText(Path.Combine(folder, "tests", "OrleansAiOs.Testing.Tests", "Hosting", "TestingGuideTests.cs")));
        var blocks = File.ReadAllText(Path.Combine(folder, "docs", "testing.md")).Split("```csharp")[1..].Select(rest => Squeeze(rest[..rest.IndexOf("```", StringComparison.Ordinal)])).ToList();
        blocks.Should().HaveCountGreaterThan(4).And.OnlyContain(block => here.Contains(block, StringComparison.Ordinal));

        static string Squeeze(string text) => string.Join('\n', text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
    }
}
