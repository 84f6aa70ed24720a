using System.Data.Common;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>Reads events for the trail: on the connection it is given, so that all that is read is of one moment.</summary>
internal static class AuditedEvents
{
    // Numbers that lie so near to each other are fetched in one go, with what stands between.
    private const long Near = 1000;

    /// <summary>Those whose numbers lie within ranges, in order; at most so many. A range up to the largest number holds that, too.</summary>
    public static async IAsyncEnumerable<AuditedEvent> WithinAsync(DbConnection connection, IEnumerable<(long From, long To)> ranges, long limit,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        var (from, to) = (ranges.Select(range => range.From).ToArray(), ranges.Select(range => range.To == long.MaxValue ? range.To : range.To - 1).ToArray());
        await using var command = Sql.Command(connection, $"""
            select {AuditedEvent.Columns} from unnest($1::bigint[], $2::bigint[]) r(lo, hi) cross join lateral (select * from aios.mt_events e where e.seq_id >= r.lo and e.seq_id <= r.hi order by e.seq_id) e limit $3
            """, from, to, limit);
        await foreach (var e in ReadAsync(command, cancellation)) yield return e;
    }

    public static async Task<List<AuditedEvent>> OfStreamAsync(DbConnection connection, string tenant, string stream, CancellationToken cancellation)
    {
        await using var command = Sql.Command(connection, $"select {AuditedEvent.Columns} from aios.mt_events e where e.tenant_id = $1 and e.stream_id = $2 order by e.version", tenant, stream);
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
            yield return AuditedEvent.Read(reader);
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
