using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Packs.InvoiceToPay.Policy;

namespace OrleansAiOs.Packs.InvoiceToPay.Tests;

public sealed class InvoicesPolicyTests
{
    [Fact]
    public void The_policy_the_pack_ships_does_what_its_cases_say_and_they_show_all_of_it()
    {
        var coverage = new PolicyCoverage();
        var results = PolicyCases.Parse(InvoicesPolicy.Shipped.Cases).Run([(InvoicesPolicy.Shipped.Name, PolicyText.Parse(InvoicesPolicy.Shipped.Text))], coverage);
        results.Where(result => !result.Holds).Select(result => $"[{result.Case}] {result.Difference}").Should().BeEmpty();
        coverage.Percent.Should().Be(100, string.Join("; ", coverage.Told.Where(policy => policy.Seen < policy.Points).Select(policy => $"{policy.Policy}: {string.Join(", ", policy.Conditions.Where(condition => condition.True == 0 || condition.False == 0).Select(condition => condition.Text))}")));
    }

    [Theory]
    [InlineData("true", "allow")]
    [InlineData("false", "deny")]
    public void A_text_from_before_orders_were_drawn_on_refuses_that_only_where_the_built_in_base_is_not_in_force(string withBase, string expected)
    {
        var before = InvoicesPolicy.Shipped.Text.Replace("|| resource == Tool::\"invoice.draw\" || resource == Tool::\"invoice.put-back\"", "", StringComparison.Ordinal);
        before.Should().NotContain("invoice.draw").And.Contain("invoice.book");
        var asked = string.Join(",", new[] { "invoice.draw", "invoice.put-back" }.Select(tool =>
            $$$"""{ "name": "{{{tool}}}", "principal": "Principal::user/ana", "action": "call", "resource": { "uid": "Tool::{{{tool}}}", "attrs": { "kind": "code", "effect": "transactional" } }, "context": { "args": {} }, "expect": "{{{expected}}}" }"""));
        var results = PolicyCases.Parse($$"""{ "base": {{withBase}}, "cases": [{{asked}}] }""").Run([(InvoicesPolicy.Shipped.Name, PolicyText.Parse(before))]);
        results.Should().HaveCount(2).And.OnlyContain(result => result.Holds);
    }
}
