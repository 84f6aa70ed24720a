namespace OrleansAiOs.Kernel.Governance.Quotas;

/// <summary>What one host does about its places, decided on what stands in the ledger.</summary>
/// <param name="Places">So many it is to hold.</param>
/// <param name="Wish">So many it could use.</param>
/// <param name="Share">More than this it gives back, as its calls end: its fair share of what all could use.</param>
internal sealed record PlaceDecision(int Places, int Wish, int Share)
{
    // What is asked for first, so that a few calls do not ask one by one.
    private const int FirstWish = 4;

    /// <param name="page">What stands there.</param>
    /// <param name="host">This host.</param>
    /// <param name="isLiving">Of the others, who lives: what dead ones held is free.</param>
    /// <param name="limit">What all may have under way together.</param>
    /// <param name="inUse">What this host has under way.</param>
    /// <param name="waiting">How many more it would.</param>
    /// <param name="peak">The most it had under way of late; null where that is not known yet.</param>
    /// <param name="mayHoldOn">Whether a place held since then is not to be passed on yet, where there are fewer places than hosts.</param>
    public static PlaceDecision Of(PlacePage page, string host, Func<string, bool> isLiving, int limit, int inUse, int waiting, int? peak, Func<DateTimeOffset, bool> mayHoldOn)
    {
        var mine = page.Of(host);
        var others = page.Hosts.Where(other => other.Key != host && isLiving(other.Key)).ToDictionary(other => other.Key, other => other.Value, StringComparer.Ordinal);
        var wish = mine.Wish;
        if (inUse + waiting > wish)
            wish = Math.Max(inUse + waiting, Math.Max(2 * wish, FirstWish)); // twice as many each time: few ask often
        else if (waiting == 0 && peak is { } most && Math.Max(inUse, most) is var enough && enough < wish && (enough <= mine.Places / 2 || others.Values.Any(other => other.Wish > other.Places)))
            wish = enough;
        wish = Math.Min(wish, limit);
        var share = ShareOf(host, mine with { Wish = wish }, others, limit, mayHoldOn);
        var free = Math.Max(0, limit - mine.Places - others.Values.Sum(other => other.Places));
        var places = mine.Places > share ? Math.Min(mine.Places, Math.Max(inUse, share)) : waiting > 0 ? Math.Min(share, mine.Places + free) : mine.Places;
        return new PlaceDecision(places, wish, share);
    }

    // Whoever could use less than an equal part gets that, and the rest is divided among the others.
    private static int ShareOf(string host, PlacePage.Holding mine, IReadOnlyDictionary<string, PlacePage.Holding> others, int limit, Func<DateTimeOffset, bool> mayHoldOn)
    {
        if (mine.Wish == 0) return 0;
        var all = others.Append(KeyValuePair.Create(host, mine)).Where(each => each.Value.Wish > 0).OrderBy(each => each.Value.Wish).ThenBy(each => each.Key, StringComparer.Ordinal).ToList();
        var left = limit;
        for (var i = 0; i < all.Count; i++)
        {
            var part = left / (all.Count - i);
            if (all[i].Value.Wish > part) // and so do those behind it
            {
                IReadOnlyList<KeyValuePair<string, PlacePage.Holding>> rest = all[i..];
                // Fewer places than hosts: they take turns, whoever had one the longest ago first.
                rest = part > 0 ? [.. rest.OrderBy(each => each.Key, StringComparer.Ordinal)]
                    : [.. rest.OrderBy(each => each.Value.Places == 0 ? 1 : mayHoldOn(each.Value.At) ? 0 : 2).ThenBy(each => each.Value.Gained).ThenBy(each => each.Key, StringComparer.Ordinal)];
                var at = rest.TakeWhile(each => each.Key != host).Count();
                return part + (at < left - part * rest.Count ? 1 : 0);
            }
            if (all[i].Key == host) return mine.Wish;
            left -= all[i].Value.Wish;
        }
        throw new System.Diagnostics.UnreachableException();
    }
}
