using System.Text;
using System.Text.Json;

namespace OrleansAiOs.Host.Tests.Abuse;

[Collection(AbuseCollection.Name)]
public sealed class BudgetApiTests(AbuseServer server)
{
    // A tool of its own for each test: a budget of all would limit what runs beside it.
    private readonly string name = $"b{Guid.NewGuid():N}"[..20];

    private Task<Answer> Put(string path, object body, string? key = null) => PutRaw(path, JsonSerializer.Serialize(body), key);

    private Task<Answer> PutRaw(string path, string body, string? key = null) => server.Send(HttpMethod.Put, path, new StringContent(body, Encoding.UTF8, "application/json"), key);

    private Task<Answer> Delete(string path, string? key = null) => server.Send(HttpMethod.Delete, path, null, key);

    [Fact]
    public async Task What_is_spent_is_refused_beyond_and_goes_on_when_the_budget_is_raised()
    {
        (await Put($"/api/v1/budgets/{name}", new { limits = new Dictionary<string, decimal> { ["amount:EUR"] = 100.50m }, tool = "abuse.spend", whenSpent = "wait" })).Status.Should().Be(200);
        try
        {
            (await server.Until(await server.Start("abuse-spend", 100.50m), run => run.GetProperty("status").GetString() == "completed")).GetProperty("status").GetString().Should().Be("completed");
            var standing = (await server.Get($"/api/v1/budgets/{name}")).Json;
            standing.GetProperty("tool").GetString().Should().Be("abuse.spend");
            var waits = await server.Start("abuse-spend", 0.01m);
            var why = await server.Until(waits, run => run.GetProperty("waits").EnumerateArray().Any(wait => wait.GetProperty("why").GetString()!.Contains($"Budget '{name}'")));
            why.ToString().Should().Contain("100.5 granted of 100.5, and 0.01 more is needed").And.Contain($"aios budget set {name} --limit amount:EUR=");

            // In no more than the time of a request, where it would have asked again in a quarter of an hour.
            (await Put($"/api/v1/budgets/{name}", new { limits = new Dictionary<string, decimal> { ["amount:EUR"] = 100.51m }, tool = "abuse.spend", whenSpent = "wait" })).Json.GetProperty("changed").GetBoolean().Should().BeTrue();
            await server.Until(waits, run => run.GetProperty("status").GetString() == "completed");
            var unit = (await server.Get($"/api/v1/budgets/{name}")).Json.GetProperty("units")[0];
            (unit.GetProperty("limit").GetDecimal(), unit.GetProperty("free").GetDecimal()).Should().Be((100.51m, 0m));
            (await server.Get("/api/v1/budgets")).Json.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("id").GetString()).Should().Contain(name);

            (await Put($"/api/v1/budgets/{name}", new { limits = new { calls = 1 } })).ShouldBeProblem(409).Body.Should().Contain("spends on abuse.spend").And.Contain("a name of its own");
        }
        finally
        {
            (await Delete($"/api/v1/budgets/{name}")).Json.GetProperty("changed").GetBoolean().Should().BeTrue();
        }
        (await Delete($"/api/v1/budgets/{name}")).ShouldBeProblem(404).Body.Should().Contain(name);
        await server.Until(await server.Start("abuse-spend", 1_000m), run => run.GetProperty("status").GetString() == "completed");
    }

    [Fact]
    public async Task A_run_goes_as_far_as_its_limit()
    {
        (await server.Get("/api/v1/run-limits")).Json.GetProperty("items")[0].ToString().Should().Contain("\"tool\":\"*\"").And.Contain("100000").And.Contain("\"builtIn\":true");
        (await Put("/api/v1/run-limits", new { tool = "abuse.spend/limited", units = new Dictionary<string, decimal> { ["amount:EUR"] = 10 }, targets = 1 })).Status.Should().Be(200);
        (await server.Get("/api/v1/run-limits")).Body.Should().Contain("abuse.spend/limited");
        var run = await server.Start("abuse-spend-limited", 10.01m, wait: 20);
        (await server.Get($"/api/v1/runs/{run}/result")).Body.Should().Contain("A run may spend 10 amount:EUR on abuse.spend/limited; with this call it would be 10.01");
        (await server.Get($"/api/v1/runs/{await server.Start("abuse-spend-limited", 10m, wait: 20)}/result")).Body.Should().Contain("spent");
        (await Delete("/api/v1/run-limits/abuse.spend%2Flimited")).Json.GetProperty("changed").GetBoolean().Should().BeTrue();
        (await Delete("/api/v1/run-limits/abuse.spend%2Flimited")).ShouldBeProblem(404);
    }

    [Theory]
    [InlineData("""{"limits":{}}""", 422, "limits: a budget limits 1 to 16 units")]
    [InlineData("""{"limits":{"calls":-1}}""", 422, "limits: calls: -1 is negative")]
    [InlineData("""{"limits":{"calls":1000000000000000001}}""", 422, "more than can be counted")]
    [InlineData("""{"limits":{"calls":0.0000000001}}""", 422, "decimal places")]
    [InlineData("""{"limits":{"calls":1e400}}""", 400, "\"status\":400")]
    [InlineData("""{"limits":{"calls":"1"}}""", 400, "\"status\":400")]
    [InlineData("""{"limits":{"calls":1,"calls":2}}""", 400, "\"status\":400")]
    [InlineData("""{"limits":{"a b":1}}""", 422, "'a b' is none")]
    [InlineData("""{"limits":null}""", 400, "\"status\":400")]
    [InlineData("""{"limits":{"calls":1},"period":"week"}""", 400, "\"status\":400")]
    [InlineData("""{"limits":{"calls":1},"period":7}""", 422, "period: total, day or month")]
    [InlineData("""{"limits":{"calls":1},"principal":"ana"}""", 422, "principal: 'ana' is no principal")]
    [InlineData("""{"limits":{"calls":1},"principal":"user/nobody-there"}""", 422, "there is no user/nobody-there")]
    [InlineData("""{"limits":{"calls":1},"tool":""}""", 422, "tool: ")]
    [InlineData("""{"limits":{"calls":1},"whenSpent":"approve"}""", 422, "roles: whenSpent is approve")]
    [InlineData("""{"limits":{"calls":1},"roles":["controller"]}""", 422, "roles: nobody signs")]
    [InlineData("""{"limits":{"calls":1},"whenSpent":"approve","roles":["a b"]}""", 422, "roles: 'a b'")]
    [InlineData("""{"limit":{"calls":1}}""", 400, "\"status\":400")]
    public async Task What_is_no_budget_is_refused_with_its_field_and_cure(string body, int status, string says)
    {
        (await PutRaw($"/api/v1/budgets/{name}", body)).ShouldBeProblem(status).Body.Should().Contain(says);
        (await server.Get($"/api/v1/budgets/{name}")).Status.Should().Be(404);
    }

    [Theory]
    [InlineData("a%2Fb")]
    [InlineData("%00")]
    [InlineData("a%20b")]
    public async Task A_name_that_is_none_is_refused(string bad) => (await Put($"/api/v1/budgets/{bad}", new { limits = new { calls = 1 } })).Status.Should().BeOneOf(400, 404, 422);

    [Fact]
    public async Task Only_the_owner_changes_budgets_and_nobody_without_a_key_reads_them()
    {
        (await Put($"/api/v1/budgets/{name}", new { limits = new { calls = 1 } }, server.CarlsKey)).Status.Should().Be(403);
        (await Delete($"/api/v1/budgets/{name}", server.CarlsKey)).Status.Should().Be(403);
        (await Put("/api/v1/run-limits", new { tool = "x", targets = 1 }, server.CarlsKey)).Status.Should().Be(403);
        (await Delete("/api/v1/run-limits/x", server.CarlsKey)).Status.Should().Be(403);
        (await server.Get("/api/v1/budgets", server.CarlsKey)).Status.Should().Be(200);
        (await server.Get("/api/v1/run-limits", "")).Status.Should().Be(401);
    }
}
