using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Npgsql;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>
/// Row 4 of the abuse cases: every SQL statement there is in the code, read out of it, is run as the role of one tenant with the values of
/// another's rows. None shows or changes anything; and all but those named here find those rows as the tables' owner, so that it is the
/// net that hides them. A new statement is tried as it comes.
/// </summary>
[Collection(AbuseCollection.Name)]
public sealed partial class StatementTests(AbuseServer server)
{
    /// <summary>Statements that serve many tenants at once, or find out which it is: they are the engine's, run as the owner, and are named by a part of them.</summary>
    private static readonly Dictionary<string, string> OfAllTenants = new()
    {
        ["with b as materialized (select * from unnest"] = "appends of many runs and tenants in one statement, put together from parts",
        ["from aios.wakeups where due"] = "wakes whatever is due",
        ["from aios.runs where busy and host"] = "takes over from dead hosts",
        ["from aios.runs where status = $1 and closed_at is null and (tenant_id, id) >"] = "lets go on what was parked for want of its code, whosever it is",
        ["from aios.api_keys where hash = $1"] = "finds out whose key it is, and so the tenant",
        ["from aios.api_keys where principal is null"] = "gives keys from before there were principals one, once",
        ["where seq_id > $1 and stream_id not like 'run/%'"] = "feeds the catalogue, which keeps tenants apart by its keys",
        ["where e.stream_id like 'run/%'"] = "aios verify reads everything",
        ["where not exists (select from aios.payloads p where"] = "aios audit verify reads everything",
        ["select coalesce(e.tenant_id, s.tenant_id)"] = "aios audit verify reads everything",
        ["from aios.payloads where (tenant_id, sha256) >"] = "aios audit verify reads everything",
        ["r(lo, hi) cross join lateral"] = "aios audit verify reads everything",
        ["aios.audit_"] = "the trail is one over all tenants",
        ["from aios.outbox where state = 0 and due"] = "sends whatever is due, of whatever tenant",
        ["update aios.outbox set due = $3, host = null"] = "takes over from dead hosts",
        ["aios.hosts"] = "hosts are no tenant's",
        ["aios.cluster"] = "a cluster's members are no tenant's",
        ["aios.schema_steps"] = "the schema is no tenant's",
        ["to_regclass"] = "asks about the schema",
        ["row_security_active"] = "asks about the schema",
        ["pg_class"] = "asks about the schema",
        ["set_config"] = "puts on the net",
    };

    // What stands in the holes of interpolated statements.
    private static readonly Dictionary<string, string> Holes = new() { ["Columns"] = "*", ["AuditedEvent.Columns"] = "e.*", ["Parameter(query.Tenant)"] = "$1" };

    private static IEnumerable<(string File, string Sql)> Statements()
    {
        var source = Directory.GetParent(RepositoryRoot())!.FullName;
        foreach (var file in Directory.EnumerateFiles(source, "*.cs", SearchOption.AllDirectories).Where(file => !file.Contains("/obj/") && !file.Contains("/OrleansAiOs.Sandbox/")))
            foreach (var node in CSharpSyntaxTree.ParseText(File.ReadAllText(file)).GetRoot().DescendantNodes())
            {
                var sql = node switch
                {
                    LiteralExpressionSyntax literal when literal.Token.Value is string text => text,
                    InterpolatedStringExpressionSyntax interpolated => string.Concat(interpolated.Contents.Select(part => part is InterpolationSyntax hole
                        ? Holes.GetValueOrDefault(hole.Expression.ToString(), "{hole}") : ((InterpolatedStringTextSyntax)part).TextToken.ValueText)),
                    _ => "",
                };
                if (Statement().IsMatch(sql)) yield return (Path.GetFileName(file), Spaces().Replace(sql.Trim(), " "));
            }
    }

    private static string RepositoryRoot([System.Runtime.CompilerServices.CallerFilePath] string here = "") => Path.Combine(here[..here.IndexOf("/tests/", StringComparison.Ordinal)], "src", "x");

