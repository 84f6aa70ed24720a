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

    // The net under the tenant in each statement: whoever reads as another role than the tables' owner sees the rows of the tenant that its
    // transaction named, and none if it named none (TenantRole.cs). Whichever step made a table, one that has a tenant_id lies under it.
    private const string RowSecurity = """
        do $$
        declare t regclass;
        begin
            for t in select c.oid::regclass from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
                where c.relnamespace = 'aios'::regnamespace and c.relkind = 'r' and not c.relrowsecurity and pg_has_role(current_user, c.relowner, 'member') order by 1
            loop
                execute format('alter table %s enable row level security', t);
                execute format('create policy one_tenant on %s using (tenant_id = current_setting(''aios.tenant'', true)) with check (tenant_id = current_setting(''aios.tenant'', true))', t);
            end loop;
        end $$;
        """;

    // The step since which nothing has changed of what is read of histories, rows and wake-ups: a build may look at a database that its hosts do not serve yet.
    private const int ReadableFrom = 27;

    /// <summary>Does the steps that are missing, over a connection of its own: a step takes as long as it takes, and the lock ends with the connection.</summary>
    public static async Task ApplyAsync(string connectionString, CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(Unhurried(connectionString));
        await connection.OpenAsync(cancellation);
        await ExecuteAsync($"select pg_advisory_lock({Lock})");
        // For a step, not for its turn: whoever waits for a table holds up all who come behind.
        await ExecuteAsync("set lock_timeout = '15s'");
        await ExecuteAsync("create schema if not exists aios");
        await ExecuteAsync("create table if not exists aios.schema_steps (step int primary key, name varchar not null, at timestamptz not null default now())");
        var done = (int[])(await ScalarAsync(connection, "select array(select step from aios.schema_steps)", cancellation))!;
        var steps = Steps();
        if (done.Length > 0) RefuseNewer(done.Max(), steps[^1].Number);
        foreach (var (number, name, sql) in steps.Where(step => !done.Contains(step.Number)))
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellation);
            await ExecuteAsync(sql);
            await ExecuteAsync($"insert into aios.schema_steps (step, name) values ({number}, '{name}')");
            await transaction.CommitAsync(cancellation);
        }
        await ExecuteAsync(RowSecurity);

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(cancellation);
        }
    }

    /// <summary>Refuses a database whose tables are not such as this build reads; or, if it is to be written, not those of this build. Changes nothing.</summary>
    internal static async Task DemandAsync(NpgsqlDataSource source, bool toWrite, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        if (await ScalarAsync(connection, "select to_regclass('aios.schema_steps') is not null", cancellation) is not true)
            throw new StartRefusedException("The database holds no tables of aios yet: no host has served it.");
        var (at, latest) = ((int)(await ScalarAsync(connection, "select coalesce(max(step), 0) from aios.schema_steps", cancellation))!, Steps()[^1].Number);
        RefuseNewer(at, latest);
        if (at < (toWrite ? latest : ReadableFrom))
            throw new StartRefusedException($"The database is at schema step {at}, and this build {(toWrite ? $"writes {latest}" : $"reads {ReadableFrom} and later")}. Use the build whose hosts serve it, or bring it up to this one: aios migrate-database, or the start of a host.");
    }

    private static void RefuseNewer(int at, int latest)
    {
        if (at > latest) throw new SchemaTooNewException($"The database is at schema step {at}; this build knows {latest}. A newer build has migrated it: run that one, or a later one.");
    }

    private static string Unhurried(string connectionString)
    {
        var given = new NpgsqlConnectionStringBuilder(connectionString);
        return new NpgsqlConnectionStringBuilder(connectionString)
        {
            Options = $"{given.Options} -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0".Trim(),
            CommandTimeout = 0,
            Pooling = false,
            Multiplexing = false,
            TcpKeepAlive = true,
            ApplicationName = "aios-migration",
        }.ConnectionString;
    }

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(cancellation);
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
