using OrleansAiOs.Tests.Shared;
using Xunit.Abstractions;

namespace OrleansAiOs.EndToEnd;

public sealed class HostKillTests(PostgresFixture postgres, ITestOutputHelper output) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task Ten_kills_of_the_host_over_a_hundred_invoices_lose_and_double_nothing()
    {
        var report = await ChaosRun.RunAsync(new ChaosPlan(Runs: 100, Kills: 10, Seed: 5, EndWithin: TimeSpan.FromMinutes(10)), postgres.ConnectionString);
        output.WriteLine(report.ToString());

        report.Lost.Should().BeEmpty();
        report.Doubled.Should().BeEmpty();
        report.Runs.Should().Be(100);
        report.KillToNextStepMs.Should().HaveCount(10, "the pipeline went on after each kill");
        report.BankPayments.Should().Be(80);
        report.FaultsDealt.Should().BeGreaterThan(50, "else the receivers were not hostile");
        report.BankReached.Should().BeGreaterThan(report.BankPayments, "else no payment order was ever sent under a new reference, or refused");
        report.BankInquiries.Should().BeGreaterThan(0, "else no outcome was ever unknown");
    }
}
