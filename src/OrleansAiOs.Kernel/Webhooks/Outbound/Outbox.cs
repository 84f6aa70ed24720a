using System.Data.Common;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Webhooks.Outbound;

/// <summary>One message to one receiver, as it is about to be sent.</summary>
/// <param name="Attempts">This attempt among them.</param>
internal sealed record Message(string Tenant, string Receiver, string Run, long Version, string Kind, DateTimeOffset At, int Attempts)
{
    /// <summary>The same at every attempt, also after it was dead: the receiver knows by it what it has had.</summary>
    public string Id => OutboxId.Of(Tenant, Receiver, Run, Version, At);
}

public enum DeliveryState
{
    Waiting,
    Delivered,

    /// <summary>Given up. Somebody may have it sent again.</summary>
    Dead,
}

/// <summary>One message, as people see it.</summary>
/// <param name="Due">Waiting: when it is sent next.</param>
/// <param name="Status">What the receiver answered last.</param>
/// <param name="Trouble">Why the last attempt failed.</param>
public sealed record Delivery(string Id, string Run, long Version, string Kind, DateTimeOffset At, DeliveryState State, int Attempts, DateTimeOffset? Due, DateTimeOffset? TriedAt, int? Status, string? Trouble);

/// <summary>
/// The table aios.outbox. The engine's append writes its rows, together with the events; from there on they are the sender's:
///
/// <code>
/// claim      the first waiting row of each run whose time has come: put off by the lease, counted, and ours. Another sender passes it over
/// settle     delivered, dead, or put off to the next attempt; only if nobody has claimed it since. The run's next row may leave
/// put off    rows behind one that waits longer wait as long
/// recover    what a dead host had claimed may leave at once
/// </code>
/// Rows of one run are locked in the order of their versions, runs in the order of their ids, so two senders never wait for each other in a ring.
/// </summary>
public sealed class Outbox(DbDataSource source)
{
    internal const string ReceiverGone = "The webhook was removed.";

    private const int TroubleCharsMax = 1000;

    // From one receiver to the next: those of whom millions wait, since nobody may send them, cost no more than others.
    internal const string Due = """
        with recursive waiting as (
            (select tenant_id, receiver from aios.outbox where state = 0 order by tenant_id, receiver limit 1)
            union all
            select next.tenant_id, next.receiver from waiting w cross join lateral
                (select o.tenant_id, o.receiver from aios.outbox o where o.state = 0 and (o.tenant_id, o.receiver) > (w.tenant_id, w.receiver) order by o.tenant_id, o.receiver limit 1) next)
        select tenant_id, receiver from waiting w where exists (select from aios.outbox o where o.tenant_id = w.tenant_id and o.receiver = w.receiver and o.state = 0 and o.due <= $1)
        """;

    /// <summary>Who has something that may leave now.</summary>
    internal Task<IReadOnlyList<(string Tenant, string Receiver)>> DueAsync(DateTimeOffset now, CancellationToken cancellation) =>
        source.ListAsync(Due, [now], reader => (reader.GetString(0), reader.GetString(1)), cancellation);

    /// <summary>When something that waits may leave next.</summary>
    internal async Task<DateTimeOffset?> NextAsync(DateTimeOffset after, CancellationToken cancellation) =>
        await source.ValueAsync("select min(due) from aios.outbox where state = 0 and due > $1", [after], cancellation) is DateTime due ? new DateTimeOffset(due, TimeSpan.Zero) : null;

    internal Task<IReadOnlyList<Message>> ClaimAsync(string tenant, string receiver, DateTimeOffset now, TimeSpan lease, string host, int limit, CancellationToken cancellation) =>
        source.ListAsync("""
            with head as (select o.run_id, o.version from aios.outbox o where o.tenant_id = $1 and o.receiver = $2 and o.state = 0 and o.due <= $3
                and not exists (select from aios.outbox p where p.tenant_id = o.tenant_id and p.receiver = o.receiver and p.run_id = o.run_id and p.version < o.version and p.state = 0)
                order by o.due, o.run_id limit $6 for update of o skip locked)
            update aios.outbox o set due = $4, host = $5, attempts = o.attempts + 1, tried_at = $3 from head h
            where o.tenant_id = $1 and o.receiver = $2 and o.run_id = h.run_id and o.version = h.version
            returning o.run_id, o.version, o.kind, o.at, o.attempts
            """, [tenant, receiver, now, now + lease, host, limit],
            reader => new Message(tenant, receiver, reader.GetString(0), reader.GetInt64(1), reader.GetString(2), reader.TimeAt(3)!.Value, reader.GetInt32(4)), cancellation);

    /// <summary>What is behind a message that waits longer has no time of its own.</summary>
    internal Task PutOffAsync(string tenant, string receiver, DateTimeOffset now, CancellationToken cancellation) => source.ExecuteAsync("""
        with late as (select distinct run_id from aios.outbox where tenant_id = $1 and receiver = $2 and state = 0 and due <= $3),
            head as materialized (select p.run_id, p.version, p.due from aios.outbox p join late on late.run_id = p.run_id where p.tenant_id = $1 and p.receiver = $2 and p.state = 0 and p.due > $3
                and not exists (select from aios.outbox q where q.tenant_id = p.tenant_id and q.receiver = p.receiver and q.run_id = p.run_id and q.version < p.version and q.state = 0)
                order by p.run_id for update of p)
        update aios.outbox o set due = h.due from head h where o.tenant_id = $1 and o.receiver = $2 and o.run_id = h.run_id and o.state = 0 and o.version > h.version and o.due <= $3
        """, [tenant, receiver, now], cancellation);

