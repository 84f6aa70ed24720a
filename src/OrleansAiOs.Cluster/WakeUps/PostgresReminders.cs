using System.Data.Common;
using System.Globalization;
using Npgsql;

namespace OrleansAiOs.Cluster.WakeUps;

/// <summary>
/// Orleans' table of reminders in the engine's own database (026-reminders.sql), for the same reasons as its table of members
/// (docs/adr/0020). Only the sweeps of the buckets stand in it.
/// </summary>
internal sealed class PostgresReminders(NpgsqlDataSource source, string cluster) : IReminderTable
{
    public async Task<ReminderTableData> ReadRows(GrainId grainId) => new(await ReadAsync("grain = $2", grainId.ToString()));

    // A part of a ring, without its beginning: it may go over the end, and from a place to itself it is all of it.
    public async Task<ReminderTableData> ReadRows(uint begin, uint end) =>
        new(await ReadAsync(begin < end ? "hash > $2 and hash <= $3" : "(hash > $2 or hash <= $3)", (long)begin, (long)end));

    public async Task<ReminderEntry?> ReadRow(GrainId grainId, string reminderName) =>
        (await ReadAsync("grain = $2 and name = $3", grainId.ToString(), reminderName)).SingleOrDefault();

    public async Task<string?> UpsertRow(ReminderEntry entry)
    {
        await using var command = Command("""
            insert into aios.cluster_reminders as r (cluster, grain, hash, name, start_at, period_ms, version) values ($1, $2, $3, $4, $5, $6, 1)
            on conflict (cluster, grain, name) do update set start_at = excluded.start_at, period_ms = excluded.period_ms, version = r.version + 1
            returning version
            """, entry.GrainId.ToString(), (long)entry.GrainId.GetUniformHashCode(), entry.ReminderName, DateTime.SpecifyKind(entry.StartAt, DateTimeKind.Utc), (long)entry.Period.TotalMilliseconds);
        return ((int)(await command.ExecuteScalarAsync())!).ToString(CultureInfo.InvariantCulture);
    }

    public async Task<bool> RemoveRow(GrainId grainId, string reminderName, string eTag)
    {
        await using var command = Command("delete from aios.cluster_reminders where cluster = $1 and grain = $2 and name = $3 and version = $4",
            grainId.ToString(), reminderName, int.Parse(eTag, CultureInfo.InvariantCulture));
        return await command.ExecuteNonQueryAsync() == 1;
    }

    public async Task TestOnlyClearTable()
    {
        await using var command = Command("delete from aios.cluster_reminders where cluster = $1");
        await command.ExecuteNonQueryAsync();
    }

    private async Task<List<ReminderEntry>> ReadAsync(string which, params object[] values)
    {
        await using var command = Command($"select grain, name, start_at, period_ms, version from aios.cluster_reminders where cluster = $1 and {which}", values);
        await using var reader = await command.ExecuteReaderAsync();
        var entries = new List<ReminderEntry>();
        while (await reader.ReadAsync()) entries.Add(Entry(reader));
        return entries;
    }

    private static ReminderEntry Entry(DbDataReader reader) => new()
    {
        GrainId = GrainId.Parse(reader.GetString(0), CultureInfo.InvariantCulture),
        ReminderName = reader.GetString(1),
        StartAt = reader.GetDateTime(2),
        Period = TimeSpan.FromMilliseconds(reader.GetInt64(3)),
        ETag = reader.GetInt32(4).ToString(CultureInfo.InvariantCulture),
    };

    private NpgsqlCommand Command(string sql, params object[] values)
    {
        var command = source.CreateCommand(sql);
        command.Parameters.AddWithValue(cluster);
        foreach (var value in values) command.Parameters.AddWithValue(value);
        return command;
    }
}
