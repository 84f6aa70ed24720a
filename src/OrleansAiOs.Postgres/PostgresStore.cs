using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using NpgsqlTypes;
using OrleansAiOs.Postgres.Appending;
using OrleansAiOs.Postgres.Reading;
using OrleansAiOs.Postgres.Schema;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Payloads;
using OrleansAiOs.Workflows.Retention;
using OrleansAiOs.Workflows.Timers;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Postgres;

/// <summary>Histories in PostgreSQL: written by group commit, read by key, listed from the summary rows.</summary>
public sealed class PostgresStore : IRunStore, IAsyncDisposable
{
    private const int BodyBytesMax = 8 * 1024;
    private const int Pumps = 2;

    private readonly DataSources sources;
    private readonly TenantStatements tenants;
    private readonly PostgresPayloads payloads;
    private readonly Channel<PendingAppend> appends = Channel.CreateUnbounded<PendingAppend>();
    private readonly Channel<PendingRead> reads = Channel.CreateUnbounded<PendingRead>();
    private readonly AppendPump[] appendPumps;
    private readonly ReadPump[] readPumps;
    private readonly ILogger log;
    private readonly AuditKey auditKey;

    private PostgresStore(DataSources sources, bool restricted, ILogger log, AuditKey auditKey)
    {
        (this.sources, this.log, this.auditKey) = (sources, log, auditKey);
        tenants = new TenantStatements(sources.Queries, restricted);
        payloads = new PostgresPayloads(sources.Payloads, new TenantStatements(sources.Payloads, restricted), (tenant, bytes) => Stored?.Invoke(tenant, bytes));
        appendPumps = [.. Enumerable.Range(0, Pumps).Select(_ => new AppendPump(appends.Reader, sources.Appends, () => Appended?.Invoke(), log))];
        readPumps = [.. Enumerable.Range(0, Pumps).Select(_ => new ReadPump(reads.Reader, sources.Reads))];
    }

    public IPayloadStore Payloads => payloads;

    /// <summary>Raised behind each transaction that appended something.</summary>
    public event Action? Appended;

    /// <summary>So many bytes of a tenant's events and documents were stored, or deleted. Handlers must be quick.</summary>
    public event Action<string, long>? Stored;

    /// <summary>For queries that decide nothing and for the owners of other tables.</summary>
    public NpgsqlDataSource Queries => sources.Queries;

    /// <summary>A few connections for what says that this host lives, which nothing else may keep waiting.</summary>
    public NpgsqlDataSource Liveness => sources.Liveness;

    /// <summary>Connects, brings the schema up to date, and starts the pumps.</summary>
    /// <param name="connectionString">The database.</param>
    /// <param name="log">Where trouble with appends is written.</param>
    /// <param name="auditKey">What purges are signed with. Without one they are signed with a key of this process alone, which no checkpoint knows.</param>
    /// <param name="cancellation">Gives up.</param>
    public static Task<PostgresStore> OpenAsync(string connectionString, ILogger log, AuditKey? auditKey = null, CancellationToken cancellation = default) => OpenAsync(connectionString, log, auditKey, async sources =>
    {
        await SchemaMigration.ApplyAsync(connectionString, cancellation);
        // Over a connection for heartbeats, so that one is open by the first: that it takes no time is how well the host knows the store's clock.
        await TenantRole.DemandOwnerAsync(sources.Liveness, cancellation);
        return await TenantRole.EnsureAsync(sources.Queries, cancellation);
    });

    /// <summary>Connects to a database as it is: for whoever serves nothing, beside hosts of whatever build.</summary>
    /// <exception cref="StartRefusedException">Its tables are older than what this build reads; or, if it is to be written, than this build's.</exception>
    /// <exception cref="SchemaTooNewException">A newer build has migrated it.</exception>
    public static Task<PostgresStore> OpenUnchangedAsync(string connectionString, bool toWrite, CancellationToken cancellation) => OpenAsync(connectionString, NullLogger.Instance, null, async sources =>
    {
        await SchemaMigration.DemandAsync(sources.Queries, toWrite, cancellation);
        await TenantRole.DemandOwnerAsync(sources.Queries, cancellation);
        return await TenantRole.ObjectionAsync(sources.Queries, cancellation);
    });

