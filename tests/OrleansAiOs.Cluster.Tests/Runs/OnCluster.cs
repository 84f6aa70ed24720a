using System.Data.Common;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Tests.Engine;

namespace OrleansAiOs.Cluster.Tests.Runs;

/// <summary>
/// Two members of a cluster on one database. A run is active on either, by chance, so what a test sends to it crosses from one silo to the
/// other half of the time. The silos stay for a whole suite; the engines in them begin anew with each test.
/// </summary>
public class OnCluster : IStoreFixture, IAsyncLifetime
{
    private readonly OnPostgres postgres = new();
    private readonly List<ClusterMember> cluster = [];
    private IRunStore? store;
    private IReadOnlyList<string> before = [];

    public int Hosts => 2;

    private protected virtual bool Spread => true;

    /// <summary>What the next host takes for the time.</summary>
    private protected virtual TimeProvider Clock(TimeProvider tests) => tests;

    public Task InitializeAsync() => postgres.InitializeAsync();

    public async Task DisposeAsync()
    {
        foreach (var member in cluster) await member.DisposeAsync();
        await postgres.DisposeAsync();
    }

    public async Task<IRunStore> Fresh(TimeProvider time) => store = new ByTestsTime(await postgres.Fresh(time), time);

    public WorkflowHostOptions Configure(WorkflowHostOptions options) => options with { Shared = true, HeartbeatEvery = BetweenHostsTime.Heartbeat, Time = new BetweenHostsTime(Clock(options.Time)) };

    public async Task Start(IReadOnlyList<WorkflowHost> hosts)
    {
        foreach (var dead in before) await store!.RetireAsync(dead, CancellationToken.None);
        before = [.. hosts.Select(host => host.Options.HostId)];
        for (var i = 0; i < hosts.Count; i++)
        {
            if (cluster.Count > i) cluster[i].Serve(hosts[i]);
            else cluster.Add(await ClusterMember.JoinAsync(hosts[i], new ClusterOptions { Database = postgres.Source, Secret = new byte[32], Log = NullLoggerFactory.Instance, Spread = Spread }));
        }
        await Task.WhenAll(hosts.Select(host => host.StartAsync(CancellationToken.None)));
    }
}

/// <summary>For suites about what one host has in hand: its limits, its places, what it can say of its own. Runs are active where they are started.</summary>
public sealed class BesideTheCaller : OnCluster
{
    private protected override bool Spread => false;
}

/// <summary>The members' clocks are twelve minutes apart, and neither is right.</summary>
public sealed class WithClocksApart : OnCluster
{
    private int hosts;

    private protected override TimeProvider Clock(TimeProvider tests) => new WrongClock(tests, TimeSpan.FromMinutes(hosts++ % 2 == 0 ? 7 : -5));
}

/// <summary>A clock that is wrong, and goes as fast as any.</summary>
internal sealed class WrongClock(TimeProvider right, TimeSpan ahead) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => right.GetUtcNow() + ahead;

    public override long GetTimestamp() => right.GetTimestamp();

    public override long TimestampFrequency => right.TimestampFrequency;

    public override TimeZoneInfo LocalTimeZone => right.LocalTimeZone;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => right.CreateTimer(callback, state, dueTime, period);
}

/// <summary>A test's time; but what hosts ask the store about each other, they ask by the real one, or nobody would in a time that stands.</summary>
internal sealed class BetweenHostsTime(TimeProvider tests) : TimeProvider
{
    public static readonly TimeSpan Heartbeat = TimeSpan.FromMilliseconds(499);

    public override DateTimeOffset GetUtcNow() => tests.GetUtcNow();

    public override long GetTimestamp() => tests.GetTimestamp();

    public override long TimestampFrequency => tests.TimestampFrequency;

    public override TimeZoneInfo LocalTimeZone => tests.LocalTimeZone;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => state switch
    {
        Presence when dueTime <= Heartbeat => System.CreateTimer(callback, state, TimeSpan.FromMilliseconds(50), period),
        Task when dueTime <= TimeSpan.FromMinutes(1) => System.CreateTimer(callback, state, TimeSpan.FromMilliseconds(20), period),
        _ => tests.CreateTimer(callback, state, dueTime, period),
    };
}

/// <summary>A store whose clock is the test's.</summary>
internal class ByTestsTime(IRunStore store, TimeProvider time) : IRunStore
{
    public async ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation) =>
        (await store.BeatAsync(host, alone, deadAfter, cancellation)) with { StoreTime = time.GetUtcNow() };

    public ValueTask<AppendResult> AppendAsync(RunAppend append) => store.AppendAsync(append);

    public ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation) => store.ReadAsync(run, fromVersion, cancellation);

    public ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation) => store.LoadAsync(run, cancellation);

    public ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation) => store.ListAsync(query, cancellation);

    public ValueTask<IReadOnlyCollection<RunKey>> PurgeAsync(IReadOnlyList<RunKey> runs, string why, CancellationToken cancellation) => store.PurgeAsync(runs, why, cancellation);

    public ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation) => store.FindAsync(run, cancellation);

    public virtual ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => store.WakeUpsAsync(before, limit, buckets, cancellation);

    public ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => store.NextWakeUpAsync(from, buckets, cancellation);

    public ValueTask<IReadOnlyList<RunRow>> ParkedAsync(IReadOnlyCollection<string> reasons, RunKey? after, int limit, CancellationToken cancellation) => store.ParkedAsync(reasons, after, limit, cancellation);

    public ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation) => store.OrphansAsync(livingHosts, cancellation);

    public ValueTask RetireAsync(string host, CancellationToken cancellation) => store.RetireAsync(host, cancellation);

    public ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<DbTransaction, Task<JsonText>> work, CancellationToken cancellation) => store.TransactAsync(run, key, work, cancellation);
}
