using System.Data.Common;

namespace OrleansAiOs.Kernel.Webhooks;

/// <summary>Statements with numbered parameters, as the tables of webhooks are asked.</summary>
internal static class WebhookSql
{
    /// <param name="values">Null for one that is not there.</param>
    public static DbCommand Command(this DbDataSource source, string sql, params object?[] values)
    {
        var command = source.CreateCommand(sql);
        foreach (var value in values)
        {
            var parameter = command.CreateParameter();
            parameter.Value = value switch
            {
                null => DBNull.Value,
                DateTimeOffset at => at.UtcDateTime,
                _ => value,
            };
            command.Parameters.Add(parameter);
        }
        return command;
    }

    /// <returns>How many rows it changed.</returns>
    public static async Task<int> ExecuteAsync(this DbDataSource source, string sql, object?[] values, CancellationToken cancellation)
    {
        await using var command = source.Command(sql, values);
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    public static async Task<IReadOnlyList<T>> ListAsync<T>(this DbDataSource source, string sql, object?[] values, Func<DbDataReader, T> read, CancellationToken cancellation)
    {
        await using var command = source.Command(sql, values);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var list = new List<T>();
        while (await reader.ReadAsync(cancellation)) list.Add(read(reader));
        return list;
    }

    /// <summary>The first value; null if there is none.</summary>
    public static async Task<object?> ValueAsync(this DbDataSource source, string sql, object?[] values, CancellationToken cancellation)
    {
        await using var command = source.Command(sql, values);
        return await command.ExecuteScalarAsync(cancellation) is var value and not DBNull ? value : null;
    }

    public static DateTimeOffset? TimeAt(this DbDataReader reader, int column) => reader.IsDBNull(column) ? null : new DateTimeOffset(reader.GetDateTime(column), TimeSpan.Zero);

    public static string? TextAt(this DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
}
