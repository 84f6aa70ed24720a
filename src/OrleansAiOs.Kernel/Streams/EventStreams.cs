using System.Data.Common;
using System.Text;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Streams;

/// <summary>
/// The kernel's own event streams, in the same tables as the runs (Marten's layout), under ids that never begin with "run/".
///
/// What is stored: the stream's head with its version, and its events behind it, in one transaction.
///
/// The append: one lock for all kernel appends of the database is taken first and held to the commit. So numbers of the sequence are in
/// the order of the commits, and a reader who has seen number n has seen all that will ever come before it. Kernel events are rare (a
/// grant, a policy, a block of a budget), runs do not take the lock. Then the head is moved from exactly the expected version; if it was
/// not there, nothing is written and the caller is told. A crash before the commit leaves nothing. A connection that is lost around the
/// commit leaves the caller unsure, so the stream is read back: our event ids there are our success.
/// </summary>
/// <param name="source">The database; its owner gives it back.</param>
/// <param name="seal">Tells our events from rows written by hand; without one, as in tests, every row is taken for ours.</param>
public sealed class EventStreams(DbDataSource source, StreamSeal? seal = null)
{
    private const long Lock = 0x41_49_4F_53_0003; // 1 is the schema's, 2 the claim of a host

    /// <summary>
    /// Streams whose ids begin so are a ledger: there is much in them, and only its keeper reads it. <see cref="ReadAllAsync"/> passes them
    /// over, and appends to them raise no <see cref="Appended"/>.
    /// </summary>
    public const string Ledger = "escrow/";

    /// <summary>Raised behind each append of this process.</summary>
    public event Action? Appended;

    /// <summary>Raised for each row that is passed over because no host wrote it.</summary>
    public event Action<ForgedEventException>? Forged;

    /// <summary>All events of a stream, oldest first; none if there is no such stream.</summary>
    /// <exception cref="ForgedEventException">One of them was written by hand: nothing is decided by this stream until a person has mended it.</exception>
    public async Task<IReadOnlyList<RecordedEvent>> ReadAsync(string tenant, string stream, CancellationToken cancellation = default)
    {
        await using var command = source.Command("""
            select seq_id, tenant_id, stream_id, version, timestamp, type, data::text from aios.mt_events
            where tenant_id = $1 and stream_id = $2 order by version
            """, tenant, stream);
        return await ListAsync(command, forged => throw forged, cancellation);
    }

    /// <summary>The version of a stream; 0 if it is not there.</summary>
    public async Task<long> VersionAsync(string tenant, string stream, CancellationToken cancellation = default)
    {
        await using var command = source.Command("select version from aios.mt_streams where tenant_id = $1 and id = $2", tenant, stream);
        return await command.ExecuteScalarAsync(cancellation) is long version ? version : 0;
    }

    /// <summary>Everything in the kernel's streams but the ledgers, of all tenants, behind a place in the order of commits. Rows written by hand are passed over, with <see cref="Forged"/>.</summary>
    public async Task<IReadOnlyList<RecordedEvent>> ReadAllAsync(long after, CancellationToken cancellation = default)
    {
        await using var command = source.Command("""
            select seq_id, tenant_id, stream_id, version, timestamp, type, data::text from aios.mt_events
            where seq_id > $1 and stream_id not like 'run/%' and stream_id not like 'escrow/%' order by seq_id
            """, after);
        return await ListAsync(command, forged => Forged?.Invoke(forged), cancellation);
    }

    /// <summary>Whether anything is there, of whatever tenant.</summary>
    public async Task<bool> AnyAsync(CancellationToken cancellation = default)
    {
        await using var command = source.Command("select 1 from aios.mt_events where stream_id not like 'run/%' limit 1");
        return await command.ExecuteScalarAsync(cancellation) is not null;
    }

    /// <summary>Whether there was ever an event of this name (<see cref="EventTable.Of{T}"/>) in a stream of a tenant whose id begins so.</summary>
    public async Task<bool> AnyAsync(string tenant, string prefix, string name, CancellationToken cancellation = default)
    {
        await using var command = source.Command("""
            select 1 from aios.mt_streams s where tenant_id = $1 and starts_with(id, $2)
                and exists (select 1 from aios.mt_events e where e.tenant_id = $1 and e.stream_id = s.id and e.type = $3) limit 1
            """, tenant, prefix, name);
        return await command.ExecuteScalarAsync(cancellation) is not null;
    }

