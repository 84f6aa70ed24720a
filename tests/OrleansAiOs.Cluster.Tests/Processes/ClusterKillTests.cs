extern alias processes;
using OrleansAiOs.Workflows.Tests.Engine;
using processes::OrleansAiOs.EndToEnd;
using Xunit.Abstractions;

namespace OrleansAiOs.Cluster.Tests.Processes;

public sealed class ClusterKillTests(OnPostgres postgres, ITestOutputHelper output) : IClassFixture<OnPostgres>
{
    // Ten seconds until the dead are known to be dead, and what a busy machine takes on top.
    private static readonly TimeSpan TakenOverWithin = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Six_kills_among_three_hosts_over_a_hundred_invoices_lose_and_double_nothing()
    {
        var report = await ChaosRun.RunAsync(new ChaosPlan(Runs: 100, Kills: 6, Seed: 11, EndWithin: TimeSpan.FromMinutes(4), Hosts: 3), postgres.ConnectionString);
        output.WriteLine(report.ToString());

        report.Lost.Should().BeEmpty();
        report.Doubled.Should().BeEmpty();
        report.Runs.Should().Be(100);
        report.BankPayments.Should().Be(80);
        report.FaultsDealt.Should().BeGreaterThan(50, "else the receivers were not hostile");
        report.KillToTakeOverMs.Should().NotBeEmpty("else nothing was under way on any host that was killed");
        report.KillToTakeOverMs[^1].Should().BeLessThan(TakenOverWithin.TotalMilliseconds);
    }
}
