using Npgsql;
using NpgsqlTypes;
using OrleansAiOs.Workflows.Audit;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Appending;

/// <summary>
/// Appends of many runs in one statement, one round trip and one transaction (variant AL of the measurements in
/// anchors/marten-layout.md).
///
/// <code>
/// b     the streams: tenant, id, expected version, number of events
/// ins   new ones (expected 0), inserted in key order; a twin already there is not a winner
/// lk    existing ones at exactly the expected version, locked in key order — both orders are what keeps two pumps from deadlocking
/// upd   their new versions
/// lose  whoever is in neither: the answer
/// lo    them, as an array; null where there are none
/// nu    a number for each event of the others, null for a loser's: it burns none of the sequence that Marten's daemon follows. All of them
///       at once, and not one with each row: so they mostly follow each other, whatever other flushes run, and the trail can say so in short
/// ev    events of the others: those with a number
/// rw, wu, wd   summary rows and wake-ups of the others
/// ob    which of their events are to be told to whom outside. A row that is there already is of a run of this id that was deleted
/// au    what the flush says of its events to the audit trail: one row
/// </code>
/// Nobody loses, almost always: "&lt;&gt; all (null)" is nothing then, where "not in (select … from lose)" makes a hash table for each use, and an
/// empty array is unpacked for each row. The fewer nodes, the less each flush costs before it does anything; a small one costs little else.
/// A crash before the commit leaves nothing of any of it; after it, all of it.
/// </summary>
internal sealed class AppendStatement
{
    private readonly NpgsqlCommand command;
    private readonly NpgsqlParameter[] parameters;
    private readonly AuditFlush audit;
    private readonly bool rows;
    private readonly bool wakeUps;
    private readonly bool outbox;
    private bool prepared;

    private const string WithEvents = """
        with b as materialized (select * from unnest($1::varchar[], $2::varchar[], $3::bigint[], $4::int[]) with ordinality t(tenant, id, exp, n, o)),
        ins as (insert into aios.mt_streams (tenant_id, id, version, timestamp, created, is_archived)
            select tenant, id, n, now(), now(), false from b where exp = 0 order by tenant, id on conflict do nothing returning tenant_id, id),
        lk as materialized (select s.tenant_id, s.id, b.exp + b.n nv from b join aios.mt_streams s on s.tenant_id = b.tenant and s.id = b.id
            where b.exp > 0 and s.version = b.exp and s.is_archived is not true order by s.tenant_id, s.id for update of s),
        upd as (update aios.mt_streams s set version = lk.nv, timestamp = now() from lk where s.tenant_id = lk.tenant_id and s.id = lk.id returning s.tenant_id, s.id),
        lose as materialized (select o from b where (tenant, id) not in (select tenant_id, id from ins union all select tenant_id, id from upd)),
        lo as materialized (select nullif(array(select o::int from lose), '{}') a),
        nu as materialized (select array(select case when coalesce(so <> all ((select a from lo)::int[]), true) then nextval('aios.mt_events_sequence') end from unnest($5::int[]) e(so)) a),
        ev as (insert into aios.mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id, is_archived)
            select e.seq, e.eid, $2[e.so], e.v, e.d, e.t, e.at, $1[e.so], false
            from unnest($5::int[], $6::uuid[], $7::bigint[], $8::varchar[], $9::jsonb[], $10::timestamptz[], (select a from nu)) e(so, eid, v, t, d, at, seq)
            where e.seq is not null)
        """;

