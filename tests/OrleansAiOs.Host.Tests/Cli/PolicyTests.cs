namespace OrleansAiOs.Host.Tests.Cli;

public sealed class PolicyTests : IDisposable
{
    private const string Payments = """
        @id("small")
        permit (principal, action == Action::"call", resource == Tool::"bank.pay")
        when { context.amount.lessThan(decimal("500.00")) };
        """;

    private const string Case = """{ "name": "small", "principal": "P::ana", "action": "call", "resource": "Tool::bank.pay", "context": { "amount": 400 }, "expect": "allow" }""";

    private readonly string folder = Directory.CreateTempSubdirectory("aios-policy-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Write(string name, string text)
    {
        var file = Path.Combine(folder, name);
        File.WriteAllText(file, text);
        return file;
    }

    [Fact]
    public async Task A_sound_text_is_listed_and_of_a_broken_one_every_error_is_told_with_its_place_and_cure()
    {
        var good = Write("good.cedar", Payments);
        var bad = Write("bad.cedar", "@id(\"a\") allow (principal, action, resource);\n@id(\"b\") permit (principal, action, resource) when { context.x = 1 };\n");
        (await CliRun.Of(["policy", "check", good])).Should().Match<CliRun>(run => run.Code == 0 && run.Output.Contains("1 policies: small"));
        var run = await CliRun.Of(["policy", "check", good, bad]);
        run.Code.Should().Be(1);
        run.Output.Should().Contain($"{bad}:1:10: found 'allow'").And.Contain("Write permit.").And.Contain($"{bad}:2:64: found '='").And.Contain("Equality is written ==.");
        (await CliRun.Of(["policy", "check", Path.Combine(folder, "none.cedar")])).Should().Match<CliRun>(r => r.Code == 2 && r.Error.Contains("none.cedar"));
        File.WriteAllBytes(Path.Combine(folder, "latin.cedar"), [0xE9]);
        (await CliRun.Of(["policy", "check", Path.Combine(folder, "latin.cedar")])).Code.Should().Be(2);
    }

    [Fact]
    public async Task Cases_that_hold_end_with_0_and_one_that_does_not_with_1_and_what_came_instead()
    {
        var file = Write("payments.cedar", Payments);
        (await CliRun.Of(["policy", "test", file])).Should().Match<CliRun>(run => run.Code == 2 && run.Error.Contains("payments.cases.json"));
        Write("payments.cases.json", $$"""{ "cases": [{{Case}}] }""");
        (await CliRun.Of(["policy", "test", file])).Should().Match<CliRun>(run => run.Code == 0 && run.Output.Contains("1 cases, 0 failed; coverage 50 %"));
        (await CliRun.Of(["policy", "test", file, "--require-coverage", "51"])).Code.Should().Be(1);
        (await CliRun.Of(["policy", "test", file, "--require-coverage", "101"])).Code.Should().Be(2);
        var shown = await CliRun.Of(["policy", "test", file, "--coverage"]);
        shown.Output.Should().MatchRegex("payments/small +1 +0 +unmatched").And.MatchRegex("3 +context.amount.lessThan\\(decimal\\(\"500.00\"\\)\\) +1 +0 +false");

        Write("payments.cases.json", $$"""{ "cases": [{{Case}}, {{Case.Replace("\"small\"", "\"large\"").Replace("400", "500")}}] }""");
        (await CliRun.Of(["policy", "test", file, "--require-coverage", "100"])).Should().Match<CliRun>(run => run.Code == 1 && run.Output.Contains("[large] Expected allow, and it was deny") && run.Output.Contains("2 cases, 1 failed; coverage 100 %"));
        Write("payments.cases.json", """{ "cases": [{ "name": "x" }] }""");
        (await CliRun.Of(["policy", "test", file])).Should().Match<CliRun>(run => run.Code == 1 && run.Error.Contains("payments.cases.json") && run.Error.Contains("cases[0]"));
    }

    [Fact]
    public async Task In_a_folder_each_text_is_tried_by_its_own_cases_and_all_together_by_the_others()
    {
        Write("payments.cedar", Payments);
        Write("payments.cases.json", $$"""{ "cases": [{{Case}}] }""");
        Write("embargo.cedar", "@id(\"never\") forbid (principal, action, resource);");
        Write("together.cases.json", $$"""{ "cases": [{{Case.Replace("\"allow\"", "\"deny\", \"by\": [\"embargo/never\"]")}}] }""");
        (await CliRun.Of(["policy", "test", folder])).Should().Match<CliRun>(run => run.Code == 0 && run.Output.Contains("2 cases, 0 failed"));
        File.Delete(Path.Combine(folder, "together.cases.json"));
        (await CliRun.Of(["policy", "test", folder, "--require-coverage", "1"])).Should().Match<CliRun>(run => run.Code == 1 && run.Output.Contains("no case tries embargo"));
    }

    [Fact]
    public async Task A_text_is_put_with_the_cases_beside_it_and_activated()
    {
        var file = Write("payments.cedar", Payments);
        Write("payments.cases.json", "{}");
        await using var host = (await ContractServer.StartAsync())
            .On("POST /api/v1/policies/pay/versions", """{"name":"pay","number":7,"hash":"ab"}""", 201)
            .On("POST /api/v1/policies/pay/activate", """{"changed":true,"version":"9:cd"}""")
            .On("POST /api/v1/policies/pay/retire", """{"changed":false,"version":"9:cd"}""");
        var put = await host.RunAsync("policy", "put", "pay", file, "--note", "first");
        put.Should().Match<CliRun>(run => run.Code == 0 && run.Error.Contains("aios policy activate pay 7"));
        System.Text.Json.Nodes.JsonNode.Parse(host.OnlyAsked.Body)!.AsObject().Select(member => (member.Key, (string?)member.Value)).Should().Equal(("text", Payments), ("cases", "{}"), ("note", "first"));

        (await host.RunAsync("policy", "activate", "pay", "7", "--replaces", "6")).Error.Should().Contain("pay number 7 is in force").And.Contain("9:cd");
        host.Asked[^1].Body.Should().Be("""{"number":7,"replaces":6}""");
        (await host.RunAsync("policy", "put", "pay", file, "--activate")).Error.Should().Contain("pay number 7 is in force");
        host.Asked[^1].Should().Match<Asked>(asked => asked.Request == "POST /api/v1/policies/pay/activate" && asked.Body == """{"number":7}""");
        (await host.RunAsync("policy", "retire", "pay", "--why", "done")).Error.Should().Contain("pay was not in force");
        host.Asked[^1].Body.Should().Be("""{"why":"done"}""");
        (await host.RunAsync("policy", "retire", "pay")).Code.Should().Be(2);
    }

    [Fact]
    public async Task Policies_are_listed_shown_and_compared()
    {
        await using var host = (await ContractServer.StartAsync())
            .On("GET /api/v1/policies", """{"version":"3:ab","trouble":"Policy 'pay', number 2, cannot be read by this build.","items":[{"name":"base","latest":0,"active":0},{"name":"pay","latest":2,"active":1,"by":"owner","at":"2026-01-02T03:04:05Z"}]}""")
            .On("GET /api/v1/policies/pay", """{"name":"pay","active":1,"items":[{"number":1,"hash":"x","by":"owner","at":"2026-01-02T03:04:05Z","hasCases":true},{"number":2,"hash":"y","note":"more","at":"2026-01-02T03:04:05Z","hasCases":false}]}""")
            .On("GET /api/v1/policies/pay/versions/1", """{"name":"pay","number":1,"hash":"x","text":"// one\na\nb\nc\n","cases":"{}"}""")
            .On("GET /api/v1/policies/pay/versions/2", """{"name":"pay","number":2,"hash":"y","text":"// two\na\nc\nd\n"}""");
        var list = await host.RunAsync("policy", "list");
        list.Output.Should().MatchRegex("base +built in +0").And.MatchRegex("pay +1 +2 +owner +2026-01-02");
        list.Error.Should().Contain("version 3:ab").And.Contain("Everything is denied.").And.Contain("cannot be read");
        (await host.RunAsync("policy", "show", "pay")).Output.ReplaceLineEndings("\n").Should().Be("// one\na\nb\nc\n", "what is in force");
        (await host.RunAsync("policy", "show", "pay", "--cases")).Output.Trim().Should().Be("{}");
        (await host.RunAsync("policy", "show", "pay", "--number", "2", "--cases")).Code.Should().Be(3);
        (await host.RunAsync("policy", "show", "pay", "--history")).Output.Should().MatchRegex("1 +yes +yes +owner").And.Contain("more");
        (await host.RunAsync("policy", "show", "none")).Should().Match<CliRun>(run => run.Code == 3 && run.Error.Contains("aios policy list"));
        (await host.RunAsync("policy", "diff", "pay")).Output.ReplaceLineEndings("\n").Should().Be("- // one\n+ // two\n  a\n- b\n  c\n+ d\n");
        (await host.RunAsync("policy", "diff", "pay", "--file", Write("new.cedar", "// one\na\nb\nc\n"))).Output.Should().NotContain("+").And.NotContain("- ");
    }
}
