using System.Data.Common;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>An event as it stands in the table, with the leaf that follows from it.</summary>
/// <param name="At">Null where the database holds a time that no host writes: one behind the year 9999.</param>
internal sealed record AuditedEvent(long Seq, string Tenant, string Stream, long Version, Guid Id, string Type, DateTimeOffset? At, byte[] Body, byte[] Binary)
{
    /// <exception cref="FormatException">It has none: no host can have appended it.</exception>
    /// <exception cref="OverflowException">It has none, likewise.</exception>
    public byte[] Leaf()
    {
        var leaf = new byte[AuditLeaf.Bytes];
        AuditLeaf.Write(Tenant, Stream, Version, Id, Type, At ?? throw new FormatException("Its time cannot be read."), Body, Binary, leaf);
        return leaf;
    }

    /// <summary>Its leaf; zeros if it has none.</summary>
    public byte[] LeafOrZeros()
    {
        try
        {
            return Leaf();
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            return new byte[AuditLeaf.Bytes];
        }
    }

    /// <summary>The payload that holds its body, if the body is too large for the table.</summary>
    public string? PayloadOf() => LargeBody.Read(Body);
}

/// <summary>Reads events for the trail: on the connection it is given, so that all that is read is of one moment.</summary>
internal static class AuditedEvents
{
    private const string Columns = "e.seq_id, e.tenant_id, e.stream_id, e.version, e.id, e.type, e.timestamp, e.data::text, e.bdata";

    // Numbers that lie so near to each other are fetched in one go, with what stands between.
    private const long Near = 1000;

    /// <summary>Those whose numbers lie within ranges, in order; at most so many. A range up to the largest number holds that, too.</summary>
    public static async IAsyncEnumerable<AuditedEvent> WithinAsync(DbConnection connection, IEnumerable<(long From, long To)> ranges, long limit,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        var (from, to) = (ranges.Select(range => range.From).ToArray(), ranges.Select(range => range.To == long.MaxValue ? range.To : range.To - 1).ToArray());
        await using var command = Sql.Command(connection, $"""
            select {Columns} from unnest($1::bigint[], $2::bigint[]) r(lo, hi) cross join lateral (select * from aios.mt_events e where e.seq_id >= r.lo and e.seq_id <= r.hi order by e.seq_id) e limit $3
            """, from, to, limit);
        await foreach (var e in ReadAsync(command, cancellation)) yield return e;
    }

    public static async Task<List<AuditedEvent>> OfStreamAsync(DbConnection connection, string tenant, string stream, CancellationToken cancellation)
    {
        await using var command = Sql.Command(connection, $"select {Columns} from aios.mt_events e where e.tenant_id = $1 and e.stream_id = $2 order by e.version", tenant, stream);
        var events = new List<AuditedEvent>();
        await foreach (var e in ReadAsync(command, cancellation)) events.Add(e);
        return events;
    }

    /// <summary>Few ranges that hold all of the numbers, which stand in order.</summary>
    public static List<(long From, long To)> Around(ReadOnlySpan<long> seqs)
    {
        var ranges = new List<(long From, long To)>();
        foreach (var seq in seqs)
        {
            if (ranges.Count > 0 && seq < ranges[^1].To + Near) ranges[^1] = (ranges[^1].From, seq + 1);
            else ranges.Add((seq, seq + 1));
        }
        return ranges;
    }

    private static async IAsyncEnumerable<AuditedEvent> ReadAsync(DbCommand command, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        command.CommandTimeout = 0;
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            yield return new AuditedEvent(reader.GetInt64(0), reader.GetString(1), await reader.IsDBNullAsync(2, cancellation) ? "" : reader.GetString(2), reader.GetInt64(3), reader.GetGuid(4), reader.GetString(5),
                Time(reader), await reader.GetFieldValueAsync<byte[]>(7, cancellation), await reader.IsDBNullAsync(8, cancellation) ? [] : await reader.GetFieldValueAsync<byte[]>(8, cancellation));
    }

    private static DateTimeOffset? Time(DbDataReader reader)
    {
        try
        {
            return reader.GetFieldValue<DateTimeOffset>(6);
        }
        catch (Exception e) when (e is InvalidCastException or ArgumentException or OverflowException)
        {
            return null;
        }
    }
}

/// <summary>Commands on a connection that somebody else opened.</summary>
internal static class Sql
{
    public static DbCommand Command(DbConnection connection, string sql, params object?[] values)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.Bound(values);
    }

    public static async Task<int> ExecuteAsync(DbConnection connection, string sql, CancellationToken cancellation, params object?[] values)
    {
        await using var command = Command(connection, sql, values);
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    public static async Task<List<T>> ListAsync<T>(DbConnection connection, string sql, Func<DbDataReader, T> read, CancellationToken cancellation, params object?[] values)
    {
        await using var command = Command(connection, sql, values);
        command.CommandTimeout = 0;
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellation)) rows.Add(read(reader));
        return rows;
    }
}
