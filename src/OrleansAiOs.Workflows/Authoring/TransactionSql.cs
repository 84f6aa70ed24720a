using System.Data.Common;

namespace OrleansAiOs.Workflows;

/// <summary>For activities that write in the engine's transaction (<see cref="Effect.Transactional"/>): statements with numbered parameters, $1, $2, ….</summary>
public static class TransactionSql
{
    /// <param name="transaction">What the activity was given.</param>
    /// <param name="sql">One statement.</param>
    /// <param name="values">Its parameters in their order; null for one that is not there, times in UTC.</param>
    public static DbCommand Command(this DbTransaction transaction, string sql, params object?[] values)
    {
        var command = transaction.Connection!.CreateCommand();
        (command.Transaction, command.CommandText) = (transaction, sql);
        return command.Bound(values);
    }

    /// <returns>How many rows it changed.</returns>
    public static async Task<int> ExecuteAsync(this DbTransaction transaction, string sql, params object?[] values)
    {
        await using var command = transaction.Command(sql, values);
        return await command.ExecuteNonQueryAsync();
    }

    /// <summary>Makes tables of one's own where they are missing, also when several transactions come to it at once.</summary>
    /// <param name="transaction">What the activity was given.</param>
    /// <param name="last">The relation that is made last, as schema.name: where it is, all is. Written by the program, never from outside.</param>
    /// <param name="ddl">Statements, each with "if not exists" and a semicolon behind it.</param>
    public static Task EnsureAsync(this DbTransaction transaction, string last, string ddl) => transaction.ExecuteAsync($"""
        do $$ begin
            if to_regclass('{last}') is null then
                -- "If not exists" may still answer from what this session looked up before another committed: then the insert into the catalogue says it.
                begin
                    {ddl}
                exception when unique_violation or duplicate_schema or duplicate_table then null;
                end;
            end if;
        end $$
        """);

    internal static DbCommand Bound(this DbCommand command, object?[] values)
    {
        foreach (var value in values) Bind(command.Parameters, command.CreateParameter(), value);
        return command;
    }

    internal static void Bind(DbParameterCollection parameters, DbParameter parameter, object? value)
    {
        parameter.Value = value switch
        {
            null => DBNull.Value,
            DateTimeOffset at => at.UtcDateTime,
            _ => value,
        };
        parameters.Add(parameter);
    }
}
