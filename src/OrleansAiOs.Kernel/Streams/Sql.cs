using System.Data.Common;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Streams;

/// <summary>Statements with numbered parameters, as the kernel asks tables of its own; null for one that is not there.</summary>
internal static class Sql
{
    public static DbCommand Command(this DbDataSource source, string sql, params object?[] values) => source.CreateCommand(sql).Bound(values);

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
