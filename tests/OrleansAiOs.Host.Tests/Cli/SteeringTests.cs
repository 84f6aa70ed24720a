namespace OrleansAiOs.Host.Tests.Cli;

public sealed class SteeringTests
{
    private const string Version = """{"version":9}""";

    [Theory]
    [InlineData("POST /api/v1/runs/inv-1/signals/go", """{"now":true}""", "signal", "inv-1", "go", """{"now": true}""")]
    [InlineData("POST /api/v1/runs/inv-1/signals/go", "null", "signal", "inv-1", "go")]
    [InlineData("POST /api/v1/runs/inv-1/cancel", """{"reason":"late"}""", "cancel", "inv-1", "--reason", "late")]
    [InlineData("POST /api/v1/runs/inv-1/terminate", """{"reason":"late"}""", "terminate", "inv-1", "--reason", "late")]
    [InlineData("POST /api/v1/runs/inv-1/pause", """{"reason":"late"}""", "pause", "inv-1", "--reason", "late")]
    [InlineData("POST /api/v1/runs/inv-1/resume", "{}", "resume", "inv-1")]
    [InlineData("POST /api/v1/runs/inv-1/unpark", "{}", "unpark", "inv-1")]
    [InlineData("POST /api/v1/runs/inv-1/steps/4/resolution", """{"happened":true,"result":{"id":7},"why":"the bank says so"}""", "resolve", "inv-1", "4", "--happened", """{"id":7}""", "--why", "the bank says so")]
    [InlineData("POST /api/v1/runs/inv-1/steps/4/resolution", """{"happened":true,"result":null}""", "resolve", "inv-1", "4", "--happened", "null")]
    [InlineData("POST /api/v1/runs/inv-1/steps/4/resolution", """{"happened":false}""", "resolve", "inv-1", "4", "--never")]
    [InlineData("POST /api/v1/runs/inv-1/reset", """{"to":7,"why":"wrong","effects":{"3":"reuse","4":"compensate"},"dropSignals":true}""", "reset", "inv-1", "--to", "7", "--why", "wrong", "--effect", "3=reuse", "--effect", "4=compensate", "--drop-signals")]
    [InlineData("POST /api/v1/runs/inv-1/reset", """{"to":0,"dropSignals":false}""", "reset", "inv-1", "--to", "0")]
    [InlineData("POST /api/v1/schedules", """{"cron":"0 9 * * 1-5","start":{"workflow":"report","input":{"a":1},"priority":3},"id":"daily","timeZone":"Europe/Berlin","overlap":"bufferOne","jitter":"5m"}""",
        "schedules", "add", "daily", "--cron", "0 9 * * 1-5", "--workflow", "report", "--input", """{"a":1}""", "--zone", "Europe/Berlin", "--overlap", "bufferOne", "--jitter", "5m", "--priority", "3")]
    [InlineData("PUT /api/v1/schedules/daily", """{"cron":"@daily","start":{"workflow":"report","input":null},"id":"daily"}""", "schedules", "update", "daily", "--cron", "@daily", "--workflow", "report")]
    [InlineData("POST /api/v1/schedules/daily/pause", """{"reason":"holidays"}""", "schedules", "pause", "daily", "--reason", "holidays")]
    [InlineData("POST /api/v1/schedules/daily/resume", "{}", "schedules", "resume", "daily")]
    [InlineData("POST /api/v1/schedules/daily/trigger", """{"overlap":"allow"}""", "schedules", "trigger", "daily", "--overlap", "allow")]
    public async Task A_command_is_sent_as_the_api_wants_it(string request, string body, params string[] args)
    {
        await using var host = (await ContractServer.StartAsync()).On(request, Version);
        var run = await host.RunAsync(args);
        (run.Code, run.Output).Should().Be((0, ""), run.Error);
        host.OnlyAsked.Request.Should().Be(request);
        host.OnlyAsked.Body.Should().Be(body);
        host.OnlyAsked.Headers.Should().ContainKey("Idempotency-Key");
        (await host.RunAsync([.. args, "--json"])).Output.Trim().Should().Be(Version);
    }

