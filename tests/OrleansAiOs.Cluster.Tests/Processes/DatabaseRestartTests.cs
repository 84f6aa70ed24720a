extern alias processes;
using System.Diagnostics;
using System.Globalization;
using OrleansAiOs.Postgres.Embedded;
using processes::OrleansAiOs.EndToEnd;
using processes::OrleansAiOs.Tests.Shared;
using Xunit.Abstractions;

namespace OrleansAiOs.Cluster.Tests.Processes;

/// <summary>Three members under load, and a database of their own that is stopped at once, as by <c>pg_ctl stop -m immediate</c>, and started again.</summary>
public sealed class DatabaseRestartTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Restarts = 2;

    private EmbeddedServer server = null!;

    public async Task InitializeAsync() => server = await EmbeddedPostgres.StartAsync(new EmbeddedPostgresOptions
    {
        DataFolder = TestServer.NewFolderName(),
        Grace = TimeSpan.FromSeconds(1),
        SupervisorCommand = TestServer.SupervisorCommand,
        DeleteWhenStopped = true,
    });

    public async Task DisposeAsync() => await server.DisposeAsync();

    [Fact]
    public async Task Two_restarts_of_the_database_under_three_members_lose_and_double_nothing_and_end_none_of_them()
    {
        await using var cluster = await ClusterUnderLoad.StartAsync(server.ConnectionString, members: 3, atMost: TimeSpan.FromMinutes(5));
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

    private static Task<double> StartedAtAsync(ClusterUnderLoad cluster) => cluster.NumberAsync("select extract(epoch from pg_postmaster_start_time())");

    private static async Task<int> PostmasterAsync(ClusterUnderLoad cluster)
    {
        await using var command = cluster.Database.CreateCommand("select pg_read_file('postmaster.pid')");
        return int.Parse(((string)(await command.ExecuteScalarAsync())!).Split('\n')[0], CultureInfo.InvariantCulture);
    }
}
