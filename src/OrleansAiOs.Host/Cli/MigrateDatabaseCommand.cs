using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Postgres;
using OrleansAiOs.Postgres.Embedded;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios migrate-database: brings the tables of a database up to this build, before its hosts are.</summary>
internal static class MigrateDatabaseCommand
{
    public static Command Create()
    {
        var connection = new Option<string?>("--connection") { Description = "The database. Default: $AIOS_CONNECTION.", HelpName = "STRING" };
        return new Command("migrate-database", "Bring a database's tables up to this build. Hosts of the build before may serve it meanwhile; done twice, it does nothing.").With(connection).Does(async call =>
        {
            var database = GivenConnection.Read(call.Get(connection))
                ?? throw new StartRefusedException("Which database? Give --connection, or set AIOS_CONNECTION. A host looks after its private one itself.");
            await using (var source = NpgsqlDataSource.Create(database)) await PostgresSettings.CheckAsync(source, call.Cancellation);
            await using var store = await PostgresStore.OpenAsync(database, NullLogger.Instance, cancellation: call.Cancellation);
            await using var steps = store.Queries.CreateCommand("select max(step) from aios.schema_steps");
            call.Terminal.Note($"The database is at step {await steps.ExecuteScalarAsync(call.Cancellation)}.");
            return ExitCode.Done;
        });
    }
}
