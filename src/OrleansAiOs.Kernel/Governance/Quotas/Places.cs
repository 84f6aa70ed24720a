using System.Data.Common;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Governance.Quotas;

/// <summary>
/// How many calls may be under way at once: over all hosts never more than a quota allows, and without an append for each call.
///
/// What is stored. A quota's ledger, "escrow/{quota}/calls/{n}", holds how many places each host (incarnation) has, and how many it could
/// use. A host's own memory holds how many of its places are in use; of what it has, nobody else uses any. A call takes a place when an
/// activity's slot is free for it, and gives it back when nothing of it is under way any more, a late answer included. One that finds none
/// waits here, in the order of priorities and of arrival, without a slot, an append or a place in the database.
///
/// The invariant. Places of hosts that live ≤ quota in each event's fold, decided at the expected version; in use ≤ held, on each host.
///
/// The ledger is written to when the number of a host's places changes: one that has calls waiting asks for more (twice as many each time),
/// up to its fair share of what all could use; one that holds more than its share gives back as its calls end, and what was idle for two
/// seconds goes back. A host that holds places, or waits for one, looks each half second whether that is due. One without either asks nothing.
///
/// A crash
///   before an append: nothing has moved;
///   around an append whose answer is lost: it is read back; until that is done nothing new is used;
///   with calls under way: they end with the process, or were taken over by the engine as any call of a dead host; whoever looks next
///   finds the incarnation among the dead (which is for good), and its places are free.
/// A host that was stopped for a while and goes on does not know that it is dead: it uses its places only for as long as nobody can have
/// declared it so (from its last heartbeat on, by its own clocks), and that is asked again just before a call is sent. A call that it had
/// sent before may still be under way when its place is free: that is the one excess, and the price of taking over at all.
/// </summary>
public sealed class Places : IDisposable
{
    private readonly Lock sync = new();
    private readonly Dictionary<(string Tenant, string Quota), (PlaceShare Share, Looking Looking)> shares = [];
    private readonly EventStreams streams;
    private readonly DbDataSource source;
    private readonly QuotaView view;
    private readonly Func<CancellationToken, ValueTask> fresh;
    private readonly string host;
    private readonly TimeSpan? deadAfter;
    private readonly TimeProvider time;
    private readonly PlacePace pace;
    private ITimer? timer;
    private bool disposed;

    /// <param name="fresh">Makes sure that what the view knows is at most half a second old.</param>
    /// <param name="host">The incarnation, as the engine's.</param>
    /// <param name="deadAfter">A host not heard of for so long is taken for dead, by whoever is first to look; null for one that is alone with its database, and does not beat.</param>
    public Places(EventStreams streams, DbDataSource source, QuotaView view, Func<CancellationToken, ValueTask> fresh, string host, TimeSpan? deadAfter, TimeProvider time) : this(streams, source, view, fresh, host, deadAfter, time, PlacePace.Usual)
    {
    }

    internal Places(EventStreams streams, DbDataSource source, QuotaView view, Func<CancellationToken, ValueTask> fresh, string host, TimeSpan? deadAfter, TimeProvider time, PlacePace pace) =>
        (this.streams, this.source, this.view, this.fresh, this.host, this.deadAfter, this.time, this.pace) = (streams, source, view, fresh, host, deadAfter, time, pace);

    /// <inheritdoc cref="IEffectGate.Enter"/>
    public EffectPlace? Enter(EffectIntent intent, int priority, Action again, out string? awaits)
    {
        awaits = null;
        var quotas = Concerning(intent);
        if (quotas.Count == 0) return EffectPlace.Unlimited;
        lock (sync)
        {
            var held = quotas.ConvertAll(ShareOf);
            for (var i = 0; i < held.Count; i++)
            {
                if (held[i].HasFree(quotas[i].Calls!.Value)) continue;
                held[i].Wait(priority, again);
                awaits = $"as many calls are under way as {quotas[i].InWords} allows, {quotas[i].Calls} on all hosts";
                if (held[i].MayGetMore(quotas[i].Calls!.Value)) LookAt(quotas[i].Tenant, quotas[i].Id);
                return null;
            }
            foreach (var share in held) share.Take();
            return new Place(this, quotas, held);
        }
    }

    /// <inheritdoc cref="IEffectGate.Holds"/>
    public bool Holds(EffectIntent intent, EffectPlace place)
    {
        var quotas = Concerning(intent);
        if (quotas.Count == 0) return true;
        if (place is not Place held || !quotas.TrueForAll(quota => held.Quotas.Exists(of => of.Id == quota.Id))) return false;
        lock (sync) return held.Shares.TrueForAll(share => share.IsHeard);
    }

