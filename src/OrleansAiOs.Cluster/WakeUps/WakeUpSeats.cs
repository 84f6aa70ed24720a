using System.Globalization;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Timers;

namespace OrleansAiOs.Cluster.WakeUps;

/// <summary>
/// A member's part in the wake-ups of the cluster: which buckets are served here, who is told of what is due elsewhere, and that every
/// bucket is served by somebody.
///
/// Nothing here has to be right for a wake-up to come: it is a row, written with the events. A bucket that two members serve wakes twice,
/// harmlessly. One that none serves is asked for by every member as soon as it hears that another came or went. Whoever begins to serve a
/// bucket asks the store for its rows, so a message that was under way to the one before may be lost with him.
/// </summary>
internal sealed class WakeUpSeats(ClusterMember member, IGrainFactory grains) : IAsyncDisposable
{
    // What is due beyond a minute can wait for others to be told together.
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(50);

    private readonly Lock sync = new();
    private readonly Dictionary<int, IGrainContext> seats = [];
    private readonly Dictionary<int, DateTimeOffset> untold = [];
    private readonly CancellationTokenSource leaving = new();
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

    public static int Bucket(string key) => int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var bucket) && bucket < WakeUpBuckets.Count
        ? bucket
        : throw new ArgumentException($"'{key}' names no bucket of wake-ups: they are 0 to {WakeUpBuckets.Count - 1}.", nameof(key));

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
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task told;
        lock (sync)
        {
            if (isGone) return;
            (isGone, told) = (true, telling);
        }
        await leaving.CancelAsync();
        await told;
        leaving.Dispose();
    }

    /// <summary>Members came or went: makes sure that all buckets are served, and evenly.</summary>
    public void Renew()
    {
        IGrainContext[] seated;
        lock (sync)
        {
            seated = [.. seats.Values];
            for (var bucket = 0; bucket < WakeUpBuckets.Count; bucket++) Await(bucket, null);
        }
        // Some belong elsewhere now: each asks where it is placed today, and goes there if that is not here.
        foreach (var seat in seated) seat.Migrate(null, CancellationToken.None);
    }

    private void Tell(int bucket, DateTimeOffset due)
    {
        lock (sync) Await(bucket, due);
    }

    // The earliest is told; a time that never comes stands for "is anybody there".
    private void Await(int bucket, DateTimeOffset? due)
    {
        var news = due ?? DateTimeOffset.MaxValue;
        untold[bucket] = untold.TryGetValue(bucket, out var earlier) && earlier < news ? earlier : news;
        if (isTelling || isGone) return;
        isTelling = true;
        using (ExecutionContext.SuppressFlow()) telling = Task.Run(TellAsync);
    }

    private async Task TellAsync()
    {
        for (var pause = Gather; ; )
        {
            await Task.Delay(pause, leaving.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            KeyValuePair<int, DateTimeOffset>[] news;
            lock (sync)
            {
                news = [.. untold];
                untold.Clear();
                if (news.Length == 0 || isGone)
                {
                    isTelling = false;
                    return;
                }
            }
            var told = await Task.WhenAll(news.Select(TellAsync));
            pause = told.All(heard => heard) ? Gather : TimeSpan.FromSeconds(1);
        }
    }

    private async Task<bool> TellAsync(KeyValuePair<int, DateTimeOffset> news)
    {
        var key = news.Key.ToString(CultureInfo.InvariantCulture);
        try
        {
            await grains.GetGrain<IWakeUpGrain>(key).ExpectAsync(member.Seal.Close(key, new DueMessage(news.Value == DateTimeOffset.MaxValue ? null : news.Value)));
            return true;
        }
        catch (Exception e)
        {
            if (isGone) return true; // and the bucket is asked for by those who stay
            ClusterLog.NotTold(member.Log, news.Key, e);
            lock (sync) untold[news.Key] = untold.TryGetValue(news.Key, out var earlier) && earlier < news.Value ? earlier : news.Value;
            return false;
        }
    }
}
