using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Tests.Tenancy;

/// <summary>The net under each statement's own tenant. Rows 4 and 5 of the abuse cases: a statement that forgets the tenant, and a pooler that hands connections on.</summary>
public sealed class RowSecurityTests : IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private readonly PostgresFixture database;
    private readonly List<string> warnings = [];
    private PostgresStore store = null!;

    public RowSecurityTests(PostgresFixture database) => this.database = database;

    public async Task InitializeAsync() => store = await PostgresStore.OpenAsync(database.ConnectionString, new Warnings(warnings));

    public async Task DisposeAsync() => await store.DisposeAsync();

    private async Task Make(string tenant, string id)
    {
        var now = DateTimeOffset.UtcNow;
        var run = new RunKey(tenant, id);
        var row = new RunRow(run, "w", null, RunStatus.Completed, "h", false, null, null, [], now, now, now);
        (await store.AppendAsync(new RunAppend(run, 0, [new NewEvent(Guid.NewGuid(), "run-started", Encoding.UTF8.GetBytes($$"""{"of":"{{tenant}}","fill":"{{new string('x', 9000)}}"}"""), now)], row, new WakeUpChange(now)))).Should().Be(AppendResult.Appended);
        await store.Payloads.PutAsync(tenant, new MemoryStream(Encoding.UTF8.GetBytes($"{tenant} {id}")), 1000, default);
        await store.TransactAsync(run, "key", _ => Task.FromResult(JsonText.From(1)), default);
        await Execute($"insert into aios.api_keys (tenant_id, name, principal, hash) values ('{tenant}', '{id}', 'user/x', sha256('{tenant} {id}'))");
    }

    private async Task Execute(string sql, NpgsqlDataSource? source = null)
    {
        await using var command = (source ?? database.DataSource).CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private async Task<List<string>> Column(string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var values = new List<string>();
        while (await reader.ReadAsync()) values.Add(reader.GetString(0));
        return values;
    }

    private Task<List<string>> TenantTables() => Column("select c.table_name::text from information_schema.columns c join information_schema.tables t using (table_schema, table_name) where table_schema = 'aios' and column_name = 'tenant_id' and table_type = 'BASE TABLE' order by 1");

    [Fact]
    public async Task Every_table_that_holds_rows_of_a_tenant_shows_them_to_no_other()
    {
        await Make("tables-a", "a");
        await Make("tables-b", "b");
        warnings.Should().BeEmpty("this user may make the role");
        var tenants = new TenantStatements(database.DataSource, restricted: true);
        var tables = await TenantTables();
        tables.Should().Contain(["mt_streams", "mt_events", "runs", "wakeups", "outcomes", "payloads", "payload_parts", "payload_uses", "api_keys"]);
        foreach (var table in tables)
        {
            (await Column($"select policyname::text from pg_policies where schemaname = 'aios' and tablename = '{table}'")).Should().NotBeEmpty($"aios.{table} has a tenant_id and needs row-level security: SchemaMigration.RowSecurity");
            var there = (await Column($"select distinct tenant_id::text from aios.{table} where tenant_id like 'tables-_'")).Count;
            await using var all = new NpgsqlCommand($"select coalesce(string_agg(distinct tenant_id, ' '), '') from aios.{table}");
            (await tenants.ScalarAsync("tables-a", all, default)).Should().Be(there == 0 ? "" : "tables-a", table);
            (await tenants.ScalarAsync("tables-c", all, default)).Should().Be("", table);
            (await tenants.ScalarAsync("", all, default)).Should().Be("", table);
            there.Should().Be(table is "mt_streams" or "mt_events" or "runs" or "wakeups" or "outcomes" or "payloads" or "payload_parts" or "payload_uses" or "api_keys" ? 2 : there, $"both have rows in {table}");
        }
    }

    [Fact]
    public async Task Writing_for_another_tenant_is_refused_and_changes_and_deletes_miss_its_rows()
    {
        await Make("writes-a", "a");
        var tenants = new TenantStatements(database.DataSource, restricted: true);
        foreach (var sql in new[] { "update aios.runs set workflow = 'stolen'", "delete from aios.runs", "delete from aios.mt_events", "update aios.api_keys set roles = '{owner}'", "delete from aios.payloads" })
        {
            await using var connection = await database.DataSource.OpenConnectionAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            await tenants.EnterAsync(transaction, "writes-b", default);
            await using var command = new NpgsqlCommand(sql, connection, transaction);
            (await command.ExecuteNonQueryAsync()).Should().Be(0, sql);
            await transaction.CommitAsync();
        }
        await using var insert = new NpgsqlCommand("insert into aios.outcomes (tenant_id, run_id, key, result) values ('writes-a', 'x', 'x', '1')");
        var forging = () => tenants.ScalarAsync("writes-b", insert, default);
        (await forging.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(PostgresErrorCodes.InsufficientPrivilege);
        (await store.FindAsync(new RunKey("writes-a", "a"), default))!.Workflow.Should().Be("w");
        (await store.PurgeAsync([new RunKey("writes-b", "a")], "by a test", default)).Should().BeEmpty();
        (await store.PurgeAsync([new RunKey("writes-a", "a"), new RunKey("writes-b", "a")], "by a test", default)).Should().Equal(new RunKey("writes-a", "a"));
    }

    [Fact]
    public async Task Ten_thousand_requests_interleaved_over_two_connections_see_no_foreign_row()
    {
        foreach (var tenant in new[] { "pool-0", "pool-1", "pool-2" }) await Make(tenant, "r");
        // As a pooler in transaction mode does: nothing is reset between two users of a connection.
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString) { MaxPoolSize = 2, NoResetOnClose = true });
        var tenants = new TenantStatements(source, restricted: true);
        var (seen, foreign) = (0, 0);
        await Parallel.ForEachAsync(Enumerable.Range(0, 10_000), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, cancellation) =>
        {
            // No tenant in the statement: only the net keeps them apart.
            await using var command = new NpgsqlCommand("select string_agg(tenant_id, ' ') from aios.runs");
            var found = await tenants.ScalarAsync($"pool-{i % 4}", command, cancellation) as string;
            if (found == (i % 4 == 3 ? null : $"pool-{i % 4}")) Interlocked.Increment(ref seen);
            else Interlocked.Increment(ref foreign);
        });
        (seen, foreign).Should().Be((10_000, 0));
        await using var after = source.CreateCommand("select current_user = session_user and coalesce(current_setting('aios.tenant', true), '') = ''");
        (await after.ExecuteScalarAsync()).Should().Be(true, "nothing is left on the connection");
    }

    [Fact]
    public async Task A_user_that_may_make_no_role_serves_without_the_net_and_says_so()
    {
        var user = $"plain_{Guid.NewGuid():N}"[..20];
        await Execute($"create role {user} login password 'x' nosuperuser nocreaterole");
        var own = $"own_{Guid.NewGuid():N}"[..20];
        await Execute($"create database {own} owner {user} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0");
        try
        {
            var connection = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Database = own, Username = user, Password = "x", Pooling = false }.ConnectionString;
            var said = new List<string>();
            await using (var plain = await PostgresStore.OpenAsync(connection, new Warnings(said)))
            {
                said.Should().ContainSingle().Which.Should().Contain("no net of row-level security").And.Contain("docs/operating.md");
                var run = new RunKey("t", "r");
                var now = DateTimeOffset.UtcNow;
                (await plain.AppendAsync(new RunAppend(run, 0, [new NewEvent(Guid.NewGuid(), "run-started", "{}"u8.ToArray(), now)], new RunRow(run, "w", null, RunStatus.Running, "h", false, null, null, [], now, now, null), null))).Should().Be(AppendResult.Appended);
                (await plain.FindAsync(run, default)).Should().NotBeNull();
                (await plain.FindAsync(run with { Tenant = "other" }, default)).Should().BeNull();
            }
            // What docs/operating.md tells an administrator to do.
            await Execute($"grant {TenantRole.Name} to {user}");
            said.Clear();
            await using (var netted = await PostgresStore.OpenAsync(connection, new Warnings(said))) (await netted.FindAsync(new RunKey("t", "r"), default)).Should().NotBeNull();
            said.Should().BeEmpty();

            // And one that may use the tables without owning them would be shown none of the rows: it is refused.
            var guest = $"guest_{Guid.NewGuid():N}"[..20];
            await Execute($"create role {guest} login password 'x'; grant create on database {own} to {guest}");
            await using (var inside = NpgsqlDataSource.Create(connection)) await Execute($"grant all on schema aios to {guest}; grant all on all tables in schema aios to {guest}", inside);
            var refused = () => PostgresStore.OpenAsync(new NpgsqlConnectionStringBuilder(connection) { Username = guest }.ConnectionString, NullLogger.Instance);
            await refused.Should().ThrowAsync<StartRefusedException>().WithMessage($"*{guest}*does not own*{user}*");
        }
        finally
        {
            await Execute($"drop database {own} with (force)");
        }
    }

    private sealed class Warnings(List<string> said) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel level) => true;

        public void Log<TState>(LogLevel level, EventId id, TState state, Exception? exception, Func<TState, Exception?, string> format)
        {
            if (level >= LogLevel.Warning) said.Add(format(state, exception));
        }
    }
}
