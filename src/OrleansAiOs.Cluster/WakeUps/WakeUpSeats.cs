using System.Globalization;
using Orleans.Runtime.Placement;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Timers;

namespace OrleansAiOs.Cluster.WakeUps;

/// <summary>
/// A member's part in the wake-ups of the cluster: which buckets are served here, who is told of what is due elsewhere, and that every
/// bucket is served by somebody.
///
/// Nothing here has to be right for a wake-up to come: it is a row, written with the events. A bucket that two members serve wakes twice,
/// harmlessly. One that none serves is asked for by every member as soon as it hears that another came or went, and by the one it left. Whoever begins to serve a
/// bucket asks the store for its rows, so a message that was under way to the one before may be lost with him.
///
/// Bucket b belongs to member b mod n, in the order of their addresses. Where it is served is looked at whenever it is asked for by somebody who sees
/// the same members as the one that serves it, so two that disagree for a moment do not hand it to and fro; whoever comes to see others asks again.
/// </summary>
internal sealed class WakeUpSeats(ClusterMember member, IGrainFactory grains) : IAsyncDisposable
{
    // What is due beyond a minute can wait for others to be told together.
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(50);

    private readonly Lock sync = new();
    private readonly Dictionary<int, IGrainContext> seats = [];
    private readonly Dictionary<int, DateTimeOffset> untold = [];
    private readonly CancellationTokenSource leaving = new();
    private SiloAddress[] members = [];
    private TaskCompletionSource change = Change();
    private Task telling = Task.CompletedTask;
    private bool isTelling;
    private bool isGone;

    /// <summary>The buckets that are served here.</summary>
    public IReadOnlyCollection<int> Buckets
    {
        get
        {
            lock (sync) return [.. seats.Keys];
        }
    }

    /// <summary>Who is there, as it is seen here.</summary>
    public string? View { get; private set; }

    public static int Bucket(string key) => int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var bucket) && bucket < WakeUpBuckets.Count
        ? bucket
        : throw new ArgumentException($"'{key}' names no bucket of wake-ups: they are 0 to {WakeUpBuckets.Count - 1}.", nameof(key));

    /// <summary>The member a bucket belongs to; null while none is known.</summary>
    public SiloAddress? Home(int bucket)
    {
        var now = Volatile.Read(ref members);
        return now.Length == 0 ? null : now[bucket % now.Length];
    }

    /// <summary>The engine serves what is seated here.</summary>
    public void Serve(WorkflowHost engine)
    {
        lock (sync) engine.WakeUps.ServeOnly([.. seats.Keys], Tell);
    }

    public void Take(int bucket, IGrainContext seat)
    {
        lock (sync)
        {
            seats[bucket] = seat;
            Serve(member.Engine);
        }
    }

    public void Leave(int bucket, IGrainContext seat)
    {
        lock (sync)
        {
            if (!seats.TryGetValue(bucket, out var present) || present != seat) return;
            seats.Remove(bucket);
            Serve(member.Engine);
            Await(bucket, null); // where it went it may not have arrived
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task told;
        lock (sync)
        {
            if (isGone) return;
            (isGone, told) = (true, telling);
            change.SetResult();
        }
        await leaving.CancelAsync();
        await told;
        leaving.Dispose();
    }

    /// <summary>Members came or went: makes sure that all buckets are served, and evenly.</summary>
    /// <param name="view">Says who is there: the same on every member that sees the same.</param>
    /// <param name="active">Those that can serve, in the order of their addresses.</param>
    public void Renew(string view, SiloAddress[] active)
    {
        lock (sync)
        {
            if (isGone) return;
            (View, members) = (view, active);
            change.SetResult();
            change = Change();
            for (var bucket = 0; bucket < WakeUpBuckets.Count; bucket++) Await(bucket, null);
        }
    }

    private static TaskCompletionSource Change() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Tell(int bucket, DateTimeOffset due)
    {
        lock (sync) Await(bucket, due);
    }

    // The earliest is told; a time that never comes stands for "is anybody there".
    private void Await(int bucket, DateTimeOffset? due)
    {
        if (isGone) return;
        var news = due ?? DateTimeOffset.MaxValue;
        untold[bucket] = untold.TryGetValue(bucket, out var earlier) && earlier < news ? earlier : news;
        if (isTelling) return;
        isTelling = true;
        using (ExecutionContext.SuppressFlow()) telling = Task.Run(TellAsync);
    }

    private async Task TellAsync()
    {
        for (var pause = Gather; ; )
        {
            await Task.Delay(pause, leaving.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            KeyValuePair<int, DateTimeOffset>[] news;
            Task changed;
            lock (sync)
            {
                news = [.. untold];
                untold.Clear();
                changed = change.Task;
                if (news.Length == 0 || isGone)
                {
                    isTelling = false;
                    return;
                }
            }
            var told = Task.WhenAll(news.Select(TellAsync));
            // What went to a member that has gone is answered late or never. Nobody waits for that: once it is known, all buckets are asked for anew.
            await Task.WhenAny(told, changed);
            pause = changed.IsCompleted || (await told).All(heard => heard) ? Gather : TimeSpan.FromSeconds(1);
        }
    }

    private async Task<bool> TellAsync(KeyValuePair<int, DateTimeOffset> news)
    {
        var key = news.Key.ToString(CultureInfo.InvariantCulture);
        try
        {
            if (Home(news.Key) is { } home) RequestContext.Set(IPlacementDirector.PlacementHintKey, home); // where it is to be, if it is nowhere
            await grains.GetGrain<IWakeUpGrain>(key).ExpectAsync(member.Seal.Close(key, new DueMessage(news.Value == DateTimeOffset.MaxValue ? null : news.Value, View)));
            return true;
        }
        catch (Exception e)
        {
            if (isGone) return true; // and the bucket is asked for by those who stay
            ClusterLog.NotTold(member.Log, news.Key, e);
            lock (sync) Await(news.Key, news.Value);
            return false;
        }
    }
}