    /// <returns>False if somebody else has claimed it since.</returns>
    internal async Task<bool> SettleAsync(Message message, DeliveryState state, int? status, string? trouble, DateTimeOffset due, CancellationToken cancellation) =>
        await source.ValueAsync("""
            with done as (update aios.outbox set state = $6, status = $7, trouble = $8, host = null, due = $9
                    where tenant_id = $1 and receiver = $2 and run_id = $3 and version = $4 and attempts = $5 and at = $10 and state = 0 returning state),
                next as (update aios.outbox o set due = $9 where o.tenant_id = $1 and o.receiver = $2 and o.run_id = $3 and o.state = 0 and exists (select from done where state <> 0)
                    and o.version = (select min(n.version) from aios.outbox n where n.tenant_id = $1 and n.receiver = $2 and n.run_id = $3 and n.version > $4 and n.state = 0))
            select state from done
            """, [message.Tenant, message.Receiver, message.Run, message.Version, message.Attempts, (short)state, status, Cut(trouble), due, message.At], cancellation) is not null;

    /// <summary>All that waits for a receiver is dead.</summary>
    internal Task GiveUpAsync(string tenant, string receiver, string why, CancellationToken cancellation) =>
        source.ExecuteAsync("update aios.outbox set state = 2, trouble = $3, host = null where tenant_id = $1 and receiver = $2 and state = 0", [tenant, receiver, why], cancellation);

    /// <summary>What hosts that are dead had claimed may leave at once: what they sent, they may have sent or not.</summary>
    internal Task RecoverAsync(string host, bool alone, DateTimeOffset now, CancellationToken cancellation) => source.ExecuteAsync("""
        update aios.outbox set due = $3, host = null where state = 0 and host is not null and host <> $1
            and ($2 or host in (select id from aios.hosts where dead) or not exists (select from aios.hosts h where h.id = host))
        """, [host, alone, now], cancellation);

    /// <summary>Sends something again that is dead, or everything of a receiver that is; the number of attempts begins anew.</summary>
    /// <returns>How many.</returns>
    public Task<int> RedeliverAsync(string tenant, string receiver, string? id, DateTimeOffset now, CancellationToken cancellation = default) =>
        // The id is made as OutboxId does.
        source.ExecuteAsync("""
            update aios.outbox set state = 0, attempts = 0, due = $3 where tenant_id = $1 and receiver = $2 and state = 2 and ($4 = ''
                or $4 = 'msg_' || left(encode(sha256(convert_to($1 || E'\n' || $2 || E'\n' || run_id || E'\n' || version || E'\n' || (extract(epoch from at) * 1000000)::bigint, 'UTF8')), 'hex'), 32))
            """, [tenant, receiver, now, id ?? ""], cancellation);

    /// <summary>A receiver's messages, the newest first.</summary>
    public Task<IReadOnlyList<Delivery>> ListAsync(string tenant, string receiver, DeliveryState? state, string? run, int limit, CancellationToken cancellation = default) => source.ListAsync("""
        select run_id, version, kind, at, state, attempts, due, tried_at, status, trouble from aios.outbox
        where tenant_id = $1 and receiver = $2 and ($3 < 0 or state = $3) and ($4 = '' or run_id = $4) order by at desc, run_id, version desc limit $5
        """, [tenant, receiver, (short)(state is { } only ? (int)only : -1), run ?? "", limit], reader => new Delivery(OutboxId.Of(tenant, receiver, reader.GetString(0), reader.GetInt64(1), reader.TimeAt(3)!.Value), reader.GetString(0), reader.GetInt64(1),
            reader.GetString(2), reader.TimeAt(3)!.Value, (DeliveryState)reader.GetInt16(4), reader.GetInt32(5), reader.GetInt16(4) == 0 ? reader.TimeAt(6) : null, reader.TimeAt(7), reader.IsDBNull(8) ? null : reader.GetInt32(8), reader.TextAt(9)), cancellation);

    /// <summary>How many of a receiver's messages wait, and how many are dead.</summary>
    public async Task<(long Waiting, long Dead)> CountAsync(string tenant, string receiver, CancellationToken cancellation = default) =>
        (await source.ListAsync("select count(*) filter (where state = 0), count(*) filter (where state = 2) from aios.outbox where tenant_id = $1 and receiver = $2 and state <> 1 having count(*) > 0",
            [tenant, receiver], reader => (reader.GetInt64(0), reader.GetInt64(1)), cancellation)).FirstOrDefault();

    private static string? Cut(string? text) => text is null || text.Length <= TroubleCharsMax ? text : text[..(TroubleCharsMax - 1)] + "…";
}
