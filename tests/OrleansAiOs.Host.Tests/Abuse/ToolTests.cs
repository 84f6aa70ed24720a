using System.Text.Json;
using OrleansAiOs.Host.Cli;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Tools and secrets over the API and the command line: who may, and that a value that went in comes out nowhere.</summary>
[Collection(AbuseCollection.Name)]
public sealed class ToolTests(AbuseServer server)
{
    private static object Declared(string name, string url = "https://crm.example.com/{id}") => new
    {
        server = "crm", name, description = "Reads \u202eeno a customer",
        inputSchema = new { type = "object", properties = new { id = new { type = "string" } }, required = new[] { "id" } },
        http = new { method = "GET", url, headers = new { Authorization = "Bearer secret://crm-key" } },
    };

    [Fact]
    public async Task Only_who_owns_the_platform_names_endpoints_that_a_tool_or_a_server_reaches()
    {
        var neighbour = (await server.Post("/api/v1/tenants", new { id = $"n-{Guid.NewGuid():N}"[..20] })).Json.GetProperty("key").GetString()!;
        var refused = await server.Post("/api/v1/tool-servers", new { server = new { name = "inner", url = "https://10.0.0.5:8443/mcp", reach = new[] { "10.0.0.5:8443" } }, why = "to look around" }, neighbour);
        refused.ShouldBeProblem(403).Body.Should().Contain("reach").And.Contain("10.0.0.5:8443").And.Contain("public address");
        (await server.Get("/api/v1/tool-servers", neighbour)).Json.GetProperty("items").GetArrayLength().Should().Be(0);

        var seen = (await server.Post("/api/v1/tools/http", new { server = "inner", name = "get", description = "Reads.", inputSchema = new { type = "object" }, http = new { method = "GET", url = "https://10.0.0.5:8443/in" } }, neighbour)).Json;
        refused = await server.Post("/api/v1/tools/inner%2Fget/approve", new { pin = seen.GetProperty("pin").GetString(), effect = "pure", why = "to look around", reach = new[] { "10.0.0.5:8443" } }, neighbour);
        refused.ShouldBeProblem(403).Body.Should().Contain("reach").And.Contain("10.0.0.5:8443");
    }

    [Fact]
    public async Task A_tool_is_declared_read_approved_and_stopped()
    {
        var declared = (await server.Post("/api/v1/tools/http", Declared("find"))).Json;
        declared.GetProperty("status").GetString().Should().Be("registered");
        var pin = declared.GetProperty("pin").GetString()!;

        (await server.Post("/api/v1/tools/crm%2Ffind/approve", new { pin = new string('0', 64), effect = "pure", why = "why" })).ShouldBeProblem(409);
        (await server.Post("/api/v1/tools/crm%2Ffind/approve", new { pin, effect = "harmless", why = "why" })).ShouldBeProblem(422);
        (await server.Post("/api/v1/tools/crm%2Ffind/approve", new { pin, effect = "pure", why = "" })).ShouldBeProblem(422);
        (await server.Post("/api/v1/tools/crm%2Ffind/approve", new { pin, effect = "pure", why = "why", reach = new[] { "not-an-endpoint" } })).ShouldBeProblem(422);
        (await server.Post("/api/v1/tools/crm%2Fnone/approve", new { pin, effect = "pure", why = "why" })).ShouldBeProblem(404);
        var approved = (await server.Post("/api/v1/tools/crm%2Ffind/approve", new { pin, effect = "pure", why = "read it" })).Json;
        (approved.GetProperty("status").GetString(), approved.GetProperty("approvedBy").GetString()).Should().Be(("approved", "owner"));

        var shown = (await server.Get("/api/v1/tools/crm%2Ffind")).Json;
        shown.GetProperty("definition").GetProperty("http").GetProperty("headers").GetProperty("Authorization").GetString().Should().Be("Bearer secret://crm-key");
        (await server.Post("/api/v1/tools/crm%2Ffind/quarantine", new { why = "stop" })).Json.GetProperty("status").GetString().Should().Be("quarantined");
        (await server.Get("/api/v1/tools?status=quarantined")).Json.GetProperty("items").EnumerateArray().Select(tool => tool.GetProperty("id").GetString()).Should().Contain("crm/find");
    }