    // Somebody else has appended the events, in the same transaction, and their streams are at the new versions.
    private const string BehindEvents = """
        with b as materialized (select * from unnest($1::varchar[], $2::varchar[], $3::bigint[], $4::int[]) with ordinality t(tenant, id, exp, n, o)),
        lk as materialized (select s.tenant_id, s.id from b join aios.mt_streams s on s.tenant_id = b.tenant and s.id = b.id where s.version = b.exp + b.n order by s.tenant_id, s.id for update of s),
        lose as materialized (select o from b where (tenant, id) not in (select tenant_id, id from lk)),
        lo as materialized (select nullif(array(select o::int from lose), '{}') a),
        nu as materialized (select array(select m.seq_id from unnest($5::int[], $6::uuid[], $7::bigint[], $8::varchar[], $9::jsonb[], $10::timestamptz[]) e(so, eid, v, t, d, at)
            join aios.mt_events m on m.tenant_id = $1[e.so] and m.stream_id = $2[e.so] and m.version = e.v and m.id = e.eid order by m.seq_id) a)
        """;

    /// <param name="connection">Whose statement it is.</param>
    /// <param name="audit">Whose rooms it may use while it is executed.</param>
    /// <param name="rows">Some of the appends bring a summary row.</param>
    /// <param name="wakeUps">Some of them bring a wake-up.</param>
    /// <param name="outbox">Some of them are to be told outside.</param>
    /// <param name="behindEvents">The events are there already: all else is to follow. It is used once, and not prepared.</param>
    public AppendStatement(NpgsqlConnection connection, AuditFlush audit, bool rows, bool wakeUps, bool outbox, bool behindEvents = false)
    {
        (this.audit, this.rows, this.wakeUps, this.outbox, prepared) = (audit, rows, wakeUps, outbox, behindEvents);
        var types = new List<NpgsqlDbType> { Text, Text, NpgsqlDbType.Bigint, NpgsqlDbType.Integer, NpgsqlDbType.Integer, NpgsqlDbType.Uuid, NpgsqlDbType.Bigint, Text, NpgsqlDbType.Jsonb, NpgsqlDbType.TimestampTz };
        var sql = behindEvents ? BehindEvents : WithEvents;
        if (rows)
        {
            sql += """
                , rw as (insert into aios.runs (tenant_id, id, workflow, code_version, status, host, busy, business_key, attributes, waits, awaits_approval, started_at, updated_at, closed_at, checkpoint)
                    select $1[r.so], substr($2[r.so], 5), r.workflow, r.code, r.status, r.host, r.busy, r.bkey, r.attributes, r.waits, r.approval, r.started, r.updated, r.closed, r.checkpoint
                    from unnest($11::int[], $12::varchar[], $13::varchar[], $14::smallint[], $15::varchar[], $16::boolean[], $17::varchar[], $18::jsonb[], $19::jsonb[], $20::boolean[], $21::timestamptz[], $22::timestamptz[], $23::timestamptz[], $24::bigint[])
                        r(so, workflow, code, status, host, busy, bkey, attributes, waits, approval, started, updated, closed, checkpoint)
                    where coalesce(r.so <> all ((select a from lo)::int[]), true)
                    on conflict (tenant_id, id) do update set code_version = excluded.code_version, status = excluded.status, host = excluded.host, busy = excluded.busy,
                        attributes = excluded.attributes, waits = excluded.waits, awaits_approval = excluded.awaits_approval, updated_at = excluded.updated_at,
                        closed_at = excluded.closed_at, checkpoint = excluded.checkpoint)
                """;
            types.AddRange([NpgsqlDbType.Integer, Text, Text, NpgsqlDbType.Smallint, Text, NpgsqlDbType.Boolean, Text, NpgsqlDbType.Jsonb, NpgsqlDbType.Jsonb, NpgsqlDbType.Boolean,
                NpgsqlDbType.TimestampTz, NpgsqlDbType.TimestampTz, NpgsqlDbType.TimestampTz, NpgsqlDbType.Bigint]);
        }
        if (wakeUps)
        {
            var p = types.Count;
            sql += $"""
                , wu as (insert into aios.wakeups (tenant_id, run_id, due)
                    select $1[w.so], substr($2[w.so], 5), w.due from unnest(${p + 1}::int[], ${p + 2}::timestamptz[]) w(so, due)
                    where w.due is not null and coalesce(w.so <> all ((select a from lo)::int[]), true)
                    on conflict (tenant_id, run_id) do update set due = excluded.due)
                , wd as (delete from aios.wakeups d using unnest(${p + 1}::int[], ${p + 2}::timestamptz[]) w(so, due)
                    where w.due is null and coalesce(w.so <> all ((select a from lo)::int[]), true) and d.tenant_id = $1[w.so] and d.run_id = substr($2[w.so], 5))
                """;
            types.AddRange([NpgsqlDbType.Integer, NpgsqlDbType.TimestampTz]);
        }
        if (outbox)
        {
            var p = types.Count;
            sql += $"""
                , ob as (insert into aios.outbox (tenant_id, receiver, run_id, version, kind, at, due)
                    select $1[x.so], x.receiver, substr($2[x.so], 5), x.v, x.kind, x.at, x.at from unnest(${p + 1}::int[], ${p + 2}::varchar[], ${p + 3}::bigint[], ${p + 4}::varchar[], ${p + 5}::timestamptz[]) x(so, receiver, v, kind, at)
                    where coalesce(x.so <> all ((select a from lo)::int[]), true)
                    on conflict (tenant_id, receiver, run_id, version) do update set kind = excluded.kind, at = excluded.at, due = excluded.due, state = 0, attempts = 0, host = null, tried_at = null, status = null, trouble = null)
                """;
            types.AddRange([NpgsqlDbType.Integer, Text, NpgsqlDbType.Bigint, Text, NpgsqlDbType.TimestampTz]);
        }
        var a = types.Count;
        // Where the numbers follow each other: the first, and how many. Else each of them, null for a loser's: the leaves of that can be had
        // from nowhere else.
        sql += $"""
            , au as (insert into aios.audit_batches (kind, root, detail, first, events, numbers, leaves)
                select {(int)AuditKind.Appended}, ${a + 1}, ${a + 2}, a[1], case when follow then cardinality(a) end, case when not follow then a end, case when l is not null then ${a + 3} end
                from (select nu.a, lo.a l, lo.a is null and nu.a[cardinality(nu.a)] - nu.a[1] = cardinality(nu.a) - 1 follow from nu, lo) f
                where case when l is null then cardinality(a) else cardinality(array_remove(a, null)) end > 0)
            select o from lose
            """;

        command = new NpgsqlCommand(sql, connection);
        parameters = [.. types.Select(type => new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | type }), .. Enumerable.Range(0, 3).Select(_ => new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Bytea })];
        command.Parameters.AddRange(parameters);
    }

    private const NpgsqlDbType Text = NpgsqlDbType.Varchar;

    /// <summary>Executes the batch; <paramref name="onLoser"/> is called for each append whose run was not at the expected version.</summary>
    public async Task ExecuteAsync(List<PendingAppend> batch, Action<int> onLoser)
    {
        Bind(batch);
        if (!prepared)
        {
            await command.PrepareAsync();
            prepared = true;
        }
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync()) onLoser((int)reader.GetInt64(0) - 1);
    }

    private void Bind(List<PendingAppend> batch)
    {
        var n = batch.Count;
        var (tenants, ids, expected, counts) = (new string[n], new string[n], new long[n], new int[n]);
        var events = batch.Sum(append => append.Append.Events.Count);
        var (of, eventIds, versions, names, bodies, times) = (new int[events], new Guid[events], new long[events], new string[events], new byte[events][], new DateTime[events]);
        var k = 0;
        for (var i = 0; i < n; i++)
        {
            var append = batch[i].Append;
            (tenants[i], ids[i], expected[i], counts[i]) = (append.Run.Tenant, append.Run.Stream, append.Expected, append.Events.Count);
            for (var j = 0; j < append.Events.Count; j++, k++)
            {
                var e = append.Events[j];
                (of[k], eventIds[k], versions[k], names[k], bodies[k], times[k]) = (i + 1, e.Id, append.Expected + j + 1, e.Type, batch[i].BodyOf(j), e.At.UtcDateTime);
            }
        }
        Set(0, tenants, ids, expected, counts, of, eventIds, versions, names, bodies, times);
        var next = 10;
        if (rows) next = BindRows(batch, next);
        if (wakeUps) next = BindWakeUps(batch, next);
        if (outbox) BindOutbox(batch, next);
        audit.Begin();
        foreach (var pending in batch) audit.Add(pending.Append, pending.ReplacedBodies);
        var (root, detail, leaves) = audit.End();
        Set(parameters.Length - 3, root, detail, leaves);
    }

    private int BindRows(List<PendingAppend> batch, int at)
    {
        var with = batch.Count(append => append.Append.Row is not null);
        var (of, workflow, code, status, host, busy, key) = (new int[with], new string[with], new string?[with], new short[with], new string[with], new bool[with], new string?[with]);
        var (attributes, waits, approval) = (new byte[]?[with], new byte[]?[with], new bool[with]);
        var (started, updated, closed, checkpoint) = (new DateTime[with], new DateTime[with], new DateTime?[with], new long?[with]);
        for (int i = 0, k = 0; i < batch.Count; i++)
        {
            if (batch[i].Append.Row is not { } row) continue;
            (of[k], workflow[k], code[k], status[k], host[k], busy[k], key[k]) = (i + 1, row.Workflow, row.CodeVersion, (short)row.Status, row.Host, row.Busy, row.BusinessKey);
            (attributes[k], waits[k], approval[k]) = (RowJson.Write(row.Attributes), RowJson.Write(row.Waits), row.AwaitsApproval);
            (started[k], updated[k], closed[k], checkpoint[k]) = (row.StartedAt.UtcDateTime, row.UpdatedAt.UtcDateTime, row.ClosedAt?.UtcDateTime, row.Checkpoint);
            k++;
        }
        Set(at, of, workflow, code, status, host, busy, key, attributes, waits, approval, started, updated, closed, checkpoint);
        return at + 14;
    }

    private int BindWakeUps(List<PendingAppend> batch, int at)
    {
        var with = batch.Count(append => append.Append.WakeUp is not null);
        var (of, due) = (new int[with], new DateTime?[with]);
        for (int i = 0, k = 0; i < batch.Count; i++)
        {
            if (batch[i].Append.WakeUp is not { } wakeUp) continue;
            (of[k], due[k]) = (i + 1, wakeUp.Due?.UtcDateTime);
            k++;
        }
        Set(at, of, due);
        return at + 2;
    }

    private void BindOutbox(List<PendingAppend> batch, int at)
    {
        var entries = batch.SelectMany((pending, i) => (pending.Append.Outbox ?? []).Select(entry => (Of: i + 1, pending.Append, Entry: entry))).ToList();
        Set(at, entries.Select(e => e.Of).ToArray(), entries.Select(e => e.Entry.Receiver).ToArray(), entries.Select(e => e.Append.Expected + e.Entry.Event + 1).ToArray(), entries.Select(e => e.Entry.Kind).ToArray(),
            entries.Select(e => e.Append.Events[e.Entry.Event].At.UtcDateTime).ToArray());
    }

    private void Set(int from, params object[] values)
    {
        for (var i = 0; i < values.Length; i++) parameters[from + i].Value = values[i];
    }
}

/// <summary>An append that waits for its flush.</summary>
internal sealed class PendingAppend(RunAppend append, byte[]?[]? replacedBodies)
{
    private readonly TaskCompletionSource<AppendResult> result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RunAppend Append => append;

    public Task<AppendResult> Result => result.Task;

    /// <summary>What is stored in place of bodies of its events; null where nothing is.</summary>
    public byte[]?[]? ReplacedBodies => replacedBodies;

    /// <summary>The body as it goes into the event table: a large one is there as a reference to a payload.</summary>
    public byte[] BodyOf(int e) => replacedBodies?[e] ?? append.Events[e].Body;

    public void Answer(AppendResult answer) => result.TrySetResult(answer);

    public void Fail(Exception exception) => result.TrySetException(exception);
}
