using System.Collections.Concurrent;
using Orleans.Streams;
using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Cluster.LiveViews;

/// <summary>
/// What one member appends, told to those members on which somebody looks at it: over Orleans' streams in memory, and for views only.
/// Nothing durable depends on it; what a dead member held of it is lost, and a view looks at the store now and then anyway.
/// <code>
/// watchers   all members hear it: "on my host somebody looks at the runs of T", at once and every ten seconds, for half a minute each time
/// runs/T     members that show T's runs hear it: to which of them something was appended, by members that have heard that somebody looks
/// </code>
/// So what nobody looks at costs an append one look into an empty table.
///
/// Who publishes in a stream and who hears it, Orleans notes in memory: with a member a part of that is lost, and nobody is told. So each
/// change of the members begins new streams: their names hold a hash of who is there.
/// </summary>
internal sealed class LiveStreams(ClusterMember member, IStreamProvider provider) : IAsyncDisposable
{
    public const string Provider = "live";

    private const int ChangesMax = 1000; // of one message; a view that misses some sees them when it looks next
    private static readonly TimeSpan SayAgain = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan HeardFor = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(20);

    private readonly string self = Guid.NewGuid().ToString("N");
    private readonly Lock sync = new();
    private readonly SemaphoreSlim settling = new(1, 1);
    private readonly ConcurrentDictionary<string, long> wanted = new(StringComparer.Ordinal); // by other members, until when
    private readonly Dictionary<string, Dictionary<string, bool>> changes = new(StringComparer.Ordinal);
    private readonly Dictionary<StreamId, StreamSubscriptionHandle<SealedMessage>> heard = [];
    private Timer? again;
    private WorkflowHost? engine;
    private volatile string? members;
    private bool isTelling;
    private volatile bool isGone;

    /// <summary>What this engine appends is told, and what others append is told to it.</summary>
    public void Serve(WorkflowHost serving)
    {
        LetGo();
        engine = serving;
        serving.Appended += OnAppended;
        serving.Live.Watched = SettleSoon;
        SettleSoon();
    }

    /// <summary>Members came or went.</summary>
    /// <param name="view">Says who is there: the same on every member that sees the same.</param>
    public void Renew(string view)
    {
        members = view;
        SettleSoon();
    }

    public async ValueTask DisposeAsync()
    {
        if (isGone) return;
        isGone = true;
        LetGo();
        await settling.WaitAsync();
        if (again is not null) await again.DisposeAsync();
        foreach (var stream in heard.Keys.ToList()) await HearNoMoreAsync(stream);
    }

    private void LetGo()
    {
        if (engine is null) return;
        engine.Appended -= OnAppended;
        engine.Live.Watched = null;
    }

    // ---- hearing ----

    private void SettleSoon()
    {
        using (ExecutionContext.SuppressFlow()) _ = Task.Run(SettleAsync);
    }