    [Fact]
    public async Task A_comparison_is_part_of_what_is_approved_and_read_by_whoever_looks()
    {
        foreach (var name in new[] { "get", "set" }) await server.Post("/api/v1/tools/http", Declared(name));
        string Pin(string name) => server.Get($"/api/v1/tools/crm%2F{name}").GetAwaiter().GetResult().Json.GetProperty("pin").GetString()!;
        var comparison = new { by = "crm/get", with = new { id = "id" } };
        (await server.Post("/api/v1/tools/crm%2Fset/approve", new { pin = Pin("set"), effect = "keyed", why = "why", comparison })).ShouldBeProblem(422);
        (await server.Post("/api/v1/tools/crm%2Fget/approve", new { pin = Pin("get"), effect = "pure", why = "read it" })).Status.Should().Be(200);
        (await server.Post("/api/v1/tools/crm%2Fset/approve", new { pin = Pin("set"), effect = "keyed", why = "why", comparison = new { by = "crm/get", with = new { id = "id" }, more = 1 } })).ShouldBeProblem(400);
        (await server.Post("/api/v1/tools/crm%2Fset/approve", new { pin = Pin("set"), effect = "keyed", why = "read it", comparison })).Json.GetProperty("terms").GetProperty("comparison").GetProperty("by").GetString().Should().Be("crm/get");

        (await Aios("tools", "approve", "crm/set", "--pin", Pin("set")[..12], "--effect", "keyed", "--field", "id", "--compare-by", "crm/get", "--compare-with", "id=id", "--compare-at", "data", "--compare-field", "mail=contact.email",
            "--compare-own", "updatedAt", "--why", "watch it")).Should().Contain("may be called, as keyed");
        (await Aios("tools", "show", "crm/set")).Should().ContainAll("\"by\": \"crm/get\"", "\"at\": \"data\"", "contact.email", "updatedAt");
    }

    [Theory]
    [InlineData("https://169.254.169.254.example/{host}")]
    [InlineData("file:///etc/passwd")]
    [InlineData("https://{id}.example.com/")]
    [InlineData("https://a.example.com/?key=secret://crm-key")]
    public async Task An_address_that_is_none_of_a_tool_is_refused(string url) => (await server.Post("/api/v1/tools/http", Declared("bad", url))).ShouldBeProblem(422);

    [Fact]
    public async Task Only_the_owner_says_what_is_called_and_sets_secrets()
    {
        var key = server.CarlsKey;
        (await server.Post("/api/v1/tools/http", Declared("carls"), key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/tools/crm%2Ffind/approve", new { pin = "x", effect = "pure", why = "why" }, key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/tools/crm%2Ffind/quarantine", new { why = "why" }, key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/tool-servers", new { server = new { name = "carls", argv = new[] { "sh" } }, why = "why" }, key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/tool-servers/carls/look", new { }, key)).ShouldBeProblem(403);
        (await server.Post("/api/v1/tool-servers/carls/remove", new { why = "why" }, key)).ShouldBeProblem(403);
        (await Put("/api/v1/secrets/carls", new { value = "long enough", hosts = new[] { "a.example" } }, key)).ShouldBeProblem(403);
        (await server.Send(HttpMethod.Delete, "/api/v1/secrets/carls", null, key)).ShouldBeProblem(403);
    }

