namespace OrleansAiOs.Host.Tests.Cli;

public sealed class BudgetTests
{
    private const string Refunds = """
        {"id":"refunds","period":"month","current":"2026-11","endsAt":"2026-12-01T00:00:00Z","principal":"agent/refunds","tool":null,"whenSpent":"approve","roles":["controller"],
        "units":[{"unit":"amount:EUR","limit":1000.50,"settled":900,"granted":100.5,"free":0}],"runs":[{"run":"r-1","unit":"amount:EUR","granted":100.5,"spent":12,"askedAt":"2026-11-29T10:00:00Z"}]}
        """;

    [Fact]
    public async Task Budgets_are_listed_with_what_is_left_and_one_is_shown_with_who_holds_it()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/budgets", Documents.Page(Refunds)).On("GET /api/v1/budgets/refunds", Refunds);
        (await host.RunAsync("budget", "list")).Output.Should().MatchRegex(@"refunds +agent/refunds +2026-11 +amount:EUR +1,000.5 +900 +100.5 +0 +approve by controller");
        (await host.RunAsync("budget", "show", "refunds")).Output.Should().Contain("what agent/refunds spends, 2026-11 until 2026-12-01 00:00:00Z").And.MatchRegex(@"r-1 +amount:EUR +100.5 +12 +2026-11-29");
        (await host.RunAsync("budget", "show", "refunds", "--json")).Output.Should().Contain("\"settled\"");
    }

    [Fact]
    public async Task A_budget_is_changed_in_what_is_said_and_stays_in_the_rest()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/budgets", Documents.Page(Refunds)).On("PUT /api/v1/budgets/refunds", """{"changed":true}""").On("PUT /api/v1/budgets/new", """{"changed":false}""");
        (await host.RunAsync("budget", "set", "refunds", "--limit", "amount:EUR=2000")).Should().Match<CliRun>(run => run.Code == 0 && run.Error.Contains("budget refunds holds from now on"));
        host.Asked[^1].Body.Should().Be("""{"limits":{"amount:EUR":2000},"period":"month","principal":"agent/refunds","whenSpent":"approve","roles":["controller"]}""");
        await host.RunAsync("budget", "set", "refunds", "--when-spent", "deny", "--limit", "calls=5");
        host.Asked[^1].Body.Should().Be("""{"limits":{"amount:EUR":1000.50,"calls":5},"period":"month","principal":"agent/refunds","whenSpent":"deny"}""");
        (await host.RunAsync("budget", "set", "new", "--limit", "tokens=0.5", "--tool", "model.call", "--period", "day")).Error.Should().Contain("stood so already");
        host.Asked[^1].Body.Should().Be("""{"limits":{"tokens":0.5},"period":"day","tool":"model.call","whenSpent":"deny"}""");
    }

    [Theory]
    [InlineData("amount:EUR")]
    [InlineData("=5")]
    [InlineData("calls=1,000")]
    [InlineData("calls=-1")]
    [InlineData("calls=1e3")]
    [InlineData("calls=")]
    public async Task An_amount_that_is_none_is_not_sent(string limit)
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/budgets", Documents.Page());
        (await host.RunAsync("budget", "set", "b", "--limit", limit)).Should().Match<CliRun>(run => run.Code == 2 && run.Error.Contains(limit) && run.Error.Contains("UNIT=AMOUNT"));
        (await host.RunAsync("budget", "set", "b")).Should().Match<CliRun>(run => run.Code == 2 && run.Error.Contains("--limit UNIT=AMOUNT"));
        host.Asked.Should().OnlyContain(asked => asked.Request.StartsWith("GET"));
    }

    [Theory]
    [InlineData("DELETE /api/v1/budgets/refunds", "", "remove", "refunds")]
    [InlineData("PUT /api/v1/run-limits", """{"tool":"bank.pay","units":{"amount:EUR":500,"calls":10},"targets":3,"onHit":"approve","roles":["controller"]}""", "limit", "bank.pay", "--most", "amount:EUR=500", "--most", "calls=10", "--targets", "3", "--on-hit", "approve", "--role", "controller")]
    [InlineData("PUT /api/v1/run-limits", """{"tool":"*","units":{},"targets":3,"onHit":"deny"}""", "limit", "*", "--targets", "3")]
    [InlineData("DELETE /api/v1/run-limits/tool:crm/update", "", "remove-limit", "tool:crm/update")]
    public async Task A_change_is_sent_as_the_api_wants_it(string request, string body, params string[] args)
    {
        await using var host = (await ContractServer.StartAsync()).On(request, """{"changed":true}""").On(request.Replace("tool:crm/update", "tool:crm%2Fupdate"), """{"changed":true}""");
        var run = await host.RunAsync(["budget", .. args]);
        run.Code.Should().Be(0, run.Error);
        host.OnlyAsked.Body.Should().Be(body);
        host.OnlyAsked.Headers.Should().ContainKey("Idempotency-Key");
    }

    [Fact]
    public async Task Limits_are_listed_the_built_in_one_as_such()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/run-limits", Documents.Page("""{"tool":"*","units":{"calls":100000},"targets":10000,"onHit":"deny","roles":[],"builtIn":true}"""));
        (await host.RunAsync("budget", "limits")).Output.Should().MatchRegex(@"\* +100,000 calls +10000 +deny +built in");
    }
}
