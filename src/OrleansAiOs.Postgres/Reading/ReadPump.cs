using System.Threading.Channels;
using Npgsql;
using NpgsqlTypes;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Reading;

/// <summary>Reads histories for many runs in one round trip: after a crash thousands are asked for at once.</summary>
internal sealed class ReadPump : IAsyncDisposable
{
    private const int RunsMax = 200;

    private const string Sql = """
        select t.o, e.version, e.id, e.type, e.data, e.timestamp
        from unnest($1::varchar[], $2::varchar[], $3::bigint[], $4::bigint[]) with ordinality t(tenant, stream, first, last, o)
        left join aios.runs r on t.first = 0 and r.tenant_id = t.tenant and r.id = substr(t.stream, 5)
        join aios.mt_events e on e.tenant_id = t.tenant and e.stream_id = t.stream and e.version >= case t.first when 0 then coalesce(r.checkpoint, 1) else t.first end and e.version <= t.last
        order by t.o, e.version
        """;

    private readonly ChannelReader<PendingRead> queue;
    private readonly NpgsqlDataSource source;
    private readonly Task pumping;

    public ReadPump(ChannelReader<PendingRead> queue, NpgsqlDataSource source)
    {
        (this.queue, this.source) = (queue, source);
        pumping = Task.Run(PumpAsync);
    }

    public async ValueTask DisposeAsync() => await pumping;

    private async Task PumpAsync()
    {
        var batch = new List<PendingRead>(RunsMax);
        while (await queue.WaitToReadAsync())
        {
            batch.Clear();
            while (batch.Count < RunsMax && queue.TryRead(out var read)) batch.Add(read);
            if (batch.Count == 0) continue;
            try
            {
                await ReadAsync(batch);
            }
            catch (Exception e)
            {
                foreach (var read in batch) read.Fail(e);
            }
        }
    }

    private async Task ReadAsync(List<PendingRead> batch)
    {
        await using var connection = await source.OpenConnectionAsync();
        await using var command = new NpgsqlCommand(Sql, connection);
        command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Varchar, Value = batch.Select(r => r.Run.Tenant).ToArray() });
        command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Varchar, Value = batch.Select(r => r.Run.Stream).ToArray() });
        command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint, Value = batch.Select(r => r.FromVersion).ToArray() });
        command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint, Value = batch.Select(r => r.ToVersion).ToArray() });
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            batch[(int)reader.GetInt64(0) - 1].Events.Add(new StoredEvent(reader.GetInt64(1), reader.GetGuid(2), reader.GetString(3), reader.GetFieldValue<byte[]>(4),
                new DateTimeOffset(reader.GetDateTime(5), TimeSpan.Zero)));
        await reader.CloseAsync();
        foreach (var read in batch) read.Done();
    }
}

/// <param name="fromVersion">0: the last checkpoint, or the beginning if there is none.</param>
internal sealed class PendingRead(RunKey run, long fromVersion, long toVersion)
{
    private readonly TaskCompletionSource<List<StoredEvent>> result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RunKey Run => run;

    public long FromVersion => fromVersion;

    public long ToVersion => toVersion;

    public List<StoredEvent> Events { get; } = [];

    public Task<List<StoredEvent>> Result => result.Task;

    public void Done() => result.TrySetResult(Events);

    public void Fail(Exception exception) => result.TrySetException(exception);
}