    [GeneratedRegex(@"^\s*(select|insert|update|delete|with)\b.*\baios\.[a-z_]+", RegexOptions.Singleline)]
    private static partial Regex Statement();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    [GeneratedRegex(@"(?<column>\w+)\s*(=|>=|<=|<|>)\s*(any\s*\(\s*)?\$(?<number>\d+)")]
    private static partial Regex Compared();

    [GeneratedRegex(@"unnest\((?<arrays>[^)]*?)\)( with ordinality)? (?<alias>\w+)\((?<names>[^)]*)\)")]
    private static partial Regex Unnested();

    [Fact]
    public async Task No_statement_in_the_code_shows_or_changes_a_neighbours_rows_under_the_net()
    {
        var values = await Values();
        var (tried, found, idle) = (0, 0, new List<string>());
        foreach (var (file, sql) in Statements().Distinct())
        {
            if (OfAllTenants.Keys.Any(sql.Contains)) continue;
            sql.Should().NotContain("{hole}", $"{file}: say in Holes what stands there, or in OfAllTenants why it is not one tenant's");
            var arguments = Arguments(sql, values);
            (await Rows(sql, arguments, asTenant: "a-neighbour")).Should().Be(0, $"{file}: {sql}");
            tried++;
            if (await Rows(sql, arguments, asTenant: null) > 0) found++;
            else idle.Add($"{file}: {sql}");
        }
        tried.Should().BeGreaterThan(30);
        // What even the owner does not find with these values proves nothing here; most must find something.
        found.Should().BeGreaterThan(tried * 2 / 3, string.Join('\n', idle));
    }

    [Fact]
    public async Task Every_exception_from_the_net_is_still_there()
    {
        var statements = Statements().Select(statement => statement.Sql).ToList();
        OfAllTenants.Keys.Where(part => !statements.Any(sql => sql.Contains(part))).Should().BeEmpty("a line that stands for nothing hides the next one");
        await Task.CompletedTask;
    }

    // One run of the first tenant, with all that can be stored of one.
    private async Task<Dictionary<string, string>> Values()
    {
        var id = $"rows-{Guid.NewGuid():N}";
        var name = $"rows{Guid.NewGuid():N}"[..20];
        await server.Start("abuse-echo", new string('x', 20_000), id, wait: 10);
        await server.NewKey(name, "viewer");
        var sha256 = await server.Text($"select sha256::text from aios.payload_uses where tenant_id = 'default' and run_id = '{id}' limit 1");
        await server.Execute($"insert into aios.outcomes (tenant_id, run_id, key, result) values ('default', '{id}', 'k', '1'); insert into aios.wakeups (tenant_id, run_id, due) values ('default', '{id}', 'infinity'); insert into aios.secrets (tenant_id, name, hosts, sealed, set_by) values ('default', '{name}', '{{}}', '', 'x'); insert into aios.outbox (tenant_id, receiver, run_id, version, kind, at, due, state, attempts) select 'default', '{name}', '{id}', n, 'k', now(), now(), s, 1 from (values (1, 0), (2, 2), (3, 1), (4, 0)) r(n, s); insert into aios.hook_receipts (tenant_id, source, delivery, sha256, at, state, body) values ('default', '{name}', 'k', '', now() - interval '1 day', 2, ''); insert into aios.grant_uses (tenant_id, grant_id, action, used_at) values ('default', '{name}', 'run.read', now())");
        return new()
        {
            ["tenant_id"] = "default", ["tenant"] = "default", ["id"] = id, ["run_id"] = id, ["run"] = id, ["stream_id"] = $"run/{id}", ["stream"] = $"run/{id}", ["key"] = "k", ["sha256"] = sha256, ["name"] = name,
            ["part"] = "0", ["version"] = "1", ["first"] = "1", ["receiver"] = name, ["source"] = name, ["delivery"] = "k", ["grant_id"] = name, ["action"] = "run.read", ["at"] = "2100-01-01", ["last"] = "1000", ["expected"] = "1", ["hash"] = await server.Text($"select hash::text from aios.api_keys where name = '{name}'"),
        };
    }

