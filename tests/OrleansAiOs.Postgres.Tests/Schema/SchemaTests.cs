using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrleansAiOs.Postgres.Schema;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Postgres.Tests.Schema;

public sealed class SchemaTests(PostgresFixture database) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task Eight_hosts_that_start_at_once_migrate_once_and_again_is_nothing()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => SchemaMigration.ApplyAsync(database.ConnectionString, default)));
        var steps = await Lines("select step || ' ' || name || ' ' || at from aios.schema_steps order by step");
        steps.Should().NotBeEmpty();
        await SchemaMigration.ApplyAsync(database.ConnectionString, default);
        (await Lines("select step || ' ' || name || ' ' || at from aios.schema_steps order by step")).Should().Equal(steps);
    }

    [Fact]
    public async Task A_database_of_a_newer_build_is_refused_and_left_alone()
    {
        await SchemaMigration.ApplyAsync(database.ConnectionString, default);
        await Lines("insert into aios.schema_steps (step, name) values (999, '999-from-the-future') returning name");
        try
        {
            var open = () => PostgresStore.OpenAsync(database.ConnectionString, NullLogger.Instance);
            (await open.Should().ThrowAsync<SchemaTooNewException>()).WithMessage("*step 999*newer build*");
        }
        finally
        {
            await Lines("delete from aios.schema_steps where step = 999 returning name");
        }
        await SchemaMigration.ApplyAsync(database.ConnectionString, default);
    }

    [Fact]
    public async Task Whoever_comes_while_another_migrates_waits_for_as_long_as_that_takes()
    {
        await using var other = await database.DataSource.OpenConnectionAsync();
        await using (var take = new NpgsqlCommand("select pg_advisory_lock(x'41494f530001'::bigint)", other)) await take.ExecuteNonQueryAsync();
        // What a user may have set for every statement of his.
        var hasty = new NpgsqlConnectionStringBuilder(database.ConnectionString) { CommandTimeout = 1, Options = "-c statement_timeout=300ms -c lock_timeout=300ms" }.ConnectionString;
        var migrating = SchemaMigration.ApplyAsync(hasty, default);
        while (!migrating.IsCompleted && (await Lines("select pid::text from pg_stat_activity where datname = current_database() and wait_event = 'advisory' and clock_timestamp() - query_start > interval '1.5 seconds'")).Count == 0) await Task.Delay(50);
        migrating.IsCompleted.Should().BeFalse("a step takes as long as it takes, and who waits for it too");
        await using (var give = new NpgsqlCommand("select pg_advisory_unlock_all()", other)) await give.ExecuteNonQueryAsync();
        await migrating;
    }

    [Fact]
    public async Task Who_only_looks_changes_nothing_of_a_database_that_hosts_of_the_build_before_serve()
    {
        var old = new PostgresFixture();
        await old.InitializeAsync();
        try
        {
            var look = () => PostgresStore.OpenUnchangedAsync(old.ConnectionString, toWrite: false, default);
            (await look.Should().ThrowAsync<StartRefusedException>()).WithMessage("*no tables*");
            await OldSchema(old.DataSource, upTo: 27);
            await using (var store = await look())
                await foreach (var run in store.EveryRunAsync(default)) Assert.Fail($"there is no run, and {run.Run} was read");
            await using (var command = old.DataSource.CreateCommand("select max(step) from aios.schema_steps")) (await command.ExecuteScalarAsync()).Should().Be(27);
            var write = () => PostgresStore.OpenUnchangedAsync(old.ConnectionString, toWrite: true, default);
            (await write.Should().ThrowAsync<StartRefusedException>()).WithMessage("*step 27*writes*migrate-database*");
            await SchemaMigration.ApplyAsync(old.ConnectionString, default);
            await (await write()).DisposeAsync();
            await using (var command = old.DataSource.CreateCommand("insert into aios.schema_steps (step, name) values (999, 'later')")) await command.ExecuteNonQueryAsync();
            await look.Should().ThrowAsync<SchemaTooNewException>();
        }
        finally
        {
            await old.DisposeAsync();
        }
    }

    private static async Task OldSchema(NpgsqlDataSource source, int upTo)
    {
        var assembly = typeof(PostgresStore).Assembly;
        var text = new StringBuilder("create schema aios; create table aios.schema_steps (step int primary key, name varchar not null, at timestamptz not null default now());");
        foreach (var resource in assembly.GetManifestResourceNames().Where(name => name.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            var step = int.Parse(resource.Split('.')[^2][..3], CultureInfo.InvariantCulture);
            if (step > upTo) continue;
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            text.Append(await reader.ReadToEndAsync()).Append(CultureInfo.InvariantCulture, $"insert into aios.schema_steps (step, name) values ({step}, 'old');");
        }
        await using var command = source.CreateCommand(text.ToString());
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>The event tables are Marten's (anchors/marten-layout.md §1): a name that changes here is a database Marten cannot read.</summary>
    [Fact]
    public async Task The_tables_are_those_that_were_reviewed()
    {
        await SchemaMigration.ApplyAsync(database.ConnectionString, default);
        var text = new StringBuilder();
        foreach (var table in await Lines("select tablename::text from pg_tables where schemaname = 'aios' order by 1"))
        {
            text.AppendLine(table);
            foreach (var line in await Lines($"""
                select format('  %s %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' else '' end, coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''))
                from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
                where a.attrelid = 'aios.{table}'::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum
                """)) text.AppendLine(line);
            foreach (var line in await Lines($"select '  ' || conname || ': ' || pg_get_constraintdef(oid) from pg_constraint where conrelid = 'aios.{table}'::regclass order by 1")) text.AppendLine(line);
            foreach (var line in await Lines($"""
                select '  ' || pg_get_indexdef(i.indexrelid) from pg_index i
                where i.indrelid = 'aios.{table}'::regclass and not exists (select 1 from pg_constraint c where c.conindid = i.indexrelid) order by 1
                """)) text.AppendLine(line);
        }
        foreach (var line in await Lines("select format('%s %s cache %s owned by %s', sequencename, data_type, cache_size, (select attname from pg_attribute a join pg_depend d on d.refobjid = a.attrelid and d.refobjsubid = a.attnum where d.objid = (schemaname || '.' || sequencename)::regclass and d.deptype = 'a')) from pg_sequences where schemaname = 'aios' order by 1"))
            text.AppendLine(line);
        Verified.Text("Tables.verified.txt", text.ToString());
    }

    private async Task<List<string>> Lines(string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var lines = new List<string>();
        while (await reader.ReadAsync()) lines.Add(reader.GetString(0));
        return lines;
    }
}
