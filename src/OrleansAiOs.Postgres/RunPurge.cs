using System.Security.Cryptography;
using System.Text;
using Npgsql;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Postgres;

/// <summary>
/// Deletes runs of one tenant that are over, each with all that is kept of it: events, stream, row, wake-up, outcomes, and event bodies that no other
/// run uses. Those with a parent or a child that is open are left out before (KeptForKinAsync): kin that is over stays over. One transaction for a batch: a crash leaves each run whole or gone. What is open stays, whoever asks.
///
/// The row is locked first; an append to the run would wait here, find no stream at its version, and lose.
/// A payload is locked before it is asked whether anybody still uses it, and whoever stores one says so before (StoreLargeBodiesAsync) and
/// touches its line: so either the use is seen here, or the payload is found gone there and stored again.
/// </summary>
internal static class RunPurge
{
    /// <returns>What is gone, and how many bytes of events and documents with it.</returns>
    public static async Task<(List<RunKey> Gone, long Bytes)> PurgeAsync(NpgsqlDataSource source, TenantStatements tenants, string tenant, IReadOnlyList<RunKey> runs, string why, AuditKey key, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await tenants.EnterAsync(transaction, tenant, cancellation);
        var gone = new List<RunKey>();
        await using (var rows = new NpgsqlCommand("""
            with closed as (select r.tenant_id, r.id from aios.runs r join unnest($1::varchar[], $2::varchar[]) t(tenant, id) on r.tenant_id = t.tenant and r.id = t.id
                where r.closed_at is not null and not r.busy order by r.tenant_id, r.id for update of r)
            delete from aios.runs r using closed c where r.tenant_id = c.tenant_id and r.id = c.id returning r.tenant_id, r.id
            """, connection))
        {
            Bind(rows, runs);
            await using var reader = await rows.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation)) gone.Add(new RunKey(reader.GetString(0), reader.GetString(1)));
        }
        if (gone.Count == 0) return (gone, 0);
        var (stones, bytes) = await StonesAsync(connection, gone, why, key, cancellation);

        foreach (var sql in new[]
        {
            "delete from aios.mt_streams s using unnest($1::varchar[], $2::varchar[]) t(tenant, id) where s.tenant_id = t.tenant and s.id = 'run/' || t.id",
            "delete from aios.mt_events e using unnest($1::varchar[], $2::varchar[]) t(tenant, id) where e.tenant_id = t.tenant and e.stream_id = 'run/' || t.id",
            "delete from aios.wakeups w using unnest($1::varchar[], $2::varchar[]) t(tenant, id) where w.tenant_id = t.tenant and w.run_id = t.id",
            "delete from aios.outbox x using unnest($1::varchar[], $2::varchar[]) t(tenant, id) where x.tenant_id = t.tenant and x.run_id = t.id", // who still waits could be told nothing of it; another run may have its id
            "delete from aios.outcomes o using unnest($1::varchar[], $2::varchar[]) t(tenant, id) where o.tenant_id = t.tenant and o.run_id = t.id",
        })
        {
            await using var command = new NpgsqlCommand(sql, connection);
            Bind(command, gone);
            await command.ExecuteNonQueryAsync(cancellation);
        }
        bytes += await PurgePayloadsAsync(connection, gone, cancellation);
        await BuryAsync(transaction, tenants, stones, cancellation);
        await transaction.CommitAsync(cancellation);
        return (gone, bytes);
    }

    /// <summary>A signed tombstone for each stream, made while its events are still there.</summary>
    private static async Task<(List<Stone> Stones, long Bytes)> StonesAsync(NpgsqlConnection connection, List<RunKey> gone, string why, AuditKey key, CancellationToken cancellation)
    {
        var events = new Dictionary<RunKey, List<(long Seq, byte[] Leaf)>>();
        var (now, bytes) = (default(DateTimeOffset), 0L);
        await using (var command = new NpgsqlCommand($"""
            select {AuditedEvent.Columns}, clock_timestamp() from unnest($1::varchar[], $2::varchar[]) t(tenant, id)
            join aios.mt_events e on e.tenant_id = t.tenant and e.stream_id = 'run/' || t.id order by e.tenant_id, e.stream_id, e.version
            """, connection))
        {
            Bind(command, gone);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation))
            {
                var e = AuditedEvent.Read(reader);
                now = reader.GetFieldValue<DateTimeOffset>(9);
                bytes += e.Body.Length;
                var run = new RunKey(e.Tenant, e.Stream["run/".Length..]);
                if (!events.TryGetValue(run, out var own)) events[run] = own = [];
                own.Add((e.Seq, e.LeafOrZeros())); // what somebody has written by hand may have none, as where it was taken in: the run goes all the same
            }
        }
        return ([.. events.Select(stream =>
        {
            var (line, places) = Tombstone.Write(stream.Key.Tenant, stream.Key.Stream, stream.Value, why, now, key);
            return new Stone(stream.Key, stream.Value.Min(e => e.Seq), stream.Value.Max(e => e.Seq), line, places);
        })], bytes);
    }

    /// <summary>Leaves the tombstones and tells the audit trail of them, in the transaction that deletes. The trail is no tenant's, so the rest of the transaction is not either.</summary>
    private static async Task BuryAsync(NpgsqlTransaction transaction, TenantStatements tenants, List<Stone> stones, CancellationToken cancellation)
    {
        await tenants.LeaveAsync(transaction, cancellation);
        await using var bury = new NpgsqlCommand("""
            with stones as (insert into aios.audit_tombstones (hash, tenant_id, stream_id, first_seq, last_seq, line, places)
                select * from unnest($1::bytea[], $2::varchar[], $3::varchar[], $4::bigint[], $5::bigint[], $6::text[], $7::bytea[]))
            insert into aios.audit_batches (kind, root, detail) select $8, hash, '' from unnest($1::bytea[]) hash
            """, transaction.Connection, transaction);
        foreach (var value in new object[]
        {
            stones.ConvertAll(stone => SHA256.HashData(Encoding.UTF8.GetBytes(stone.Line))).ToArray(), stones.ConvertAll(stone => stone.Run.Tenant).ToArray(), stones.ConvertAll(stone => stone.Run.Stream).ToArray(),
            stones.ConvertAll(stone => stone.First).ToArray(), stones.ConvertAll(stone => stone.Last).ToArray(), stones.ConvertAll(stone => stone.Line).ToArray(), stones.ConvertAll(stone => stone.Places).ToArray(),
            (short)AuditKind.Purge,
        }) bury.Parameters.AddWithValue(value);
        await bury.ExecuteNonQueryAsync(cancellation);
    }

    private readonly record struct Stone(RunKey Run, long First, long Last, string Line, byte[] Places);

    private static async Task<long> PurgePayloadsAsync(NpgsqlConnection connection, List<RunKey> gone, CancellationToken cancellation)
    {
        var (tenants, payloads) = (new List<string>(), new List<string>());
        await using (var uses = new NpgsqlCommand("""
            with gone as (delete from aios.payload_uses u using unnest($1::varchar[], $2::varchar[]) t(tenant, id) where u.tenant_id = t.tenant and u.run_id = t.id returning u.tenant_id, u.sha256)
            select p.tenant_id, p.sha256 from aios.payloads p where (p.tenant_id, p.sha256) in (select tenant_id, sha256 from gone) order by 1, 2 for update
            """, connection))
        {
            Bind(uses, gone);
            await using var reader = await uses.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation)) (tenants, payloads) = ([.. tenants, reader.GetString(0)], [.. payloads, reader.GetString(1)]);
        }
        if (payloads.Count == 0) return 0;
        // A statement of its own: it sees what was committed while the locks were waited for.
        await using var unused = new NpgsqlCommand("""
            with gone as (delete from aios.payloads p using unnest($1::varchar[], $2::varchar[]) t(tenant, sha256) where p.tenant_id = t.tenant and p.sha256 = t.sha256
                and not exists (select from aios.payload_uses u where u.tenant_id = p.tenant_id and u.sha256 = p.sha256) returning p.tenant_id, p.sha256, p.size),
                parts as (delete from aios.payload_parts q using gone g where q.tenant_id = g.tenant_id and q.sha256 = g.sha256)
            select size from gone
            """, connection);
        unused.Parameters.AddWithValue(tenants.ToArray());
        unused.Parameters.AddWithValue(payloads.ToArray());
        var bytes = 0L;
        await using var sizes = await unused.ExecuteReaderAsync(cancellation);
        while (await sizes.ReadAsync(cancellation)) bytes += sizes.GetInt64(0);
        return bytes;
    }

    private static void Bind(NpgsqlCommand command, IReadOnlyList<RunKey> runs)
    {
        command.Parameters.AddWithValue(runs.Select(run => run.Tenant).ToArray());
        command.Parameters.AddWithValue(runs.Select(run => run.Id).ToArray());
    }
}
