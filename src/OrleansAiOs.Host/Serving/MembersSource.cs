using Npgsql;
using OrleansAiOs.Postgres;

namespace OrleansAiOs.Host.Serving;

/// <summary>The database as the user who alone may write who is a member (infra/postgres/members-role.sql).</summary>
internal static partial class MembersSource
{
    private const string May = """
        select current_user::text, (select oid::text from pg_database where datname = current_database()) || ' ' || pg_postmaster_start_time(),
            bool_or(has_table_privilege(t, 'insert, update, delete, truncate')),
            bool_and(has_table_privilege(t, 'select') and has_table_privilege(t, 'insert') and has_table_privilege(t, 'update') and has_table_privilege(t, 'delete')) and has_table_privilege('aios.hosts', 'select')
        from unnest(array['aios.clusters', 'aios.cluster_members', 'aios.cluster_reminders']) t
        """;

    /// <summary>Opens it, and says so in the log where the hosts' user may write those tables too.</summary>
    /// <exception cref="StartRefusedException">It cannot be reached, is another database, or its user may not write them either.</exception>
    public static async Task<NpgsqlDataSource> OpenAsync(string connection, NpgsqlDataSource hosts, ILoggerFactory log, CancellationToken cancellation)
    {
        NpgsqlDataSource source;
        try
        {
            source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connection) { ApplicationName = "aios-members", MaxPoolSize = 4 });
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            throw new StartRefusedException($"AIOS_CLUSTER_CONNECTION is no connection string of PostgreSQL: {e.Message}");
        }
        try
        {
            var (own, theirs) = (await AskAsync(source, cancellation), await AskAsync(hosts, cancellation));
            if (own.Database != theirs.Database)
                throw new StartRefusedException("AIOS_CLUSTER_CONNECTION leads to another database than --connection: it is to be the same, as another user.");
            if (!own.MayAll)
                throw new StartRefusedException($"The user '{own.User}' of AIOS_CLUSTER_CONNECTION may not write who is a member. As the server's administrator, run infra/postgres/members-role.sql in this database.");
            if (theirs.MaySome) NotApart(log.CreateLogger("OrleansAiOs.Cluster"), theirs.User, own.User);
            return source;
        }
        catch (Exception e)
        {
            await source.DisposeAsync();
            if (e is NpgsqlException) throw new StartRefusedException($"AIOS_CLUSTER_CONNECTION: the database cannot be asked: {e.Message}");
            throw;
        }
    }

    private static async Task<(string User, string Database, bool MaySome, bool MayAll)> AskAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(May);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return (reader.GetString(0), reader.GetString(1), reader.GetBoolean(2), reader.GetBoolean(3));
    }

    [LoggerMessage(1, LogLevel.Warning, "The hosts' database user '{Hosts}' may itself write who is a member of the cluster, so that '{Members}' of AIOS_CLUSTER_CONNECTION keeps nothing apart. As the server's administrator, run infra/postgres/members-role.sql.")]
    private static partial void NotApart(ILogger log, string hosts, string members);
}
