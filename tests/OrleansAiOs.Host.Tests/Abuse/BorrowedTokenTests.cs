using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Tests.Tools.Egress;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>
/// Row 27 of the abuse cases: whatever proves something here — a key, a handle of a secret, a signature, the key of a command, a cursor —
/// proves it to whom and for what it was given, and is passed on to nobody. There are no OAuth tokens yet: what there is stands in their place.
/// </summary>
[Collection(AbuseCollection.Name)]
public sealed class BorrowedTokenTests(AbuseServer server)
{
    private readonly string mark = Guid.NewGuid().ToString("N")[..12];

    [Fact]
    public async Task A_key_of_another_installation_opens_nothing()
    {
        var other = new AbuseServer();
        await other.InitializeAsync();
        try
        {
            (await server.Get("/api/v1/me", other.OwnerKey)).ShouldBeProblem(401);
            (await other.Get("/api/v1/me", server.OwnerKey)).ShouldBeProblem(401);
            (await other.Get("/api/v1/me")).Status.Should().Be(200, "where it was made it is one");
        }
        finally
        {
            await other.DisposeAsync();
        }
    }

    [Fact]
    public async Task The_key_that_called_us_is_passed_on_to_no_receiver()
    {
        await using var receiver = new RawServer("""{"ok":true}""");
        var service = (await server.Post("/api/v1/keys", new { name = $"s{mark}", kind = "service", roles = new[] { "operator" } })).Json.GetProperty("key").GetString()!;
        await server.NewKey($"u{mark}", "operator");
        await server.Post("/api/v1/grants", new { to = $"service/s{mark}", actions = new[] { "act-for" }, resource = $"user/u{mark}" });
        await Tool(receiver, "look", "pure");
        // Also what only has a header's name is data, and no header.
        var started = await server.Send(HttpMethod.Post, "/api/v1/runs?wait=20", Json(new { workflow = "abuse-tool", input = new { server = $"t{mark}", tool = "look", input = new { Authorization = "Bearer of-the-caller", Cookie = "a=b" } } }), service,
            change: request => request.Headers.TryAddWithoutValidation("X-Aios-On-Behalf-Of", $"user/u{mark}"));
        started.Json.GetProperty("run").GetProperty("status").GetString().Should().Be("completed", started.Body);
        // An MCP server is called by whoever looks at it first: the owner.
        await server.Post("/api/v1/tool-servers", new { server = new { name = $"m{mark}", url = receiver.Url + "/mcp", reach = new[] { receiver.Endpoint } }, why = "look" });

        receiver.Requests.Should().Contain(request => request.Contains("/mcp")).And.Contain(request => request.StartsWith("GET /look"));
        foreach (var request in receiver.Requests)
        {
            request.Should().NotContainAny(service, server.OwnerKey, "aios_", $"u{mark}", "On-Behalf-Of");
            request.Split("\r\n\r\n")[0].Split("\r\n").Skip(1).Should().NotContain(line => line.StartsWith("Authorization", StringComparison.OrdinalIgnoreCase) || line.StartsWith("Cookie", StringComparison.OrdinalIgnoreCase));
        }
    }

    [Fact]
    public async Task A_secret_of_a_neighbour_is_not_sent_though_its_name_is_guessed()
    {
        // A neighbour names no endpoint here (ToolTests); the secret is asked for before anything leaves for a public one.
        await Secret($"k{mark}", "receiver.invalid");
        var neighbour = (await server.Post("/api/v1/tenants", new { id = $"n-{mark}" })).Json.GetProperty("key").GetString()!;
        await Tool("https://receiver.invalid", null, "steal", "pure", $"Bearer secret://k{mark}", neighbour);
        (await Failure("steal", neighbour)).Should().Contain($"k{mark}");
    }

