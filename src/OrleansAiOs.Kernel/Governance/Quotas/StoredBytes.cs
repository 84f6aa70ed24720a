using System.Collections.Concurrent;
using System.Data.Common;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Governance.Quotas;

/// <summary>
/// How many bytes a tenant may store: the events of its runs, and its documents. Counted as they are written and deleted, so that nothing is searched for
/// it; a soft limit, which may be overstepped by what hosts write in half a minute and by what is under way.
///
/// What is stored. A ledger of the tenant, "escrow/stored/bytes/{n}": what it came to when all was measured, and behind that what each host has
/// counted since. A host counts in memory what its store tells it, and writes that half a minute later, if there is anything; a tenant without such
/// a quota is not counted, and one that does nothing costs nothing. All is measured, which reads all, when the quota is set, and once a day while there is
/// something to count: a host that was killed takes what it counted last with it.
///
/// Beyond the quota what would bring more in from outside is refused: starts, signals and updates, uploads. What runs goes on to its end.
/// </summary>
public sealed class StoredBytes : IAsyncDisposable
{
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromMinutes(1);

    private readonly EventStreams streams;
    private readonly DbDataSource source;
    private readonly QuotaView view;
    private readonly Func<CancellationToken, ValueTask> fresh;
    private readonly TimeProvider time;
    private readonly StoredPace pace;
    private readonly ConcurrentDictionary<string, Tally> tallies = new(StringComparer.Ordinal);
    private readonly Lock sync = new();
    private ITimer? timer;
    private bool disposed;

    public StoredBytes(EventStreams streams, DbDataSource source, QuotaView view, Func<CancellationToken, ValueTask> fresh, TimeProvider time) : this(streams, source, view, fresh, time, StoredPace.Usual)
    {
    }

    internal StoredBytes(EventStreams streams, DbDataSource source, QuotaView view, Func<CancellationToken, ValueTask> fresh, TimeProvider time, StoredPace pace) =>
        (this.streams, this.source, this.view, this.fresh, this.time, this.pace) = (streams, source, view, fresh, time, pace);

