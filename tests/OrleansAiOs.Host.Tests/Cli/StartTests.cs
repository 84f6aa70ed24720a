using System.Text.Json;

namespace OrleansAiOs.Host.Tests.Cli;

public sealed class StartTests
{
    private const string Start = "POST /api/v1/runs";
    private const string Result = "GET /api/v1/runs/inv-1/result";

    [Fact]
    public async Task A_started_run_is_one_id_on_stdout()
    {
        await using var host = (await ContractServer.StartAsync()).On(Start, Documents.Started(), 201);
        var run = await host.RunAsync("start", "purchase", "--input", """{"item":"laptop","price":1.50}""", "--id", "inv-1", "--business-key", "A-7", "--attribute", "colour=dark=blue");
        (run.Code, run.Output).Should().Be((0, "inv-1" + Environment.NewLine));
        host.OnlyAsked.Body.Should().Be("""{"workflow":"purchase","input":{"item":"laptop","price":1.50},"id":"inv-1","businessKey":"A-7","attributes":{"colour":"dark=blue"}}""");
        host.OnlyAsked.Headers["Content-Type"].Should().StartWith("application/json");
    }

    [Fact]
    public async Task The_key_is_sent_and_every_command_has_an_idempotency_key_of_its_own()
    {
        await using var host = (await ContractServer.StartAsync()).On(Start, Documents.Started(), 201);
        await host.RunAsync("start", "purchase");
        await host.RunAsync("start", "purchase");
        await host.RunAsync("start", "purchase", "--idempotency-key", "order-7");
        host.Asked.Should().OnlyContain(asked => asked.Headers["Authorization"] == $"Bearer {ContractServer.Key}");
        var keys = host.Asked.Select(asked => asked.Headers["Idempotency-Key"]).ToList();
        keys.Should().OnlyHaveUniqueItems().And.HaveElementAt(2, "order-7");
        Guid.TryParse(keys[0], out _).Should().BeTrue();
    }

    [Fact]
    public async Task A_run_that_was_there_already_is_said_so_and_is_no_error()
    {
        await using var host = (await ContractServer.StartAsync()).On(Start, Documents.Started(isNew: false));
        var run = await host.RunAsync("start", "purchase");
        run.Code.Should().Be(0);
        run.Error.Should().Contain("already");
    }

    [Fact]
    public async Task A_document_is_uploaded_as_it_is_and_its_hash_is_the_runs_id()
    {
        var file = Path.Combine(Path.GetTempPath(), $"aios-{Guid.NewGuid():N}.XML");
        await File.WriteAllTextAsync(file, "<Invoice>ü</Invoice>");
        try
        {
            await using var host = (await ContractServer.StartAsync())
                .On("POST /api/v1/payloads", """{"sha256":"abc","size":21}""", 201)
                .On(Start, Documents.Started("abc"), 201);
            (await host.RunAsync("start", "invoice-to-pay", "--document", file)).Output.Trim().Should().Be("abc");
            host.Asked[0].Body.Should().Be("<Invoice>ü</Invoice>");
            host.Asked[0].Headers["Content-Type"].Should().Be("application/xml");
            host.Asked[1].Body.Should().Be("""{"workflow":"invoice-to-pay","input":{"sha256":"abc","size":21},"id":"abc"}""");
            host.Asked[1].Headers["Idempotency-Key"].Should().NotBe(host.Asked[0].Headers["Idempotency-Key"]);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task An_input_comes_from_a_file()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "[1, 2]");
        try
        {
            await using var host = (await ContractServer.StartAsync()).On(Start, Documents.Started(), 201);
            (await host.RunAsync("start", "purchase", "--input", $"@{file}")).Code.Should().Be(0);
            JsonDocument.Parse(host.OnlyAsked.Body).RootElement.GetProperty("input").GetArrayLength().Should().Be(2);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("""{"status":"completed","result":{"bought":true},"failure":null}""", 0)]
    [InlineData("""{"status":"failed","result":null,"failure":{"type":"WorkflowFailedException","message":"no money","kind":"Error"}}""", 1)]
    [InlineData("""{"status":"cancelled","result":null,"failure":null,"reason":"changed my mind"}""", 1)]
    [InlineData("""{"status":"parked","result":null,"failure":null,"reason":"the code threw"}""", 8)]
    [InlineData("""{"status":"running","result":null,"failure":null}""", 8)]
    public async Task How_a_run_ended_is_the_exit_code(string result, int code)
    {
        await using var host = (await ContractServer.StartAsync()).On(Start, Documents.Started(), 201).On(Result, result);
        var started = await host.RunAsync("start", "purchase", "--wait=0");
        var asked = await host.RunAsync("result", "inv-1");
        (started.Code, asked.Code).Should().Be((code, code));
        asked.Output.Contains("\"bought\": true", StringComparison.Ordinal).Should().Be(code == 0);
        asked.Output.Should().Match(output => code == 0 || ((string)output).Length == 0);
        (await host.RunAsync("result", "inv-1", "--json")).Output.Trim().Should().Be(result);
    }

    [Fact]
    public async Task A_failed_run_says_why_on_stderr()
    {
        await using var host = (await ContractServer.StartAsync()).On(Result, """{"status":"failed","failure":{"type":"WorkflowFailedException","message":"no money"}}""");
        (await host.RunAsync("result", "inv-1")).Error.Should().Contain("WorkflowFailedException: no money");
    }

    [Fact]
    public async Task Waiting_goes_on_until_the_end_also_while_the_host_is_away()
    {
        await using var host = (await ContractServer.StartAsync())
            .On(Result, """{"status":"running"}""")
            .Refuses(Result, 503, "Starting")
            .On(Result, """{"status":"completed","result":7}""");
        var run = await host.RunAsync("result", "inv-1", "--wait");
        (run.Code, run.Output.Trim()).Should().Be((0, "7"));
        run.Error.Should().Contain("Starting");
        host.Asked.Should().HaveCount(3).And.OnlyContain(asked => asked.Query == "?wait=25");
    }

    [Fact]
    public async Task A_wait_with_a_limit_asks_for_no_longer_than_that()
    {
        await using var host = (await ContractServer.StartAsync()).On(Result, """{"status":"running"}""");
        var run = await host.RunAsync("result", "inv-1", "--wait=1");
        run.Code.Should().Be(8);
        host.Asked.Should().OnlyContain(asked => asked.Query == "?wait=1" || asked.Query == "");
    }

    [Fact]
    public async Task Waiting_as_json_prints_the_whole_run()
    {
        var whole = Documents.Run(status: "completed", more: ""","result":{"bought":true},"failure":null""");
        await using var host = (await ContractServer.StartAsync()).On(Start, Documents.Started(), 201)
            .On(Result, """{"status":"completed","result":{"bought":true}}""").On("GET /api/v1/runs/inv-1", whole);
        (await host.RunAsync("start", "purchase", "--wait", "--json")).Output.Trim().Should().Be(whole.Trim());
    }
}
