using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Row 16 of the abuse cases over HTTP: who sends webhooks has no key, and is let in by a signature alone.</summary>
[Collection(AbuseCollection.Name)]
public sealed class HookTests(AbuseServer server)
{
    private const string SecretText = "a-secret-of-the-shop";

    private async Task<string> Source(string? does = null)
    {
        var name = $"hook-{Guid.NewGuid():N}"[..20];
        (await server.Send(HttpMethod.Put, $"/api/v1/principals/service/{name}", Json(new { roles = new[] { "operator" } }))).Status.Should().BeOneOf(200, 201, 204);
        (await server.Send(HttpMethod.Put, $"/api/v1/secrets/{name}", Json(new { value = SecretText, hosts = new[] { $"hook:{name}" } }))).Status.Should().Be(204);
        var added = await server.Post("/api/v1/webhook-sources", new { name, scheme = "standard", secrets = new[] { name }, @as = $"service/{name}", does = does ?? "start", workflow = does is null ? "abuse-echo" : null });
        (added.Status, added.Json.GetProperty("path").GetString()).Should().Be((201, $"/hooks/default/{name}"));
        return name;
    }

    private static StringContent Json(object value) => new(JsonSerializer.Serialize(value), Encoding.UTF8, "application/json");

    private Task<Answer> Deliver(string path, string id, byte[] body, string secret = SecretText, DateTimeOffset? at = null, string contentType = "application/json")
    {
        var seconds = (at ?? DateTimeOffset.UtcNow).ToUnixTimeSeconds();
        byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{seconds}."), .. body];
        var mac = HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), signed);
        var content = new ByteArrayContent(body);
        content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        return server.Send(HttpMethod.Post, path, content, key: "", change: request =>
        {
            request.Headers.TryAddWithoutValidation("webhook-id", id);
            request.Headers.TryAddWithoutValidation("webhook-timestamp", $"{seconds}");
            request.Headers.TryAddWithoutValidation("webhook-signature", $"v1,{Convert.ToBase64String(mac)}");
        });
    }

    [Fact]
    public async Task A_signed_delivery_without_a_key_starts_one_run_however_often_it_comes()
    {
        var name = await Source();
        var body = "{ \"order\" : 7 }"u8.ToArray(); // signed as it is, not as somebody would write it again
        var first = await Deliver($"/hooks/default/{name}", "msg_1", body);
        first.Status.Should().Be(200, first.Body);
        var again = await Deliver($"/hooks/default/{name}", "msg_1", body);
        (again.Json.GetProperty("run").GetString(), again.Json.GetProperty("again").GetBoolean()).Should().Be((first.Json.GetProperty("run").GetString(), true));
        var run = await server.UntilStatus(first.Json.GetProperty("run").GetString()!, "completed");
        run.GetProperty("result").GetProperty("order").GetInt32().Should().Be(7);
        (await Deliver($"/hooks/default/{name}", "msg_1", "{\"order\":8}"u8.ToArray())).ShouldBeProblem(409);
        (await server.Get($"/api/v1/webhook-sources/{name}/received")).Json.GetProperty("items").EnumerateArray().Single().GetProperty("state").GetString().Should().Be("done");
    }

    [Fact]
    public async Task An_unknown_source_a_wrong_signature_and_a_late_one_are_one_answer()
    {
        var name = await Source();
        var answers = new[]
        {
            await Deliver($"/hooks/default/{name}", "msg_1", "{}"u8.ToArray(), "another-secret"),
            await Deliver($"/hooks/default/{name}", "msg_1", "{}"u8.ToArray(), at: DateTimeOffset.UtcNow.AddMinutes(-6)),
            await Deliver($"/hooks/default/{name}x", "msg_1", "{}"u8.ToArray()),
            await Deliver($"/hooks/no-such-tenant/{name}", "msg_1", "{}"u8.ToArray()),
            await server.Send(HttpMethod.Post, $"/hooks/default/{name}", Json(new { }), key: ""),
            await server.Send(HttpMethod.Post, $"/hooks/default/{name}", Json(new { })), // the owner's key proves nothing here
        };
        foreach (var answer in answers) answer.ShouldBeProblem(401).Body.Should().Be(answers[0].Body);
        answers.Select(answer => string.Join(',', answer.Headers.Keys.Order())).Distinct().Should().ContainSingle();
        (await server.Get($"/api/v1/webhook-sources/{name}/received")).Json.GetProperty("items").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public async Task A_flood_of_what_is_not_proved_asks_the_database_for_few_at_once_and_what_claims_nothing_not_at_all()
    {
        var name = await Source();
        const int Beyond = 20;
        await using var source = Npgsql.NpgsqlDataSource.Create(server.ConnectionString);
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        // Whoever asks for a secret waits here.
        await using (var held = new Npgsql.NpgsqlCommand("lock table aios.secrets in access exclusive mode", connection)) await held.ExecuteNonQueryAsync();
        var flood = Enumerable.Range(0, 16 + 64 + Beyond).Select(i => Deliver($"/hooks/default/{(i % 2 == 0 ? name : "nobody")}", $"msg_{i}", "{}"u8.ToArray(), "another-secret")).ToList();
        var refused = new List<Answer>();
        foreach (var first in Enumerable.Range(0, Beyond))
        {
            var ended = await Task.WhenAny(flood).WaitAsync(TimeSpan.FromSeconds(60));
            flood.Remove(ended);
            refused.Add(await ended);
        }
        foreach (var answer in refused) answer.ShouldBeProblem(429).Headers.Should().ContainKey("Retry-After");
        foreach (var path in new[] { $"/hooks/default/{name}", "/hooks/default/nobody" })
        {
            (await server.Send(HttpMethod.Post, path, Json(new { }), key: "")).ShouldBeProblem(401);
            (await Deliver(path, "msg_1", "{}"u8.ToArray(), at: DateTimeOffset.UtcNow.AddMinutes(-6))).ShouldBeProblem(401);
        }
        (await AskingAsync()).Should().BeLessThanOrEqualTo(16);
        await transaction.RollbackAsync();
        foreach (var answer in await Task.WhenAll(flood)) answer.ShouldBeProblem(401);
        (await Deliver($"/hooks/default/{name}", "msg_good", "{}"u8.ToArray())).Status.Should().Be(200, "there is room again");

        async Task<long> AskingAsync()
        {
            await using var asked = new Npgsql.NpgsqlCommand("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%aios.secrets%'", connection);
            return (long)(await asked.ExecuteScalarAsync())!;
        }
    }

    [Fact]
    public async Task What_is_too_large_or_no_JSON_is_refused()
    {
        var name = await Source();
        (await Deliver($"/hooks/default/{name}", "msg_1", new byte[256 * 1024 + 1])).ShouldBeProblem(413);
        (await Deliver($"/hooks/default/{name}", "msg_2", "a=1"u8.ToArray(), contentType: "application/x-www-form-urlencoded")).ShouldBeProblem(415);
        (await Deliver($"/hooks/default/{name}", "msg_3", "{\"a\":1,\"a\":2}"u8.ToArray())).ShouldBeProblem(422);
        (await server.Send(HttpMethod.Get, $"/hooks/default/{name}", null, key: "")).ShouldBeProblem(401, 405);
        var kept = (await server.Get($"/api/v1/webhook-sources/{name}/received?state=quarantined")).Json.GetProperty("items").EnumerateArray().Single();
        kept.GetProperty("delivery").GetString().Should().Be("msg_3");
        (await server.Post($"/api/v1/webhook-sources/{name}/retry", new { delivery = "msg_3" })).ShouldBeProblem(422);
        (await server.Post($"/api/v1/webhook-sources/{name}/retry", new { delivery = "msg_9" })).ShouldBeProblem(404);
        (await server.Get($"/api/v1/webhook-sources/{name}/received?state=7")).ShouldBeProblem(400);
    }

    [Fact]
    public async Task Nobody_gives_a_source_more_than_they_hold()
    {
        var (desk, strong) = ($"d-{Guid.NewGuid():N}"[..20], $"s-{Guid.NewGuid():N}"[..20]);
        var key = await server.NewKey(desk, "viewer");
        await server.Post("/api/v1/grants", new { to = $"user/{desk}", actions = new[] { "webhook.write" }, resource = "*" });
        await server.Send(HttpMethod.Put, $"/api/v1/principals/service/{strong}", Json(new { roles = new[] { "owner" } }));
        object Wanted(string @as) => new { name = strong, scheme = "standard", secrets = new[] { "x" }, @as, does = "start", workflow = "abuse-echo" };
        (await server.Post("/api/v1/webhook-sources", Wanted($"service/{strong}"), key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/webhook-sources", Wanted("service/nobody"), key)).ShouldBeProblem(404);
        (await server.Post("/api/v1/webhook-sources", Wanted($"user/{desk}"), key)).ShouldBeProblem(422);
        (await server.Post("/api/v1/webhooks", new { name = strong, url = "https://crm.example.com/", kinds = new[] { "*" }, secrets = new[] { "x" } }, key)).Status.Should().Be(201, "a viewer sees runs, and so does what they have told");
        var blind = await server.NewKey($"b-{Guid.NewGuid():N}"[..20]);
        (await server.Post("/api/v1/webhooks", new { name = "blind", url = "https://crm.example.com/", kinds = new[] { "*" }, secrets = new[] { "x" } }, blind)).ShouldBeProblem(403);
        (await server.Post($"/api/v1/webhooks/{strong}/remove", new { why = "over" })).Status.Should().Be(204);
    }

    [Fact]
    public async Task Only_who_owns_the_platform_names_endpoints_that_a_webhook_reaches()
    {
        var neighbour = (await server.Post("/api/v1/tenants", new { id = $"n-{Guid.NewGuid():N}"[..20] })).Json.GetProperty("key").GetString()!;
        var name = $"r-{Guid.NewGuid():N}"[..20];
        object Wanted(string[]? reach) => new { name, url = "https://10.0.0.5:8443/in", kinds = new[] { "run.reset" }, secrets = new[] { "x" }, reach };
        var refused = await server.Post("/api/v1/webhooks", Wanted(["10.0.0.5:8443"]), neighbour);
        refused.ShouldBeProblem(403).Body.Should().Contain("reach").And.Contain("10.0.0.5:8443").And.Contain("public address");
        (await server.Get("/api/v1/webhooks", neighbour)).Json.GetProperty("items").GetArrayLength().Should().Be(0);
        (await server.Post("/api/v1/webhooks", Wanted(null), neighbour)).Status.Should().Be(201, "where it leads to, egress judges");
        (await server.Post("/api/v1/webhooks", Wanted(["10.0.0.5:8443"]))).Status.Should().Be(201);
        (await server.Post($"/api/v1/webhooks/{name}/remove", new { why = "over" })).Status.Should().Be(204);
    }

    [Theory]
    [InlineData("""{"name":"Bad Name"}""")]
    [InlineData("""{"url":"ftp://crm.example.com/"}""")]
    [InlineData("""{"url":"https://user:pass@crm.example.com/"}""")]
    [InlineData("""{"url":"https://crm.example.com/?key=secret://x"}""")]
    [InlineData("""{"url":"/relative"}""")]
    [InlineData("""{"kinds":[]}""")]
    [InlineData("""{"kinds":["run.exploded"]}""")]
    [InlineData("""{"secrets":[]}""")]
    [InlineData("""{"secrets":["a","a"]}""")]
    [InlineData("""{"attempts":0}""")]
    [InlineData("""{"reach":["nowhere"]}""")]
    public async Task A_webhook_that_cannot_work_is_refused_in_words(string change)
    {
        var wanted = JsonSerializer.SerializeToNode(new { name = "fine", url = "https://crm.example.com/in", kinds = new[] { "*" }, secrets = new[] { "x" } })!.AsObject();
        foreach (var (name, value) in System.Text.Json.Nodes.JsonNode.Parse(change)!.AsObject().ToList()) wanted[name] = value?.DeepClone();
        (await server.Post("/api/v1/webhooks", wanted)).ShouldBeProblem(422);
    }

    [Fact]
    public async Task The_command_line_adds_lists_and_removes_both_sides()
    {
        var name = $"cli-{Guid.NewGuid():N}"[..16];
        await server.Send(HttpMethod.Put, $"/api/v1/principals/service/{name}", Json(new { roles = new[] { "operator" } }));
        (await Run("webhooks", "add", name, "https://crm.example.com/in", "--kind", "run.reset", "--secret", "out", "--workflow", "abuse-nothing")).Should().Contain("is told of run.reset");
        (await Run("webhooks", "list")).Should().Contain(name);
        (await Run("webhooks", "deliveries", name)).Should().Contain("nothing yet");
        (await Run("webhooks", "dead", name)).Should().Contain("nothing is dead");
        (await Run("webhooks", "redeliver", name)).Should().Contain("is sent again");
        (await Run("webhooks", "remove", name, "--why", "over")).Should().Contain("no more");
        (await Run("webhooks", "add-source", name, "--does", "start", "--workflow", "abuse-echo", "--as", $"service/{name}", "--secret", name)).Should().Contain($"/hooks/default/{name}");
        (await Run("webhooks", "sources")).Should().Contain(name);
        (await Run("webhooks", "received", name, "--quarantined")).Should().Contain("nothing");
        (await Run("webhooks", "remove-source", name, "--why", "over")).Should().Contain("nothing more");
        (await server.Get($"/api/v1/webhook-sources/{name}/received")).ShouldBeProblem(404);
    }

    private async Task<string> Run(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        (await Host.Cli.AiosCommand.RunAsync([.. args, "--url", server.Server.Address.ToString(), "--key", server.OwnerKey], output, error)).Should().Be(0, error.ToString());
        return output.ToString() + error;
    }
}