    [Fact]
    public async Task A_secret_goes_in_and_comes_out_nowhere()
    {
        const string Value = "canary-over-the-api-815";
        (await Put("/api/v1/secrets/crm-key", new { value = Value, hosts = new[] { "crm.example.com" } })).Status.Should().Be(204);
        (await Put("/api/v1/secrets/crm-key", new { value = Value + "\n", hosts = new[] { "crm.example.com" } })).Body.Should().Contain("422").And.NotContain(Value);
        (await Put("/api/v1/secrets/crm-key", new { value = Value, hosts = new[] { "crm.example.com/path" } })).Body.Should().Contain("422").And.NotContain(Value);
        (await server.Get("/api/v1/secrets")).Body.Should().Contain("crm.example.com").And.NotContain(Value);
        (await server.Text("select (select string_agg(s::text, ' ') from aios.secrets s) || (select string_agg(data::text, ' ') from aios.mt_events)")).Should().NotContain(Value);
        (await server.Send(HttpMethod.Delete, "/api/v1/secrets/crm-key", null)).Status.Should().Be(204);
        (await server.Send(HttpMethod.Delete, "/api/v1/secrets/crm-key", null)).ShouldBeProblem(404);
    }

    [Fact]
    public async Task A_server_that_cannot_be_spoken_to_is_kept_with_its_trouble()
    {
        var added = (await server.Post("/api/v1/tool-servers", new { server = new { name = "absent", argv = new[] { "/no/such/program" } }, why = "try it" })).Json;
        added.GetProperty("state").GetString().Should().Be("failing");
        added.GetProperty("trouble").GetString().Should().Contain("/no/such/program");
        (await server.Post("/api/v1/tool-servers", new { server = new { name = "absent", argv = new[] { "x" } }, why = "again" })).ShouldBeProblem(409);
        (await server.Post("/api/v1/tool-servers", new { server = new { name = "shell", argv = new[] { "x" }, env = new { LD_PRELOAD = "/tmp/x.so" } }, why = "why" })).ShouldBeProblem(422);
        (await server.Post("/api/v1/tool-servers/none/look", new { })).ShouldBeProblem(404);
        (await server.Post("/api/v1/tool-servers/absent/remove", new { why = "no use" })).Status.Should().Be(204);
        (await server.Post("/api/v1/tool-servers/absent/remove", new { why = "no use" })).ShouldBeProblem(404);
    }

    [Fact]
    public async Task The_command_line_does_the_same()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, JsonSerializer.Serialize(Declared("by-hand")));
            (await Aios("tools", "add-http", file)).Should().Contain("crm/by-hand is registered");
            var shown = await Aios("tools", "show", "crm/by-hand");
            shown.Should().Contain("crm/by-hand (http): registered").And.Contain("<U+202E>", "what turns the direction of writing is made visible").And.NotContain("\u202e");
            var pin = shown.Split("pin ")[1][..64];
            (await Aios("tools", "approve", "crm/by-hand", "--pin", pin[..12], "--effect", "pure", "--reach", "10.0.0.5:8443", "--timeout", "5", "--why", "read it")).Should().Contain("may be called, as pure");
            (await Aios("tools", "show", "crm/by-hand")).Should().Contain("10.0.0.5:8443").And.Contain("\"timeoutSeconds\": 5");
            (await Aios("tools", "list")).Should().Contain("crm/by-hand").And.Contain("approved");
            (await Aios("tools", "quarantine", "crm/by-hand", "--why", "stop")).Should().Contain("called no more");
            (await Aios("tools", "drift")).Should().Contain("crm/by-hand");
            (await Aios("tools", "servers")).Should().NotBeEmpty();
            (await Aios("secrets", "list")).Should().NotBeEmpty();
        }
        finally
        {
            File.Delete(file);
        }
    }

    private async Task<string> Aios(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await AiosCommand.RunAsync([.. args, "--url", server.Server.Address.ToString(), "--key", server.OwnerKey], output, error);
        code.Should().Be(ExitCode.Done, $"{error}");
        return $"{output}{error}";
    }

    private Task<Answer> Put(string path, object body, string? key = null) =>
        server.Send(HttpMethod.Put, path, new StringContent(JsonSerializer.Serialize(body), System.Text.Encoding.UTF8, "application/json"), key);
}
