using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Host.Api;
using OrleansAiOs.Kernel.Identity;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>What a key may: every endpoint with every role, and who acts on whose behalf.</summary>
[Collection(AbuseCollection.Name)]
public sealed class RoleTests(AbuseServer server)
{
    private List<RouteEndpoint> Endpoints() => [.. server.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().Where(e => e.RoutePattern.RawText is not ("/live" or "/ready"))];

    private static string Named() => $"p{Guid.NewGuid():N}"[..20];

    [Fact]
    public void Every_endpoint_says_which_right_it_needs() =>
        Endpoints().Where(e => e.Metadata.GetMetadata<Needed>() is null).Select(e => e.RoutePattern.RawText).Should().BeEmpty("an endpoint without .Needs(…) answers nobody");

    [Theory]
    [InlineData("owner")]
    [InlineData("operator")]
    [InlineData("viewer")]
    [InlineData("auditor")]
    [InlineData("controller")]
    [InlineData(null)]
    public async Task A_role_opens_what_it_is_for_and_nothing_else(string? role)
    {
        var key = await server.NewKey(Named(), role is null ? [] : [role]);
        var (opened, closed) = (0, 0);
        foreach (var endpoint in Endpoints())
        {
            var needed = endpoint.Metadata.GetMetadata<Needed>()!;
            var may = needed.Action == "api.read" || role is not null && (role == "owner" || !needed.Action.StartsWith("tenant.", StringComparison.Ordinal)) && BuiltInRole.ActionsOf(role).Any(pattern => Regex.IsMatch(needed.Action, $"^{Regex.Escape(pattern).Replace(@"\*", ".*")}$"));
            foreach (var method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"])
            {
                if (may && endpoint.RoutePattern.RawText == "/api/v1/events") continue; // it would be followed for ever
                var path = "/" + endpoint.RoutePattern.RawText!.TrimStart('/').Replace("{id}", "no-such").Replace("{name}", "no-such").Replace("{kind}", "user").Replace("{step:int}", "1").Replace("{number:int}", "1").Replace("{documentName}", "v1");
                var answer = await server.Send(new HttpMethod(method), path, method is "GET" or "DELETE" ? null : path.EndsWith("payloads", StringComparison.Ordinal)
                    ? new ByteArrayContent([1]) { Headers = { ContentType = new("application/octet-stream") } } : new StringContent("{\"no\":\"such\"}", Encoding.UTF8, "application/json"), key);
                if (may) answer.Status.Should().NotBe(403, $"{role} and {method} {path} ({needed.Action}): {answer.Body}");
                else answer.ShouldBeProblem(403);
                (opened, closed) = may ? (opened + 1, closed) : (opened, closed + 1);
            }
        }
        (opened + closed).Should().BeGreaterThan(50);
        closed.Should().BeGreaterThan(role is "owner" ? -1 : 5);
    }

    [Fact]
    public async Task A_service_with_one_scoped_grant_does_that_and_no_more()
    {
        var name = Named();
        var key = (await server.Post("/api/v1/keys", new { name, kind = "service", roles = Array.Empty<string>() })).Json.GetProperty("key").GetString()!;
        (await server.Post("/api/v1/runs", new { workflow = "abuse-echo", input = 1 }, key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/grants", new { to = $"service/{name}", actions = new[] { "run.start" }, resource = "workflow/abuse-echo", expires = "1h" })).Status.Should().Be(201);
        var started = await server.Post("/api/v1/runs", new { workflow = "abuse-echo", input = 1 }, key);
        started.Status.Should().Be(201);
        (await server.Post("/api/v1/runs", new { workflow = "abuse-wait", input = 1 }, key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/schedules", new { id = Named(), cron = "@daily", start = new { workflow = "abuse-echo", input = 1 } }, key)).ShouldBeProblem(403);
        (await server.Get($"/api/v1/runs/{started.Json.GetProperty("id").GetString()}", key)).ShouldBeProblem(403);
        (await server.Get("/api/v1/grants")).Json.GetProperty("items").EnumerateArray().Single(g => g.GetProperty("to").GetString() == $"service/{name}").GetProperty("lastUsedAt").ValueKind.Should().Be(JsonValueKind.String, "it was of use");
        (await server.Post("/api/v1/grants", new { to = $"service/{name}", actions = new[] { "run.update" }, resource = "*", expires = "1h" })).Status.Should().Be(201);
        (await server.Post($"/api/v1/runs/{name}/updates/deposit?start=abuse-account", 1, key)).ShouldBeProblem(403);
    }

    [Fact]
    public async Task Who_may_manage_identities_gives_no_more_than_they_hold()
    {
        var desk = Named();
        var key = await server.NewKey(desk);
        await server.Post("/api/v1/grants", new { to = $"user/{desk}", actions = new[] { "identity.write" }, resource = "*" });
        (await server.Post("/api/v1/keys", new { name = Named(), roles = new[] { "owner" } }, key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/keys", new { name = Named(), @for = "user/owner" }, key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/grants", new { to = $"user/{desk}", actions = new[] { "*" }, resource = "*" }, key)).ShouldBeProblem(403);
        (await server.Send(HttpMethod.Put, $"/api/v1/principals/user/{desk}", new StringContent("""{"roles":["operator"]}""", Encoding.UTF8, "application/json"), key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/keys", new { name = Named(), roles = Array.Empty<string>() }, key)).Status.Should().Be(201, "somebody with nothing is no more than they hold");
        (await server.Post($"/api/v1/principals/user/{desk}/disable", new { why = "by mistake" }, key)).ShouldBeProblem(409);
    }

    private Task<Answer> As(string key, string onBehalfOf, HttpMethod method, string path, object? body = null) => server.Send(method, path,
        body is null ? null : new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json"), key, change: request => request.Headers.TryAddWithoutValidation("X-Aios-On-Behalf-Of", onBehalfOf));

    [Fact]
    public async Task A_service_acts_for_a_user_it_may_act_for_and_the_run_knows_both()
    {
        var (ana, crm) = (Named(), Named());
        var anas = await server.NewKey(ana, "operator", "controller");
        var service = (await server.Post("/api/v1/keys", new { name = crm, kind = "service", roles = new[] { "operator", "controller" } })).Json.GetProperty("key").GetString()!;
        var start = new { workflow = "abuse-approve", input = "Pay" };
        (await As(service, $"user/{ana}", HttpMethod.Post, "/api/v1/runs", start)).ShouldBeProblem(403).Body.Should().Contain("may not act for");
        (await As(service, "user/nobody-at-all", HttpMethod.Post, "/api/v1/runs", start)).ShouldBeProblem(403).Body.Should().Contain("may not act for");
        var grant = await server.Post("/api/v1/grants", new { to = $"service/{crm}", actions = new[] { "act-for" }, resource = $"user/{ana}" });
        var id = (await As(service, $"user/{ana}", HttpMethod.Post, "/api/v1/runs", start)).Json.GetProperty("id").GetString()!;
        var first = (await server.Get($"/api/v1/runs/{id}/history")).Json.GetProperty("items")[0].GetProperty("data");
        first.GetProperty("by").GetString().Should().Be(ana, "it is hers");
        first.GetProperty("chain").EnumerateArray().Select(link => link.GetString()).Should().Equal($"user/{ana}", $"service/{crm}");
        await server.Until(id, run => run.GetProperty("waits").GetArrayLength() > 0);

        (await As(service, $"user/{ana}", HttpMethod.Post, $"/api/v1/runs/{id}/approvals/1", new { granted = true })).ShouldBeProblem(403).Body.Should().Contain("cannot decide for");
        (await server.Post($"/api/v1/runs/{id}/approvals/1", new { granted = true }, anas)).ShouldBeProblem(403).Body.Should().Contain("second pair of eyes");
        (await As(service, $"user/{ana}", HttpMethod.Post, $"/api/v1/runs/{id}/reset", new { to = 1 })).ShouldBeProblem(403);
        (await As(service, $"user/{ana}", HttpMethod.Get, "/api/v1/me")).Json.GetProperty("chain").GetArrayLength().Should().Be(2);
        (await As(anas, $"service/{crm}", HttpMethod.Get, "/api/v1/me")).ShouldBeProblem(403);
        (await As(service, $"user/{ana}", HttpMethod.Get, "/api/v1/keys")).ShouldBeProblem(403);

        (await server.Send(HttpMethod.Delete, $"/api/v1/grants/{grant.Json.GetProperty("id").GetString()}", null)).Status.Should().Be(204);
        (await As(service, $"user/{ana}", HttpMethod.Get, "/api/v1/me")).ShouldBeProblem(403);
        (await server.Get("/api/v1/me", service)).Status.Should().Be(200, "by itself it is what it was");
    }

    [Theory]
    [InlineData("ana")]
    [InlineData("")]
    [InlineData("user/")]
    [InlineData("+user/owner")]
    [InlineData("engine")]
    [InlineData("user/a,,user/b")]
    [InlineData("user/1,user/2,user/3,user/4,user/5,user/6,user/7,user/8,user/9,user/10,user/11,user/12,user/13,user/14,user/15,user/16,user/17,user/18,user/19,user/20")]
    public async Task What_names_nobody_to_act_for_is_refused(string onBehalfOf) =>
        (await As(server.OwnerKey, onBehalfOf, HttpMethod.Get, "/api/v1/me")).ShouldBeProblem(400);

    [Fact]
    public async Task A_service_may_not_put_a_user_between_itself_and_another()
    {
        var (ana, ben, crm) = (Named(), Named(), Named());
        await server.NewKey(ana, "operator");
        await server.NewKey(ben, "operator");
        var service = (await server.Post("/api/v1/keys", new { name = crm, kind = "service", roles = new[] { "operator" } })).Json.GetProperty("key").GetString()!;
        await server.Post("/api/v1/grants", new { to = $"service/{crm}", actions = new[] { "act-for" }, resource = $"user/{ben}" });
        (await As(service, $"user/{ben}", HttpMethod.Get, "/api/v1/me")).Status.Should().Be(200);
        (await As(service, $"user/{ana},user/{ben}", HttpMethod.Get, "/api/v1/me")).ShouldBeProblem(403);
    }

    [Fact]
    public async Task Who_follows_a_run_is_told_no_more_when_their_key_is_revoked()
    {
        var name = Named();
        var key = await server.NewKey(name, "viewer");
        var id = await server.Start("abuse-wait", 1);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/runs/{id}/events");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(limit.Token));
        (await reader.ReadLineAsync(limit.Token)).Should().Be("id: 1");
        (await server.Send(HttpMethod.Delete, $"/api/v1/keys/{name}", null)).Status.Should().Be(204);
        await server.PostRaw($"/api/v1/runs/{id}/signals/go", "\"secret\"");
        (await reader.ReadToEndAsync(limit.Token)).Should().NotContain("secret").And.NotContain("run-completed");
    }

    [Fact]
    public async Task A_disabled_principal_is_refused_at_once_and_its_keys_wait()
    {
        var name = Named();
        var key = await server.NewKey(name, "viewer");
        (await server.Get("/api/v1/runs", key)).Status.Should().Be(200);
        (await server.Post($"/api/v1/principals/user/{name}/disable", new { why = "on leave" })).Status.Should().Be(200);
        (await server.Get("/api/v1/runs", key)).ShouldBeProblem(403).Body.Should().Contain("disabled");
        (await server.Post("/api/v1/keys", new { name = Named(), @for = $"user/{name}" })).ShouldBeProblem(409);
        (await server.Post($"/api/v1/principals/user/{name}/enable", new { why = "is back" })).Status.Should().Be(200);
        (await server.Get("/api/v1/runs", key)).Status.Should().Be(200);
        (await server.Send(HttpMethod.Put, $"/api/v1/principals/user/{name}", new StringContent("""{"roles":[]}""", Encoding.UTF8, "application/json"))).Status.Should().Be(200);
        (await server.Get("/api/v1/runs", key)).ShouldBeProblem(403);
    }

    [Fact]
    public async Task A_key_that_was_written_into_the_table_by_hand_opens_nothing()
    {
        await server.Execute("insert into aios.api_keys (tenant_id, name, principal, hash) values ('default', 'by-hand', 'user/owner', sha256('aios_by-hand'))");
        (await server.Get("/api/v1/me", "aios_by-hand")).ShouldBeProblem(401);
        await server.Execute("delete from aios.api_keys where name = 'by-hand'");
    }
}
