using Npgsql;
using OrleansAiOs.Postgres.Schema;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Kernel.Tests.Streams;

/// <summary>A fresh database with the schema in it (<c>IClassFixture&lt;KernelDatabase&gt;</c>).</summary>
public sealed class KernelDatabase : IAsyncLifetime
{
    private readonly PostgresFixture postgres = new();

    public NpgsqlDataSource Source => postgres.DataSource;

    public string ConnectionString => postgres.ConnectionString;

    public async Task InitializeAsync()
    {
        await postgres.InitializeAsync();
        await SchemaMigration.ApplyAsync(ConnectionString, CancellationToken.None);
    }

    public Task DisposeAsync() => postgres.DisposeAsync();
}