    /// <summary>Appends behind exactly the expected version.</summary>
    /// <param name="tenant">Whose stream it is.</param>
    /// <param name="stream">Its id; not that of a run.</param>
    /// <param name="expected">The version the decision was made on; 0 for a stream that is not there yet.</param>
    /// <param name="events">At least one.</param>
    /// <param name="by">The principal who does it; null for the engine itself.</param>
    /// <param name="cancellation">Gives up before anything is sent.</param>
    /// <param name="alongside">Writes what commits together with the events; what it throws undoes both.</param>
    /// <returns>The stream's new version.</returns>
    /// <exception cref="StreamConflictException">The stream is at another version: load it and decide anew.</exception>
    public async Task<long> AppendAsync(string tenant, string stream, long expected, IReadOnlyList<KernelEvent> events, string? by, CancellationToken cancellation = default,
        Func<DbTransaction, Task>? alongside = null)
    {
        if (stream.StartsWith("run/", StringComparison.Ordinal)) throw new ArgumentException($"'{stream}' is a run's; the engine alone appends to it.", nameof(stream));
        if (events.Count == 0) throw new ArgumentException("There is nothing to append.", nameof(events));
        cancellation.ThrowIfCancellationRequested();
        var ids = events.Select(_ => Guid.CreateVersion7()).ToArray();
        try
        {
            if (!await WriteAsync(tenant, stream, expected, ids, [.. events.Select((e, i) => EventTable.Write(e, by, seal is null ? null : (name, body) => seal.Of(tenant, stream, expected + 1 + i, name, body)))], alongside)) throw new StreamConflictException(stream, expected);
        }
        catch (DbException)
        {
            // The answer may be all that was lost: whether it committed is in the stream.
            if (!await IsThereAsync(tenant, stream, expected + 1, ids[0])) throw;
        }
        if (!stream.StartsWith(Ledger, StringComparison.Ordinal)) Appended?.Invoke();
        return expected + events.Count;
    }

    /// <summary>Loads a stream, decides on it and appends; whoever was slower decides anew on what the faster one did.</summary>
    /// <param name="tenant">Whose stream it is.</param>
    /// <param name="stream">Its id.</param>
    /// <param name="decide">What is to be appended behind the history; nothing, if nothing is to change. It may be called more than once.</param>
    /// <param name="by">The principal who does it; null for the engine itself.</param>
    /// <param name="alongside">Writes what commits together with the events.</param>
    /// <param name="cancellation">Gives up before anything is sent.</param>
    /// <returns>Whether anything was appended.</returns>
    /// <exception cref="TornStreamException">Events of the stream are missing: nothing can be decided on what is left.</exception>
    public async Task<bool> DecideAsync(string tenant, string stream, Func<IReadOnlyList<RecordedEvent>, IReadOnlyList<KernelEvent>> decide, string? by, Func<DbTransaction, Task>? alongside = null,
        CancellationToken cancellation = default)
    {
        var lost = -1;
        while (true)
        {
            var history = await ReadAsync(tenant, stream, cancellation);
            // Whoever was faster has left something to read.
            if (history.Count == lost) throw await TornAsync(tenant, stream, lost, cancellation);
            var events = decide(history);
            if (events.Count == 0) return false;
            try
            {
                await AppendAsync(tenant, stream, history.Count, events, by, cancellation, alongside);
                return true;
            }
            catch (StreamConflictException)
            {
                lost = history.Count;
            }
        }
    }

    internal async Task<TornStreamException> TornAsync(string tenant, string stream, long there, CancellationToken cancellation = default) =>
        new(tenant, stream, there, await VersionAsync(tenant, stream, cancellation));

