using Npgsql;
using OrleansAiOs.Postgres.Embedded;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Postgres.Tests.Embedded;

/// <summary>What is refused, in words that name the cure, and with nothing touched.</summary>
public sealed class EmbeddedServerRefusalTests
{
    [Fact]
    public async Task A_second_host_is_refused_and_told_who_the_first_is()
    {
        await using var folder = new ScratchFolder();
        var first = await folder.LaunchHostAsync(ScratchFolder.LongGrace);

        var second = folder.StartAsync;

        (await second.Should().ThrowAsync<EmbeddedPostgresException>())
            .Which.Message.Should().Contain($"process {first.Pid}, started ").And.Contain("stop that one first");
    }

    [Fact]
    public async Task The_database_is_not_stopped_under_a_host_unless_forced()
    {
        await using var folder = new ScratchFolder();
        var host = await folder.LaunchHostAsync(ScratchFolder.LongGrace);

        var stopping = () => EmbeddedPostgres.StopAsync(folder.Options);

        (await stopping.Should().ThrowAsync<EmbeddedPostgresException>()).Which.Message.Should().Contain($"process {host.Pid}");
        Postmaster.Running(folder.Cluster).Should().NotBeNull();
    }

    [Fact]
    public async Task A_forced_stop_holds_although_the_host_lives()
    {
        await using var folder = new ScratchFolder();
        var said = new List<string>();
        await using var server = await EmbeddedPostgres.StartAsync(folder.Options with { Progress = said.Add });

        (await EmbeddedPostgres.StopAsync(folder.Options, force: true)).Should().BeTrue();

        await ScratchFolder.UntilAsync(() => said.Contains("the database was stopped by request"), "word of it at the host");
        await ScratchFolder.UntilAsync(() => folder.Processes().Count == 0, "an end of all processes");
    }

    [Fact]
    public async Task A_folder_of_another_major_version_is_refused_with_both_versions_and_stays_as_it_is()
    {
        await using var folder = new ScratchFolder();
        Directory.CreateDirectory(folder.Cluster);
        File.WriteAllText(Path.Combine(folder.Cluster, "PG_VERSION"), "9999\n");
        var before = Listing(folder.Path);

        var starting = folder.StartAsync;

        var installed = PostgresBinaries.Find().Version.Major;
        (await starting.Should().ThrowAsync<EmbeddedPostgresException>())
            .Which.Message.Should().Contain("PostgreSQL 9999").And.Contain($"PostgreSQL {installed}").And.Contain("aios db backup");
        Listing(folder.Path).Should().Equal(before);
    }

    [Theory]
    [InlineData("thesis.txt")]
    [InlineData("pg/base/1")]
    [InlineData("PG_VERSION")]
    public async Task A_folder_that_is_not_ours_is_refused_and_stays_as_it_is(string file)
    {
        await using var folder = new ScratchFolder();
        var existing = Path.Combine(folder.Path, file);
        Directory.CreateDirectory(Path.GetDirectoryName(existing)!);
        File.WriteAllText(existing, "mine");
        var before = Listing(folder.Path);

        var starting = folder.StartAsync;

        (await starting.Should().ThrowAsync<EmbeddedPostgresException>()).Which.Message.Should().Contain(file.Split('/')[0]).And.Contain("Nothing was touched");
        Listing(folder.Path).Should().Equal(before);
    }

    [Fact]
    public async Task A_path_where_no_folder_can_be_is_refused()
    {
        await using var folder = new ScratchFolder();
        Directory.CreateDirectory(folder.Path);
        var file = Path.Combine(folder.Path, "file");
        File.WriteAllText(file, "");

        var starting = () => EmbeddedPostgres.StartAsync(folder.Options with { DataFolder = Path.Combine(file, "data") });

        (await starting.Should().ThrowAsync<EmbeddedPostgresException>()).Which.Message.Should().Contain("cannot be written");
    }

    [Fact]
    public async Task What_an_interrupted_initdb_left_is_replaced()
    {
        await using var folder = new ScratchFolder();
        Directory.CreateDirectory(Path.Combine(folder.Path, "init-dead", "pg", "base"));
        File.WriteAllText(Path.Combine(folder.Path, "password"), "of the one that was never finished");

        await using var server = await folder.StartAsync();

        Directory.EnumerateDirectories(folder.Path, "init-*").Should().BeEmpty();
    }

