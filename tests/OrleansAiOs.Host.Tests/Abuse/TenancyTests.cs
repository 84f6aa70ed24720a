using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>
/// Row 1 of the abuse cases: whoever holds a key of one tenant, its owner's even, finds nothing of another by any address. The addresses
/// are the endpoint table's; one that is new and has no line here fails.
/// </summary>
[Collection(AbuseCollection.Name)]
public sealed class TenancyTests(AbuseServer server)
{
    private sealed record Mine(string Run, string Approval, string Over, string Schedule, string Grant, string Key, string BusinessKey, string Tool)
    {
        public string[] Marks => [Run, Approval, Over, Schedule, Grant, Key, BusinessKey, Tool];
    }

    private enum Finds
    {
        /// <summary>404, in the same words as for an id that nobody has.</summary>
        Nothing,

        /// <summary>Only what is the caller's own.</summary>
        Own,

        /// <summary>It names nothing of anybody's, and is refused for what is in it.</summary>
        Refusal,

        /// <summary>Not for a tenant at all.</summary>
        Forbidden,

        /// <summary>It is asked for a proof that it does not have, whether there is anything or not.</summary>
        NoProof,
    }

    private static readonly object Why = new { why = "because" };

    private static readonly Dictionary<string, (Finds Finds, Func<Mine, object?> Body)> Policy = new()
    {
        ["GET /api/v1/runs"] = (Finds.Own, _ => null),
        ["GET /api/v1/runs/{id}"] = (Finds.Nothing, _ => null),
        ["GET /api/v1/runs/{id}/history"] = (Finds.Nothing, _ => null),
        ["GET /api/v1/runs/{id}/result"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/runs/{id}/signals/{name}"] = (Finds.Nothing, _ => 1),
        ["GET /api/v1/runs/{id}/queries/{name}"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/runs/{id}/queries/{name}"] = (Finds.Nothing, _ => 1),
        ["POST /api/v1/runs/{id}/updates/{name}"] = (Finds.Nothing, _ => 1),
        ["POST /api/v1/runs/{id}/cancel"] = (Finds.Nothing, _ => new { }),
        ["POST /api/v1/runs/{id}/terminate"] = (Finds.Nothing, _ => new { }),
        ["POST /api/v1/runs/{id}/pause"] = (Finds.Nothing, _ => new { }),
        ["POST /api/v1/runs/{id}/resume"] = (Finds.Nothing, _ => new { }),
        ["POST /api/v1/runs/{id}/unpark"] = (Finds.Nothing, _ => new { }),
        ["POST /api/v1/runs/{id}/steps/{step:int}/resolution"] = (Finds.Nothing, _ => new { happened = false }),
        ["POST /api/v1/runs/{id}/steps/{step:int}/retry-now"] = (Finds.Nothing, _ => new { }),
        ["POST /api/v1/runs/{id}/steps/{step:int}/skip"] = (Finds.Nothing, _ => new { value = 1, why = "because" }),
        ["POST /api/v1/runs/{id}/approvals/{step:int}"] = (Finds.Nothing, _ => new { granted = true }),
        ["POST /api/v1/runs/{id}/reset"] = (Finds.Nothing, _ => new { to = 1 }),
        ["POST /api/v1/runs/{id}/fork"] = (Finds.Nothing, _ => new { at = 1 }),
        ["GET /api/v1/runs/{id}/explain"] = (Finds.Nothing, _ => null),
        ["GET /api/v1/runs/{id}/export"] = (Finds.Nothing, _ => null),
        ["GET /api/v1/audit/status"] = (Finds.Forbidden, _ => null),
        ["GET /api/v1/audit/checkpoints"] = (Finds.Forbidden, _ => null),
        ["POST /api/v1/audit/checkpoints"] = (Finds.Forbidden, _ => new { }),
        ["GET /api/v1/audit/runs/{id}/evidence"] = (Finds.Nothing, _ => null),
        ["GET /api/v1/runs/{id}/events"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/export"] = (Finds.Nothing, mine => new { runs = new[] { mine.Run } }),
        ["POST /api/v1/runs:bulk"] = (Finds.Own, mine => new { action = "terminate", filter = new { businessKey = mine.BusinessKey } }),
        ["POST /api/v1/migrations"] = (Finds.Own, _ => new { type = "abuse-versioned", to = "2" }),
        ["GET /api/v1/approvals"] = (Finds.Own, _ => null),
        ["GET /api/v1/events"] = (Finds.Own, _ => null),
        ["POST /api/v1/payloads"] = (Finds.Own, _ => "document"),
        ["GET /api/v1/schedules"] = (Finds.Own, _ => null),
        ["GET /api/v1/schedules/{id}"] = (Finds.Nothing, _ => null),
        ["PUT /api/v1/schedules/{id}"] = (Finds.Nothing, _ => Schedule(null)),
        ["DELETE /api/v1/schedules/{id}"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/schedules/{id}/pause"] = (Finds.Nothing, _ => new { }),
        ["POST /api/v1/schedules/{id}/resume"] = (Finds.Nothing, _ => new { }),
        ["POST /api/v1/schedules/{id}/trigger"] = (Finds.Nothing, _ => new { }),
        ["POST /api/v1/schedules/{id}/backfill"] = (Finds.Nothing, _ => new { from = "2026-01-01T00:00:00Z", to = "2026-01-02T00:00:00Z" }),
        ["GET /api/v1/keys"] = (Finds.Own, _ => null),
        ["DELETE /api/v1/keys/{name}"] = (Finds.Nothing, _ => null),
        ["GET /api/v1/me"] = (Finds.Own, _ => null),
        ["GET /api/v1/principals"] = (Finds.Own, _ => null),
        ["GET /api/v1/principals/{kind}/{name}"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/principals/{kind}/{name}/disable"] = (Finds.Nothing, _ => Why),
        ["POST /api/v1/principals/{kind}/{name}/enable"] = (Finds.Nothing, _ => Why),
        ["GET /api/v1/grants"] = (Finds.Own, _ => null),
        ["DELETE /api/v1/grants/{id}"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/grants"] = (Finds.Nothing, mine => new { to = $"user/{mine.Key}", actions = new[] { "run.read" }, resource = "run/*" }),
        ["GET /api/v1/tools"] = (Finds.Own, _ => null),
        ["GET /api/v1/tools/calls"] = (Finds.Own, _ => null),
        ["GET /api/v1/tools/{id}"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/tools/{id}/approve"] = (Finds.Nothing, _ => new { pin = "5f5f5f5f5f5f5f5f", effect = "keyed", why = "because" }),
        ["POST /api/v1/tools/{id}/quarantine"] = (Finds.Nothing, _ => Why),
        ["GET /api/v1/tool-servers"] = (Finds.Own, _ => null),
        ["POST /api/v1/tool-servers/{name}/look"] = (Finds.Nothing, _ => new { }),
        ["POST /api/v1/tool-servers/{name}/remove"] = (Finds.Nothing, _ => Why),
        ["GET /api/v1/secrets"] = (Finds.Own, _ => null),
        ["DELETE /api/v1/secrets/{name}"] = (Finds.Nothing, _ => null),
        ["GET /api/v1/webhooks"] = (Finds.Own, _ => null),
        ["POST /api/v1/webhooks/{name}/remove"] = (Finds.Nothing, _ => Why),
        ["GET /api/v1/webhooks/{name}/deliveries"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/webhooks/{name}/redeliver"] = (Finds.Nothing, _ => new { }),
        ["GET /api/v1/webhook-sources"] = (Finds.Own, _ => null),
        ["POST /api/v1/webhook-sources"] = (Finds.Nothing, mine => Source(mine.Tool)),
        ["POST /api/v1/webhook-sources/{name}/remove"] = (Finds.Nothing, _ => Why),
        ["GET /api/v1/webhook-sources/{name}/received"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/webhook-sources/{name}/retry"] = (Finds.Nothing, _ => new { delivery = "msg_1" }),
        ["POST /hooks/{tenant}/{source}"] = (Finds.NoProof, _ => new { }),
        ["GET /api/v1/policies"] = (Finds.Own, _ => null),
        ["GET /api/v1/policies/{name}"] = (Finds.Nothing, _ => null),
        ["GET /api/v1/policies/{name}/versions/{number:int}"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/policies/{name}/activate"] = (Finds.Nothing, _ => new { number = 1 }),
        ["POST /api/v1/policies/{name}/retire"] = (Finds.Nothing, _ => Why),
        ["GET /api/v1/signing-keys"] = (Finds.Own, _ => null),
        ["DELETE /api/v1/signing-keys/{name}"] = (Finds.Nothing, _ => null),
        ["GET /api/v1/delegations"] = (Finds.Own, _ => null),
        ["POST /api/v1/delegations"] = (Finds.Nothing, mine => new { to = $"user/{mine.Key}", until = DateTimeOffset.UtcNow.AddDays(1), why = "because" }),
        ["POST /api/v1/delegations/end"] = (Finds.Own, mine => new { to = $"user/{mine.Key}", why = "because" }),
        ["GET /api/v1/runs/{id}/holds/{step:int}"] = (Finds.Nothing, _ => null),
        ["POST /api/v1/runs/{id}/holds/{step:int}"] = (Finds.Nothing, _ => new { granted = true, digest = "d", key = "k", signature = "s", at = DateTimeOffset.UtcNow }),
        ["GET /api/v1/kill-switches"] = (Finds.Own, _ => null),
        ["POST /api/v1/kill-switches"] = (Finds.Own, _ => new { target = "tool", id = "t", why = "because" }),
        ["POST /api/v1/kill-switches/release"] = (Finds.Own, _ => new { target = "tool", id = "t", why = "because" }),
        ["GET /api/v1/budgets"] = (Finds.Own, _ => null),
        ["GET /api/v1/budgets/{name}"] = (Finds.Nothing, _ => null),
        ["DELETE /api/v1/budgets/{name}"] = (Finds.Nothing, _ => null),
        ["PUT /api/v1/budgets/{name}"] = (Finds.Own, _ => new { limits = new { calls = 10 } }),
        ["GET /api/v1/quotas"] = (Finds.Own, _ => null),
        ["GET /api/v1/quotas/{name}"] = (Finds.Nothing, _ => null),
        ["DELETE /api/v1/quotas/{name}"] = (Finds.Nothing, _ => null),
        ["PUT /api/v1/quotas/{name}"] = (Finds.Own, _ => new { calls = 10 }),
        ["GET /api/v1/run-limits"] = (Finds.Own, _ => null),
        ["DELETE /api/v1/run-limits/{tool}"] = (Finds.Nothing, _ => null),
        ["PUT /api/v1/run-limits"] = (Finds.Own, mine => new { tool = mine.Tool, targets = 3 }),
        ["POST /api/v1/policies/{name}/versions"] = (Finds.Own, _ => new { text = "@id(\"own\") permit (principal, action, resource);" }),
        ["POST /api/v1/signing-keys"] = (Finds.Refusal, _ => new { publicKey = "AAAA", proof = "AAAA" }),
        // These come last: from here on the neighbour has names of its own that are the same.
        ["POST /api/v1/runs"] = (Finds.Own, mine => new { workflow = "abuse-echo", input = 1, id = mine.Over }),
        ["POST /api/v1/schedules"] = (Finds.Own, mine => Schedule(mine.Schedule)),
        ["PUT /api/v1/principals/{kind}/{name}"] = (Finds.Own, _ => new { roles = new[] { "viewer" } }),
        ["POST /api/v1/keys"] = (Finds.Own, mine => new { name = mine.Key, roles = new[] { "viewer" } }),
        ["POST /api/v1/tools/http"] = (Finds.Own, mine => HttpTool(mine.Tool)),
        ["POST /api/v1/tool-servers"] = (Finds.Own, mine => Server(mine.Tool)),
        ["PUT /api/v1/secrets/{name}"] = (Finds.Own, _ => Secret),
        ["POST /api/v1/webhooks"] = (Finds.Own, mine => Webhook(mine.Tool)),
        ["GET /api/v1/tenants"] = (Finds.Forbidden, _ => null),
        ["POST /api/v1/tenants"] = (Finds.Forbidden, _ => new { id = "third" }),
        ["POST /api/v1/tenants/{id}/disable"] = (Finds.Forbidden, _ => Why),
        ["POST /api/v1/tenants/{id}/enable"] = (Finds.Forbidden, _ => Why),
        ["GET /api/{documentName}/openapi.json"] = (Finds.Own, _ => null),
    };

    private static readonly object Secret = new { value = "s3cret-s3cret-s3cret", hosts = new[] { "crm.example.com" } };

    private static object HttpTool(string name) => new { server = $"s-{name}", name, inputSchema = new { type = "object" }, http = new { method = "GET", url = "https://crm.example.com/x" } };

    private static object Server(string name) => new { server = new { name, url = "https://127.0.0.1:9/" }, why = "because" };

    private static object Webhook(string name) => new { name, url = "https://crm.example.com/in", kinds = new[] { "run.reset" }, secrets = new[] { name }, workflow = "abuse-nothing" };

    private static object Source(string name) => new { name, scheme = "standard", secrets = new[] { name }, @as = $"service/{name}", does = "start", workflow = "abuse-echo" };

    private static object Schedule(string? id) => new { id, cron = "@yearly", start = new { workflow = "abuse-echo", input = 1 } };

    private List<string> Table() => [.. server.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .SelectMany(e => (e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(method => $"{method} /{e.RoutePattern.RawText!.TrimStart('/')}")).Except(["GET /live", "GET /ready"])];

    private async Task<Mine> Make()
    {
        var mark = Guid.NewGuid().ToString("N")[..12];
        var businessKey = $"case-{mark}";
        (await server.Post("/api/v1/runs", new { workflow = "abuse-wait", input = 1, id = $"run-{mark}", businessKey })).Status.Should().Be(201);
        await server.Start("abuse-approve", "Pay", $"approval-{mark}");
        await server.Until($"approval-{mark}", run => run.GetProperty("waits").GetArrayLength() > 0);
        await server.Start("abuse-echo", 1, $"over-{mark}", wait: 10);
        (await server.Post("/api/v1/schedules", Schedule($"schedule-{mark}"))).Status.Should().Be(201);
        await server.NewKey($"key-{mark}", "controller");
        (await server.Post("/api/v1/tools/http", HttpTool($"tool-{mark}"))).Status.Should().Be(200);
        (await server.Post("/api/v1/tool-servers", Server($"tool-{mark}"))).Status.Should().Be(200);
        (await server.Send(HttpMethod.Put, $"/api/v1/secrets/tool-{mark}", new StringContent(JsonSerializer.Serialize(Secret), Encoding.UTF8, "application/json"))).Status.Should().Be(204);
        (await server.Post("/api/v1/webhooks", Webhook($"tool-{mark}"))).Status.Should().Be(201);
        (await server.Send(HttpMethod.Put, $"/api/v1/principals/service/tool-{mark}", new StringContent("""{"roles":["operator"]}""", Encoding.UTF8, "application/json"))).Status.Should().BeOneOf(200, 201, 204);
        (await server.Post("/api/v1/webhook-sources", Source($"tool-{mark}"))).Status.Should().Be(201);
        (await server.Post($"/api/v1/policies/tool-{mark}/versions", new { text = "@id(\"mine\") permit (principal, action, resource);" })).Status.Should().Be(201);
        (await server.Send(HttpMethod.Put, $"/api/v1/budgets/tool-{mark}", new StringContent("""{"limits":{"calls":1000000}}""", Encoding.UTF8, "application/json"))).Status.Should().Be(200);
        (await server.Send(HttpMethod.Put, "/api/v1/run-limits", new StringContent($$"""{"tool":"tool-{{mark}}","targets":5}""", Encoding.UTF8, "application/json"))).Status.Should().Be(200);
        (await server.Send(HttpMethod.Put, $"/api/v1/quotas/tool-{mark}", new StringContent($"{{\"calls\":10000,\"principal\":\"service/tool-{mark}\"}}", Encoding.UTF8, "application/json"))).Status.Should().Be(200); // of one who calls nothing: what is idle goes back, and State would see it
        var grant = (await server.Post("/api/v1/grants", new { to = $"user/key-{mark}", actions = new[] { "run.read" }, resource = "run/*" })).Json.GetProperty("id").GetString()!;
        return new Mine($"run-{mark}", $"approval-{mark}", $"over-{mark}", $"schedule-{mark}", grant, $"key-{mark}", businessKey, $"tool-{mark}");
    }

    private async Task<string> Neighbour() =>
        (await server.Post("/api/v1/tenants", new { id = $"n-{Guid.NewGuid():N}"[..20] })).Json.GetProperty("key").GetString()!;

    private static string Address(string template, string run, string schedule, string grant, string key, string tool)
    {
        return template
            .Replace("/runs/{id}", $"/runs/{run}").Replace("/schedules/{id}", $"/schedules/{schedule}").Replace("/grants/{id}", $"/grants/{grant}").Replace("/tenants/{id}", "/tenants/default")
            .Replace("/signals/{name}", "/signals/go").Replace("/queries/{name}", "/queries/held").Replace("/updates/{name}", "/updates/double").Replace("{kind}/{name}", $"user/{key}").Replace("/keys/{name}", $"/keys/{key}")
            .Replace("/tools/{id}", $"/tools/s-{tool}%2F{tool}").Replace("/tool-servers/{name}", $"/tool-servers/{tool}").Replace("/webhooks/{name}", $"/webhooks/{tool}").Replace("/webhook-sources/{name}", $"/webhook-sources/{tool}").Replace("{tenant}/{source}", $"default/{tool}").Replace("/secrets/{name}", $"/secrets/{tool}").Replace("/policies/{name}", $"/policies/{tool}").Replace("/budgets/{name}", $"/budgets/{tool}").Replace("/quotas/{name}", $"/quotas/{tool}").Replace("/run-limits/{tool}", $"/run-limits/{tool}").Replace("{number:int}", "1").Replace("/signing-keys/{name}", $"/signing-keys/{key}")
            .Replace("{step:int}", "1").Replace("{documentName}", "v1");
    }

    private Task<Answer> Send(string method, string path, object? body, string key) => server.Send(new HttpMethod(method), path,
        body is null ? null : path.EndsWith("/payloads", StringComparison.Ordinal) ? Document((string)body) : new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json"), key);

    private static ByteArrayContent Document(string text)
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(text));
        content.Headers.ContentType = new("application/octet-stream");
        return content;
    }

    // The summary rows and events of the first tenant, as they stand: nothing of a neighbour's doing may show in them.
    private Task<string> State() => server.Text("""
        select md5(coalesce(string_agg(line, E'\n' order by line), '')) from (
            select t::text line from aios.mt_events t where tenant_id = 'default' union all select t::text from aios.runs t where tenant_id = 'default'
            union all select t::text from aios.api_keys t where tenant_id = 'default' union all select t::text from aios.mt_streams t where tenant_id = 'default'
            union all select t::text from aios.wakeups t where tenant_id = 'default' union all select t::text from aios.payloads t where tenant_id = 'default') lines
        """);

    [Fact]
    public async Task No_address_leads_to_a_neighbours_anything()
    {
        Policy.Keys.Should().BeEquivalentTo(Table(), "every endpoint is tried with a neighbour's ids: a new one needs a line in Policy that says what it finds");
        var (mine, neighbour) = (await Make(), await Neighbour());
        var before = await State();
        foreach (var (endpoint, (finds, body)) in Policy)
        {
            var (method, template) = (endpoint.Split(' ')[0], endpoint.Split(' ')[1]);
            if (endpoint == "GET /api/v1/events") continue; // followed below
            var run = template.Contains("/approvals/") ? mine.Approval : mine.Run;
            var answer = await Send(method, Address(template, run, mine.Schedule, mine.Grant, mine.Key, mine.Tool), body(mine), neighbour);
            switch (finds)
            {
                case Finds.Nothing:
                    var other = new Mine(Unlike(run), Unlike(run), Unlike(mine.Over), Unlike(mine.Schedule), Unlike(mine.Grant), Unlike(mine.Key), Unlike(mine.BusinessKey), Unlike(mine.Tool));
                    var nobodys = await Send(method, Address(template, other.Run, other.Schedule, other.Grant, other.Key, other.Tool), body(other), neighbour);
                    answer.ShouldBeProblem(404);
                    Anonymous(answer.Body, mine with { Run = run }).Should().Be(Anonymous(nobodys.Body, other), $"{endpoint} must not tell a neighbour's id from nobody's");
                    answer.Headers.Keys.Should().BeEquivalentTo(nobodys.Headers.Keys);
                    break;
                case Finds.NoProof:
                    answer.ShouldBeProblem(401);
                    (await Send(method, Address(template, run, mine.Schedule, mine.Grant, mine.Key, Unlike(mine.Tool)), body(mine), neighbour)).Body.Should().Be(answer.Body);
                    break;
                case Finds.Refusal:
                    answer.ShouldBeProblem(400);
                    break;
                case Finds.Own:
                    answer.Status.Should().BeOneOf([200, 201, 204], $"{endpoint}: {answer.Body}");
                    // What it made itself may have the name.
                    if (method == "GET") answer.Body.Should().NotContainAny(mine.Marks, endpoint);
                    if (endpoint.EndsWith("bulk", StringComparison.Ordinal)) answer.Json.GetProperty("matched").GetInt32().Should().Be(0);
                    if (endpoint.EndsWith("migrations", StringComparison.Ordinal)) answer.Json.GetProperty("items").GetArrayLength().Should().Be(0);
                    break;
                default:
                    answer.ShouldBeProblem(403).Body.Should().NotContainAny(mine.Marks);
                    break;
            }
            if (finds is not Finds.Forbidden && !endpoint.EndsWith("openapi.json", StringComparison.Ordinal)) answer.Body.Should().NotContain("default", "no answer names another tenant");
        }
        (await State()).Should().Be(before, "nothing of the first tenant has changed by a byte");
        (await server.Get($"/api/v1/runs/{mine.Run}")).Status.Should().Be(200);
    }

    // As long, and nobody's.
    private static string Unlike(string id) => id[..^4] + "zzzz";

    private static string Anonymous(string body, Mine ids) => ids.Marks.Aggregate(body, (text, id) => text.Replace(id, "ID"));

    [Fact]
    public async Task Who_follows_everything_is_told_of_their_own_runs_only()
    {
        var neighbour = await Neighbour();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/events");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {neighbour}");
        var following = server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var mark = Guid.NewGuid().ToString("N")[..10];
        var seen = new StringBuilder();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var reading = Task.Run(async () =>
        {
            using var response = await following;
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(limit.Token));
            while (await reader.ReadLineAsync(limit.Token) is { } line)
            {
                seen.AppendLine(line);
                if (line.Contains($"own-{mark}")) return;
            }
        });
        // Until it follows, what is told is told to nobody: so the neighbour goes on starting runs until one of them is seen.
        for (var i = 0; !reading.IsCompleted; i++)
        {
            await server.Start("abuse-echo", 1, $"theirs-{mark}-{i}", wait: 10);
            (await server.Post("/api/v1/runs?wait=10", new { workflow = "abuse-echo", input = 1, id = $"own-{mark}-{i}" }, neighbour)).Status.Should().Be(201);
        }
        await reading;
        seen.ToString().Should().NotContain("theirs-");
    }

    [Fact]
    public async Task A_document_is_read_by_runs_of_its_own_tenant_only()
    {
        var neighbour = await Neighbour();
        var text = $"secret of the first tenant {Guid.NewGuid():N}";
        var stored = (await server.Send(HttpMethod.Post, "/api/v1/payloads", Document(text))).Json;
        var reference = new { sha256 = stored.GetProperty("sha256").GetString(), size = stored.GetProperty("size").GetInt64() };
        var own = await server.Post("/api/v1/runs?wait=20", new { workflow = "abuse-reads", input = reference });
        own.Json.GetProperty("run").GetProperty("result").GetString().Should().Be(text);
        var stolen = await server.Post("/api/v1/runs?wait=20", new { workflow = "abuse-reads", input = reference }, neighbour);
        stolen.Json.GetProperty("run").GetProperty("result").GetString().Should().Be("none");
        (await server.Send(HttpMethod.Post, "/api/v1/payloads", Document(text), neighbour)).Status.Should().Be(201);
        (await server.Text($"select count(*)::text from aios.payloads where sha256 = '{reference.sha256}'")).Should().Be("2", "each tenant keeps its own");
    }

    [Fact]
    public async Task A_tenant_is_only_the_keys_whatever_else_is_sent()
    {
        var (mine, neighbour) = (await Make(), await Neighbour());
        foreach (var header in new[] { "X-Aios-Tenant", "X-Tenant", "Tenant", "X-Tenant-Id" })
            (await server.Send(HttpMethod.Get, $"/api/v1/runs/{mine.Run}", null, neighbour, change: r => r.Headers.TryAddWithoutValidation(header, "default"))).ShouldBeProblem(404);
        (await server.Get($"/api/v1/runs/{mine.Run}?tenant=default&tenantId=default", neighbour)).ShouldBeProblem(404);
        (await server.Get($"/api/v1/runs/default%2F{mine.Run}", neighbour)).ShouldBeProblem(400, 404);
        (await server.Get($"/api/v1/runs/..%2Fdefault%2Fruns%2F{mine.Run}", neighbour)).ShouldBeProblem(400, 404);
        (await server.Post("/api/v1/runs", new { workflow = "abuse-echo", input = 1, tenant = "default" }, neighbour)).ShouldBeProblem(400);
        (await server.Post("/api/v1/keys", new { name = "x", roles = new[] { "viewer" }, tenant = "default" }, neighbour)).ShouldBeProblem(400);
        var cursor = (await server.Get("/api/v1/runs?limit=1")).Json.GetProperty("next").GetString()!;
        (await server.Get($"/api/v1/runs?cursor={Uri.EscapeDataString(cursor)}", neighbour)).Json.GetProperty("items").GetArrayLength().Should().Be(0, "a cursor of another tenant leads nowhere");
    }

    [Fact]
    public async Task A_tenants_owner_has_no_program_started_on_the_host()
    {
        var touched = Path.Combine(Path.GetTempPath(), $"aios-{Guid.NewGuid():N}");
        (await server.Post("/api/v1/tool-servers", new { server = new { name = "x", argv = new[] { "touch", touched } }, why = "because" }, await Neighbour())).ShouldBeProblem(403);
        File.Exists(touched).Should().BeFalse();
    }

    [Fact]
    public async Task A_tenant_that_could_not_be_finished_is_finished_when_it_is_asked_for_again()
    {
        var own = new AbuseServer { Setting = name => name == "RETENTION" ? "*=900d" : null };
        await own.InitializeAsync();
        try
        {
            // The last thing that is done for it fails.
            await own.Execute("create function aios.refuses() returns trigger language plpgsql as $$ begin raise exception 'no room'; end $$");
            await own.Execute("create trigger refuses before insert on aios.mt_events for each row when (new.tenant_id = 'late' and new.type = 'key-issued') execute function aios.refuses()");
            (await own.Post("/api/v1/tenants", new { id = "late" })).ShouldBeProblem(500, 503);
            (await own.Text("select count(*)::text from aios.api_keys where tenant_id = 'late'")).Should().Be("0", "a key that nobody was shown opens nothing");

            await own.Execute("drop trigger refuses on aios.mt_events");
            Answer made;
            do made = await own.Post("/api/v1/tenants", new { id = "late" });
            while (made.Status == 503);
            made.Status.Should().Be(201, made.Body);
            var key = made.Json.GetProperty("key").GetString()!;
            (await own.Get("/api/v1/me", key)).Json.GetProperty("tenant").GetString().Should().Be("late");
            (await own.Text("select count(*)::text from aios.runs where tenant_id = 'late' and id = 'aios:retention'")).Should().Be("1");
            (await own.Post("/api/v1/tenants", new { id = "late" })).ShouldBeProblem(409);
            (await own.Send(HttpMethod.Delete, "/api/v1/keys/owner", null, key)).Status.Should().BeLessThan(300);
            (await own.Post("/api/v1/tenants", new { id = "late", owner = "mallory" })).ShouldBeProblem(409); // somebody was in it
        }
        finally
        {
            await own.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_disabled_tenants_keys_open_nothing_and_its_name_is_taken_for_good()
    {
        var id = $"d-{Guid.NewGuid():N}"[..20];
        var key = (await server.Post("/api/v1/tenants", new { id })).Json.GetProperty("key").GetString()!;
        (await server.Get("/api/v1/me", key)).Json.GetProperty("tenant").GetString().Should().Be(id);
        (await server.Post($"/api/v1/tenants/{id}/disable", Why)).Status.Should().Be(200);
        (await server.Get("/api/v1/me", key)).ShouldBeProblem(403).Body.Should().Contain(id);
        (await server.Post("/api/v1/tenants", new { id })).ShouldBeProblem(409);
        (await server.Post($"/api/v1/tenants/{id}/enable", Why)).Status.Should().Be(200);
        (await server.Get("/api/v1/me", key)).Status.Should().Be(200);
        (await server.Post("/api/v1/tenants/default/disable", Why)).ShouldBeProblem(422);
        (await server.Post("/api/v1/tenants/nobody/disable", Why)).ShouldBeProblem(404);
        foreach (var bad in new[] { "", "-x", "A", "a b", "ä", "a/b", "../x", new string('a', 64), "default" }) (await server.Post("/api/v1/tenants", new { id = bad })).ShouldBeProblem(409, 422);
    }
}
