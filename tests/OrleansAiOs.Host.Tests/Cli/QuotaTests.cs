namespace OrleansAiOs.Host.Tests.Cli;

public sealed class QuotaTests
{
    private const string Agents = """
        {"id":"agents","principal":"agent/refunds","calls":{"limit":1000,"underWay":4,"waiting":12,"hosts":[{"host":"h-1","places":600},{"host":"h-2","places":400}],"free":0},
        "runs":{"limit":50,"open":12,"free":38}}
        """;

    [Fact]
    public async Task Quotas_are_listed_with_what_is_free_and_one_is_shown_with_its_hosts()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/quotas", Documents.Page(Agents)).On("GET /api/v1/quotas/agents", Agents);
        (await host.RunAsync("quota", "list")).Output.Should().MatchRegex(@"agents +agent/refunds +calls under way +1,000 +1,000 +0").And.MatchRegex(@"agents +agent/refunds +open runs +50 +12 +38");
        await using var other = (await ContractServer.StartAsync()).On("GET /api/v1/quotas", Documents.Page("{\"id\":\"all\",\"bytes\":{\"limit\":20000000000,\"used\":5000,\"free\":19999995000}}"));
        (await other.RunAsync("quota", "list")).Output.Should().MatchRegex(@"all +the tenant +bytes stored +20,000,000,000 +5,000 +19,999,995,000");
        (await host.RunAsync("quota", "show", "agents")).Output.Should().Contain("4 under way, and 12 waiting").And.MatchRegex(@"h-2 +400");
        (await host.RunAsync("quota", "show", "agents", "--json")).Output.Should().Contain("\"underWay\"");
    }

    [Fact]
    public async Task A_quota_is_changed_in_what_is_said_and_stays_in_the_rest()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/quotas", Documents.Page(Agents)).On("PUT /api/v1/quotas/agents", """{"changed":true}""").On("PUT /api/v1/quotas/new", """{"changed":false}""");
        (await host.RunAsync("quota", "set", "agents", "--runs", "100")).Should().Match<CliRun>(run => run.Code == 0 && run.Error.Contains("quota agents holds from now on"));
        host.Asked[^1].Body.Should().Be("""{"calls":1000,"runs":100,"principal":"agent/refunds"}""");
        await host.RunAsync("quota", "set", "agents", "--calls", "none");
        host.Asked[^1].Body.Should().Be("""{"runs":50,"principal":"agent/refunds"}""");
        await host.RunAsync("quota", "set", "agents", "--bytes", "20GB");
        host.Asked[^1].Body.Should().Be("{\"calls\":1000,\"runs\":50,\"principal\":\"agent/refunds\",\"bytes\":20000000000}");
        (await host.RunAsync("quota", "set", "agents", "--bytes", "99999999TB")).Should().Match<CliRun>(run => run.Code == 2 && run.Error.Contains("99999999TB"));
        (await host.RunAsync("quota", "set", "new", "--calls", "5")).Error.Should().Contain("stood so already");
        host.Asked[^1].Body.Should().Be("""{"calls":5}""");
        (await host.RunAsync("quota", "set", "agents", "--calls", "none", "--runs", "none")).Should().Match<CliRun>(run => run.Code == 2 && run.Error.Contains("aios quota remove agents"));
    }

    [Theory]
    [InlineData("1,000")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("99999999999")]
    public async Task A_limit_that_is_none_is_not_sent(string limit)
    {
        await using var host = await ContractServer.StartAsync();
        (await host.RunAsync("quota", "set", "q", $"--runs={limit}")).Should().Match<CliRun>(run => run.Code == 2 && run.Error.Contains(limit));
        host.Asked.Should().BeEmpty();
    }

    [Fact]
    public async Task A_quota_is_removed()
    {
        await using var host = (await ContractServer.StartAsync()).On("DELETE /api/v1/quotas/agents", """{"changed":true}""");
        (await host.RunAsync("quota", "remove", "agents")).Code.Should().Be(0);
        host.OnlyAsked.Headers.Should().ContainKey("Idempotency-Key");
    }
}