    // Prepares, and says why row-level security cannot be used; null if it can.
    private static async Task<PostgresStore> OpenAsync(string connectionString, ILogger log, AuditKey? auditKey, Func<DataSources, Task<string?>> prepare)
    {
        var sources = new DataSources(connectionString, Pumps, Pumps);
        try
        {
            var objection = await prepare(sources);
            if (objection is not null) log.NoTenantRole(objection);
            return new PostgresStore(sources, restricted: objection is null, log, auditKey ?? AuditKey.Make());
        }
        catch
        {
            await sources.DisposeAsync();
            throw;
        }
    }

    public async ValueTask<AppendResult> AppendAsync(RunAppend append)
    {
        if (await PendAsync(append) is not { } pending || !appends.Writer.TryWrite(pending)) return AppendResult.Unknown;
        var result = await pending.Result;
        if (result is AppendResult.Appended) Count(append);
        return result;
    }

    // A large body is stored as a document, and counted there.
    private void Count(RunAppend append)
    {
        if (Stored is not { } stored) return;
        var bytes = 0L;
        foreach (var e in append.Events) bytes += e.Body.Length > BodyBytesMax ? LargeBody.Bytes : e.Body.Length;
        stored(append.Run.Tenant, bytes);
    }

    /// <summary>Stores the append's large bodies, so that it can be flushed.</summary>
    /// <returns>Null if that failed; nothing was appended, but it has to be sent again, as after any other trouble with the connection.</returns>
    internal async Task<PendingAppend?> PendAsync(RunAppend append)
    {
        byte[]?[]? bodies;
        try
        {
            bodies = append.Events.Any(e => e.Body.Length > BodyBytesMax) ? await StoreLargeBodiesAsync(append) : null;
        }
        catch (Exception e) when (!AppendPump.IsAboutTheData(e))
        {
            log.FlushUnsure(e, 1);
            return null;
        }
        return new PendingAppend(append, bodies);
    }

    /// <summary>Somebody else than its pumps has appended.</summary>
    internal void HasAppended(RunAppend append)
    {
        Count(append);
        Appended?.Invoke();
    }