    /// <summary>So many bytes of a tenant were stored, or deleted. Quick: it is told behind each append.</summary>
    public void Count(string tenant, long bytes)
    {
        if (bytes == 0 || view.SmallestOfBytes(tenant) is null) return;
        TallyOf(tenant).Add(bytes);
        lock (sync)
            if (!disposed) timer ??= time.CreateTimer(static self => ((StoredBytes)self!).Write(), this, pace.Every, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Lets something in that would be stored.</summary>
    /// <exception cref="QuotaExceededException">The tenant stores as much as it may.</exception>
    public async ValueTask AdmitAsync(string tenant)
    {
        await fresh(default);
        if (view.SmallestOfBytes(tenant) is not { Bytes: { } limit } quota) return;
        if (await TallyOf(tenant).UsedAsync(quota.BytesSince, mayMeasure: true) is var used && used >= limit)
            throw new QuotaExceededException($"Quota '{quota.Id}' allows {limit:N0} bytes of events and documents, and {used:N0} are stored. Delete runs that are over (aios purge), or have it raised: aios quota set {quota.Id} --bytes …", AskAgainAfter);
    }

    /// <summary>A quota was set: what is stored by then is measured.</summary>
    public Task BeginAsync(Quota quota) => TallyOf(quota.Tenant).UsedAsync(quota.BytesSince, mayMeasure: true);

    /// <summary>How a quota of bytes stands: by what is in the store, and what this host has counted since.</summary>
    public async Task<BytesStanding> StandingAsync(Quota quota)
    {
        var tally = TallyOf(quota.Tenant);
        return new BytesStanding(quota.Bytes!.Value, await tally.UsedAsync(quota.BytesSince, mayMeasure: false), tally.MeasuredAt);
    }

    /// <summary>What was counted is written, if the store is still there.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (sync)
        {
            disposed = true;
            timer?.Dispose();
        }
        foreach (var tally in tallies.Values) await tally.WriteAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private Tally TallyOf(string tenant) => tallies.GetOrAdd(tenant, of => new Tally(streams, source, time, pace, of, () => view.SmallestOfBytes(of)?.BytesSince));

    private void Write()
    {
        lock (sync)
        {
            timer?.Dispose();
            timer = null;
        }
        using (ExecutionContext.SuppressFlow()) _ = Task.Run(WriteAsync);

        async Task WriteAsync()
        {
            foreach (var (tenant, tally) in tallies)
                try
                {
                    await tally.WriteAsync();
                }
                catch (Exception)
                {
                    Count(tenant, tally.Unwritten); // the store does not answer: what was counted is kept, and written later
                }
        }
    }

    /// <summary>What one host knows of one tenant.</summary>
    private sealed class Tally(EventStreams streams, DbDataSource source, TimeProvider time, StoredPace pace, string tenant, Func<long?> since)
    {
        private readonly LedgerBook<StoredPage> book = new(streams, tenant, $"{EventStreams.Ledger}stored/bytes/", number => new StoredPage(number));
        private readonly SemaphoreSlim one = new(1);
        private StoredPage? page;
        private long? readAt;
        private long counted;

        public DateTimeOffset? MeasuredAt => page?.MeasuredAt;

        public long Unwritten => Interlocked.Read(ref counted);

        public void Add(long bytes) => Interlocked.Add(ref counted, bytes);

        /// <param name="from">The setting from which on it is counted.</param>
        /// <param name="mayMeasure">To be decided on, by what is in the store or was half a minute ago; else only to be looked at, by what is there now.</param>
        public async Task<long> UsedAsync(long from, bool mayMeasure)
        {
            await one.WaitAsync();
            try
            {
                if (!mayMeasure || page is null || page.Since < from || readAt is not { } at || time.GetElapsedTime(at) >= pace.Every) await ReadAsync();
                if (mayMeasure && page!.Since < from) await MoveAsync(from);
                return Math.Max(0, page!.Bytes + Unwritten);
            }
            finally
            {
                one.Release();
            }
        }

        /// <summary>Writes what was counted, and measures all where that is due.</summary>
        public async Task WriteAsync()
        {
            if (since() is not { } from || Unwritten == 0) return;
            await one.WaitAsync();
            try
            {
                if (page is null) await ReadAsync();
                await MoveAsync(from);
            }
            finally
            {
                one.Release();
            }
        }

        private async Task ReadAsync()
        {
            readAt = time.GetTimestamp();
            page = await book.LoadAsync(default);
        }

        private async Task MoveAsync(long from)
        {
            var began = time.GetUtcNow();
            while (true)
            {
                var on = page!;
                var isDue = on.Since < from || began - on.MeasuredAt >= pace.Measured;
                // Taken out before it is measured: what is written meanwhile counts once more at most.
                var by = Interlocked.Exchange(ref counted, 0);
                try
                {
                    KernelEvent said = isDue ? new StoredBytesMeasured(await MeasureAsync(), Math.Max(from, on.Since)) : new StoredBytesMoved(by);
                    if (!isDue && by == 0) return;
                    if (await book.AppendAsync(on, [said], began))
                    {
                        if (on.Version >= pace.FoldAfter && await book.AppendAsync(on, [new EscrowClosed()], began)) await ReadAsync();
                        return;
                    }
                    Add(by);
                }
                catch
                {
                    Add(by);
                    page = null;
                    throw;
                }
                await ReadAsync(); // another host has counted too
            }
        }

        private async Task<long> MeasureAsync() => await source.ValueAsync("""
            select sum(bytes)::bigint from (select octet_length(data::text) from aios.mt_events where tenant_id = $1 and stream_id like 'run/%' union all select size from aios.payloads where tenant_id = $1) stored (bytes) having count(*) > 0
            """, [tenant], default) as long? ?? 0;
    }
}

/// <summary>How a quota of bytes stands.</summary>
/// <param name="MeasuredAt">When all was measured; what came and went since was counted.</param>
public sealed record BytesStanding(long Limit, long Used, DateTimeOffset? MeasuredAt)
{
    public long Free => Math.Max(0, Limit - Used);
}

/// <param name="Every">What was counted is written so much later, and what others have written is read again after as long.</param>
/// <param name="Measured">All is measured again so much later.</param>
/// <param name="FoldAfter">A stream of so many events is closed.</param>
internal sealed record StoredPace(TimeSpan Every, TimeSpan Measured, int FoldAfter)
{
    public static readonly StoredPace Usual = new(TimeSpan.FromSeconds(30), TimeSpan.FromDays(1), 500);
}
