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

    public static async Task ApplyAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await ExecuteAsync($"select pg_advisory_lock({Lock})");
        try
        {
            await ExecuteAsync("create schema if not exists aios");
            await ExecuteAsync("create table if not exists aios.schema_steps (step int primary key, name varchar not null, at timestamptz not null default now())");
            var done = (int[])(await ScalarAsync("select array(select step from aios.schema_steps)"))!;
            var steps = Steps();
            if (done.Length > 0 && done.Max() > steps[^1].Number)
                throw new SchemaTooNewException($"The database is at schema step {done.Max()}; this build knows {steps[^1].Number}. A newer build has migrated it: run that one, or a later one.");
            foreach (var (number, name, sql) in steps.Where(step => !done.Contains(step.Number)))
            {
                await using var transaction = await connection.BeginTransactionAsync(cancellation);
                await ExecuteAsync(sql);
                await ExecuteAsync($"insert into aios.schema_steps (step, name) values ({number}, '{name}')");
                await transaction.CommitAsync(cancellation);
            }
            await ExecuteAsync(RowSecurity);
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
