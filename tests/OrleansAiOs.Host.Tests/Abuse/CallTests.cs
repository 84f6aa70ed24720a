using System.Text.Json;
using OrleansAiOs.Host.Cli;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>R76: what was called, by tool, principal, target, run, time and outcome, over the API and the command line; and for whom it is.</summary>
[Collection(AbuseCollection.Name)]
public sealed class CallTests(AbuseServer server)
{
    private static string Named() => $"c{Guid.NewGuid():N}"[..20];

    private async Task<List<JsonElement>> Calls(string query, string? key = null)
    {
        var answer = await server.Get($"/api/v1/tools/calls?{query}", key);
        answer.Status.Should().Be(200, answer.Body);
        return [.. answer.Json.GetProperty("items").EnumerateArray()];
    }

    [Fact]
    public async Task What_a_service_did_for_a_user_is_found_by_either_of_them_by_tool_by_target_and_by_run()
    {
        var (ana, crm) = (Named(), Named());
        await server.NewKey(ana, "operator");
        var key = (await server.Post("/api/v1/keys", new { name = crm, kind = "service", roles = new[] { "operator" } })).Json.GetProperty("key").GetString()!;
        await server.Post("/api/v1/grants", new { to = $"service/{crm}", actions = new[] { "act-for" }, resource = $"user/{ana}" });
        var started = await server.Send(HttpMethod.Post, "/api/v1/runs?wait=20", new StringContent("""{"workflow":"abuse-spend","input":12.5}""", System.Text.Encoding.UTF8, "application/json"), key,
            change: request => request.Headers.TryAddWithoutValidation("X-Aios-On-Behalf-Of", $"user/{ana}"));
        var run = started.Json.GetProperty("id").GetString()!;
        foreach (var query in new[] { $"principal=user/{ana}", $"principal={ana}", $"principal=service/{crm}", $"run={run}", $"tool=abuse.spend&principal=user/{ana}", $"target=ACME&principal=user/{ana}&outcome=completed", $"principal=user/{ana}&from={DateTime.UtcNow.AddHours(-1):O}" })
        {
            var call = (await Calls(query)).Should().ContainSingle(query).Subject;
            (call.GetProperty("run").GetString(), call.GetProperty("tool").GetString(), call.GetProperty("outcome").GetString(), call.GetProperty("effect").GetString()).Should().Be((run, "abuse.spend", "completed", "pure"));
            call.GetProperty("chain").EnumerateArray().Select(link => link.GetString()).Should().Equal($"user/{ana}", $"service/{crm}");
            call.GetProperty("input").GetDecimal().Should().Be(12.5m);
            (call.GetProperty("verdict").GetProperty("answer").GetString(), call.GetProperty("charge").GetProperty("target").GetString()).Should().Be(("allow", "ACME"));
            call.GetProperty("verdict").GetProperty("policy").GetString().Should().NotBeNullOrEmpty();
            call.GetProperty("endedAt").GetDateTimeOffset().Should().BeOnOrAfter(call.GetProperty("beganAt").GetDateTimeOffset());
        }
        foreach (var query in new[] { "principal=user/nobody", $"tool=abuse.post&run={run}", $"target=B&run={run}", $"outcome=denied&run={run}", $"principal=user/{ana}&to={DateTime.UtcNow.AddHours(-1):O}", $"run={run}&from=2020-01-01&to=2020-01-02", "run=no-such" })
            (await Calls(query)).Should().BeEmpty(query);
    }

    [Fact]
    public async Task What_was_refused_is_there_with_the_reason_and_what_would_have_been_sent()
    {
        var name = Named();
        var key = await server.NewKey(name);
        // Somebody who may start it, and call nothing.
        await server.Post("/api/v1/grants", new { to = $"user/{name}", actions = new[] { "run.start" }, resource = "workflow/abuse-spend" });
        (await server.Post("/api/v1/runs?wait=20", new { workflow = "abuse-spend", input = 7 }, key)).Status.Should().Be(201);
        var call = (await Calls($"principal=user/{name}&outcome=denied&target=ACME")).Should().ContainSingle().Subject;
        (call.GetProperty("outcome").GetString(), call.GetProperty("verdict").GetProperty("answer").GetString(), call.GetProperty("input").GetInt32()).Should().Be(("denied", "deny", 7));
        call.GetProperty("verdict").GetProperty("why").GetString().Should().Contain("tool.call");
    }

