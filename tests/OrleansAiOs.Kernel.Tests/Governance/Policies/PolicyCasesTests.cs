using OrleansAiOs.Kernel.Governance.Policies;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

public sealed class PolicyCasesTests
{
    private const string Payments = """
        @id("small")
        permit (principal in Role::"clerk", action == Action::"call", resource == Tool::"bank.pay")
        when { context.amount.lessThan(decimal("500.00")) && (context.args.country == "DE" || context.args.country == "FR") };

        @id("large")
        @approval("controller, quorum=2")
        permit (principal in Role::"clerk", action == Action::"call", resource == Tool::"bank.pay")
        unless { context.amount.lessThan(decimal("500.00")) };

        @id("embargo")
        forbid (principal, action, resource)
        when { context has args && context.args has country && context.args.country == "XX" };
        """;

    private const string Cases = """
        {
          // Comments may stand here.
          "entities": [
            { "uid": "Principal::user/ana", "attrs": { "limit": 12.5, "boss": { "__entity": { "type": "Principal", "id": "user/ben" } } }, "parents": ["Group::staff"] },
            { "uid": "Group::staff", "parents": ["Role::clerk"] },
          ],
          "cases": [
            { "name": "small", "principal": "Principal::user/ana", "action": "call", "resource": "Tool::bank.pay", "context": { "amount": 400, "args": { "country": "DE" } }, "expect": "allow", "by": ["small"] },
            { "name": "large", "principal": "Principal::\"user/ana\"", "action": "Action::call", "resource": { "type": "Tool", "id": "bank.pay" }, "context": { "amount": 500.00, "args": { "country": "DE" } },
              "expect": "hold", "by": ["large"], "approvals": ["controller, quorum=2"] },
            { "name": "embargo", "principal": "Principal::user/ana", "action": "call", "resource": "Tool::bank.pay", "context": { "amount": 1, "args": { "country": "XX" } }, "expect": "deny", "by": ["embargo"] },
            { "name": "stranger", "principal": { "uid": "Principal::mallory" }, "action": "call", "resource": "Tool::bank.pay", "expect": "deny", "by": [] },
            { "name": "no country", "principal": "Principal::user/ana", "action": "call", "resource": "Tool::bank.pay", "context": { "amount": 1, "args": {} }, "expect": "deny", "fault": "small" },
            { "name": "chain", "chain": ["Principal::user/ana", { "uid": "Principal::agent/x" }], "action": "call", "resource": "Tool::bank.pay", "context": { "amount": 1, "args": { "country": "DE" } }, "expect": "deny" },
          ],
        }
        """;

    private static IReadOnlyList<PolicyCaseResult> Run(string cases, PolicyCoverage? coverage = null) => PolicyCases.Parse(cases).Run([("payments", PolicyText.Parse(Payments))], coverage);

    [Fact]
    public void A_chain_of_entities_that_is_short_to_write_and_large_to_hold_is_refused()
    {
        var chain = string.Join(',', Enumerable.Range(0, 1000).Select(i => $$"""{"uid":"G::{{i}}","parents":["G::{{i + 1}}"]}"""));
        var read = () => PolicyCases.Parse($$"""{"entities":[{{chain}}],"cases":[]}""");
        read.Should().Throw<Exception>().WithMessage("*entities*100000 times*");
    }

    [Fact]
    public void Cases_that_hold_hold() => Run(Cases).Should().OnlyContain(result => result.Holds).And.HaveCount(6);

    [Theory]
    [InlineData("\"expect\": \"allow\", \"by\": [\"small\"]", "\"expect\": \"deny\"", "small", "Expected deny, and it was allow*payments/small*")]
    [InlineData("\"by\": [\"small\"]", "\"by\": [\"large\"]", "small", "Expected it by [large], and it was by [payments/small].")]
    [InlineData("controller, quorum=2\"]", "controller\"]", "large", "Expected signatures [controller]*")]
    [InlineData(", \"fault\": \"small\"", "", "no country", "Expected no fault, and there is one: payments/small, line 3*country*")]
    [InlineData("\"fault\": \"small\"", "\"fault\": \"large\"", "no country", "Expected a fault in large*")]
    [InlineData("\"expect\": \"deny\", \"by\": [\"embargo\"]", "\"expect\": \"deny\", \"fault\": \"small\"", "embargo", "Expected a fault in small, and there is none*")]
    public void Cases_that_do_not_hold_say_what_came_instead(string was, string now, string name, string difference)
    {
        Cases.Should().Contain(was);
        Run(Cases.Replace(was, now, StringComparison.Ordinal)).Should().ContainSingle(result => !result.Holds).Which.Should().Match<PolicyCaseResult>(result => result.Case == name).And.Subject.As<PolicyCaseResult>().Difference.Should().Match(difference);
    }

    [Theory]
    [InlineData("1e-2147483648")]
    [InlineData("1e2147483647")]
    [InlineData("1e-41")]
    public void An_amount_that_no_decimal_holds_is_a_fault_and_denies(string amount) =>
        Run(Cases.Replace("\"amount\": 400", $"\"amount\": {amount}", StringComparison.Ordinal)).Should().ContainSingle(result => !result.Holds).Which.Difference.Should().Match("Expected allow, and it was deny*");