    [Fact]
    public async Task A_full_disk_is_named_and_leaves_no_half_made_database()
    {
        await using var folder = new ScratchFolder();
        if (!SmallDisk.TryMount(folder.Path, megabytes: 8))
        {
            return; // Only root on Linux can make a small disk.
        }

        try
        {
            var starting = folder.StartAsync;

            (await starting.Should().ThrowAsync<EmbeddedPostgresException>()).Which.Message.Should().Contain("nearly full");
            Directory.Exists(folder.Cluster).Should().BeFalse();
            Directory.EnumerateDirectories(folder.Path, "init-*").Should().BeEmpty();
        }
        finally
        {
            SmallDisk.Unmount(folder.Path);
        }
    }

    [Fact]
    public async Task A_disk_that_fills_up_under_a_stopped_database_is_named_and_harms_nothing()
    {
        await using var folder = new ScratchFolder();
        if (!SmallDisk.TryMount(folder.Path, megabytes: 150))
        {
            return; // Only root on Linux can make a small disk.
        }

        try
        {
            await using (var server = await folder.StartAsync())
            {
                await server.StopAsync();
            }

            var filler = Path.Combine(folder.Path, "log", "filler");
            SmallDisk.Fill(filler);
            var starting = folder.StartAsync;
            (await starting.Should().ThrowAsync<EmbeddedPostgresException>()).Which.Message.Should().Contain("nearly full");

            File.Delete(filler);
            await using var back = await folder.StartAsync();
            await back.StopAsync();
        }
        finally
        {
            await ScratchFolder.UntilAsync(() => folder.Processes().Count == 0, "an end of all processes");
            SmallDisk.Unmount(folder.Path);
        }
    }

    [Fact]
    public void Missing_programs_are_named_with_the_places_and_the_command_that_installs_them()
    {
        var finding = () => PostgresBinaries.Find(major: 9999);

        finding.Should().Throw<EmbeddedPostgresException>()
            .Which.Message.Should().Contain("PostgreSQL 9999").And.Contain("PATH").And.Contain("initdb").And.Contain(PostgresBinaries.InstallCommand(9999));
    }

    [Theory]
    [InlineData("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", "15.14")]
    [InlineData("postgres (PostgreSQL) 19beta2", "19.0")]
    [InlineData("postgres (PostgreSQL) 18.1\n", "18.1")]
    public void A_version_is_read_from_what_the_server_says(string said, string version) =>
        PostgresBinaries.ParseVersion(said).Should().Be(Version.Parse(version));

    private static string[] Listing(string folder) =>
        [.. Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
}

/// <summary>Settings under which a commit is no promise.</summary>
public sealed class PostgresSettingsTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task A_sound_server_passes() => await PostgresSettings.CheckAsync(postgres.DataSource);

    [Theory]
    [InlineData("off")]
    [InlineData("local")]
    [InlineData("remote_write")]
    public async Task A_commit_that_does_not_wait_is_refused(string value)
    {
        await using var source = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Options = $"-c synchronous_commit={value}" }.ConnectionString);

        var checking = () => PostgresSettings.CheckAsync(source);

        (await checking.Should().ThrowAsync<EmbeddedPostgresException>())
            .Which.Message.Should().Contain($"synchronous_commit = {value}").And.Contain("alter system set synchronous_commit = 'on'");
    }

    [Theory]
    [InlineData("fsync")]
    [InlineData("full_page_writes")]
    public async Task A_server_that_does_not_protect_its_files_is_refused(string setting)
    {
        await using var folder = new ScratchFolder();
        await using (var server = await folder.StartAsync())
        {
            await using var source = NpgsqlDataSource.Create(server.ConnectionString);
            await using var weaken = source.CreateCommand($"alter system set {setting} = off");
            await weaken.ExecuteNonQueryAsync();
            await server.StopAsync();
        }

        var starting = folder.StartAsync;

        (await starting.Should().ThrowAsync<EmbeddedPostgresException>())
            .Which.Message.Should().Contain($"{setting} = off").And.Contain($"alter system set {setting} = 'on'");
    }

    [Fact]
    public async Task A_database_that_cannot_store_every_text_is_refused()
    {
        var name = postgres.DatabaseName + "_latin";
        await using (var create = postgres.DataSource.CreateCommand($"create database {name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0"))
        {
            await create.ExecuteNonQueryAsync();
        }

        await using var source = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Database = name, Pooling = false }.ConnectionString);

        var checking = () => PostgresSettings.CheckAsync(source);

        (await checking.Should().ThrowAsync<EmbeddedPostgresException>()).Which.Message.Should().Contain("server_encoding = LATIN1");
        await using var drop = postgres.DataSource.CreateCommand($"drop database {name} with (force)");
        await drop.ExecuteNonQueryAsync();
    }
}