    [Fact]
    public async Task Who_may_not_read_runs_learns_nothing_and_who_may_read_one_learns_of_that_one()
    {
        var (mine, other) = ((await server.Post("/api/v1/runs?wait=20", new { workflow = "abuse-spend", input = 1 })).Json.GetProperty("id").GetString()!, (await server.Post("/api/v1/runs?wait=20", new { workflow = "abuse-spend", input = 1 })).Json.GetProperty("id").GetString()!);
        var name = Named();
        var key = await server.NewKey(name);
        await server.Post("/api/v1/grants", new { to = $"user/{name}", actions = new[] { "tool.read", "tool.call" }, resource = "*" });
        (await server.Get("/api/v1/tools/calls", key)).ShouldBeProblem(403);
        (await server.Get($"/api/v1/tools/calls?run={mine}", key)).ShouldBeProblem(403);
        await server.Post("/api/v1/grants", new { to = $"user/{name}", actions = new[] { "run.read" }, resource = $"run/{mine}" });
        (await Calls($"run={mine}", key)).Should().ContainSingle();
        (await server.Get($"/api/v1/tools/calls?run={other}", key)).ShouldBeProblem(403);
        (await server.Get("/api/v1/tools/calls", key)).ShouldBeProblem(403);
    }

    [Theory]
    [InlineData("from=yesterday", "from")]
    [InlineData("to=0001-01-01", "to")]
    [InlineData("from=2026-01-01&to=2026-03-01", "31")]
    [InlineData("from=2020-01-01", "to=2020-02-01T00:00:00Z")]
    [InlineData("from=2026-01-02&to=2026-01-01", "before")]
    [InlineData("limit=0", "500")]
    [InlineData("limit=501", "500")]
    [InlineData("outcome=fine", "underWay")]
    [InlineData("outcome=1", "underWay")]
    [InlineData("tool=", "tool")]
    [InlineData("target=%00", "target")]
    [InlineData("run=..%2Fx", "run")]
    [InlineData("cursor=nonsense", "cursor")]
    [InlineData("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTl-MX4x", "cursor")]
    [InlineData("cursor=NjM5MDAwMDAwMDAwMDAwMDAwfjF-NjIyMDAwMDAwMDAwMDAwMDAw", "31")]
    public async Task A_question_that_is_none_says_what_to_ask(string query, string says) => (await server.Get($"/api/v1/tools/calls?{query}")).ShouldBeProblem(400).Body.Should().Contain(says);

    [Fact]
    public async Task A_page_goes_on_where_the_one_before_ended_whatever_comes_in_between()
    {
        var name = Named();
        var key = await server.NewKey(name, "operator");
        for (var i = 0; i < 5; i++) await server.Post("/api/v1/runs?wait=20", new { workflow = "abuse-spend", input = i }, key);
        var (inputs, cursor) = (new List<int>(), "");
        do
        {
            var page = (await server.Get($"/api/v1/tools/calls?principal=user/{name}&limit=2{cursor}")).Json;
            inputs.AddRange(page.GetProperty("items").EnumerateArray().Select(call => call.GetProperty("input").GetInt32()));
            await server.Post("/api/v1/runs?wait=20", new { workflow = "abuse-spend", input = 99 }, key);
            cursor = page.GetProperty("next").GetString() is { } next ? $"&cursor={next}" : "";
        }
        while (cursor != "");
        inputs.Should().Equal(4, 3, 2, 1, 0);
    }

    [Fact]
    public async Task The_command_line_shows_the_same()
    {
        var name = Named();
        var key = await server.NewKey(name, "operator");
        var run = (await server.Post("/api/v1/runs?wait=20", new { workflow = "abuse-spend", input = 5 }, key)).Json.GetProperty("id").GetString()!;
        var table = await Aios("tools", "calls", "--principal", $"user/{name}");
        table.Should().Contain("abuse.spend").And.Contain("completed").And.Contain("ACME").And.Contain(run).And.Contain("1.1");
        JsonDocument.Parse(await Aios("tools", "calls", "--run", run, "--json")).RootElement.GetProperty("items")[0].GetProperty("run").GetString().Should().Be(run);
        (await Aios("tools", "calls", "--run", run, "--outcome", "denied")).Should().Contain("no calls");
        (await Aios("grants", "list", "--unused-for", "90d")).Should().Contain("none", "this database has not known of uses for so long");
        (await Aios("grants", "list")).Should().Contain("known since");
    }

    private async Task<string> Aios(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await AiosCommand.RunAsync([.. args, "--url", server.Server.Address.ToString(), "--key", server.OwnerKey], output, error);
        code.Should().Be(ExitCode.Done, $"{error}");
        return $"{output}{error}";
    }
}
