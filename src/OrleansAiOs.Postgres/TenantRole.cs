using Microsoft.Extensions.Logging;
using Npgsql;

namespace OrleansAiOs.Postgres;

/// <summary>
/// The role that row-level security binds: whoever reads as it sees the rows of one tenant, which its transaction has named. It owns
/// nothing, may not log in, and is taken on for one transaction at a time, inside which both settings end: so also a pooler that hands
/// connections out by the transaction never carries a tenant from one to the next. Roles are the server's, not the database's: where this
/// user may not make one, the host goes on without the net, and `aios doctor` says so.
/// </summary>
public static class TenantRole
{
    public const string Name = "aios_tenant";

    private const string IsReady = """
        select r.rolname is not null and not r.rolsuper and not r.rolbypassrls and pg_has_role(current_user, r.oid, 'member') and has_schema_privilege(r.oid, 'aios', 'usage')
            and (select bool_and(has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')) from pg_class c where c.relnamespace = 'aios'::regnamespace and c.relrowsecurity)
        from (select) one left join pg_roles r on r.rolname = 'aios_tenant'
        """;

    private const string Make = """
        do $$
        declare t regclass;
        begin
            if not exists (select from pg_roles where rolname = 'aios_tenant') then
                create role aios_tenant nologin nosuperuser nobypassrls nocreatedb nocreaterole noinherit;
            end if;
            if not pg_has_role(current_user, 'aios_tenant', 'member') then
                execute format('grant aios_tenant to %I', current_user);
            end if;
            grant usage on schema aios to aios_tenant;
            for t in select c.oid::regclass from pg_class c where c.relnamespace = 'aios'::regnamespace and c.relrowsecurity loop
                execute format('grant select, insert, update, delete on %s to aios_tenant', t);
            end loop;
        end $$;
        """;

    /// <summary>Makes the role, if it is not there and this user may.</summary>
    /// <returns>Null if it can be used; else why not.</returns>
    public static async Task<string?> EnsureAsync(NpgsqlDataSource source, CancellationToken cancellation = default)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (await ObjectionAsync(source, cancellation) is null) return null;
            try
            {
                await using var command = source.CreateCommand(Make);
                await command.ExecuteNonQueryAsync(cancellation);
            }
            catch (PostgresException e)
            {
                // Another database of the server may be making it at this moment.
                if (attempt < 5 && e.SqlState is PostgresErrorCodes.DuplicateObject or PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.InternalError) continue;
                return e.MessageText;
            }
            if (attempt == 5) return await ObjectionAsync(source, cancellation);
        }
    }

    /// <summary>Why the role cannot be used here; null if it can.</summary>
    public static async Task<string?> ObjectionAsync(NpgsqlDataSource source, CancellationToken cancellation = default)
    {
        await using var command = source.CreateCommand(IsReady);
        return await command.ExecuteScalarAsync(cancellation) is true ? null : $"the role {Name} is not there, is not this user's to take on, or lacks rights in the schema aios";
    }

    /// <summary>Refuses a user that row-level security would hide rows from: the engine would take what it does not see for not being there.</summary>
    /// <exception cref="StartRefusedException">This user does not own the tables.</exception>
    internal static async Task DemandOwnerAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("select current_user, row_security_active('aios.runs'), pg_get_userbyid(relowner) from pg_class where oid = 'aios.runs'::regclass");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        if (reader.GetBoolean(1))
            throw new StartRefusedException($"The database user '{reader.GetString(0)}' does not own the tables of the schema aios, '{reader.GetString(2)}' does, and so row-level security hides rows from it. Connect as '{reader.GetString(2)}', or: grant {reader.GetString(2)} to {reader.GetString(0)}.");
    }
}

/// <summary>Statements of one tenant: under the role that sees its rows only, where that is there.</summary>
internal sealed class TenantStatements(NpgsqlDataSource source, bool restricted)
{
    private const string Become = "select set_config('role', 'aios_tenant', true), set_config('aios.tenant', $1, true)";

    /// <summary>Reads with one statement, in one round trip and one transaction.</summary>
    public async Task<T> ReadAsync<T>(string tenant, NpgsqlCommand statement, Func<NpgsqlDataReader, Task<T>> read, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection);
        if (restricted) batch.BatchCommands.Add(new NpgsqlBatchCommand(Become) { Parameters = { new NpgsqlParameter<string> { TypedValue = tenant } } });
        var own = new NpgsqlBatchCommand(statement.CommandText);
        foreach (NpgsqlParameter parameter in statement.Parameters) own.Parameters.Add(parameter.Clone());
        batch.BatchCommands.Add(own);
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        if (restricted) await reader.NextResultAsync(cancellation);
        return await read(reader);
    }

    /// <summary>The first value of one statement; null if there is none.</summary>
    public Task<object?> ScalarAsync(string tenant, NpgsqlCommand statement, CancellationToken cancellation) =>
        ReadAsync(tenant, statement, async reader => await reader.ReadAsync(cancellation) && !reader.IsDBNull(0) ? reader.GetValue(0) : null, cancellation);

    /// <summary>Makes the rest of a transaction the tenant's.</summary>
    public async Task EnterAsync(NpgsqlTransaction transaction, string tenant, CancellationToken cancellation)
    {
        if (!restricted) return;
        await using var become = new NpgsqlCommand(Become, transaction.Connection, transaction) { Parameters = { new NpgsqlParameter<string> { TypedValue = tenant } } };
        await become.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Makes the rest of a transaction nobody's: for what is written beside a tenant's rows and belongs to none.</summary>
    public async Task LeaveAsync(NpgsqlTransaction transaction, CancellationToken cancellation)
    {
        if (!restricted) return;
        await using var leave = new NpgsqlCommand("select set_config('role', 'none', true), set_config('aios.tenant', '', true)", transaction.Connection, transaction);
        await leave.ExecuteNonQueryAsync(cancellation);
    }
}

internal static partial class TenantRoleLog
{
    [LoggerMessage(60, LogLevel.Warning, "There is no net of row-level security under the tenants: {Why}. Each statement names its tenant all the same. The cure is in docs/operating.md, 'Row-level security'.")]
    public static partial void NoTenantRole(this ILogger log, string why);
}
