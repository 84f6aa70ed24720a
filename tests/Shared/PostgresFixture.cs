using System.Security.Cryptography;
using Npgsql;
using OrleansAiOs.Postgres.Embedded;

namespace OrleansAiOs.Tests.Shared;

/// <summary>
/// A fresh database for a test class (<c>IClassFixture&lt;PostgresFixture&gt;</c>), on one server per test process: the one AIOS_TEST_POSTGRES names
/// (an admin connection string), else a scratch server, started by the first class that needs it.
/// </summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    private string adminConnectionString = "";
    private NpgsqlDataSource? dataSource;

    public string DatabaseName { get; } = $"test_{RandomNumberGenerator.GetHexString(12, lowercase: true)}";

    public string ConnectionString { get; private set; } = "";

    /// <summary>Connections to the fresh database.</summary>
    public NpgsqlDataSource DataSource => dataSource ?? throw new InvalidOperationException("The fixture has not been initialised.");

    /// <summary>Does something in a transaction of its own, which is committed.</summary>
    public async Task<T> InTransaction<T>(Func<System.Data.Common.DbTransaction, Task<T>> work)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var answer = await work(transaction);
        await transaction.CommitAsync();
        return answer;
    }

    public async Task InitializeAsync()
    {
        adminConnectionString = await TestServer.AdminConnectionString.Value;
        await ExecuteAsync($"create database {DatabaseName} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0");
        ConnectionString = new NpgsqlConnectionStringBuilder(adminConnectionString) { Database = DatabaseName }.ConnectionString;
        dataSource = NpgsqlDataSource.Create(ConnectionString);
    }

    public async Task DisposeAsync()
    {
        if (dataSource is not null)
        {
            await dataSource.DisposeAsync();
            await ExecuteAsync($"drop database if exists {DatabaseName} with (force)");
        }
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(adminConnectionString) { Database = "postgres", Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}

/// <summary>The one server of this test process. Its supervisor stops it and removes its folder when this process ends, however it ends.</summary>
internal static class TestServer
{
    public static readonly Lazy<Task<string>> AdminConnectionString = new(StartAsync);

    private static EmbeddedServer? server;

    /// <summary>The supervisor as a program, beside the test assembly (see Postgres.props).</summary>
    public static SupervisorCommand SupervisorCommand =>
        new("dotnet", "exec", Path.Combine(AppContext.BaseDirectory, "OrleansAiOs.Postgres.Tests.Supervisor.dll"), "db", "supervise");

    /// <summary>A new folder's name under a place that the server's account can reach.</summary>
    public static string NewFolderName()
    {
        // Root's TMPDIR is often closed to others.
        var place = Environment.UserName == "root" ? "/tmp" : Path.GetTempPath();
        return Path.Combine(place, $"aios-test-{RandomNumberGenerator.GetHexString(8, lowercase: true)}");
    }

    private static async Task<string> StartAsync()
    {
        if (Environment.GetEnvironmentVariable("AIOS_TEST_POSTGRES") is { Length: > 0 } given)
        {
            return given;
        }

        server = await EmbeddedPostgres.StartAsync(new EmbeddedPostgresOptions
        {
            DataFolder = NewFolderName(),
            Grace = TimeSpan.FromSeconds(20), // it runs before this process has connected, too: where the machine has no time for it, a second was over before
            SupervisorCommand = SupervisorCommand,
            DeleteWhenStopped = true,
        });
        return server.ConnectionString;
    }
}