    private static string[] Arguments(string sql, Dictionary<string, string> values)
    {
        var count = Regex.Matches(sql, @"\$(\d+)").Select(match => int.Parse(match.Groups[1].Value)).DefaultIfEmpty(0).Max();
        var arguments = new string?[count];
        foreach (Match compared in Compared().Matches(sql)) arguments[int.Parse(compared.Groups["number"].Value) - 1] ??= values.GetValueOrDefault(compared.Groups["column"].Value);
        foreach (Match unnested in Unnested().Matches(sql))
        {
            var (arrays, names) = (unnested.Groups["arrays"].Value.Split(',', StringSplitOptions.TrimEntries), unnested.Groups["names"].Value.Split(',', StringSplitOptions.TrimEntries));
            for (var i = 0; i < arrays.Length; i++)
                if (Regex.Match(arrays[i], @"^\$(\d+)") is { Success: true } number) arguments[int.Parse(number.Groups[1].Value) - 1] = values.GetValueOrDefault(names[i]) is { } value ? $"{{{value}}}" : null;
        }
        // "insert into t (a, b) values ($1, $2)"
        if (Regex.Match(sql, @"insert into aios\.\w+( as \w+)? \((?<columns>[^)]*)\) (values|select) \(?(?<values>[^)]*)") is { Success: true } insert)
        {
            var (columns, given) = (insert.Groups["columns"].Value.Split(',', StringSplitOptions.TrimEntries), insert.Groups["values"].Value.Split(',', StringSplitOptions.TrimEntries));
            for (var i = 0; i < Math.Min(columns.Length, given.Length); i++)
                if (Regex.Match(given[i], @"^\$(\d+)$") is { Success: true } number) arguments[int.Parse(number.Groups[1].Value) - 1] ??= values.GetValueOrDefault(columns[i]);
        }
        return [.. arguments.Select(argument => argument ?? "")];
    }

    // Rows a statement returns or touches; what it does is undone. What the role has no right to at all is nothing either.
    private async Task<int> Rows(string sql, string[] arguments, string? asTenant)
    {
        await using var source = NpgsqlDataSource.Create(server.ConnectionString);
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var types = new List<string>();
        await using (var prepare = new NpgsqlCommand($"prepare tried as {sql}", connection)) await prepare.ExecuteNonQueryAsync();
        await using (var asked = new NpgsqlCommand("select array(select t::text from unnest(parameter_types) t) from pg_prepared_statements where name = 'tried'", connection)) types.AddRange((string[])(await asked.ExecuteScalarAsync())!);
        if (asTenant is not null)
        {
            await using var become = new NpgsqlCommand($"select set_config('role', 'aios_tenant', true), set_config('aios.tenant', '{asTenant}', true)", connection);
            await become.ExecuteNonQueryAsync();
        }
        var given = types.Select((type, i) => arguments[i] != "" && !type.StartsWith("uuid", StringComparison.Ordinal) ? $"'{(type.EndsWith("[]", StringComparison.Ordinal) && arguments[i][0] != '{' ? $"{{{arguments[i]}}}" : arguments[i])}'::{type}" : type switch
        {
            "uuid[]" => "array[gen_random_uuid()]",
            _ when type.EndsWith("[]", StringComparison.Ordinal) => $"'{{}}'::{type}",
            "jsonb" => "'1'::jsonb",
            "bytea" => "'\\x00'::bytea",
            "uuid" => "gen_random_uuid()",
            "timestamp with time zone" => "now()",
            "bigint" or "integer" or "smallint" => $"1::{type}",
            "boolean" => "true",
            _ => $"'x'::{type}",
        });
        try
        {
            await using var command = new NpgsqlCommand(types.Count == 0 ? "execute tried" : $"execute tried ({string.Join(", ", given)})", connection);
            await using var reader = await command.ExecuteReaderAsync();
            var rows = 0;
            while (await reader.ReadAsync()) rows += Enumerable.Range(0, reader.FieldCount).Any(column => !reader.IsDBNull(column)) || reader.FieldCount == 0 ? 1 : 0;
            await reader.CloseAsync();
            return Math.Max(rows, reader.RecordsAffected);
        }
        catch (PostgresException e) when (asTenant is null && e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            return 1; // the row is there, and it was found
        }
        catch (PostgresException e) when (asTenant is not null && e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            return 0;
        }
    }
}