    public ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation) =>
        BetweenAsync(run, Math.Max(1, fromVersion), long.MaxValue, cancellation);

    public ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, long toVersion, CancellationToken cancellation) =>
        BetweenAsync(run, Math.Max(1, fromVersion), toVersion, cancellation);

    public async ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation) =>
        await FoldedHistory.ReadAsync(await BetweenAsync(run, 0, long.MaxValue, cancellation), (from, to) => BetweenAsync(run, from, to, cancellation));

    // From 0: from the last checkpoint on.
    private async ValueTask<IReadOnlyList<StoredEvent>> BetweenAsync(RunKey run, long fromVersion, long toVersion, CancellationToken cancellation)
    {
        var pending = new PendingRead(run, fromVersion, toVersion);
        if (!reads.Writer.TryWrite(pending)) throw new ObjectDisposedException(nameof(PostgresStore));
        var events = await pending.Result.WaitAsync(cancellation);
        for (var i = 0; i < events.Count; i++)
            if (LargeBody.Read(events[i].Body) is { } sha256) events[i] = events[i] with { Body = await payloads.GetAsync(run.Tenant, sha256, cancellation) };
        return events;
    }

    public async ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation)
    {
        await using var command = RunQueries.List(query);
        // Attributes are looked for with an operator that an index serves only to who sees every row (it is not leakproof): that list stays the owner's.
        return query.Attributes is { Count: > 0 } ? await RunQueries.ReadAsync(sources.Queries, command, cancellation)
            : await tenants.ReadAsync(query.Tenant, command, reader => RunQueries.ReadAsync(reader, cancellation), cancellation);
    }

    /// <summary>What was called, the newest first: read from the events that are there anyway.</summary>
    public Task<CallPage> CallsAsync(CallQuery query, CancellationToken cancellation) => new CallReader(tenants, (run, stop) => ReadAsync(run, 1, stop)).ReadAsync(query, cancellation);

    public async ValueTask<IReadOnlyCollection<RunKey>> PurgeAsync(IReadOnlyList<RunKey> runs, string why, CancellationToken cancellation)
    {
        var gone = new List<RunKey>();
        // What deletes is bound to one tenant at a time.
        foreach (var own in runs.GroupBy(run => run.Tenant))
        {
            List<RunKey> asked = [.. own];
            var (purged, bytes) = await RunPurge.PurgeAsync(sources.Queries, tenants, own.Key, [.. asked.Except(await KeptForKinAsync(asked, cancellation))], why, auditKey, cancellation);
            gone.AddRange(purged);
            Stored?.Invoke(own.Key, -bytes);
        }
        if (gone.Count > 0) Appended?.Invoke();
        return gone;
    }

    private async Task<HashSet<RunKey>> KeptForKinAsync(IReadOnlyList<RunKey> runs, CancellationToken cancellation)
    {
        var kin = new List<(RunKey Run, string Other)>();
        await using (var named = Command("""
            select e.tenant_id, e.stream_id, e.version, e.id, e.type, e.data from unnest($1::varchar[], $2::varchar[]) t(tenant, id)
            join aios.mt_events e on e.tenant_id = t.tenant and e.stream_id = 'run/' || t.id where e.type = any ($3)
            """, runs.Select(run => run.Tenant).ToArray(), runs.Select(run => run.Id).ToArray(), Kin.NamedBy))
        {
            await using var reader = await named.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation))
            {
                var (run, body) = (new RunKey(reader.GetString(0), reader.GetString(1)["run/".Length..]), reader.GetFieldValue<byte[]>(5));
                if (LargeBody.Read(body) is { } sha256) body = await payloads.GetAsync(run.Tenant, sha256, cancellation);
                if (Kin.NamedIn(new StoredEvent(reader.GetInt64(2), reader.GetGuid(3), reader.GetString(4), body, default)) is { } other) kin.Add((run, other));
            }
        }
        if (kin.Count == 0) return [];
        await using var open = Command("select r.tenant_id, r.id from aios.runs r join unnest($1::varchar[], $2::varchar[]) t(tenant, id) on r.tenant_id = t.tenant and r.id = t.id where r.closed_at is null",
            kin.Select(k => k.Run.Tenant).ToArray(), kin.Select(k => k.Other).ToArray());
        await using var rows = await open.ExecuteReaderAsync(cancellation);
        var others = new HashSet<RunKey>();
        while (await rows.ReadAsync(cancellation)) others.Add(new RunKey(rows.GetString(0), rows.GetString(1)));
        return [.. kin.Where(k => others.Contains(k.Run with { Id = k.Other })).Select(k => k.Run)];
    }

    public async ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation)
    {
        await using var command = RunQueries.Find(run);
        return (await tenants.ReadAsync(run.Tenant, command, reader => RunQueries.ReadAsync(reader, cancellation), cancellation)).SingleOrDefault();
    }

    public async ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation)
    {
        await using var command = Command(sources.Liveness, $"select tenant_id, run_id, due from aios.wakeups where due < $1 and {InBuckets("$3")} order by due limit $2", before.UtcDateTime, limit, Of(buckets));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<WakeUp>();
        while (await reader.ReadAsync(cancellation))
            due.Add(new WakeUp(new RunKey(reader.GetString(0), reader.GetString(1)), reader.GetFieldValue<DateTimeOffset>(2)));
        return due;
    }

    public async ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, IReadOnlyCollection<int>? buckets, CancellationToken cancellation)
    {
        await using var command = Command(sources.Liveness, $"select min(due) from aios.wakeups where due >= $1 and {InBuckets("$2")}", from.UtcDateTime, Of(buckets));
        return await command.ExecuteScalarAsync(cancellation) is DateTime due ? new DateTimeOffset(due, TimeSpan.Zero) : null;
    }

    // WakeUpBuckets.Of, as the database computes it: of the rows that the index finds in order, a bucket's are picked.
    private static string InBuckets(string which) =>
        $"({which}::int[] is null or get_byte(sha256(convert_to(tenant_id || '/' || run_id, 'UTF8')), 0) % {WakeUpBuckets.Count} = any ({which}))";

    private static object Of(IReadOnlyCollection<int>? buckets) => buckets is null ? DBNull.Value : buckets.ToArray();

    public async ValueTask<IReadOnlyList<RunRow>> ParkedAsync(IReadOnlyCollection<string> reasons, RunKey? after, int limit, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            select {RunQueries.Columns} from aios.runs
            where status = $1 and closed_at is null and (tenant_id, id) > ($2, $3) and exists (select from jsonb_array_elements(waits) w where w->>'kind' = 'unpark' and w->>'name' = any ($4))
            order by tenant_id, id limit $5
            """);
        Bind(command, (short)RunStatus.Parked, after?.Tenant ?? "", after?.Id ?? "", reasons.ToArray(), limit);
        return await RunQueries.ReadAsync(sources.Queries, command, cancellation);
    }

    public async ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation)
    {
        await using var command = Command(sources.Liveness, "select tenant_id, id from aios.runs where busy and host <> all ($1)", [livingHosts.ToArray()]);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var orphans = new List<RunKey>();
        while (await reader.ReadAsync(cancellation)) orphans.Add(new RunKey(reader.GetString(0), reader.GetString(1)));
        return orphans;
    }

    public async ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation)
    {
        await using var connection = await sources.Liveness.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection);
        Add("""
            insert into aios.hosts as h (id, started_at, seen_at, watching_since) values ($1, clock_timestamp(), clock_timestamp(), clock_timestamp()) on conflict (id) do update
            set watching_since = case when h.seen_at < clock_timestamp() - $2 / 2 then clock_timestamp() else h.watching_since end, seen_at = clock_timestamp() where not h.dead
            """, host, deadAfter);
        // One that is dead itself declares nobody dead, and neither does one that could not be heard itself: when the database was away, everybody's last word is old.
        Add("""
            update aios.hosts set dead = true where id <> $1 and not dead and ($2 or seen_at < clock_timestamp() - $3)
            and exists (select from aios.hosts own where own.id = $1 and not own.dead and ($2 or own.watching_since <= clock_timestamp() - $3))
            """, host, alone, deadAfter);
        Add("select clock_timestamp(), (select dead from aios.hosts where id = $1), array(select id from aios.hosts where not dead order by id)", host);
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        if (reader.GetBoolean(1)) throw new HostFencedException(host);
        return new HostBeat(reader.GetFieldValue<DateTimeOffset>(0), reader.GetFieldValue<string[]>(2));

        void Add(string sql, params object[] values)
        {
            var command = new NpgsqlBatchCommand(sql);
            foreach (var value in values) command.Parameters.AddWithValue(value);
            batch.BatchCommands.Add(command);
        }
    }

    public async ValueTask RetireAsync(string host, CancellationToken cancellation)
    {
        await using var command = Command(sources.Liveness, "update aios.hosts set dead = true where id = $1", host);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    public async ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<DbTransaction, Task<JsonText>> work, CancellationToken cancellation)
    {
        await using var connection = await sources.Transactions.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        // The row is claimed first: a second attempt at the same time waits here until the first has committed or gone.
        await using (var claim = new NpgsqlCommand("insert into aios.outcomes (tenant_id, run_id, key, result) values ($1, $2, $3, 'null') on conflict do nothing", connection))
        {
            Bind(claim, run.Tenant, run.Id, key);
            if (await claim.ExecuteNonQueryAsync(cancellation) == 0)
            {
                await using var known = new NpgsqlCommand("select result from aios.outcomes where tenant_id = $1 and run_id = $2 and key = $3", connection);
                Bind(known, run.Tenant, run.Id, key);
                await using var reader = await known.ExecuteReaderAsync(cancellation);
                await reader.ReadAsync(cancellation);
                return new JsonText(reader.GetFieldValue<byte[]>(0));
            }
        }
        var result = await work(transaction);
        await using (var keep = new NpgsqlCommand("update aios.outcomes set result = $4 where tenant_id = $1 and run_id = $2 and key = $3", connection))
        {
            Bind(keep, run.Tenant, run.Id, key);
            keep.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Jsonb, Value = result.Utf8.ToArray() });
            await keep.ExecuteNonQueryAsync(cancellation);
        }
        await transaction.CommitAsync(cancellation);
        return result;
    }

    /// <summary>Every run as it stands at one moment: history, summary row and wake-up. Streamed; for audits.</summary>
    public async IAsyncEnumerable<StoredRun> EveryRunAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        // One statement, one snapshot. The row stands beside the first event only.
        await using var command = Command($"""
            select e.tenant_id, e.stream_id, e.version, e.id, e.type, e.data, e.timestamp, w.due, {string.Join(", ", RunQueries.Columns.Split(", ").Select(column => $"r.{column}"))}
            from aios.mt_events e
            left join aios.runs r on e.version = 1 and r.tenant_id = e.tenant_id and r.id = substr(e.stream_id, 5)
            left join aios.wakeups w on e.version = 1 and w.tenant_id = e.tenant_id and w.run_id = substr(e.stream_id, 5)
            where e.stream_id like 'run/%'
            order by e.tenant_id, e.stream_id, e.version
            """);
        command.CommandTimeout = 0;
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        StoredRun? run = null;
        while (await reader.ReadAsync(cancellation))
        {
            var key = new RunKey(reader.GetString(0), reader.GetString(1)["run/".Length..]);
            if (run is null || run.Run != key)
            {
                if (run is not null) yield return run;
                run = new StoredRun(key, [], reader.IsDBNull(8) ? null : RunQueries.Row(reader, 8), reader.IsDBNull(7) ? null : reader.GetFieldValue<DateTimeOffset>(7));
            }
            var body = reader.GetFieldValue<byte[]>(5);
            if (LargeBody.Read(body) is { } sha256) body = await payloads.GetAsync(key.Tenant, sha256, cancellation);
            run.History.Add(new StoredEvent(reader.GetInt64(2), reader.GetGuid(3), reader.GetString(4), body, new DateTimeOffset(reader.GetDateTime(6), TimeSpan.Zero)));
        }
        if (run is not null) yield return run;
    }

    public async ValueTask DisposeAsync()
    {
        if (!appends.Writer.TryComplete()) return;
        reads.Writer.Complete();
        foreach (var pump in appendPumps) await pump.DisposeAsync();
        foreach (var pump in readPumps) await pump.DisposeAsync();
        await sources.DisposeAsync();
    }

    // Content-addressed and written before the append that refers to it: one left over by a crash is unreferenced, never missing.
    private async Task<byte[]?[]> StoreLargeBodiesAsync(RunAppend append)
    {
        var replaced = new byte[]?[append.Events.Count];
        for (var i = 0; i < replaced.Length; i++)
        {
            if (append.Events[i].Body.Length <= BodyBytesMax) continue;
            var payload = await payloads.PutAsync(append.Run.Tenant, append.Events[i].Body, CancellationToken.None, async sha256 =>
            {
                // Said before the payload is looked for: from here on nobody deletes it.
                await using var use = Command("insert into aios.payload_uses (tenant_id, sha256, run_id) values ($1, $2, $3) on conflict do nothing", append.Run.Tenant, sha256, append.Run.Id);
                await use.ExecuteNonQueryAsync();
            });
            replaced[i] = LargeBody.Write(payload.Sha256);
        }
        return replaced;
    }

    private NpgsqlCommand Command(string sql, params object[] values) => Command(sources.Queries, sql, values);

    private static NpgsqlCommand Command(NpgsqlDataSource source, string sql, params object[] values)
    {
        var command = source.CreateCommand(sql);
        Bind(command, values);
        return command;
    }

    private static void Bind(NpgsqlCommand command, params object[] values)
    {
        foreach (var value in values) command.Parameters.AddWithValue(value);
    }
}

/// <summary>All that is stored of one run.</summary>
public sealed record StoredRun(RunKey Run, List<StoredEvent> History, RunRow? Row, DateTimeOffset? WakeUp);