    [Theory]
    [InlineData("api.example.com")]
    [InlineData("hook:MARK")]
    [InlineData("mcp:MARK")]
    public async Task A_secret_for_one_purpose_serves_no_other(string purpose)
    {
        await using var receiver = new RawServer("1");
        await Secret($"k{mark}", purpose.Replace("MARK", $"t{mark}"));
        await Tool(receiver, "misuse", "pure", $"Bearer secret://k{mark}");
        (await Failure("misuse")).Should().Contain($"secret 'k{mark}' is not sent to 127.0.0.1");
        receiver.Connects.Should().Be(0);
        (await server.Text($"select data::text from aios.mt_events where stream_id = 'secret/k{mark}' and type = 'secret-denied'")).Should().Contain($"t{mark}/misuse");
    }

    [Fact]
    public async Task A_delivery_signed_for_one_source_is_none_at_another_and_neither_is_it_a_key()
    {
        foreach (var (name, secret) in new[] { ($"a{mark}", "the-secret-of-shop-a"), ($"b{mark}", "the-secret-of-shop-b") })
        {
            await server.Send(HttpMethod.Put, $"/api/v1/principals/service/{name}", Json(new { roles = new[] { "operator" } }));
            await server.Send(HttpMethod.Put, $"/api/v1/secrets/{name}", Json(new { value = secret, hosts = new[] { $"hook:{name}" } }));
            (await server.Post("/api/v1/webhook-sources", new { name, scheme = "standard", secrets = new[] { name }, @as = $"service/{name}", does = "start", workflow = "abuse-echo" })).Status.Should().Be(201);
        }
        var seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var signature = "v1," + Convert.ToBase64String(HMACSHA256.HashData("the-secret-of-shop-a"u8.ToArray(), Encoding.UTF8.GetBytes($"msg_1.{seconds}.{{\"order\":7}}")));
        Task<Answer> Deliver(string source, string body = "{\"order\":7}", string id = "msg_1", long later = 0) => server.Send(HttpMethod.Post, $"/hooks/default/{source}{mark}", Json(body), key: "", change: request =>
        {
            request.Headers.TryAddWithoutValidation("webhook-id", id);
            request.Headers.TryAddWithoutValidation("webhook-timestamp", $"{seconds + later}");
            request.Headers.TryAddWithoutValidation("webhook-signature", signature);
        });
        (await Deliver("b")).ShouldBeProblem(401);
        (await Deliver("a", body: "{\"order\":8}")).ShouldBeProblem(401);
        (await Deliver("a", id: "msg_2")).ShouldBeProblem(401);
        (await Deliver("a", later: 1)).ShouldBeProblem(401);
        foreach (var token in new[] { signature, signature[3..], "the-secret-of-shop-a", $"secret://a{mark}" }) (await server.Get("/api/v1/me", token)).ShouldBeProblem(401);
        (await Deliver("a")).Status.Should().Be(200);
        (await Deliver("a")).Json.GetProperty("again").GetBoolean().Should().BeTrue("sent again it is done once");
    }

