using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Postgres.Schema;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Postgres.Tests.Schema;

public sealed class SchemaTests(PostgresFixture database) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task Eight_hosts_that_start_at_once_migrate_once_and_again_is_nothing()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => SchemaMigration.ApplyAsync(database.DataSource, default)));
        var steps = await Lines("select step || ' ' || name || ' ' || at from aios.schema_steps order by step");
        steps.Should().NotBeEmpty();
        await SchemaMigration.ApplyAsync(database.DataSource, default);
        (await Lines("select step || ' ' || name || ' ' || at from aios.schema_steps order by step")).Should().Equal(steps);
    }

    [Fact]
    public async Task A_database_of_a_newer_build_is_refused_and_left_alone()
    {
        await SchemaMigration.ApplyAsync(database.DataSource, default);
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
        await SchemaMigration.ApplyAsync(database.DataSource, default);
    }

    /// <summary>The event tables are Marten's (anchors/marten-layout.md §1): a name that changes here is a database Marten cannot read.</summary>
    [Fact]
    public async Task The_tables_are_those_that_were_reviewed()
    {
        await SchemaMigration.ApplyAsync(database.DataSource, default);
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
