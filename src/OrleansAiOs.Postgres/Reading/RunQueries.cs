using System.Text;
using Npgsql;
using NpgsqlTypes;
using OrleansAiOs.Postgres.Appending;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Reading;

/// <summary>Lists over the summary rows. Every value is a parameter; only fixed text becomes SQL.</summary>
internal static class RunQueries
{
    public const string Columns = "tenant_id, id, workflow, code_version, status, host, busy, business_key, attributes, waits, started_at, updated_at, closed_at, checkpoint";

    public static NpgsqlCommand List(RunQuery query)
    {
        var command = new NpgsqlCommand();
        var sql = new StringBuilder($"select {Columns} from aios.runs where tenant_id = {Parameter(query.Tenant)}");
        if (query.Status is { } status) sql.Append($" and status = {Parameter((short)status)}");
        if (query.Workflow is { } workflow) sql.Append($" and workflow = {Parameter(workflow)}");
        if (query.BusinessKey is { } key) sql.Append($" and business_key = {Parameter(key)}");
        if (query.StartedFrom is { } from) sql.Append($" and started_at >= {Parameter(from.UtcDateTime)}");
        if (query.StartedBefore is { } before) sql.Append($" and started_at < {Parameter(before.UtcDateTime)}");
        if (query.ClosedBefore is { } closed) sql.Append($" and closed_at < {Parameter(closed.UtcDateTime)}");
        if (query.IsOpen is { } open) sql.Append($" and {(open ? "" : "not ")}(closed_at is null and host <> '{RunImported.HostName}')");
        if (query.AwaitsApproval is { } awaits) sql.Append(awaits ? " and awaits_approval" : " and not awaits_approval");
        if (RowJson.Write(query.Attributes) is { } attributes) sql.Append($" and attributes @> {Parameter(attributes, NpgsqlDbType.Jsonb)}");
        var newest = query.Sort is RunSort.NewestFirst;
        if (query.After is { } after) sql.Append($" and (started_at, id) {(newest ? "<" : ">")} ({Parameter(after.StartedAt.UtcDateTime)}, {Parameter(after.Id)})");
        sql.Append(newest ? " order by started_at desc, id desc" : " order by started_at, id").Append($" limit {Parameter(query.Limit)}");
        command.CommandText = sql.ToString();
        return command;

        string Parameter(object value, NpgsqlDbType? type = null)
        {
            var parameter = new NpgsqlParameter { Value = value };
            if (type is { } given) parameter.NpgsqlDbType = given;
            command.Parameters.Add(parameter);
            return $"${command.Parameters.Count}";
        }
    }

    public static NpgsqlCommand Find(RunKey run)
    {
        var command = new NpgsqlCommand($"select {Columns} from aios.runs where tenant_id = $1 and id = $2");
        command.Parameters.AddWithValue(run.Tenant);
        command.Parameters.AddWithValue(run.Id);
        return command;
    }

    public static async Task<List<RunRow>> ReadAsync(NpgsqlDataSource source, NpgsqlCommand command, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        command.Connection = connection;
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await ReadAsync(reader, cancellation);
    }

    public static async Task<List<RunRow>> ReadAsync(NpgsqlDataReader reader, CancellationToken cancellation)
    {
        var rows = new List<RunRow>();
        while (await reader.ReadAsync(cancellation)) rows.Add(Row(reader, 0));
        return rows;
    }

    /// <summary>A summary row whose columns begin at <paramref name="at"/>.</summary>
    public static RunRow Row(NpgsqlDataReader reader, int at)
    {
        return new RunRow(new RunKey(reader.GetString(at), reader.GetString(at + 1)), reader.GetString(at + 2), Maybe<string>(3), (RunStatus)reader.GetInt16(at + 4), reader.GetString(at + 5),
            reader.GetBoolean(at + 6), Maybe<string>(7), RowJson.ReadAttributes(Maybe<byte[]>(8)), RowJson.ReadWaits(Maybe<byte[]>(9)),
            reader.GetFieldValue<DateTimeOffset>(at + 10), reader.GetFieldValue<DateTimeOffset>(at + 11), reader.IsDBNull(at + 12) ? null : reader.GetFieldValue<DateTimeOffset>(at + 12),
            reader.IsDBNull(at + 13) ? null : reader.GetInt64(at + 13));

        T? Maybe<T>(int column) where T : class => reader.IsDBNull(at + column) ? null : reader.GetFieldValue<T>(at + column);
    }
}
