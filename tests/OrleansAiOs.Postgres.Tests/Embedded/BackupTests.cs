using Npgsql;
using OrleansAiOs.Postgres.Embedded;

namespace OrleansAiOs.Postgres.Tests.Embedded;

/// <summary>A backup is a whole file; a restore takes effect wholly or not at all, and never over somebody's work by accident.</summary>
public sealed class BackupTests : IAsyncLifetime
{
    private readonly ScratchFolder source = new();
    private readonly ScratchFolder target = new();

    private string BackupFile => source.Path + ".dump";

    [Fact]
    public async Task A_backup_made_under_a_running_host_comes_back_in_a_fresh_folder()
    {
        await using (var server = await source.StartAsync())
        {
            await ExecuteAsync(server, "create table runs (id text primary key); insert into runs values ('run-1')");
            await EmbeddedPostgres.BackupAsync(source.Options, BackupFile);
        }

        await EmbeddedPostgres.RestoreAsync(target.Options, BackupFile);

        await using var restored = await target.StartAsync();
        (await RunsAsync(restored)).Should().Equal("run-1");
        Directory.EnumerateFiles(Path.GetDirectoryName(BackupFile)!, Path.GetFileName(BackupFile) + ".unfinished*").Should().BeEmpty("a backup appears whole, under its name only");
    }

    [Fact]
    public async Task A_database_with_runs_is_replaced_only_when_forced_and_a_bad_backup_changes_nothing()
    {
        await using (var server = await source.StartAsync())
        {
            await ExecuteAsync(server, "create table runs (id text primary key); insert into runs values ('old')");
            await EmbeddedPostgres.BackupAsync(source.Options, BackupFile);
            await ExecuteAsync(server, "insert into runs values ('new')");
        }

        var unforced = () => EmbeddedPostgres.RestoreAsync(source.Options, BackupFile);
        (await unforced.Should().ThrowAsync<EmbeddedPostgresException>()).Which.Message.Should().Contain("public.runs is not empty");

        var half = BackupFile + ".half";
        await File.WriteAllBytesAsync(half, (await File.ReadAllBytesAsync(BackupFile))[..^200]);
        var broken = () => EmbeddedPostgres.RestoreAsync(source.Options, half, force: true);
        await broken.Should().ThrowAsync<EmbeddedPostgresException>();
        File.Delete(half);
        await using (var untouched = await source.StartAsync())
        {
            (await RunsAsync(untouched)).Should().Equal("new", "old");
        }

        await EmbeddedPostgres.RestoreAsync(source.Options, BackupFile, force: true);

        await using var restored = await source.StartAsync();
        (await RunsAsync(restored)).Should().Equal("old");
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await source.DisposeAsync();
        await target.DisposeAsync();
        File.Delete(BackupFile);
    }

    private static async Task ExecuteAsync(EmbeddedServer server, string sql)
    {
        await using var connections = NpgsqlDataSource.Create(server.ConnectionString);
        await using var command = connections.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<List<string>> RunsAsync(EmbeddedServer server)
    {
        await using var connections = NpgsqlDataSource.Create(server.ConnectionString);
        await using var command = connections.CreateCommand("select id from runs order by id");
        await using var rows = await command.ExecuteReaderAsync();
        var found = new List<string>();
        while (await rows.ReadAsync())
        {
            found.Add(rows.GetString(0));
        }

        return found;
    }
}
