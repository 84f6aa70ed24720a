using System.Data.Common;
using System.Globalization;
using Npgsql;

namespace OrleansAiOs.Cluster.Membership;

/// <summary>
/// The membership table of Orleans in the engine's own database (020-cluster.sql). The protocol is Orleans'; what it asks of a table is that
/// a row and the table's version change together or not at all. Why not its own ADO.NET provider: docs/adr/0020.
/// </summary>
internal sealed class PostgresMembership(NpgsqlDataSource source, string cluster) : IMembershipTable
{
    // By the database's clock.
    private DateTime answered = DateTime.UnixEpoch, answeredSince = DateTime.UnixEpoch;

    private const string Columns = "silo, status, name, host_name, proxy_port, suspects, started_at, alive_at, version";

    public Task InitializeMembershipTable(bool tryInitTableVersion) => ExecuteAsync("insert into aios.clusters (name) values ($1) on conflict do nothing", cluster);

    // After the death of all hosts nobody is left to vote, and whoever comes next would wait for silos that are gone. A member is its host
    // incarnation, and whether that lives, the store knows: one that has said nothing in either table for so long is gone, votes or not.
    // One that joins says nothing until it is active, and on a busy machine that takes a while. And silence means something only to one who has
    // itself been answered for as long (it asks every five seconds): when the database was away, everybody's last word is old.
    private async Task StrikeOffTheDeadAsync()
    {
        await using var command = Command("""
            with asked as materialized (select clock_timestamp() as now), gone as (
                update aios.cluster_members m set status = $2, version = c.version + 1 from aios.clusters c, asked
                where c.name = $1 and m.cluster = $1 and m.status <> $2
                and m.seen_at < now - case when m.status < $3 then interval '1 minute' else interval '10 seconds' end
                and not exists (select from aios.hosts h where h.id = m.name and not h.dead and h.seen_at >= now - interval '10 seconds')
                and $4 <= now - interval '10 seconds' and $5 >= now - interval '8 seconds'
                returning 1),
            changed as (update aios.clusters set version = version + 1 where name = $1 and exists (select from gone))
            select now, $5 >= now - interval '8 seconds' from asked
            """, [cluster, (int)SiloStatus.Dead, (int)SiloStatus.Active, answeredSince, answered]);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        answered = reader.GetDateTime(0);
        if (!reader.GetBoolean(1)) answeredSince = answered;
    }

    public async Task DeleteMembershipTableEntries(string clusterId)
    {
        await ExecuteAsync("delete from aios.cluster_members where cluster = $1", clusterId);
        await ExecuteAsync("delete from aios.clusters where name = $1", clusterId);
    }

    public Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate) =>
        ExecuteAsync("delete from aios.cluster_members where cluster = $1 and status = $2 and greatest(alive_at, started_at) < $3", cluster, (int)SiloStatus.Dead, beforeDate.UtcDateTime);

    public Task<MembershipTableData> ReadRow(SiloAddress key) => ReadAsync($" and m.silo = $2", cluster, key.ToParsableString());

    public async Task<MembershipTableData> ReadAll()
    {
        await StrikeOffTheDeadAsync();
        return await ReadAsync("", cluster);
    }

    public async Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion) => await ExecuteAsync($"""
        with fence as (update aios.clusters set version = $2 where name = $1 and version = $3 and not exists (select from aios.cluster_members where cluster = $1 and silo = $4) returning 1)
        insert into aios.cluster_members (cluster, {Columns}, seen_at)
        select $1, $4, $5, $6, $7, $8, $9, $10, $11, $2, clock_timestamp() from fence
        """, cluster, tableVersion.Version, Expected(tableVersion), entry.SiloAddress.ToParsableString(), (int)entry.Status, entry.SiloName, entry.HostName,
        entry.ProxyPort, Suspects(entry), entry.StartTime, entry.IAmAliveTime) == 1;

    public async Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) => await ExecuteAsync("""
        with fence as (update aios.clusters set version = $2 where name = $1 and version = $3 and exists (select from aios.cluster_members where cluster = $1 and silo = $4 and version = $8) returning 1)
        update aios.cluster_members m set status = $5, suspects = $6, alive_at = $7, version = $2,
            seen_at = case when m.status < $9 and $5 = $9 then clock_timestamp() else m.seen_at end -- it has become active: nobody says that of another
        from fence where m.cluster = $1 and m.silo = $4
        """, cluster, tableVersion.Version, Expected(tableVersion), entry.SiloAddress.ToParsableString(), (int)entry.Status, Suspects(entry), entry.IAmAliveTime,
        int.Parse(etag, CultureInfo.InvariantCulture), (int)SiloStatus.Active) == 1;

    public Task UpdateIAmAlive(MembershipEntry entry) => ExecuteAsync("update aios.cluster_members set alive_at = $3, seen_at = clock_timestamp() where cluster = $1 and silo = $2",
        cluster, entry.SiloAddress.ToParsableString(), entry.IAmAliveTime);

    private static int Expected(TableVersion next) => int.Parse(next.VersionEtag, CultureInfo.InvariantCulture);

    private static string[] Suspects(MembershipEntry entry) =>
        [.. (entry.SuspectTimes ?? []).Select(vote => $"{vote.Item1.ToParsableString()} {vote.Item2.ToUniversalTime().Ticks.ToString(CultureInfo.InvariantCulture)}")];

    private async Task<MembershipTableData> ReadAsync(string where, params object[] values)
    {
        // One statement, one snapshot: version and rows belong together.
        await using var command = Command($"select c.version, {string.Join(", ", Columns.Split(", ").Select(column => $"m.{column}"))} from aios.clusters c left join aios.cluster_members m on m.cluster = c.name{where} where c.name = $1", values);
        await using var reader = await command.ExecuteReaderAsync();
        var (version, members) = (0, new List<Tuple<MembershipEntry, string>>());
        while (await reader.ReadAsync())
        {
            version = reader.GetInt32(0);
            if (!reader.IsDBNull(1)) members.Add(Tuple.Create(Entry(reader), reader.GetInt32(9).ToString(CultureInfo.InvariantCulture)));
        }
        return new MembershipTableData(members, new TableVersion(version, version.ToString(CultureInfo.InvariantCulture)));
    }

    private static MembershipEntry Entry(DbDataReader reader) => new()
    {
        SiloAddress = SiloAddress.FromParsableString(reader.GetString(1)),
        Status = (SiloStatus)reader.GetInt32(2),
        SiloName = reader.GetString(3),
        HostName = reader.GetString(4),
        ProxyPort = reader.GetInt32(5),
        SuspectTimes = [.. reader.GetFieldValue<string[]>(6).Select(Vote)],
        StartTime = reader.GetDateTime(7),
        IAmAliveTime = reader.GetDateTime(8),
    };

    private static Tuple<SiloAddress, DateTime> Vote(string text)
    {
        var space = text.LastIndexOf(' ');
        return Tuple.Create(SiloAddress.FromParsableString(text[..space]), new DateTime(long.Parse(text.AsSpan(space + 1), CultureInfo.InvariantCulture), DateTimeKind.Utc));
    }

    private async Task<int> ExecuteAsync(string sql, params object[] values)
    {
        await using var command = Command(sql, values);
        return await command.ExecuteNonQueryAsync();
    }

    private NpgsqlCommand Command(string sql, object[] values)
    {
        var command = source.CreateCommand(sql);
        foreach (var value in values) command.Parameters.AddWithValue(value is DateTime time ? DateTime.SpecifyKind(time.Kind is DateTimeKind.Local ? time.ToUniversalTime() : time, DateTimeKind.Utc) : value);
        return command;
    }
}
