using System.Data.Common;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Webhooks.Inbound;

public enum ReceiptState
{
    /// <summary>It was taken, and what it asks for may have been done.</summary>
    Taken,
    Done,

    /// <summary>It could not be done as its source says. Its body is kept. If it names a run, an earlier attempt may have done it.</summary>
    Quarantined,
}

/// <param name="Run">The run it is for, once that is known; from then on it never changes, since something may have been done.</param>
internal sealed record HookReceipt(byte[] Sha256, ReceiptState State, string? Run);

/// <summary>A delivery, as people see it.</summary>
public sealed record ReceivedHook(string Delivery, DateTimeOffset At, ReceiptState State, string? Run, string? Why);

/// <summary>The table aios.hook_receipts: which deliveries were taken.</summary>
public sealed class HookReceipts(DbDataSource source)
{
    /// <summary>How many bodies in quarantine are kept of a source: the newest. 256 KB each at most.</summary>
    internal const int BodiesMax = 200;

    private static readonly TimeSpan KeptFor = TimeSpan.FromDays(30);

    /// <summary>The receipt of a delivery, made if there is none.</summary>
    internal async Task<HookReceipt> TakeAsync(string tenant, string from, string delivery, byte[] sha256, DateTimeOffset now, CancellationToken cancellation)
    {
        if (await source.ExecuteAsync("insert into aios.hook_receipts (tenant_id, source, delivery, sha256, at) values ($1, $2, $3, $4, $5) on conflict do nothing", [tenant, from, delivery, sha256, now], cancellation) == 0
            && (await source.ListAsync("select sha256, state, run_id from aios.hook_receipts where tenant_id = $1 and source = $2 and delivery = $3", [tenant, from, delivery],
                reader => new HookReceipt(reader.GetFieldValue<byte[]>(0), (ReceiptState)reader.GetInt16(1), reader.TextAt(2)), cancellation)) is [var known]) return known;
        return new HookReceipt(sha256, ReceiptState.Taken, null);
    }

    /// <summary>Settles which run a delivery is for, before anything is done: of two that find it at once, one decides for both.</summary>
    internal async Task<string> AimAsync(string tenant, string from, string delivery, string run, CancellationToken cancellation) =>
        await source.ValueAsync("update aios.hook_receipts set run_id = coalesce(run_id, $4), state = case state when 2 then 0 else state end where tenant_id = $1 and source = $2 and delivery = $3 returning run_id", [tenant, from, delivery, run], cancellation) as string ?? run;

    internal Task DoneAsync(string tenant, string from, string delivery, CancellationToken cancellation) =>
        source.ExecuteAsync("update aios.hook_receipts set state = 1, why = null, body = null where tenant_id = $1 and source = $2 and delivery = $3", [tenant, from, delivery], cancellation);

    /// <summary>It could not be done. The run that it was for, if that is known, it stays for: an attempt before this one may have got through, and only that run knows.</summary>
    internal async Task QuarantineAsync(string tenant, string from, string delivery, string why, byte[] body, CancellationToken cancellation)
    {
        await source.ExecuteAsync("update aios.hook_receipts set state = 2, why = $4, body = $5 where tenant_id = $1 and source = $2 and delivery = $3 and state <> 1", [tenant, from, delivery, why, body], cancellation);
        await source.ExecuteAsync("""
            update aios.hook_receipts set body = null where tenant_id = $1 and source = $2 and state = 2 and delivery in
                (select delivery from aios.hook_receipts where tenant_id = $1 and source = $2 and state = 2 and body is not null order by at desc, delivery offset $3)
            """, [tenant, from, BodiesMax], cancellation);
    }

    /// <summary>The body of a delivery in quarantine; null if there is none.</summary>
    internal async Task<byte[]?> BodyAsync(string tenant, string from, string delivery, CancellationToken cancellation) =>
        await source.ValueAsync("select body from aios.hook_receipts where tenant_id = $1 and source = $2 and delivery = $3 and state = 2", [tenant, from, delivery], cancellation) as byte[];

    /// <summary>Forgets some of the oldest: what they asked for comes no more, its time is over. Where a signature holds for ever, the receipt does too, and only bodies are forgotten.</summary>
    internal Task ForgetAsync(string tenant, string from, bool isForEver, DateTimeOffset now, CancellationToken cancellation) => source.ExecuteAsync(isForEver ? """
        update aios.hook_receipts set body = null where tenant_id = $1 and source = $2 and state = 2 and at < $3 and body is not null
        """ : """
        delete from aios.hook_receipts where tenant_id = $1 and source = $2 and delivery in
            (select delivery from aios.hook_receipts where tenant_id = $1 and source = $2 and at < $3 order by at limit 20)
        """, [tenant, from, now - KeptFor], cancellation);

    /// <summary>What a source has sent, the newest first.</summary>
    public Task<IReadOnlyList<ReceivedHook>> ListAsync(string tenant, string from, ReceiptState? state, int limit, CancellationToken cancellation = default) =>
        source.ListAsync("select delivery, at, state, run_id, why from aios.hook_receipts where tenant_id = $1 and source = $2 and ($3 < 0 or state = $3) order by at desc, delivery limit $4",
            [tenant, from, (short)(state is { } only ? (int)only : -1), limit],
            reader => new ReceivedHook(reader.GetString(0), reader.TimeAt(1)!.Value, (ReceiptState)reader.GetInt16(2), reader.TextAt(3), reader.TextAt(4)), cancellation);
}
