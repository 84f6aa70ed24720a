using System.Globalization;
using Npgsql;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>
/// Refuses a server on which a commit would not be for ever. Every promise of the engine rests on an append that survives a power failure, so this is
/// checked at every start, on every server, not only on our own.
/// </summary>
public static class PostgresSettings
{
    public static async Task CheckAsync(NpgsqlDataSource source, CancellationToken cancellation = default)
    {
        var found = await ReadAsync(source, cancellation);
        var version = int.Parse(found["server_version_num"], CultureInfo.InvariantCulture) / 10_000;
        if (version < PostgresBinaries.OldestMajor)
        {
            throw new EmbeddedPostgresException(
                $"The server is PostgreSQL {version}; {PostgresBinaries.OldestMajor} or newer is needed. Upgrade it, or name another server.");
        }

        Require(found, "fsync", ["on"], "a crash of the machine would lose or corrupt committed history", Set("fsync", "on"));
        Require(found, "full_page_writes", ["on"], "a crash of the machine could leave torn pages in the history", Set("full_page_writes", "on"));
        Require(
            found,
            "synchronous_commit",
            ["on", "remote_apply"],
            "a commit would be reported before it is durable",
            Set("synchronous_commit", "on") + " If it is set for the role, the database or in the connection string, change it there.");
        Require(
            found, "server_encoding", ["UTF8"], "not every text could be stored", "make the database anew: create database … encoding 'UTF8' template template0;");
        Require(found, "in_recovery", ["off"], "a standby takes no appends", "name the primary in the connection string.");
    }

    private static async Task<Dictionary<string, string>> ReadAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            select name, setting from pg_settings
            where name in ('server_version_num', 'fsync', 'full_page_writes', 'synchronous_commit', 'server_encoding')
            union all select 'in_recovery', case when pg_is_in_recovery() then 'on' else 'off' end
            """);
        await using var rows = await command.ExecuteReaderAsync(cancellation);
        var found = new Dictionary<string, string>();
        while (await rows.ReadAsync(cancellation))
        {
            found[rows.GetString(0)] = rows.GetString(1);
        }

        return found;
    }

    private static void Require(Dictionary<string, string> found, string setting, string[] accepted, string because, string cure)
    {
        if (!accepted.Contains(found[setting]))
        {
            throw new EmbeddedPostgresException($"The server has {setting} = {found[setting]}: {because}. To cure it: {cure}");
        }
    }

    private static string Set(string setting, string value) => $"alter system set {setting} = '{value}'; select pg_reload_conf();";
}