    private async Task SettleAsync()
    {
        await settling.WaitAsync();
        try
        {
            if (isGone || members is not { } now) return;
            foreach (var old in wanted.Where(each => each.Value < Environment.TickCount64).ToList()) wanted.TryRemove(old);
            var tenants = engine!.Live.Tenants;
            var watchers = Watchers(now);
            var wished = tenants.Select(tenant => RunsOf(now, tenant)).Append(watchers).ToHashSet();
            foreach (var stream in heard.Keys.Except(wished).ToList()) await HearNoMoreAsync(stream);
            foreach (var stream in wished.Except(heard.Keys).ToList())
                heard[stream] = await provider.GetStream<SealedMessage>(stream).SubscribeAsync((message, _) => HearAsync(stream, stream == watchers, message));
            foreach (var tenant in tenants) await SayAsync(watchers, new WatchMessage(self, tenant));
            (again ??= new Timer(_ => SettleSoon())).Change(tenants.Count > 0 ? SayAgain : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
        catch (Exception e)
        {
            if (isGone) return;
            ClusterLog.NoLiveViews(member.Log, e);
            (again ??= new Timer(_ => SettleSoon())).Change(SayAgain, Timeout.InfiniteTimeSpan);
        }
        finally
        {
            settling.Release();
        }
    }

    private async Task HearNoMoreAsync(StreamId stream)
    {
        heard.Remove(stream, out var handle);
        try
        {
            await handle!.UnsubscribeAsync();
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or InvalidOperationException or KeyNotFoundException)
        {
            // Whoever knew of it is gone.
        }
    }

    private Task HearAsync(StreamId stream, bool isWatchers, SealedMessage message)
    {
        if (!member.Seal.Fits(KeyOf(stream), message)) ClusterLog.NotSealed(member.Log, stream.ToString());
        else if (isWatchers)
        {
            var watch = member.Seal.Open<WatchMessage>(message);
            if (watch.From != self) wanted[watch.Tenant] = Environment.TickCount64 + (long)HeardFor.TotalMilliseconds;
        }
        else
        {
            var told = member.Seal.Open<ChangesMessage>(message);
            if (told.From != self)
                for (var i = 0; i < told.Runs.Length; i++) engine!.Live.Tell(new RunChange(new RunKey(told.Tenant, told.Runs[i]), told.RowsChanged[i]));
        }
        return Task.CompletedTask;
    }

    // ---- telling ----

    private void OnAppended(RunAppend append)
    {
        var tenant = append.Run.Tenant;
        if (!wanted.TryGetValue(tenant, out var until)) return;
        if (until < Environment.TickCount64)
        {
            wanted.TryRemove(new KeyValuePair<string, long>(tenant, until));
            return;
        }
        lock (sync)
        {
            if (!changes.TryGetValue(tenant, out var runs)) changes.Add(tenant, runs = new(StringComparer.Ordinal));
            var rowChanged = append.Row is not null;
            if (runs.TryGetValue(append.Run.Id, out var before)) runs[append.Run.Id] = before || rowChanged;
            else if (runs.Count < ChangesMax) runs.Add(append.Run.Id, rowChanged);
            if (isTelling || isGone) return;
            isTelling = true;
        }
        using (ExecutionContext.SuppressFlow()) _ = Task.Run(TellAsync);
    }

    private async Task TellAsync()
    {
        while (true)
        {
            await Task.Delay(Gather);
            List<ChangesMessage> messages;
            lock (sync)
            {
                messages = [.. changes.Select(of => new ChangesMessage(self, of.Key, [.. of.Value.Keys], [.. of.Value.Values]))];
                changes.Clear();
                if (messages.Count == 0 || isGone)
                {
                    isTelling = false;
                    return;
                }
            }
            foreach (var message in messages)
            {
                try
                {
                    await SayAsync(Runs(message.Tenant), message);
                }
                catch (Exception e)
                {
                    if (!isGone) ClusterLog.NoLiveViews(member.Log, e);
                }
            }
        }
    }

    private Task SayAsync<T>(StreamId stream, T message) => provider.GetStream<SealedMessage>(stream).OnNextAsync(member.Seal.Close(KeyOf(stream), message));

    /// <summary>The stream in which it is told what is appended to a tenant's runs.</summary>
    internal StreamId Runs(string tenant) => RunsOf(members!, tenant);

    private static StreamId Watchers(string members) => StreamId.Create("watchers", members);

    private static StreamId RunsOf(string members, string tenant) => StreamId.Create("runs", $"{members}/{tenant}");

    private static string KeyOf(StreamId stream) => $"stream/{stream}";
}

[GenerateSerializer, Immutable, Alias("aios.watch")]
internal sealed record WatchMessage([property: Id(0)] string From, [property: Id(1)] string Tenant);

[GenerateSerializer, Immutable, Alias("aios.changes")]
internal sealed record ChangesMessage([property: Id(0)] string From, [property: Id(1)] string Tenant, [property: Id(2)] string[] Runs, [property: Id(3)] bool[] RowsChanged);