    [Fact]
    public async Task A_signature_on_one_run_is_none_on_another_and_none_when_it_is_edited_or_sent_again()
    {
        await using var receiver = new RawServer("1");
        await Tool(receiver, "pay", "keyed");
        await server.Post($"/api/v1/policies/p{mark}/versions", new { text = $"@id(\"pay\") @approval(\"controller, not=initiator\") permit (principal, action == Action::\"call\", resource == Tool::\"tool:t{mark}/pay\");" });
        (await server.Post($"/api/v1/policies/p{mark}/activate", new { number = 1 })).Status.Should().Be(200);
        using var carls = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (first, second) = (await Held(), await Held());
        var carl = $"c{mark}";
        var key = await server.NewKey(carl, "controller", "operator");
        (await Register(carls, $"user/{carl}", "default", key)).Status.Should().Be(201);

        var ours = Sign(await Hold(first), granted: true, "only this once");
        var refusal = Sign(await Hold(first), granted: false, null);
        (await Send(second, ours)).ShouldBeProblem(403, 409);
        (await Send(second, ours with { Digest = await Hold(second) })).ShouldBeProblem(403);
        (await Send(first, ours with { Comment = "always" })).ShouldBeProblem(403);
        (await Send(first, ours with { At = ours.At.AddSeconds(1) })).ShouldBeProblem(403);
        (await Send(first, refusal with { Granted = true })).ShouldBeProblem(403);
        (await Send(first, ours, server.CarlsKey)).ShouldBeProblem(403); // who sends it is not who signed it
        receiver.Connects.Should().Be(0);
        (await Send(first, ours)).Status.Should().Be(200);
        await server.UntilStatus(first, "completed");
        (await Send(first, ours)).ShouldBeProblem(409);
        receiver.Connects.Should().Be(1);
        (await server.Get($"/api/v1/runs/{second}")).Json.GetProperty("status").GetString().Should().Be("running");
        await server.Post($"/api/v1/runs/{second}/terminate", new { });
        await server.Post($"/api/v1/policies/p{mark}/retire", new { why = "done" });

        async Task<string> Held()
        {
            var run = await server.Start("abuse-tool", new { server = $"t{mark}", tool = "pay", input = new { amount = 100 } });
            await server.Until(run, view => view.GetProperty("waits").EnumerateArray().Any(wait => wait.GetProperty("kind").GetString() == "signature"));
            return run;
        }

        async Task<string> Hold(string run) => (await server.Get($"/api/v1/runs/{run}/holds/1")).Json.GetProperty("digest").GetString()!;

        Signed Sign(string digest, bool granted, string? comment)
        {
            var bare = new DecisionSignature(digest, SigningKey.IdOf(carls.ExportSubjectPublicKeyInfo()), "", DateTimeOffset.UtcNow);
            return new Signed(granted, digest, bare.Key, SigningKey.Sign(carls, ApprovalStatement.SignedBytes(granted, $"user/{carl}", bare, comment)), bare.At, comment);
        }

        Task<Answer> Send(string run, Signed signed, string? by = null) => server.Post($"/api/v1/runs/{run}/holds/1", new { granted = signed.Granted, digest = signed.Digest, key = signed.Key, signature = signed.Signature, at = signed.At, comment = signed.Comment }, by ?? key);
    }

    private sealed record Signed(bool Granted, string Digest, string Key, string Signature, DateTimeOffset At, string? Comment);

