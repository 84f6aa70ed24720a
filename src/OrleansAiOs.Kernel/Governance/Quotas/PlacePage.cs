using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Quotas;

// What stands in the streams "escrow/{quota}/calls/{n}". The catalogue does not read them: each host that has calls under way does.

/// <summary>How many calls hosts may have under way, from now on.</summary>
/// <param name="Hosts">Those that change; one with no places and no wish is gone.</param>
[StoredAs("quota-places-moved")]
public sealed record QuotaPlacesMoved(IReadOnlyList<HostPlaces> Hosts) : KernelEvent;

/// <param name="Host">The incarnation.</param>
/// <param name="Places">So many it may have under way.</param>
/// <param name="Wish">So many it could use.</param>
public sealed record HostPlaces(string Host, int Places, int Wish);

/// <summary>Which host holds how many of a quota's places. The invariant, in each event's fold: what hosts that live hold is no more than the quota (but where it was lowered, and they have not given back yet).</summary>
internal sealed class PlacePage(int number) : LedgerPage(number)
{
    private readonly Dictionary<string, Holding> hosts = new(StringComparer.Ordinal);
    private long gains;

    public IReadOnlyDictionary<string, Holding> Hosts => hosts;

    public Holding Of(string host) => hosts.GetValueOrDefault(host) ?? new Holding(0, 0, 0, default);

    protected override void Fold(KernelEvent e, DateTimeOffset at)
    {
        if (e is not QuotaPlacesMoved moved) return;
        foreach (var (host, places, wish) in moved.Hosts)
        {
            var before = Of(host);
            if (places == 0 && wish == 0) hosts.Remove(host);
            else hosts[host] = places > before.Places ? new Holding(places, wish, ++gains, at) : before with { Places = places, Wish = wish };
        }
    }

    public override IReadOnlyList<KernelEvent> Next() => [new QuotaPlacesMoved([.. hosts.OrderBy(host => host.Value.Gained).Select(host => new HostPlaces(host.Key, host.Value.Places, host.Value.Wish))])];

    /// <param name="Gained">Whoever got one later has the higher number.</param>
    /// <param name="At">When it last got one.</param>
    public sealed record Holding(int Places, int Wish, long Gained, DateTimeOffset At);
}
