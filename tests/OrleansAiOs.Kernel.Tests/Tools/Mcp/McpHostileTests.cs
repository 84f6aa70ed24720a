using System.Diagnostics;
using System.Text.Json;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Tools.Mcp;

/// <summary>Abuse cases 25, 26 and 29: an MCP server that lies, floods, never ends, never answers or dies, and what of it reaches a run.</summary>
public sealed class McpHostileTests(KernelDatabase database) : IClassFixture<KernelDatabase>, IDisposable
{
    private readonly HostileServer server = new();

    public void Dispose() => server.Dispose();

    [Theory]
    [InlineData("plain", "2025-11-25")]
    [InlineData("current", "2026-07-28")]
    public async Task The_revision_in_force_is_spoken_and_one_before_it(string mode, string revision)
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, mode);
        await HostileServer.ApproveAsync(bench, "echo", Effect.Keyed);
        var run = await bench.StartAsync("srv", "echo", new { text = "hello" });
        var result = ((RunCompleted)await bench.Host.WaitAsync(new RunKey(bench.Tenant, run), default)).Result.To<ToolResult>()!;
        (result.Read<string>(), result.Untrusted, result.IsError).Should().Be(("hello", true, false));
        bench.Servers.List(bench.Tenant).Single().Should().Match<OrleansAiOs.Kernel.Tools.Mcp.McpServerView>(server => server.State == "connected" && server.Revision == revision);
        var call = server.Messages("tools/call").Single();
        call.GetProperty("params").GetProperty("_meta").GetProperty("com.orleansaios/idempotency-key").GetString().Should().Be(IdempotencyKey.Of(bench.Tenant, run, 1, 0).Value);
    }

    [Fact]
    public async Task What_a_server_says_of_its_tools_effect_decides_nothing()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "plain");
        var tool = bench.View.Find(bench.Tenant, "srv/echo")!;
        tool.Definition.Hints!.Value.ToString().Should().Contain("readOnlyHint");
        (tool.Status, tool.Terms).Should().Be((ToolStatus.Registered, null));
        (await FailureAsync(bench, "echo")).Should().Contain("never approved");
        server.Messages("tools/call").Should().BeEmpty();
    }

    [Fact]
    public async Task A_description_that_changes_behind_the_first_call_stops_the_tool_before_the_second()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "drift");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure);
        // The look at the list when it was added was the first; a session that is asked again tells another description.
        await bench.Servers.LookAsync(bench.Tenant, "srv");
        (await FailureAsync(bench, "echo")).Should().Contain("changed by whoever offers it (description)");
        server.Messages("tools/call").Should().BeEmpty();
        bench.View.Find(bench.Tenant, "srv/echo")!.Definition.Description.Should().Contain(".ssh", "a person sees what it has become");
    }

    [Fact]
    public async Task A_tool_of_another_server_with_the_same_name_is_stopped_and_no_call_is_led_astray()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "plain", "first");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure, "first");
        await server.AddAsync(bench, "plain", "second");
        bench.View.Find(bench.Tenant, "second/echo")!.Why.Should().Contain("first/echo");
        (await bench.RunAsync("first", "echo", new { text = "to the first" })).Should().BeOfType<RunCompleted>();
        ((RunFailed)await bench.RunAsync("second", "echo", new { text = "to the second" })).Failure.Message.Should().Contain("in quarantine");
        server.Messages("tools/call").Should().ContainSingle();
    }

    [Theory]
    [InlineData("many", "more than 50 tools")]
    [InlineData("endless-list", "does not end within 20 pages")]
    [InlineData("million", "a message of more than 4 MB")]
    [InlineData("storm", "more than 1,000 messages in a second")]
    public async Task A_server_that_says_too_much_is_not_listened_to_and_the_host_stays_small(string mode, string why)
    {
        await using var bench = new ToolBench(database);
        var before = Settled();
        var look = () => server.AddAsync(bench, mode);
        if (mode == "storm")
        {
            await look();
            server.LetGo();
            await HostileServer.UntilAsync(() => bench.Servers.List(bench.Tenant).Single().State != "connected");
            bench.Servers.List(bench.Tenant).Single().Trouble.Should().Contain(why);
        }
        else
        {
            (await look.Should().ThrowAsync<WithheldException>()).Which.Message.Should().Contain(why);
            bench.View.List(bench.Tenant).Should().BeEmpty();
        }
        // Tests beside this one hold what they hold for a while only.
        await HostileServer.UntilAsync(() => Settled() - before < 64 * 1024 * 1024);

        static long Settled() => GC.GetTotalMemory(forceFullCollection: true);
    }

    [Fact]
    public async Task A_server_that_names_its_list_another_two_hundred_times_a_second_is_asked_once_in_a_while()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "nagging");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < 30; i++) (await bench.RunAsync("srv", "echo", new { text = "x" })).Should().BeOfType<RunCompleted>();
        server.Messages("tools/list").Count.Should().BeLessThan(5 + (int)(clock.Elapsed / TimeSpan.FromSeconds(5)), "once in five seconds");
    }

    [Theory]
    [InlineData("dies", "did not answer")]
    [InlineData("huge-result", "a message of more than 4 MB")]
    [InlineData("error", "answered with an error: \"Request failed (remote): broken inside\"")]
    public async Task An_answer_that_is_none_leaves_the_outcome_open(string mode, string why)
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, mode);
        await HostileServer.ApproveAsync(bench, "echo", Effect.AtMostOnce);
        var run = await bench.StartAsync("srv", "echo", new { text = "x" }, attempts: 5);
        (await bench.UntilAsync<OutcomeUnknown>(run)).Failure.Message.Should().Contain(why);
        await bench.UntilAsync<OutcomeStillUnknown>(run);
        server.Messages("tools/call").Should().ContainSingle("a call whose outcome is unknown is not made again");
    }

    [Theory]
    [InlineData("silent")]
    [InlineData("wrong-id")]
    public async Task A_call_that_is_never_answered_ends_with_its_time_and_its_outcome_is_open(string mode)
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, mode);
        await HostileServer.ApproveAsync(bench, "echo", Effect.AtMostOnce, limits: new ToolLimits(TimeoutSeconds: 1));
        var run = await bench.StartAsync("srv", "echo", new { text = "x" });
        (await bench.UntilAsync<OutcomeUnknown>(run)).Failure.Message.Should().Contain("did not answer within 1 s");
        server.Messages("tools/call").Should().ContainSingle();
    }

    [Fact]
    public async Task A_refusal_is_final_a_failure_the_tool_tells_is_a_result_and_one_that_asks_for_a_model_gets_none()
    {
        await using var bench = new ToolBench(database);
        foreach (var mode in new[] { "invalid", "tool-error", "asks", "large-result" })
        {
            await server.AddAsync(bench, mode, mode);
            await HostileServer.ApproveAsync(bench, "echo", Effect.AtMostOnce, mode);
        }
        ((RunFailed)await bench.RunAsync("invalid", "echo", new { text = "x" }, attempts: 3)).Failure.Message.Should().Contain("refused the call").And.Contain("no such thing");
        var told = ((RunCompleted)await bench.RunAsync("tool-error", "echo", new { text = "x" })).Result.To<ToolResult>()!;
        (told.IsError, told.Read<string>()).Should().Be((true, "it failed"));
        ((RunCompleted)await bench.RunAsync("asks", "echo", new { text = "x" })).Result.To<ToolResult>()!.Read<string>().Should().Be("asked");
        var large = ((RunCompleted)await bench.RunAsync("large-result", "echo", new { text = "x" })).Result.To<ToolResult>()!;
        (large.IsError, large.Content, large.Note).Should().Be((true, null, "The answer is not kept: it has more than 1 MB."));
    }

    [Fact]
    public async Task Definitions_that_cannot_be_kept_are_told_and_do_not_keep_the_others_out()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "bad-schema");
        bench.View.List(bench.Tenant).Should().ContainSingle(tool => tool.Definition.Id == "srv/echo");
        bench.Servers.List(bench.Tenant).Single().Refused.Should().HaveCount(2).And.Contain(line => line.StartsWith("fetch: ")).And.Contain(line => line.StartsWith("long: "));
        await server.AddAsync(bench, "twice", "double");
        bench.View.Find(bench.Tenant, "double/echo").Should().BeNull("nobody could say which of the two a call means");
    }

    [Fact]
    public async Task A_tool_whose_definition_becomes_one_that_cannot_be_kept_is_stopped()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "becomes-bad");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure);
        await bench.Servers.LookAsync(bench.Tenant, "srv");
        (await FailureAsync(bench, "echo")).Should().Contain("cannot be kept");
        server.Messages("tools/call").Should().BeEmpty();
    }

    [Fact]
    public async Task A_servers_process_has_its_arguments_as_they_are_and_an_environment_of_its_own()
    {
        Environment.SetEnvironmentVariable("AIOS_TEST_CONNECTION", "of the host alone");
        await using var bench = new ToolBench(database);
        await bench.Secrets.SetAsync(bench.Tenant, "token", "canary-in-env-4711", ["mcp:srv"], "user/ana");
        string[] arguments = ["$(touch /tmp/aios-pwned)", "; rm -rf /", "a b", "`id`", "|| true", "*"];
        await server.AddAsync(bench, "plain", extra: arguments, env: new() { ["TOKEN"] = "secret://token", ["PLAIN"] = "$HOME" });
        await HostileServer.ApproveAsync(bench, "args", Effect.Pure);
        await HostileServer.ApproveAsync(bench, "env", Effect.Pure);
        var args = ((RunCompleted)await bench.RunAsync("srv", "args")).Result.To<ToolResult>()!.Read<string>()!;
        JsonSerializer.Deserialize<string[]>(args).Should().Equal(["plain", .. arguments]);
        File.Exists("/tmp/aios-pwned").Should().BeFalse();
        var told = ((RunCompleted)await bench.RunAsync("srv", "env")).Result.To<ToolResult>()!.Read<string>()!;
        var env = JsonSerializer.Deserialize<Dictionary<string, string>>(told)!;
        env.Should().NotContainKey("AIOS_TEST_CONNECTION").And.Contain("PLAIN", "$HOME").And.Contain("TOKEN", "[secret token]", "it had it, and gave it away; nobody keeps it");
        Commands().Should().Contain("hostile-server.mjs").And.NotContain("canary-in-env", "every user of the machine can read the arguments of its programs");
    }

    [Fact]
    public async Task A_secret_of_another_server_or_host_is_not_given_to_a_process_and_what_it_says_on_its_way_out_holds_none()
    {
        await using var bench = new ToolBench(database);
        await bench.Secrets.SetAsync(bench.Tenant, "token", "canary-on-stderr-4711", ["mcp:other", "api.example.com"], "user/ana");
        var foreign = () => server.AddAsync(bench, "leaks", env: new() { ["TOKEN"] = "secret://token" });
        (await foreign.Should().ThrowAsync<WithheldException>()).Which.Message.Should().Contain("secret 'token' is not sent to mcp:srv");
        (await bench.Streams.ReadAsync(bench.Tenant, "secret/token")).Select(e => e.Event).OfType<SecretDenied>().Should().ContainSingle(denied => denied.Host == "mcp:srv");

        await bench.Secrets.SetAsync(bench.Tenant, "token", "canary-on-stderr-4711", ["mcp:third"], "user/ana");
        var leak = () => server.AddAsync(bench, "leaks", "third", env: new() { ["TOKEN"] = "secret://token" });
        (await leak.Should().ThrowAsync<WithheldException>()).Which.Message.Should().Contain("cannot log in with [secret token]").And.NotContain("canary");
    }

    [Fact]
    public async Task What_a_server_says_of_its_tools_holds_none_of_the_secrets_it_was_given()
    {
        await using var bench = new ToolBench(database);
        await bench.Secrets.SetAsync(bench.Tenant, "dsn", "postgres://user:canary-4711@host", ["mcp:srv"], "user/ana");
        await server.AddAsync(bench, "boasts", env: new() { ["TOKEN"] = "secret://dsn" });
        await bench.Servers.LookAsync(bench.Tenant, "srv");
        var tool = bench.View.List(bench.Tenant).Should().ContainSingle().Subject;
        (tool.Definition.Title, tool.Definition.Description, tool.Changed.Single()).Should().Be(("SQL ([secret dsn])", "Runs SQL on [secret dsn], since look 2", "description"));
        foreach (var text in new[] { tool.Definition.InputSchema, tool.Definition.OutputSchema!.Value, tool.Definition.Hints!.Value }) text.ToString().Should().Contain("[secret dsn]");
        bench.Servers.List(bench.Tenant).Single().Refused.Should().HaveCount(2).And.OnlyContain(line => line.Contains("[secret dsn]") && !line.Contains("canary"));
        await using var kept = database.Source.CreateCommand("select count(*) filter (where data::text like '%canary-4711%'), count(*) filter (where type in ('tool-registered', 'tool-drifted')) from aios.mt_events where tenant_id = $1");
        kept.Parameters.Add(new() { Value = bench.Tenant });
        await using var counts = await kept.ExecuteReaderAsync();
        await counts.ReadAsync();
        (counts.GetInt64(0), counts.GetInt64(1)).Should().Be((0, 2));
    }

    [Fact]
    public async Task A_servers_children_go_with_it()
    {
        int child;
        await using (var bench = new ToolBench(database))
        {
            await server.AddAsync(bench, "children");
            child = server.Processes("child").Single();
            HostileServer.IsAlive(child).Should().BeTrue();
        }
        await HostileServer.UntilAsync(() => !HostileServer.IsAlive(child));
    }

    [Fact]
    public async Task A_server_that_cannot_be_started_is_left_alone_with_growing_pauses_and_says_why()
    {
        await using var bench = new ToolBench(database);
        var add = () => server.AddAsync(bench, "plain", program: "/no/such/program");
        (await add.Should().ThrowAsync<WithheldException>()).Which.Message.Should().Contain("cannot be spoken to").And.Contain("/no/such/program");
        bench.Servers.List(bench.Tenant).Single().State.Should().Be("failing");
    }

    [Fact]
    public async Task A_server_that_was_removed_is_called_no_more_and_added_anew_it_has_to_be_approved_anew()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "plain");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure);
        (await bench.RunAsync("srv", "echo", new { text = "x" })).Should().BeOfType<RunCompleted>();
        (await bench.Registry.RemoveServerAsync(bench.Tenant, "srv", "no more", "user/ben")).Should().BeTrue();
        (await FailureAsync(bench, "echo")).Should().Contain("its server was removed by user/ben");
        await server.AddAsync(bench, "plain");
        (await FailureAsync(bench, "echo")).Should().Contain("in quarantine");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure);
        (await bench.RunAsync("srv", "echo", new { text = "x" })).Should().BeOfType<RunCompleted>();
    }

    [Fact]
    public async Task A_server_that_wants_more_before_it_answers_is_given_nothing_and_its_state_is_not_carried_back()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "wants-more");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure);
        var end = await bench.RunAsync("srv", "echo", new { text = "x" });
        (end is RunFailed || ((RunCompleted)end).Result.To<ToolResult>()!.IsError).Should().BeTrue($"nobody has answered: {end}");
        server.Messages("tools/call").Should().OnlyContain(call => !call.GetRawText().Contains("state-of-the-server") && !call.GetRawText().Contains("inputResponses"));
    }

    [Fact]
    public async Task What_a_server_changes_beside_what_it_was_asked_for_is_found_by_its_own_reading()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "crm");
        await HostileServer.ApproveAsync(bench, "get", Effect.Pure);
        await HostileServer.ApproveAsync(bench, "set", Effect.Keyed, comparison: new ToolComparison("srv/get", new Dictionary<string, string> { ["text"] = "=\"7\"" }, "data", new Dictionary<string, string> { ["text"] = "email" }));
        var run = await bench.StartAsync("srv", "set", new { text = "new@example.com" });
        var result = ((RunCompleted)await bench.Host.WaitAsync(new RunKey(bench.Tenant, run), default)).Result.To<ToolResult>()!;
        result.Comparison!.Changed.Should().Equal("email", "iban");
        result.Comparison.Unasked.Should().Equal("iban");
        result.Note.Should().Be("It changed what was not asked for: iban.");
        var keys = server.Messages("tools/call").Select(call => call.GetProperty("params").GetProperty("_meta").GetProperty("com.orleansaios/idempotency-key").GetString()).ToList();
        keys.Should().HaveCount(3).And.OnlyHaveUniqueItems("no server may take a reading for the call");
        keys[1].Should().Be(IdempotencyKey.Of(bench.Tenant, run, 1, 0).Value);
    }

    private static async Task<string> FailureAsync(ToolBench bench, string tool) => ((RunFailed)await bench.RunAsync("srv", tool, new { text = "x" })).Failure.Message;

    private static string Commands()
    {
        using var ps = Process.Start(new ProcessStartInfo("ps", ["-ef", "-ww"]) { RedirectStandardOutput = true })!;
        return ps.StandardOutput.ReadToEnd();
    }
}
