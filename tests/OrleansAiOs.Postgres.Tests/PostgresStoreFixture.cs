using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Postgres.Tests;

/// <summary>A store over a fresh database.</summary>
public sealed class PostgresStoreFixture : IAsyncLifetime
{
    public PostgresFixture Database { get; } = new();

    public PostgresStore Store { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        await Database.InitializeAsync();
        Store = await PostgresStore.OpenAsync(Database.ConnectionString, NullLogger.Instance);
    }

    public async Task DisposeAsync()
    {
        await Store.DisposeAsync();
        await Database.DisposeAsync();
    }

    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = Database.DataSource.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }
}
