using Npgsql;
using OrleansAiOs.Postgres.Embedded;

namespace OrleansAiOs.Postgres.Tests.Embedded;

/// <summary>Who dies, and what becomes of the server.</summary>
public sealed class EmbeddedServerLifeTests
{
    private static readonly TimeSpan ShortGrace = TimeSpan.FromMilliseconds(300);

    [Fact]
    public async Task A_fresh_folder_becomes_a_database_with_durable_commits()
    {
        await using var folder = new ScratchFolder();
        await using var server = await folder.StartAsync();

        server.Adopted.Should().BeFalse();
        server.Version.Major.Should().BeGreaterThanOrEqualTo(PostgresBinaries.OldestMajor);
        (await ScalarAsync(server.ConnectionString, "select current_database() || ' ' || current_setting('server_encoding')")).Should().Be("aios UTF8");
        (await ScalarAsync(server.ConnectionString, "select current_setting('data_checksums') || current_setting('listen_addresses')")).Should().Be("on127.0.0.1");
        foreach (var secret in new[] { "password", "port" })
        {
            ModeOf(Path.Combine(server.DataFolder, secret)).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    [Fact]
    public async Task A_wrong_password_does_not_open_the_database()
    {
        await using var folder = new ScratchFolder();
        await using var server = await folder.StartAsync();
        var wrong = new NpgsqlConnectionStringBuilder(server.ConnectionString) { Password = "wrong", Pooling = false }.ConnectionString;

        var connecting = () => ScalarAsync(wrong, "select ''");

        (await connecting.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(PostgresErrorCodes.InvalidPassword);
    }

    [Fact]
    public async Task When_the_host_is_killed_the_next_one_adopts_the_running_server()
    {
        await using var folder = new ScratchFolder();
        var first = await folder.LaunchHostAsync(ScratchFolder.LongGrace);
        var postmaster = Postmaster.Running(folder.Cluster)!.Pid;

        await first.KillAsync();
        await using var server = await folder.StartAsync();

        server.Adopted.Should().BeTrue();
        server.PostmasterPid.Should().Be(postmaster);
        server.ConnectionString.Should().Be(first.ConnectionString);
    }

    [Fact]
    public async Task When_nobody_adopts_it_the_server_stops_and_nothing_is_left_running()
    {
        await using var folder = new ScratchFolder();
        var host = await folder.LaunchHostAsync(ShortGrace);

        await host.KillAsync();

        await ScratchFolder.UntilAsync(() => folder.Processes().Count == 0, "an end of all processes");
        File.Exists(Path.Combine(folder.Path, "supervisor.sock")).Should().BeFalse();
        File.Exists(Postmaster.FileIn(folder.Cluster)).Should().BeFalse("it was stopped in an orderly way");
    }

    [Fact]
    public async Task The_port_stays_the_same_over_restarts_and_changes_only_when_it_is_taken()
    {
        await using var folder = new ScratchFolder();
        int port;
        await using (var first = await folder.StartAsync())
        {
            port = PortOf(first.ConnectionString);
            await first.StopAsync();
        }

        await using (var second = await folder.StartAsync())
        {
            PortOf(second.ConnectionString).Should().Be(port);
            await second.StopAsync();
        }

        using var squatter = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, port);
        squatter.Start();
        await using var third = await folder.StartAsync();
        PortOf(third.ConnectionString).Should().NotBe(port);
    }

    [Fact]
    public async Task When_the_supervisor_is_killed_the_living_host_gets_another_that_takes_the_server_over()
    {
        await using var folder = new ScratchFolder();
        await using var server = await folder.StartAsync();
        var (supervisor, postmaster) = (server.SupervisorPid, server.PostmasterPid);

        ScratchFolder.Kill(supervisor);

        await ScratchFolder.UntilAsync(() => server.SupervisorPid != supervisor, "a new supervisor");
        server.PostmasterPid.Should().Be(postmaster);
        await server.StopAsync();
        await ScratchFolder.UntilAsync(() => folder.Processes().Count == 0, "an end of all processes: the new supervisor can stop what it took over");
    }

    [Fact]
    public async Task When_supervisor_and_host_are_killed_the_next_host_adopts_the_server()
    {
        await using var folder = new ScratchFolder();
        var first = await folder.LaunchHostAsync(ScratchFolder.LongGrace);
        var postmaster = Postmaster.Running(folder.Cluster)!.Pid;
        var supervisor = folder.SupervisorPid();

        await first.KillAsync();
        ScratchFolder.Kill(supervisor);
        await using var server = await folder.StartAsync();

        server.Adopted.Should().BeTrue();
        server.PostmasterPid.Should().Be(postmaster);
        server.SupervisorPid.Should().NotBe(supervisor);
    }

    [Fact]
    public async Task When_PostgreSQL_is_killed_it_comes_back_with_what_was_committed()
    {
        await using var folder = new ScratchFolder();
        await using var server = await folder.StartAsync();
        await ScalarAsync(server.ConnectionString, "create table kept as select 'kept' as word; select word from kept");
        var postmaster = server.PostmasterPid!.Value;

        ScratchFolder.Kill(postmaster);

        await ScratchFolder.UntilAsync(() => Postmaster.Running(folder.Cluster) is { IsReady: true } next && next.Pid != postmaster, "a new server");
        (await ScalarAsync(server.ConnectionString, "select word from kept")).Should().Be("kept");
        folder.SupervisorLog.Should().Contain("the server died");
    }

    [Fact]
    public async Task A_pid_file_whose_number_now_belongs_to_another_process_is_no_obstacle()
    {
        await using var folder = new ScratchFolder();
        await using (var first = await folder.StartAsync())
        {
            await first.StopAsync();
        }

        // A second server's postmaster runs under the same account: exactly the case in which PostgreSQL itself would refuse.
        await using var other = new ScratchFolder();
        await using var stranger = await other.StartAsync();
        var lines = File.ReadAllLines(Postmaster.FileIn(other.Cluster));
        lines[1] = folder.Cluster;
        File.WriteAllLines(Postmaster.FileIn(folder.Cluster), lines);

        await using var server = await folder.StartAsync();

        server.Adopted.Should().BeFalse();
        server.PostmasterPid.Should().NotBe(stranger.PostmasterPid);
    }

    [Fact]
    public async Task Fifty_kills_and_starts_leave_no_orphan()
    {
        await using var folder = new ScratchFolder();
        for (var cycle = 0; cycle < 50; cycle++)
        {
            var host = await folder.LaunchHostAsync(cycle % 10 == 9 ? ShortGrace : ScratchFolder.LongGrace);
            (await ScalarAsync(host.ConnectionString, "select 'alive'")).Should().Be("alive");
            await host.KillAsync();
            switch (cycle % 5)
            {
                case 1:
                    ScratchFolder.Kill(folder.SupervisorPid());
                    break;
                case 3:
                    ScratchFolder.Kill(Postmaster.Running(folder.Cluster)!.Pid);
                    break;
            }
        }

        folder.Processes().Count(process => process.Contains("db supervise", StringComparison.Ordinal)).Should().BeLessThanOrEqualTo(1);
        await EmbeddedPostgres.StopAsync(folder.Options);
        await ScratchFolder.UntilAsync(() => folder.Processes().Count == 0, "an end of all processes");
    }

    private static UnixFileMode ModeOf(string file) =>
        OperatingSystem.IsWindows() ? UnixFileMode.UserRead | UnixFileMode.UserWrite : File.GetUnixFileMode(file);

    private static int PortOf(string connectionString) => new NpgsqlConnectionStringBuilder(connectionString).Port;

    private static async Task<string?> ScalarAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (string?)await command.ExecuteScalarAsync();
    }
}
