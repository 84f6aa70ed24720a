namespace OrleansAiOs.Host.Tests.Cli;

public sealed class LookingTests
{
    [Fact]
    public async Task Every_filter_of_a_list_reaches_the_host()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs", Documents.Page());
        var run = await host.RunAsync("list", "--status", "parked", "--workflow", "a&b", "--business-key", "A 7", "--attribute", "x=1", "--attribute", "y=a=b", "--awaits-approval",
            "--started-from", "2026-01-02", "--started-before", "2026-01-02T03:00:00+01:00", "--sort", "oldest", "--limit", "7", "--cursor", "c/+");
        run.Code.Should().Be(0, run.Error);
        host.OnlyAsked.Query.Should().Be("?status=parked&workflow=a&b&businessKey=A 7&attribute=x:1&attribute=y:a=b&awaitsApproval=true"
            + "&startedFrom=2026-01-02T00:00:00Z&startedBefore=2026-01-02T02:00:00Z&sort=oldest&limit=7&cursor=c/+");
        host.OnlyAsked.Headers.Should().NotContainKey("Idempotency-Key");
    }

    [Fact]
    public async Task A_list_says_what_each_run_waits_for_and_where_it_goes_on()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs", $$"""{"items":[{{Documents.Run(waits: $"[{Documents.Approval(2)}]")}}],"next":"CURSOR"}""");
        var run = await host.RunAsync("list");
        run.Output.Should().Contain("approval \"Buy 2 x laptop\" by manager other than otto before 2026-01-05 03:04:05Z");
        run.Error.Should().Contain("--cursor CURSOR");
    }

    [Fact]
    public async Task A_run_is_shown_with_its_steps_and_who_can_move_it_on()
    {
        await using var host = (await ContractServer.StartAsync())
            .On("GET /api/v1/runs/inv-1", Documents.Run(waits: $"[{Documents.Approval(3)}]"))
            .On("GET /api/v1/runs/inv-1/history", Documents.Page(
                Documents.Event(1, "run-started", """{"workflow":"purchase","input":1,"host":"h-1","by":"otto"}"""),
                Documents.Event(2, "step-scheduled", """{"step":1,"activity":"ledger.post","effect":"Keyed","input":1}"""),
                Documents.Event(3, "attempt-failed", """{"step":1,"attempt":1,"failure":{"type":"HttpRequestException","message":"refused"},"retryAt":"2026-01-02T03:04:06Z"}"""),
                Documents.Event(4, "attempt-started", """{"step":1,"attempt":2}""", "2026-01-02T03:04:06Z"),
                Documents.Event(5, "step-completed", """{"step":1,"attempt":2,"result":1}""", "2026-01-02T03:04:07.5Z"),
                Documents.Event(6, "approval-requested", """{"step":2,"title":"First eyes","role":"buyer","notBy":[]}"""),
                Documents.Event(7, "approval-decided", """{"step":2,"granted":true,"by":{"id":"mia","roles":["buyer"]},"comment":"fine"}""", "2026-01-02T05:04:05Z"),
                Documents.Event(8, "approval-requested", """{"step":3,"title":"Buy 2 x laptop","role":"manager","notBy":["otto"]}"""),
                Documents.Event(9, "something-newer", """{"step":9}""")));
        var run = await host.RunAsync("show", "inv-1");
        run.Code.Should().Be(0, run.Error);
        var lines = run.Output.Split(Environment.NewLine);
        lines.Should().ContainSingle(line => line.Contains("ledger.post (keyed)")).Which.Should().ContainAll("done, attempt 2", "2.5 s", "HttpRequestException: refused");
        lines.Should().ContainSingle(line => line.Contains("First eyes")).Which.Should().ContainAll("granted by mia", "2 h 0 min", "fine");
        lines.Should().ContainSingle(line => line.Contains("something-newer"));
        run.Output.Should().Contain("aios approve inv-1 3").And.Contain("role manager").And.Contain("""{"item":"laptop"}""");
    }

    [Fact]
    public async Task What_a_call_changed_is_told_with_the_step_and_what_it_was_not_asked_for_stands_out()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs/inv-1", Documents.Run())
            .On("GET /api/v1/runs/inv-1/history", Documents.Page(
                Documents.Event(1, "run-started", """{"workflow":"purchase","input":1,"host":"h-1","by":"otto"}"""),
                Documents.Event(2, "step-scheduled", """{"step":1,"activity":"tool:crm/update","effect":"Keyed","input":1}"""),
                Documents.Event(3, "attempt-prepared", """{"step":1,"attempt":1,"found":{"by":"crm/get"}}"""),
                Documents.Event(4, "step-completed", """{"step":1,"attempt":1,"result":{"note":null,"comparison":{"changed":["email","phone"],"unasked":[]}}}"""),
                Documents.Event(5, "step-scheduled", """{"step":2,"activity":"tool:crm/other","effect":"Keyed","input":1}"""),
                Documents.Event(6, "step-completed", """{"step":2,"attempt":1,"result":{"note":"It changed what was not asked for: iban.","comparison":{"changed":["email","iban"],"unasked":["iban"]}}}"""),
                Documents.Event(7, "step-scheduled", """{"step":3,"activity":"tool:crm/slow","effect":"Keyed","input":1}"""),
                Documents.Event(8, "attempt-prepared", """{"step":3,"attempt":1,"found":{"by":"crm/get"}}""")));
        var lines = (await host.RunAsync("show", "inv-1")).Output.Split(Environment.NewLine);
        lines.Should().ContainSingle(line => line.Contains("tool:crm/update")).Which.Should().Contain("changed: email, phone");
        lines.Should().ContainSingle(line => line.Contains("tool:crm/other")).Which.Should().Contain("It changed what was not asked for: iban.");
        lines.Should().ContainSingle(line => line.Contains("tool:crm/slow")).Which.Should().Contain("its target was read before");
    }

    [Fact]
    public async Task An_unknown_outcome_and_a_parked_run_name_their_cures()
    {
        const string Waits = """[{"kind":"unpark","name":"the code threw","why":"at line 1\nat line 2"},{"kind":"outcome-unknown","name":"bank.pay","step":4,"why":"reply lost"}]""";
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs/inv-1", Documents.Run(status: "parked", waits: Waits))
            .On("GET /api/v1/runs/inv-1/history", Documents.Page());
        (await host.RunAsync("show", "inv-1")).Output.Should().ContainAll("aios unpark inv-1", "aios resolve inv-1 4 --happened RESULT", "at line 2", "reply lost");
    }

    [Fact]
    public async Task A_history_is_one_event_a_line()
    {
        var (first, second) = (Documents.Event(1, "run-started", """{"by":"otto"}"""), Documents.Event(2, "run-completed", """{"result":1.50}"""));
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs/inv-1/history", Documents.Page(first, second));
        (await host.RunAsync("history", "inv-1", "--json")).Output.Should().Be($"{first}{Environment.NewLine}{second}{Environment.NewLine}");
        (await host.RunAsync("history", "inv-1", "--from", "2")).Output.Should().Contain("run-completed").And.Contain("1.50");
        host.Asked[1].Query.Should().Be("?from=2");
    }

    [Fact]
    public async Task Approvals_are_listed_with_who_may_decide()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/approvals", """
            {"items":[{"run":"inv-1","workflow":"purchase","businessKey":null,"step":3,"title":"Buy","role":"manager","notBy":["otto","ida"],"deadline":null,"digest":"d","subject":{},"since":"2026-01-02T03:04:05Z"}]}
            """);
        (await host.RunAsync("approvals")).Output.Split(Environment.NewLine)[1].Should().ContainAll("inv-1", "3", "Buy", "manager", "otto, ida");
    }
}
