using System.Text;
using System.Text.Json;

namespace OrleansAiOs.Host.Tests.Abuse;

[Collection(AbuseCollection.Name)]
public sealed class QuotaApiTests(AbuseServer server)
{
    // Of a principal of its own for each test: a quota of the tenant would limit what runs beside it.
    private readonly string name = $"q{Guid.NewGuid():N}"[..20];

    private Task<Answer> Put(object body, string? key = null) => PutRaw(name, JsonSerializer.Serialize(body), key);

    private Task<Answer> PutRaw(string quota, string body, string? key = null) => server.Send(HttpMethod.Put, $"/api/v1/quotas/{quota}", new StringContent(body, Encoding.UTF8, "application/json"), key);

    private Task<Answer> Delete(string? key = null) => server.Send(HttpMethod.Delete, $"/api/v1/quotas/{name}", null, key);

    [Fact]
    public async Task A_start_beyond_the_open_runs_is_refused_with_the_figures_and_the_cure_until_one_ends()
    {
        var key = await server.NewKey(name, "operator");
        (await Put(new { runs = 2, calls = 3, principal = $"user/{name}" })).Json.GetProperty("changed").GetBoolean().Should().BeTrue();
        (await Put(new { runs = 2, calls = 3, principal = $"user/{name}" })).Json.GetProperty("changed").GetBoolean().Should().BeFalse();
        (await Start("1", key)).Status.Should().Be(201);
        (await Start("2", key)).Status.Should().Be(201);
        var refused = await Start("3", key);
        refused.ShouldBeProblem(429).Body.Should().Contain($"Quota '{name}' of user/{name} allows 2 open runs, and 2 are open").And.Contain($"aios quota set {name} --runs");
        (await Start("2", key)).Status.Should().Be(200, "what is there is answered");
        var standing = (await server.Get($"/api/v1/quotas/{name}")).Json;
        standing.GetProperty("runs").ToString().Should().Be("""{"limit":2,"open":2,"free":0}""");
        standing.GetProperty("calls").GetProperty("limit").GetInt32().Should().Be(3);
        (await server.Get("/api/v1/quotas")).Json.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("id").GetString()).Should().Contain(name);

        (await server.Post($"/api/v1/runs/{name}-1/terminate", new { reason = "enough" })).Status.Should().Be(200);
        await server.UntilStatus($"{name}-1", "terminated");
        (await Start("3", key)).Status.Should().Be(201);
        (await Put(new { runs = 3, principal = $"user/{name}" })).Status.Should().Be(200);
        (await Start("4", key)).Status.Should().Be(201, "it was raised");
        (await Put(new { runs = 3 })).ShouldBeProblem(409).Body.Should().Contain($"counts what user/{name} does");
        (await Delete()).Json.GetProperty("changed").GetBoolean().Should().BeTrue();
        (await Delete()).ShouldBeProblem(404);
        (await Start("5", key)).Status.Should().Be(201, "nothing limits it any more");
    }

    [Fact]
    public async Task Who_stores_as_much_as_allowed_brings_nothing_more_in_until_there_is_room_and_what_runs_goes_on()
    {
        var key = (await server.Post("/api/v1/tenants", new { id = name })).Json.GetProperty("key").GetString()!;
        (await Start("1", key)).Status.Should().Be(201);
        (await Start("2", key)).Status.Should().Be(201);
        (await Put(new { bytes = 10 }, key)).Status.Should().Be(200);
        var body = (await Start("3", key)).ShouldBeProblem(429).Body;
        body.Should().MatchRegex($"Quota '{name}' allows 10 bytes of events and documents, and [0-9,]+ are stored").And.Contain("aios purge").And.Contain($"aios quota set {name} --bytes");
        foreach (var path in new[] { $"runs/{name}-1/signals/go", $"runs/{name}-1/updates/double" }) (await server.Post($"/api/v1/{path}", 1, key)).ShouldBeProblem(429);
        var document = new ByteArrayContent([1, 2, 3]);
        document.Headers.TryAddWithoutValidation("Content-Type", "application/octet-stream");
        (await server.Send(HttpMethod.Post, "/api/v1/payloads", document, key)).ShouldBeProblem(429);
        (await server.Post("/api/v1/runs:bulk", new { action = "signal", signal = "go", value = 1, filter = new { status = "running" } }, key)).ShouldBeProblem(429);
        (await Start("2", key)).Status.Should().Be(200, "what is there is answered");
        var stored = (await server.Get($"/api/v1/quotas/{name}", key)).Json.GetProperty("bytes");
        (stored.GetProperty("limit").GetInt64(), stored.GetProperty("free").GetInt64()).Should().Be((10, 0));
        stored.GetProperty("used").GetInt64().Should().BeGreaterThan(100);

        (await server.Post($"/api/v1/runs/{name}-1/terminate", new { reason = "enough" }, key)).Status.Should().Be(200, "what runs may end");
        (await Put(new { bytes = 1_000_000 }, key)).Status.Should().Be(200);
        (await server.Post($"/api/v1/runs/{name}-2/signals/go", 1, key)).Status.Should().Be(200);
        (await Start("3", key)).Status.Should().Be(201);
    }

    private Task<Answer> Start(string id, string key) => server.Post("/api/v1/runs", new { workflow = "abuse-wait", input = 1, id = $"{name}-{id}" }, key);

    [Theory]
    [InlineData("{\"bytes\":-1}", 422, "bytes: 0 or more")]
    [InlineData("{\"bytes\":1,\"principal\":\"user/carl\"}", 422, "what is stored is the tenant's")]
    [InlineData("{}", 422, "calls, runs, bytes: a quota limits at least one of them")]
    [InlineData("""{"calls":0}""", 422, "throw a kill switch")]
    [InlineData("""{"calls":100001}""", 422, "1 to 100000")]
    [InlineData("""{"runs":-1}""", 422, "0 to 1000000 open runs")]
    [InlineData("""{"runs":1.5}""", 400, "\"status\":400")]
    [InlineData("""{"runs":"1"}""", 400, "\"status\":400")]
    [InlineData("""{"runs":1,"runs":2}""", 400, "\"status\":400")]
    [InlineData("""{"run":1}""", 400, "\"status\":400")]
    [InlineData("""{"runs":1,"principal":"ana"}""", 422, "principal: 'ana' is no principal")]
    [InlineData("""{"runs":1,"principal":"user/nobody-there"}""", 422, "there is no user/nobody-there")]
    public async Task What_is_no_quota_is_refused_with_its_field_and_cure(string body, int status, string says)
    {
        (await PutRaw(name, body)).ShouldBeProblem(status).Body.Should().Contain(says);
        (await server.Get($"/api/v1/quotas/{name}")).Status.Should().Be(404);
    }

    [Theory]
    [InlineData("a%2Fb")]
    [InlineData("%00")]
    [InlineData("a%20b")]
    public async Task A_name_that_is_none_is_refused(string bad) => (await PutRaw(bad, """{"runs":1}""")).Status.Should().BeOneOf(400, 404, 422);

    [Fact]
    public async Task Only_the_owner_changes_quotas_and_nobody_without_a_key_reads_them()
    {
        (await Put(new { runs = 1 }, server.CarlsKey)).Status.Should().Be(403);
        (await Delete(server.CarlsKey)).Status.Should().Be(403);
        (await server.Get("/api/v1/quotas", server.CarlsKey)).Status.Should().Be(200);
        (await server.Get("/api/v1/quotas", "")).Status.Should().Be(401);
    }
}