    [Theory]
    [InlineData("""{"version":9,"status":"completed","answer":{"n":42}}""", 0, "42", "")]
    [InlineData("""{"version":9,"status":"failed","failure":{"type":"T","message":"out of stock"}}""", 1, "", "out of stock")]
    [InlineData("""{"version":9,"status":"accepted"}""", 8, "", "no answer yet")]
    public async Task An_update_is_sent_and_its_answer_told(string answer, int code, string output, string error)
    {
        await using var host = (await ContractServer.StartAsync()).On("POST /api/v1/runs/inv-1/updates/add", answer);
        var run = await host.RunAsync("update", "inv-1", "add", "2", "--wait", "0");
        run.Code.Should().Be(code, run.Error);
        run.Output.Contains(output, StringComparison.Ordinal).Should().BeTrue(run.Output);
        run.Error.Contains(error, StringComparison.Ordinal).Should().BeTrue(run.Error);
        (run.Output == "").Should().Be(output == "");
        host.OnlyAsked.Body.Should().Be("2");
        host.OnlyAsked.Headers.Should().ContainKey("Idempotency-Key");
    }

    [Fact]
    public async Task An_update_can_begin_what_it_is_for()
    {
        await using var host = (await ContractServer.StartAsync()).On("POST /api/v1/runs/a-1/updates/add", """{"version":2,"status":"completed","answer":2}""");
        (await host.RunAsync("update", "a-1", "add", "2", "--wait", "0", "--start", "account&2")).Output.Trim().Should().Be("2");
        host.OnlyAsked.Query.Should().Be("?wait=0&start=account&2");
    }

