extern alias processes;
using System.Diagnostics;
using System.Globalization;
using OrleansAiOs.Postgres.Embedded;
using processes::OrleansAiOs.EndToEnd;
using processes::OrleansAiOs.Tests.Shared;
using Xunit.Abstractions;

namespace OrleansAiOs.Cluster.Tests.Processes;

/// <summary>Three members under load, and a database of their own that is stopped at once, as by <c>pg_ctl stop -m immediate</c>, and started again; or does not answer for a while.</summary>
public sealed class DatabaseRestartTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Restarts = 2;

    private EmbeddedServer server = null!;

    public async Task InitializeAsync() => server = await EmbeddedPostgres.StartAsync(new EmbeddedPostgresOptions
    {
        DataFolder = TestServer.NewFolderName(),
        Grace = TimeSpan.FromSeconds(20),
        SupervisorCommand = TestServer.SupervisorCommand,
        DeleteWhenStopped = true,
    });

    public async Task DisposeAsync() => await server.DisposeAsync();

    [Fact]
    public async Task Two_restarts_of_the_database_under_three_members_lose_and_double_nothing_and_end_none_of_them()
    {
        await using var cluster = await ClusterUnderLoad.StartAsync(server.ConnectionString, members: 3, atMost: TimeSpan.FromMinutes(10));
        for (var restart = 0; restart < Restarts; restart++)
        {
            await cluster.MoreAsync(commands: 60);
            var before = await StartedAtAsync(cluster);
            var watch = Stopwatch.StartNew();
            using (var kill = Process.Start("kill", ["-QUIT", $"{await PostmasterAsync(cluster)}"])) await kill.WaitForExitAsync();
            await cluster.UntilAsync(async () => await StartedAtAsync(cluster) > before);
            var back = watch.Elapsed;
            await cluster.MoreAsync(commands: 1);
            output.WriteLine($"the database answered {back.TotalSeconds:0.00} s after it was stopped, the cluster after {watch.Elapsed.TotalSeconds:0.00} s");
        }
        var verdict = await cluster.EndAsync();
        output.WriteLine(verdict.ToString());
        verdict.Lost.Should().BeEmpty();
        verdict.Doubled.Should().BeEmpty();
        cluster.Hosts.Should().NotContain(host => host.HasExited, "nobody may take the others for dead because the database is away");
    }

    [Fact]
    public async Task A_database_that_answers_nobody_for_longer_than_a_host_may_be_silent_ends_none_of_three_members()
    {
        await using var cluster = await ClusterUnderLoad.StartAsync(server.ConnectionString, members: 3, atMost: TimeSpan.FromMinutes(10));
        await cluster.MoreAsync(commands: 60);
        var away = TimeSpan.FromSeconds(15);
        string[] all = [$"{await PostmasterAsync(cluster)}", .. await BackendsAsync(cluster)];
        using (var stop = Process.Start("kill", ["-STOP", .. all])) await stop.WaitForExitAsync();
        await Task.Delay(away);
        using (var goOn = Process.Start("kill", ["-CONT", .. all])) await goOn.WaitForExitAsync();
        var watch = Stopwatch.StartNew();
        await cluster.MoreAsync(commands: 1);
        output.WriteLine($"the database was away for {away.TotalSeconds:0} s; the cluster answered {watch.Elapsed.TotalSeconds:0.00} s after it was back");
        var verdict = await cluster.EndAsync();
        output.WriteLine(verdict.ToString());
        verdict.Lost.Should().BeEmpty();
        verdict.Doubled.Should().BeEmpty();
        cluster.Hosts.Should().NotContain(host => host.HasExited, "nobody was heard, so nobody's silence says anything");
        (await cluster.NumberAsync("select count(*) from aios.hosts where dead")).Should().Be(0);
    }

    private static async Task<string[]> BackendsAsync(ClusterUnderLoad cluster)
    {
        await using var command = cluster.Database.CreateCommand("select array_agg(pid::text) from pg_stat_activity");
        return (string[])(await command.ExecuteScalarAsync())!;
    }

    private static Task<double> StartedAtAsync(ClusterUnderLoad cluster) => cluster.NumberAsync("select extract(epoch from pg_postmaster_start_time())");

    private static async Task<int> PostmasterAsync(ClusterUnderLoad cluster)
    {
        await using var command = cluster.Database.CreateCommand("select pg_read_file('postmaster.pid')");
        return int.Parse(((string)(await command.ExecuteScalarAsync())!).Split('\n')[0], CultureInfo.InvariantCulture);
    }
}