    [Theory]
    [InlineData("[]", "the file: write an object*")]
    [InlineData("{", "*not JSON*")]
    [InlineData("{\"cases\":[]}", "cases: there are 0*")]
    [InlineData("{\"cases\":[{\"name\":\"a\",\"name\":\"b\"}]}", "*")]
    [InlineData("{\"case\":[]}", "the file: there is no \"case\" here; there are base, entities, cases.")]
    [InlineData("{\"cases\":[{\"name\":\"a\",\"principal\":\"x\",\"action\":\"call\",\"resource\":\"T::t\",\"expect\":\"deny\"}]}", "cases[0].principal: 'x' names no entity*")]
    [InlineData("{\"cases\":[{\"name\":\"a\",\"principal\":\"P::x\",\"action\":\"call\",\"resource\":\"T::t\",\"expects\":\"deny\"}]}", "cases[0]: there is no \"expects\"*")]
    [InlineData("{\"cases\":[{\"name\":\"a\",\"principal\":\"P::x\",\"action\":\"call\",\"resource\":\"T::t\",\"expect\":\"refuse\"}]}", "cases[0].expect: write one of allow, hold, suggest, deny.")]
    [InlineData("{\"cases\":[{\"name\":\"a\",\"action\":\"call\",\"resource\":\"T::t\",\"expect\":\"deny\"}]}", "cases[0]: say who acts*")]
    [InlineData("{\"cases\":[{\"name\":\"a\",\"principal\":\"P::x\",\"action\":\"call\",\"resource\":\"T::t\",\"expect\":\"allow\",\"fault\":\"p\"}]}", "cases[0].fault: *")]
    [InlineData("{\"cases\":[{\"name\":\"a\",\"principal\":\"P::x\",\"action\":\"call\",\"resource\":\"T::t\",\"expect\":\"hold\",\"approvals\":[\"a\",\"a b\"]}]}", "cases[0].approvals[1]: 'a b' is no role*")]
    [InlineData("{\"cases\":[{\"name\":\"a\",\"principal\":\"P::x\",\"action\":\"call\",\"resource\":\"T::t\",\"expect\":\"deny\",\"context\":{\"amounts\":{}}}]}", "cases[0].context: \"amounts\" is made*")]
    [InlineData("{\"cases\":[{\"name\":\"\\ud800\",\"principal\":\"P::x\",\"action\":\"call\",\"resource\":\"T::t\",\"expect\":\"deny\"}]}", "*not JSON*")]
    public void A_file_that_is_no_file_of_cases_is_refused_with_the_place_and_the_cure(string json, string message)
    {
        var parse = () => PolicyCases.Parse(json);
        parse.Should().Throw<PolicyCasesException>().WithMessage(message);
    }

    [Fact]
    public void Coverage_tells_what_no_case_has_shown()
    {
        var coverage = new PolicyCoverage();
        Run(Cases, coverage).Should().OnlyContain(result => result.Holds);
        var small = coverage.Told[0];
        small.Should().Match<PolicyCoverageOf>(policy => policy.Policy == "payments/small" && policy.Matched == 2 && policy.Unmatched == 4 && policy.Points == 8);
        small.Conditions.Select(condition => (condition.Line, condition.Text, condition.True, condition.False)).Should().Equal(
            (3, "context.amount.lessThan(decimal(\"500.00\"))", 4, 1), (3, "context.args.country == \"DE\"", 2, 1), (3, "context.args.country == \"FR\"", 0, 1));
        coverage.Told.Select(policy => (policy.Policy, policy.Seen, policy.Points)).Should().Equal(("payments/small", 7, 8), ("payments/large", 4, 4), ("payments/embargo", 8, 8));
        coverage.Percent.Should().Be(95);
    }

    [Fact]
    public void The_built_in_base_joins_when_the_file_asks_for_it()
    {
        const string Both = """{ "base": true, "cases": [{ "name": "code", "principal": "P::x", "action": "call", "resource": { "uid": "Tool::t", "attrs": { "kind": "code", "effect": "keyed" } }, "expect": "allow", "by": ["base/deployed-code"] }] }""";
        var forbid = PolicyText.Parse("@id(\"never\") forbid (principal, action == Action::\"call\", resource == Tool::\"other\");");
        PolicyCases.Parse(Both).Run([("none", forbid)]).Should().OnlyContain(result => result.Holds);
        PolicyCases.Parse(Both.Replace("\"base\": true, ", "", StringComparison.Ordinal)).Run([("none", forbid)]).Should().OnlyContain(result => !result.Holds);
    }

    [Theory]
    [InlineData("call", "code", "atMostOnce", PolicyDecision.Allow)]
    [InlineData("call", "http", "pure", PolicyDecision.Allow)]
    [InlineData("call", "http", "idempotent", PolicyDecision.Deny)]
    [InlineData("call", "mcp", "keyed", PolicyDecision.Deny)]
    [InlineData("call", "mcp", "atMostOnce", PolicyDecision.Deny)]
    [InlineData("start", "workflow", "", PolicyDecision.Allow)]
    public void The_built_in_base_permits_deployed_code_and_of_other_tools_what_changes_nothing(string action, string kind, string effect, PolicyDecision decision)
    {
        var request = new Asked { Action = action }.Request() with { Resource = new PolicyEntity(new EntityUid("Tool", "t"), PolicyRecord.Of(("kind", PolicyValue.From(kind)), ("effect", PolicyValue.From(effect)))) };
        var verdict = new PolicyView().ActiveFor("anybody").Evaluate(request);
        verdict.Decision.Should().Be(decision, verdict.Reason);
        verdict.Version.Number.Should().Be(0);
        verdict.Fault.Should().BeNull();
    }
}