    /// <summary>Who holds how many places by what is in the store, and what this host has under way and waiting.</summary>
    public async Task<CallStanding> StandingAsync(Quota quota, CancellationToken cancellation = default)
    {
        var page = await new PlaceShare(streams, source, view, host, deadAfter, time, pace, quota.Tenant, quota.Id).ReadAsync(cancellation);
        var living = (await source.ListAsync("select id from aios.hosts where not dead and id = any($1)", [page.Hosts.Keys.ToArray()], reader => reader.GetString(0), cancellation)).ToHashSet(StringComparer.Ordinal);
        lock (sync)
        {
            var here = shares.TryGetValue((quota.Tenant, quota.Id), out var mine) ? mine.Share : null;
            return new CallStanding(quota.Calls!.Value, here?.InUse ?? 0, here?.Waiting ?? 0,
                [.. page.Hosts.Where(each => each.Value.Places > 0 && living.Contains(each.Key)).OrderBy(each => each.Key, StringComparer.Ordinal).Select(each => new HostStanding(each.Key, each.Value.Places))]);
        }
    }

    public void Dispose()
    {
        lock (sync)
        {
            disposed = true;
            timer?.Dispose();
            timer = null;
        }
    }

    // The engine's own start and await other runs: if those had to wait for a place that they hold, nobody went on.
    private List<Quota> Concerning(EffectIntent intent)
    {
        List<Quota> quotas = [];
        if (intent.Activity.StartsWith(Activity.EnginesOwn, StringComparison.Ordinal)) return quotas;
        foreach (var quota in view.List(intent.Run.Tenant))
            if (quota.Calls is not null && quota.AppliesTo(intent.Chain)) quotas.Add(quota);
        return quotas;
    }

    private PlaceShare ShareOf(Quota quota)
    {
        if (!shares.TryGetValue((quota.Tenant, quota.Id), out var there))
            shares.Add((quota.Tenant, quota.Id), there = (new PlaceShare(streams, source, view, host, deadAfter, time, pace, quota.Tenant, quota.Id), new Looking()));
        return there.Share;
    }

    private void GiveBack(Place place)
    {
        lock (sync)
        {
            foreach (var share in place.Shares) share.Leave();
            for (var i = 0; i < place.Shares.Count; i++)
                if (place.Shares[i].GivesBack) LookAt(place.Quotas[i].Tenant, place.Quotas[i].Id);
        }
        foreach (var quota in place.Quotas) Wake(quota.Tenant, quota.Id);
    }

    // Each asks again by itself, and may then wait for something else: outside of the lock.
    private void Wake(string tenant, string quota)
    {
        while (true)
        {
            Action? next;
            lock (sync)
            {
                if (disposed || !shares.TryGetValue((tenant, quota), out var there)) return;
                // A quota that is no more keeps nobody.
                if (view.Find(tenant, quota)?.Calls is { } limit && !there.Share.HasFree(limit)) return;
                next = there.Share.Next();
            }
            if (next is null) return;
            next();
        }
    }

    // ---- looking at the ledger ----

    private void LookAt(string tenant, string quota)
    {
        if (disposed) return;
        var (share, looking) = shares[(tenant, quota)];
        if (looking.IsUnderWay)
        {
            looking.Again = true;
            return;
        }
        looking.IsUnderWay = true;
        using (ExecutionContext.SuppressFlow()) _ = Task.Run(() => LookAsync(tenant, quota, share, looking));
    }

    private async Task LookAsync(string tenant, string quota, PlaceShare share, Looking looking)
    {
        try
        {
            await fresh(default);
            await share.LookAsync(sync);
        }
        catch (Exception)
        {
            // The store does not answer: nothing has moved, and it is tried again at the next look.
        }
        Wake(tenant, quota);
        lock (sync)
        {
            looking.IsUnderWay = false;
            if (looking.Again)
            {
                looking.Again = false;
                LookAt(tenant, quota);
            }
            if (share.IsActive && !disposed) timer ??= time.CreateTimer(static self => ((Places)self!).Tick(), this, pace.Every, Timeout.InfiniteTimeSpan);
        }
    }

    private void Tick()
    {
        lock (sync)
        {
            timer?.Dispose();
            timer = null;
            foreach (var ((tenant, quota), (share, _)) in shares)
                if (share.IsActive) LookAt(tenant, quota);
        }
    }

    private sealed class Looking
    {
        public bool IsUnderWay { get; set; }

        public bool Again { get; set; }
    }

    private sealed class Place(Places places, List<Quota> quotas, List<PlaceShare> shares) : EffectPlace
    {
        private int left;

        public List<Quota> Quotas => quotas;

        public List<PlaceShare> Shares => shares;

        public override void Dispose()
        {
            if (Interlocked.Exchange(ref left, 1) == 0) places.GiveBack(this);
            base.Dispose();
        }
    }
}

/// <summary>How a quota of calls stands.</summary>
/// <param name="Limit">So many on all hosts.</param>
/// <param name="UnderWay">On the host that was asked.</param>
/// <param name="Waiting">Those that wait their turn there.</param>
/// <param name="Hosts">Who may have how many under way.</param>
public sealed record CallStanding(int Limit, int UnderWay, int Waiting, IReadOnlyList<HostStanding> Hosts)
{
    public int Free => Math.Max(0, Limit - Hosts.Sum(host => host.Places));
}

public sealed record HostStanding(string Host, int Places);
