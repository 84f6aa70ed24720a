namespace OrleansAiOs.Kernel.Streams;

/// <summary>The last event of a ledger's stream that became long: the next one begins with what it came to.</summary>
[StoredAs("escrow-closed")]
public sealed record EscrowClosed : KernelEvent;

/// <summary>One stream of a ledger, folded.</summary>
internal abstract class LedgerPage(int number)
{
    /// <summary>The number in the stream's name.</summary>
    public int Number => number;

    public long Version { get; private set; }

    public bool IsClosed { get; private set; }

    public void Apply(KernelEvent e, DateTimeOffset at)
    {
        Version++;
        if (e is EscrowClosed) IsClosed = true;
        else Fold(e, at);
    }

    protected abstract void Fold(KernelEvent e, DateTimeOffset at);

    /// <summary>What the next stream begins with: it follows from this one alone.</summary>
    public abstract IReadOnlyList<KernelEvent> Next();
}

/// <summary>
/// The streams of one ledger, "escrow/…/{n}", n from 1. One that became long is closed by an event, which fences it, and the next begins with
/// what it folds to; whoever finds a closed one without a next one begins it.
/// </summary>
internal sealed class LedgerBook<TPage>(EventStreams streams, string tenant, string prefix, Func<int, TPage> make) where TPage : LedgerPage
{
    private int known = 1;

    public string StreamOf(int number) => $"{prefix}{number}";

    /// <summary>The stream that is written to now.</summary>
    public async Task<TPage> LoadAsync(CancellationToken cancellation)
    {
        var number = await LastAsync(cancellation);
        while (true)
        {
            var loaded = make(number);
            foreach (var e in await streams.ReadAsync(tenant, StreamOf(number), cancellation)) loaded.Apply(e.Event, e.At);
            known = number;
            if (!loaded.IsClosed) return loaded;
            await OpenNextAsync(loaded);
            number++;
        }
    }

    /// <param name="on">What it was decided on; the events are folded into it.</param>
    /// <param name="events">What is to stand behind it.</param>
    /// <param name="at">When, as the page is told.</param>
    /// <returns>False if somebody else was faster: what stands there now has to be read.</returns>
    public async Task<bool> AppendAsync(TPage on, IReadOnlyList<KernelEvent> events, DateTimeOffset at)
    {
        try
        {
            await streams.AppendAsync(tenant, StreamOf(on.Number), on.Version, events, null);
        }
        catch (StreamConflictException)
        {
            return false;
        }
        foreach (var e in events) on.Apply(e, at);
        return true;
    }

    /// <summary>What is to be thrown when somebody was faster and has left nothing to read.</summary>
    public Task<TornStreamException> TornAsync(TPage on) => streams.TornAsync(tenant, StreamOf(on.Number), on.Version);

    // The highest number there is, by leaps and then by halves.
    private async Task<int> LastAsync(CancellationToken cancellation)
    {
        int there = known, leap = 1;
        while (await streams.VersionAsync(tenant, StreamOf(there + leap), cancellation) > 0)
        {
            there += leap;
            leap *= 2;
        }
        for (; leap > 1; leap /= 2)
            if (await streams.VersionAsync(tenant, StreamOf(there + leap / 2), cancellation) > 0) there += leap / 2;
        return there;
    }

    private async Task OpenNextAsync(TPage closed)
    {
        try
        {
            await streams.AppendAsync(tenant, StreamOf(closed.Number + 1), 0, closed.Next(), null);
        }
        catch (StreamConflictException)
        {
            // Somebody else has.
        }
    }
}
