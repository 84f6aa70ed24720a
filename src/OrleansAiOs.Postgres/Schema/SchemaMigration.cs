using System.Reflection;
using Npgsql;

namespace OrleansAiOs.Postgres.Schema;

/// <summary>
/// The database's DDL in numbered steps. Each step commits together with the line that says it was done, under an advisory lock, so a
/// crash between any two lines leaves a whole number of steps, and two hosts that start at once do them once.
/// </summary>
public static class SchemaMigration
{
    private const long Lock = 0x41_49_4F_53_0001;

    public static async Task ApplyAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await ExecuteAsync($"select pg_advisory_lock({Lock})");
        try
        {
            await ExecuteAsync("create schema if not exists aios");
            await ExecuteAsync("create table if not exists aios.schema_steps (step int primary key, name varchar not null, at timestamptz not null default now())");
            var done = Convert.ToInt32(await ScalarAsync("select coalesce(max(step), 0) from aios.schema_steps"), null);
            var steps = Steps();
            if (done > steps[^1].Number)
                throw new SchemaTooNewException($"The database is at schema step {done}; this build knows {steps[^1].Number}. A newer build has migrated it: run that one, or a later one.");
            foreach (var (number, name, sql) in steps.Where(step => step.Number > done))
            {
                await using var transaction = await connection.BeginTransactionAsync(cancellation);
                await ExecuteAsync(sql);
                await ExecuteAsync($"insert into aios.schema_steps (step, name) values ({number}, '{name}')");
                await transaction.CommitAsync(cancellation);
            }
        }
        finally
        {
            await ExecuteAsync($"select pg_advisory_unlock({Lock})");
        }

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(cancellation);
        }

        async Task<object?> ScalarAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            return await command.ExecuteScalarAsync(cancellation);
        }
    }

    private static List<(int Number, string Name, string Sql)> Steps()
    {
        var assembly = Assembly.GetExecutingAssembly();
        return [.. assembly.GetManifestResourceNames().Where(name => name.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(resource =>
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            var name = resource.Split('.')[^2];
            return (int.Parse(name[..3], null), name, reader.ReadToEnd());
        })];
    }
}

/// <summary>A newer build has migrated the database; this one must not touch it.</summary>
public sealed class SchemaTooNewException(string message) : Exception(message);