    private async Task<bool> WriteAsync(string tenant, string stream, long expected, Guid[] ids, (string Name, string Body)[] events, Func<DbTransaction, Task>? alongside)
    {
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var batch = connection.CreateBatch();
        batch.Transaction = transaction;
        Add(batch, "select pg_advisory_xact_lock($1)", Lock);
        Add(batch, """
            with head as (insert into aios.mt_streams (tenant_id, id, version, timestamp, created, is_archived)
                    select $1, $2, $3 + cardinality($4::uuid[]), now(), now(), false where $3 = 0 on conflict do nothing returning 1),
                moved as (update aios.mt_streams set version = $3 + cardinality($4::uuid[]), timestamp = now()
                    where $3 > 0 and tenant_id = $1 and id = $2 and version = $3 returning 1)
            insert into aios.mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id, is_archived)
            select nextval('aios.mt_events_sequence'), e.id, $2, $3 + e.o, e.body::jsonb, e.name, now(), $1, false
            from unnest($4::uuid[], $5::varchar[], $6::text[]) with ordinality e(id, name, body, o)
            where exists (select 1 from head) or exists (select 1 from moved)
            order by e.o
            returning seq_id, version, timestamp
            """, tenant, stream, expected, ids, events.Select(e => e.Name).ToArray(), events.Select(e => e.Body).ToArray());
        var places = new List<(long Seq, long Version, DateTimeOffset At)>();
        await using (var reader = await batch.ExecuteReaderAsync())
        {
            await reader.NextResultAsync();
            while (await reader.ReadAsync()) places.Add((reader.GetInt64(0), reader.GetInt64(1), await reader.GetFieldValueAsync<DateTimeOffset>(2)));
        }
        if (places.Count != ids.Length) return false;
        // What the audit trail is told of them commits with them, as for runs.
        var leaves = new byte[places.Count * AuditLeaf.Bytes];
        foreach (var (_, version, at) in places)
        {
            var i = (int)(version - expected - 1);
            AuditLeaf.Write(tenant, stream, version, ids[i], events[i].Name, at, Encoding.UTF8.GetBytes(events[i].Body), [], leaves.AsSpan(i * AuditLeaf.Bytes, AuditLeaf.Bytes));
        }
        var audit = AuditBatch.Of([new AuditedAppend(tenant, stream, expected == 0, places.Count)], leaves);
        await using var said = connection.CreateBatch();
        said.Transaction = transaction;
        Add(said, "insert into aios.audit_batches (kind, root, detail, numbers) values ($1, $2, $3, $4)", (short)AuditKind.Appended, audit.Root, audit.Detail, places.Select(place => place.Seq).Order().ToArray());
        await said.ExecuteNonQueryAsync();
        if (alongside is not null) await alongside(transaction);
        await transaction.CommitAsync();
        return true;
    }

    private async Task<bool> IsThereAsync(string tenant, string stream, long version, Guid id)
    {
        await using var command = source.Command("select 1 from aios.mt_events where tenant_id = $1 and stream_id = $2 and version = $3 and id = $4", tenant, stream, version, id);
        return await command.ExecuteScalarAsync() is not null;
    }

    private async Task<IReadOnlyList<RecordedEvent>> ListAsync(DbCommand command, Action<ForgedEventException> onForged, CancellationToken cancellation)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var events = new List<RecordedEvent>();
        while (await reader.ReadAsync(cancellation))
        {
            var (tenant, stream, version, name, body) = (reader.GetString(1), reader.GetString(2), reader.GetInt64(3), reader.GetString(5), reader.GetString(6));
            if (seal is not null && EventTable.Unseal(body) is var (given, bare) && !seal.Fits(given, tenant, stream, version, name, bare))
            {
                onForged(new ForgedEventException(tenant, stream, version));
                continue;
            }
            var (e, by) = EventTable.Read(stream, version, name, body);
            events.Add(new RecordedEvent(reader.GetInt64(0), tenant, stream, version, await reader.GetFieldValueAsync<DateTimeOffset>(4, cancellation), by, e));
        }
        return events;
    }

    private static void Add(DbBatch batch, string sql, params object[] values)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = sql;
        foreach (var value in values) TransactionSql.Bind(command.Parameters, command.CreateParameter(), value);
        batch.BatchCommands.Add(command);
    }
}

/// <summary>A stream's head says that there are more events than there are.</summary>
public sealed class TornStreamException(string tenant, string stream, long there, long version) : Exception(
    $"'{stream}' (tenant '{tenant}') is at version {version}, and {there} of its events are there: somebody has deleted the others by hand. Nothing is decided on what is left. Put the database back as it was: aios db restore.");

/// <summary>Somebody else was faster: nothing was appended.</summary>
public sealed class StreamConflictException(string stream, long expected) : Exception($"'{stream}' is no longer at version {expected}: somebody else has changed it meanwhile. Load it and decide anew.");
