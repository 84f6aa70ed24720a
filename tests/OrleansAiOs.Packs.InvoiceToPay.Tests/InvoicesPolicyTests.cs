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
}