    [Fact]
    public async Task A_proof_for_one_principal_registers_no_signing_key_for_another_and_none_in_another_tenant()
    {
        using var pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (ana, ben) = (await server.NewKey($"ana{mark}", "controller"), await server.NewKey($"ben{mark}", "controller"));
        var neighbour = (await server.Post("/api/v1/tenants", new { id = $"n-{mark}" })).Json.GetProperty("key").GetString()!;
        (await Register(pair, $"user/ana{mark}", "default", ben)).ShouldBeProblem(400, 409);
        (await Register(pair, "user/owner", "default", neighbour)).ShouldBeProblem(400, 409);
        (await Register(pair, $"user/ana{mark}", $"n-{mark}", ana)).ShouldBeProblem(400, 409);
        (await Register(pair, $"user/ana{mark}", "default", ana)).Status.Should().Be(201);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whoever_has_somebodys_API_key_alone_puts_no_signing_key_in_the_place_of_a_revoked_one(bool revokedByOwner)
    {
        using var carls = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var another = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var carl = $"user/carl{mark}";
        var api = await server.NewKey($"carl{mark}", "controller");
        var first = (await Register(carls, carl, "default", api)).Json.GetProperty("id").GetString()!;
        (await server.Send(HttpMethod.Delete, $"/api/v1/signing-keys/{first}", null, revokedByOwner ? null : api)).Status.Should().Be(200);

        var refused = (await Register(another, carl, "default", api)).ShouldBeProblem(409);
        refused.Body.Should().Contain($"aios keys register-signing {carl} ");
        (await Register(another, carl, "default", api, endorser: carls)).ShouldBeProblem(409); // a revoked key vouches for nothing
        (await Register(carls, carl, "default", api)).ShouldBeProblem(409);

        (await Register(another, carl, "default", server.OwnerKey, @for: carl)).Status.Should().Be(201, "an owner registers it");
        using var third = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        (await Register(third, carl, "default", api, endorser: another)).Status.Should().Be(201, "and that one vouches for the next");
    }

    [Fact]
    public async Task Whoever_has_somebodys_API_key_alone_lets_nobody_sign_in_their_place()
    {
        using var carls = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var another = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (carl, dora, until) = ($"user/carl{mark}", $"user/dora{mark}", DateTimeOffset.UtcNow.AddDays(1));
        var api = await server.NewKey($"carl{mark}", "controller");
        var key = (await Register(carls, carl, "default", api)).Json.GetProperty("id").GetString()!;
        var others = (await Register(another, dora, "default", await server.NewKey($"dora{mark}", "controller"))).Json.GetProperty("id").GetString()!;
        Task<Answer> Delegate(string? key, byte[]? said, ECDsa with) =>
            server.Post("/api/v1/delegations", new { to = dora, until, why = "on leave", key, signature = said is null ? null : SigningKey.Sign(with, said) }, api);
        var right = SigningKey.Delegation("default", carl, dora, until, "on leave");

        (await Delegate(null, null, carls)).ShouldBeProblem(403).Body.Should().Contain("aios delegate");
        (await Delegate(others, right, another)).ShouldBeProblem(403);
        (await Delegate(key, right, another)).ShouldBeProblem(403);
        (await Delegate(key, SigningKey.Delegation("default", carl, dora, until.AddDays(1), "on leave"), carls)).ShouldBeProblem(403);
        (await Delegate(key, SigningKey.Delegation("other", carl, dora, until, "on leave"), carls)).ShouldBeProblem(403);
        (await server.Get("/api/v1/delegations", api)).Body.Should().NotContain(dora);
        (await Delegate(key, right, carls)).Status.Should().Be(200);
        (await server.Get("/api/v1/delegations", api)).Body.Should().Contain(dora);
        (await server.Send(HttpMethod.Delete, $"/api/v1/signing-keys/{key}", null, api)).Status.Should().Be(200);
        (await Delegate(key, right, carls)).ShouldBeProblem(403); // a revoked key hands nothing on
    }

    [Fact]
    public async Task The_key_of_a_command_answers_its_own_command_and_its_own_tenant_alone()
    {
        var neighbour = (await server.Post("/api/v1/tenants", new { id = $"n-{mark}" })).Json.GetProperty("key").GetString()!;
        var mine = await server.Post("/api/v1/runs?wait=10", new { workflow = "abuse-echo", input = "mine" }, idempotencyKey: mark);
        (await server.Post("/api/v1/runs?wait=10", new { workflow = "abuse-echo", input = "edited" }, idempotencyKey: mark)).ShouldBeProblem(409);
        (await server.Post("/api/v1/runs?wait=10", new { workflow = "abuse-echo", input = "mine" }, idempotencyKey: mark)).Json.GetProperty("isNew").GetBoolean().Should().BeFalse();
        var theirs = await server.Post("/api/v1/runs?wait=10", new { workflow = "abuse-echo", input = "theirs" }, neighbour, idempotencyKey: mark);
        theirs.Json.GetProperty("isNew").GetBoolean().Should().BeTrue();
        theirs.Json.GetProperty("run").GetProperty("result").GetString().Should().Be("theirs");
        (await server.Get($"/api/v1/runs/{mine.Json.GetProperty("id").GetString()}")).Json.GetProperty("result").GetString().Should().Be("mine");
    }

    [Fact]
    public async Task A_cursor_is_a_place_in_ones_own_list_however_it_is_written()
    {
        await server.Start("abuse-echo", 1, $"run-{mark}", wait: 10);
        var neighbour = (await server.Post("/api/v1/tenants", new { id = $"n-{mark}" })).Json.GetProperty("key").GetString()!;
        foreach (var place in new[] { $"9999-12-31T00:00:00.0000000+00:00~run-{mark}", $"9999-12-31T00:00:00.0000000+00:00~default/run-{mark}", "9999-12-31T00:00:00.0000000+00:00~' or tenant_id = 'default' --" })
            (await server.Get($"/api/v1/runs?cursor={Uri.EscapeDataString(Convert.ToBase64String(Encoding.UTF8.GetBytes(place)).Replace('+', '-').Replace('/', '_'))}", neighbour)).Json.GetProperty("items").GetArrayLength().Should().Be(0, place);
        foreach (var broken in new[] { "x", "e30=", "eyJ0ZW5hbnQiOiJkZWZhdWx0In0=" }) (await server.Get($"/api/v1/runs?cursor={broken}", neighbour)).ShouldBeProblem(400);
    }

    [Fact]
    public async Task A_service_of_one_tenant_acts_for_no_user_of_another_and_is_not_told_whether_there_is_one()
    {
        await server.NewKey($"ana{mark}", "operator");
        var neighbour = (await server.Post("/api/v1/tenants", new { id = $"n-{mark}" })).Json.GetProperty("key").GetString()!;
        Task<Answer> As(string whom) => server.Send(HttpMethod.Get, "/api/v1/me", null, neighbour, change: request => request.Headers.TryAddWithoutValidation("X-Aios-On-Behalf-Of", whom));
        var guessed = (await As($"user/ana{mark}")).ShouldBeProblem(403);
        var nobody = (await As($"user/zzz{mark}")).ShouldBeProblem(403);
        guessed.Body.Replace("ana", "zzz").Should().Be(nobody.Body);
    }

    private static StringContent Json(object value) => Json(JsonSerializer.Serialize(value));

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    private Task<Answer> Secret(string name, string purpose) => server.Send(HttpMethod.Put, $"/api/v1/secrets/{name}", Json(new { value = "a-value-that-nobody-sees", hosts = new[] { purpose } }));

    private Task<Answer> Register(ECDsa pair, string principal, string tenant, string key, ECDsa? endorser = null, string? @for = null)
    {
        var bytes = pair.ExportSubjectPublicKeyInfo();
        var said = SigningKey.Proof(tenant, principal, SigningKey.IdOf(bytes));
        return server.Post("/api/v1/signing-keys", new
        {
            publicKey = Convert.ToBase64String(bytes), proof = SigningKey.Sign(pair, said), @for,
            endorser = endorser is null ? null : SigningKey.IdOf(endorser.ExportSubjectPublicKeyInfo()), endorsement = endorser is null ? null : SigningKey.Sign(endorser, said),
        }, key);
    }

    private Task Tool(RawServer receiver, string name, string effect, string? authorization = null) => Tool(receiver.Url, [receiver.Endpoint], name, effect, authorization);

    private async Task Tool(string url, string[]? reach, string name, string effect, string? authorization = null, string? key = null)
    {
        var declared = await server.Post("/api/v1/tools/http", new
        {
            server = $"t{mark}", name, inputSchema = new { type = "object" },
            http = new { method = effect == "pure" ? "GET" : "POST", url = $"{url}/{name}", headers = authorization is null ? null : new { Authorization = authorization } },
        }, key);
        declared.Status.Should().Be(200, declared.Body);
        (await server.Post($"/api/v1/tools/t{mark}%2F{name}/approve", new { pin = declared.Json.GetProperty("pin").GetString(), effect, why = "for a test", reach }, key)).Status.Should().Be(200);
    }

    private async Task<string> Failure(string tool, string? key = null)
    {
        var run = (await server.Post("/api/v1/runs?wait=20", new { workflow = "abuse-tool", input = new { server = $"t{mark}", tool, input = new { } } }, key)).Json.GetProperty("run");
        run.GetProperty("status").GetString().Should().Be("failed", run.GetRawText());
        return run.GetProperty("failure").GetProperty("message").GetString()!;
    }
}
