using OrleansAiOs.Host.Serving;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Host.Tests.Abuse;

public sealed class StopTests : IAsyncLifetime
{
    private readonly PostgresFixture database = new();
    private readonly string folder = Directory.CreateTempSubdirectory("aios-stop-").FullName;

    public Task InitializeAsync() => database.InitializeAsync();

    public async Task DisposeAsync()
    {
        await database.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>While no host is up, nobody vouches for what none has signed for.</summary>
    [Fact]
    public async Task A_host_that_stops_has_signed_for_all_that_it_appended()
    {
        await using (var host = await AiosServer.StartAsync(new ServeOptions
        {
            DataFolder = folder, ConnectionString = database.ConnectionString, Urls = "http://127.0.0.1:0", Packs = [typeof(StopTests).Assembly], Quiet = true,
        }, default))
        {
            await host.Engine.StartRunAsync(new StartRun("abuse-echo", JsonText.From(1), "last"), "owner");
            await host.Engine.WaitAsync(new RunKey(RunKey.DefaultTenant, "last"), default);
        }
        await using var source = Npgsql.NpgsqlDataSource.Create(database.ConnectionString);
        (await source.CreateCommand("select count(*) from aios.audit_batches").ExecuteScalarAsync()).Should().Be(0L);
        (await source.CreateCommand("select events = (select count(*) from aios.mt_events) from aios.audit_log").ExecuteScalarAsync()).Should().Be(true);
        File.ReadAllLines(new HostFolder(folder).Checkpoints).Should().NotBeEmpty();
    }
}