    [Fact]
    public async Task A_query_tells_the_answer()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs/inv-1/queries/total", """{"answer":42}""");
        (await host.RunAsync("query", "inv-1", "total")).Output.Trim().Should().Be("42");
        (await host.RunAsync("query", "inv-1", "total", "--json")).Output.Trim().Should().Be("""{"answer":42}""");
        host.On("POST /api/v1/runs/inv-1/queries/total", """{"answer":43}""");
        (await host.RunAsync("query", "inv-1", "total", "{\"of\": \"may\"}")).Output.Trim().Should().Be("43");
        host.Asked[^1].Body.Should().Be("""{"of":"may"}""");
        host.Asked[^1].Headers.Should().NotContainKey("Idempotency-Key");
        (await host.RunAsync("query", "inv-1", "total", "may")).Code.Should().Be(2);
    }

    [Fact]
    public async Task A_fork_is_sent_as_the_api_wants_it_and_tells_the_new_run()
    {
        const string answer = """{"id":"inv-2","isNew":true,"run":{"id":"inv-2","workflow":"w","status":"running","startedAt":"2026-01-02T03:04:05Z","updatedAt":"2026-01-02T03:04:05Z"}}""";
        await using var host = (await ContractServer.StartAsync()).On("POST /api/v1/runs/inv-1/fork", answer);
        var run = await host.RunAsync("fork", "inv-1", "--at", "7", "--id", "inv-2", "--input", "{\"a\": 1}", "--code-version", "2", "--outcome", "3={\"b\":2}", "--effect", "4=redo");
        (run.Code, run.Output.Trim()).Should().Be((0, "inv-2"), run.Error);
        host.OnlyAsked.Body.Should().Be("""{"at":7,"id":"inv-2","input":{"a":1},"codeVersion":"2","outcomes":{"3":{"b":2}},"effects":{"4":"redo"}}""");
        (await host.RunAsync("fork", "inv-1", "--at", "7", "--effect", "4=forget")).Code.Should().Be(2);
        (await host.RunAsync("reset", "inv-1", "--to", "7", "--effect", "4=redo", "--effect", "4=reuse")).Code.Should().Be(2);
    }

    [Fact]
    public async Task A_migration_goes_page_by_page_and_ends_badly_if_a_run_stays()
    {
        await using var host = (await ContractServer.StartAsync()).On("POST /api/v1/migrations", """{"items":[{"run":"a","from":"1","to":"2","result":"moved"},{"run":"b","from":"1","to":"2","result":"pinned","why":"event 7"}]}""");
        var run = await host.RunAsync("migrate", "--type", "w", "--to", "2", "--from", "1", "--dry-run");
        run.Code.Should().Be(1);
        run.Output.Should().Contain("pinned").And.Contain("event 7");
        host.OnlyAsked.Body.Should().Be("""{"type":"w","to":"2","from":"1","dryRun":true,"undo":false}""");
    }

    [Theory]
    [InlineData("approve", "true")]
    [InlineData("reject", "false")]
    public async Task A_decision_is_bound_to_what_stands_there(string verb, string granted)
    {
        await using var host = (await ContractServer.StartAsync())
            .On("GET /api/v1/runs/inv-1", Documents.Run(waits: $"[{Documents.Approval(2, digest: "two")},{Documents.Approval(3, digest: "three")}]"))
            .On("POST /api/v1/runs/inv-1/approvals/3", Version);
        (await host.RunAsync(verb, "inv-1", "3", "--comment", "seen")).Code.Should().Be(0);
        host.Asked[1].Body.Should().Be($$"""{"granted":{{granted}},"comment":"seen","digest":"three"}""");
        await host.RunAsync(verb, "inv-1", "3", "--digest", "looked-at");
        host.Asked[3].Body.Should().Be($$"""{"granted":{{granted}},"digest":"looked-at"}""");
    }

    [Fact]
    public async Task The_only_open_decision_needs_no_number()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs/inv-1", Documents.Run(waits: $"[{Documents.Approval(3)}]")).On("POST /api/v1/runs/inv-1/approvals/3", Version);
        (await host.RunAsync("approve", "inv-1")).Code.Should().Be(0);
        host.Asked.Should().HaveCount(2);
    }

    [Fact]
    public async Task Of_several_decisions_none_is_guessed()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs/inv-1", Documents.Run(waits: $"[{Documents.Approval(2)},{Documents.Approval(3, "Ship it")}]"));
        var run = await host.RunAsync("approve", "inv-1");
        run.Code.Should().Be(2);
        run.Error.Should().Contain("3  Ship it");
        host.Asked.Should().HaveCount(1);
    }

    [Fact]
    public async Task A_run_that_awaits_nobody_is_a_conflict()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs/inv-1", Documents.Run(status: "completed"));
        (await host.RunAsync("approve", "inv-1")).Code.Should().Be(5);
    }

    [Fact]
    public async Task A_new_key_is_all_that_stands_on_stdout()
    {
        await using var host = (await ContractServer.StartAsync()).On("POST /api/v1/keys", """{"name":"mia","roles":["buyer","manager"],"key":"aios_secret"}""", 201);
        var run = await host.RunAsync("keys", "add", "mia", "--role", "buyer", "--role", "manager");
        (run.Code, run.Output).Should().Be((0, "aios_secret" + Environment.NewLine));
        host.OnlyAsked.Body.Should().Be("""{"name":"mia","roles":["buyer","manager"]}""");
    }

    [Fact]
    public async Task Keys_are_listed_and_revoked()
    {
        await using var host = (await ContractServer.StartAsync())
            .On("GET /api/v1/keys", """{"items":[{"name":"mia","roles":["buyer","manager"],"key":null,"createdAt":"2026-01-02T03:04:05Z"}]}""")
            .On("DELETE /api/v1/keys/mia", "", 204);
        (await host.RunAsync("keys", "list")).Output.Should().ContainAll("mia", "buyer, manager", "2026-01-02 03:04:05Z");
        var revoked = await host.RunAsync("keys", "revoke", "mia");
        (revoked.Code, revoked.Output).Should().Be((0, ""));
        host.Asked[1].Headers.Should().ContainKey("Idempotency-Key");
    }

    [Fact]
    public async Task A_run_id_is_sent_as_one_name()
    {
        await using var host = await ContractServer.StartAsync();
        (await host.RunAsync("unpark", "a/b?c")).Code.Should().Be(3);
        host.OnlyAsked.Request.Should().StartWith("POST /api/v1/runs/a").And.EndWith("c/unpark");
        host.OnlyAsked.Query.Should().BeEmpty();
    }

    [Fact]
    public async Task A_kill_switch_that_stops_nothing_says_so_in_place_of_what_it_stopped()
    {
        await using var host = (await ContractServer.StartAsync()).On("POST /api/v1/kill-switches", """{"changed":true,"note":"The switch is thrown, but it stops nothing."}""").On("POST /api/v1/kill-switches", """{"changed":true}""");
        (await host.RunAsync("kill", "principal", "agent/x", "--why", "y")).Error.Should().Contain("it stops nothing").And.NotContain("agent/x stopped");
        (await host.RunAsync("kill", "principal", "agent/x", "--why", "y")).Error.Should().Contain("principal agent/x stopped");
    }
}
