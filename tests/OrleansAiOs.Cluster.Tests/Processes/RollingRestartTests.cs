extern alias processes;
using OrleansAiOs.Workflows.Tests.Engine;
using processes::OrleansAiOs.EndToEnd;
using Xunit.Abstractions;

namespace OrleansAiOs.Cluster.Tests.Processes;

/// <summary>Three members under load are replaced, one after the other, by members of a build with another version of the pipeline.</summary>
public sealed class RollingRestartTests(OnPostgres postgres, ITestOutputHelper output) : IClassFixture<OnPostgres>
{
    // Beside this assembly's own output, as tests/EndToEnd.NextBuild is built for it.
    private static readonly string NextBuild = Path.Combine(AppContext.BaseDirectory, "..", "..", "EndToEnd.NextBuild", Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)));

    [Fact]
    public async Task A_rolling_restart_to_the_next_build_under_load_loses_and_doubles_nothing_and_what_old_members_had_to_park_goes_on_with_the_last_of_the_new()
    {
        await using var cluster = await ClusterUnderLoad.StartAsync(postgres.ConnectionString, members: 3, atMost: TimeSpan.FromMinutes(10));
        await cluster.MoreAsync(commands: 40);
        var handedOver = new List<TakeOver>();
        for (var i = 0; i < cluster.Hosts.Count; i++)
        {
            handedOver.Add(await cluster.LoseAsync(i, async host => (await host.StopAsync()).Should().Be(0)));
            await cluster.ReplaceAsync(i, setup => setup with { Arguments = ["--pack", NextBuild] });
            await cluster.MoreAsync(commands: 40);
        }
        var recovery = TakeOver.Of(handedOver);
        var verdict = await cluster.EndAsync();
        // New runs begin on version 2 wherever it is, and one that came to a member without it was parked there.
        var parked = await cluster.NumberAsync("select count(*) from aios.mt_events where type = 'run-parked'");
        output.WriteLine($"{recovery}; {parked} runs were parked by members without version 2\n{verdict}");
        verdict.Lost.Should().BeEmpty();
        verdict.Doubled.Should().BeEmpty();
        (await cluster.NumberAsync("select count(distinct coalesce(code_version, '')) from aios.runs")).Should().Be(2, "else runs of one version only were under way");
        recovery.Commands.Should().NotBeEmpty("else no run was on any of them");
        // Not each of them: one may be held up by a machine that has three members to start.
        TakeOver.Share(recovery.Commands, .5).Should().BeLessThan(TimeSpan.FromSeconds(8).TotalMilliseconds, "nobody had to be found dead first");
    }
}
