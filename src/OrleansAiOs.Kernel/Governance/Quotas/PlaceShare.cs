using System.Data.Common;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Quotas;

/// <summary>What one host holds of one quota's places, and who waits for one here. <see cref="Places"/> tells the protocol, and holds the lock.</summary>
internal sealed class PlaceShare(EventStreams streams, DbDataSource source, QuotaView view, string host, TimeSpan? deadAfter, TimeProvider time, PlacePace pace, string tenant, string quota)
{
    private readonly LedgerBook<PlacePage> book = new(streams, tenant, $"{EventStreams.Ledger}{quota}/calls/", number => new PlacePage(number));
    private readonly PriorityQueue<Action, (int, long)> waiting = new();
    private PlacePage? page;
    private long order;
    private int granted;
    private int share;
    private int wish;
    private int peak;
    private long peakSince = time.GetTimestamp();
    private (long Stamp, DateTimeOffset Wall, TimeSpan For) heard;

    public int InUse { get; private set; }

    public int Waiting => waiting.Count;

    /// <summary>It holds something or wants something, or does not know: the ledger is to be looked at now and then.</summary>
    public bool IsActive => granted > 0 || InUse > 0 || waiting.Count > 0 || page is null;

    /// <summary>To look now may bring a place. Else it is others who have to give back first.</summary>
    public bool MayGetMore(int limit) => page is null || !IsHeard || Math.Min(InUse + waiting.Count, limit) > wish;

    /// <summary>A call that ends here is not followed by another: its place goes back.</summary>
    public bool GivesBack => granted > share;

    /// <summary>Others take this host for dead no sooner than that it has been silent for long: until then its places are its own. By both clocks: one stands still while a machine is suspended, the other can be set.</summary>
    public bool IsHeard => time.GetElapsedTime(heard.Stamp) < heard.For && (time.GetUtcNow() - heard.Wall).Duration() < heard.For;

    /// <param name="limit">The quota, as it is known now.</param>
    public bool HasFree(int limit) => InUse < Math.Min(Math.Min(granted, share), limit) && IsHeard;

    public void Wait(int priority, Action again) => waiting.Enqueue(again, (-priority, order++));

    public Action? Next() => waiting.TryDequeue(out var again, out _) ? again : null;

    public void Take() => peak = Math.Max(peak, ++InUse);

    public void Leave() => InUse--;

    /// <summary>What stands in the store now.</summary>
    public Task<PlacePage> ReadAsync(CancellationToken cancellation) => book.LoadAsync(cancellation);

    /// <summary>Looks at the ledger, and takes or gives back what is due.</summary>
    /// <exception cref="DbException">The store does not answer: what is held stays as it was.</exception>
    public async Task LookAsync(Lock sync)
    {
        while (true)
        {
            page ??= await book.LoadAsync(default);
            var living = await HearAsync(sync);
            if (page is not { } on) continue; // somebody has written since
            PlaceDecision decision;
            lock (sync)
            {
                var limit = view.Find(tenant, quota)?.Calls ?? 0;
                var isOver = time.GetElapsedTime(peakSince) >= pace.Idle;
                decision = PlaceDecision.Of(on, host, living.Contains, limit, InUse, waiting.Count, isOver ? peak : null, at => time.GetUtcNow() - at < pace.Turn);
                if (isOver) (peak, peakSince) = (InUse, time.GetTimestamp());
                (share, wish) = (decision.Share, decision.Wish);
                // What is given back is nobody's before it is free in the ledger.
                granted = Math.Min(granted, decision.Places);
            }
            var mine = on.Of(host);
            var moved = on.Hosts.Keys.Where(other => other != host && !living.Contains(other)).Select(other => new HostPlaces(other, 0, 0)).ToList();
            // Who only died is left standing: whoever needs those places takes them out.
            if (mine.Places != decision.Places || mine.Wish != decision.Wish) moved.Add(new HostPlaces(host, decision.Places, decision.Wish));
            else moved.Clear();
            if (moved.Count > 0 && !await AppendAsync(on, moved)) continue;
            lock (sync) granted = on.Of(host).Places;
            if (on.Version >= pace.FoldAfter && await AppendAsync(on, null)) page = null;
            return;
        }
    }

    private async Task<bool> AppendAsync(PlacePage on, List<HostPlaces>? moved)
    {
        page = null; // unless it is there for sure
        if (!await book.AppendAsync(on, [moved is null ? new EscrowClosed() : new QuotaPlacesMoved(moved)], time.GetUtcNow())) return false;
        page = on;
        return true;
    }

    // One question: whether the ledger has gone on, who of its hosts lives, and for how long this one is taken to at least.
    private async Task<HashSet<string>> HearAsync(Lock sync)
    {
        var (stamp, wall, known) = (time.GetTimestamp(), time.GetUtcNow(), page!);
        await using var command = source.Command("""
            select (select version from aios.mt_streams where tenant_id = $1 and id = $2), (select seen_at + $4 - clock_timestamp() from aios.hosts where id = $3 and not dead), array(select id from aios.hosts where not dead and id = any($5))
            """, tenant, book.StreamOf(known.Number), host, deadAfter ?? TimeSpan.Zero, known.Hosts.Keys.Append(host).ToArray());
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        if ((reader.IsDBNull(0) ? 0 : reader.GetInt64(0)) != known.Version) page = null;
        // A host that is alone with the database does not beat, and nobody declares it dead.
        var left = reader.IsDBNull(1) ? TimeSpan.Zero : deadAfter is null ? TimeSpan.MaxValue : reader.GetFieldValue<TimeSpan>(1);
        lock (sync) heard = (stamp, wall, left);
        return [.. reader.GetFieldValue<string[]>(2)];
    }
}

/// <param name="Every">How often a host that holds places, or waits for one, looks at the ledger.</param>
/// <param name="Idle">What was not in use for so long goes back.</param>
/// <param name="Turn">Where there are fewer places than hosts, each keeps one for so long.</param>
/// <param name="FoldAfter">A stream of so many events is closed.</param>
internal sealed record PlacePace(TimeSpan Every, TimeSpan Idle, TimeSpan Turn, int FoldAfter)
{
    public static readonly PlacePace Usual = new(TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2), 500);
}
