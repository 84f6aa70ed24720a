using OrleansAiOs.Host.Serving;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>What is due when a host starts is judged by what the kernel knows, not by what it has read so far.</summary>
public sealed class RestartTests : IAsyncLifetime
{
    private const int Runs = 40;

    private readonly PostgresFixture database = new();
    private readonly string folder = Directory.CreateTempSubdirectory("aios-restart-").FullName;

    public Task InitializeAsync() => database.InitializeAsync();

    public async Task DisposeAsync()
    {
        await database.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private Task<AiosServer> StartAsync() => AiosServer.StartAsync(new ServeOptions
    {
        DataFolder = folder, ConnectionString = database.ConnectionString, Urls = "http://127.0.0.1:0", Packs = [typeof(RestartTests).Assembly], Quiet = true,
    }, default);

    [Fact]
    public async Task Runs_that_are_due_at_the_start_are_refused_nothing_for_want_of_who_acts()
    {
        await using (var first = await StartAsync())
        {
            for (var i = 0; i < Runs; i++) await first.Engine.StartRunAsync(new StartRun("abuse-later", JsonText.From("x"), $"later-{i}"), "owner");
        }
        await using var database = Npgsql.NpgsqlDataSource.Create(this.database.ConnectionString);
        while (await database.CreateCommand("select coalesce(max(due) < clock_timestamp(), true) from aios.wakeups").ExecuteScalarAsync() is false)
        {
        }

        await using var second = await StartAsync();
        for (var i = 0; i < Runs; i++)
        {
            RunRow row;
            do row = (await second.Engine.Store.FindAsync(new RunKey("default", $"later-{i}"), default))!;
            while (row.ClosedAt is null);
            row.Status.Should().Be(RunStatus.Completed, $"{row.Run}: {(await second.Engine.Store.ReadAsync(row.Run, 1, default))[^1].Read()}");
        }
    }
}
