extern alias processes;
using OrleansAiOs.Workflows.Tests.Engine;
using processes::OrleansAiOs.EndToEnd;
using Xunit.Abstractions;

namespace OrleansAiOs.Cluster.Tests.Processes;

/// <summary>Three members on three machines (network namespaces), of which one is cut off from the others and from nothing else.</summary>
public sealed class PartitionTests(OnPostgres postgres, ITestOutputHelper output) : IClassFixture<OnPostgres>
{
    [FactWithMachines]
    public async Task A_member_cut_off_from_the_others_with_database_and_receivers_in_reach_loses_and_doubles_nothing_and_leaves()
    {
        await using var machines = await Machines.MakeAsync(3);
        await using var cluster = await ClusterUnderLoad.StartAsync(postgres.ConnectionString, members: 3, atMost: TimeSpan.FromMinutes(10), machines);
        await cluster.MoreAsync(commands: 60);
        var recovery = await cluster.CutAsync(2);
        await cluster.MoreAsync(commands: 20);
        var verdict = await cluster.EndAsync();
        output.WriteLine($"{recovery}\n{verdict}");
        recovery.Commands.Should().NotBeEmpty("else no run was on it");
        verdict.Lost.Should().BeEmpty();
        verdict.Doubled.Should().BeEmpty();
        // The one that was begun anew has joined, and that is all that is asked of it: on a machine without time for it, it may be taken for dead while it starts, as any process.
        cluster.Hosts.Take(2).Should().NotContain(host => host.HasExited);
    }
}

[AttributeUsage(AttributeTargets.Method)]
internal sealed class FactWithMachinesAttribute : FactAttribute
{
    public FactWithMachinesAttribute() => Skip = Machines.WhyNot;
}
