using System.Collections.Concurrent;
using System.Data.Common;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Hosting;

/// <summary>Stands in front of a store in memory; a test decides what becomes of an append.</summary>
internal sealed class StoreInFront(TimeProvider? time = null) : IRunStore
{
    private readonly ConcurrentDictionary<string, IReadOnlyCollection<string>> heard = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int> beats = new(StringComparer.Ordinal);
    private int loads;
    private int finds;

    public InMemoryStore Inner { get; } = new(time ?? TimeProvider.System);

    public Func<RunAppend, Func<ValueTask<AppendResult>>, ValueTask<AppendResult>> OnAppend { get; set; } = (_, append) => append();

    public ValueTask<AppendResult> AppendAsync(RunAppend append) => OnAppend(append, () => Inner.AppendAsync(append));

    public ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation) => Inner.ReadAsync(run, fromVersion, cancellation);

    /// <summary>How often a run was read to be brought into memory.</summary>
    public int Loads => loads;

    public ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation)
    {
        Interlocked.Increment(ref loads);
        return Inner.LoadAsync(run, cancellation);
    }

    public ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation) => Inner.ListAsync(query, cancellation);

    /// <summary>How often a run's row was asked for.</summary>
    public int Finds => finds;

    public ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation)
    {
        Interlocked.Increment(ref finds);
        return Inner.FindAsync(run, cancellation);
    }

    public ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => Inner.WakeUpsAsync(before, limit, buckets, cancellation);

    public ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => Inner.NextWakeUpAsync(from, buckets, cancellation);

    public ValueTask<IReadOnlyList<RunRow>> ParkedAsync(IReadOnlyCollection<string> reasons, RunKey? after, int limit, CancellationToken cancellation) => Inner.ParkedAsync(reasons, after, limit, cancellation);

    public ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation) => Inner.OrphansAsync(livingHosts, cancellation);

    public async ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation)
    {
        var beat = await Inner.BeatAsync(host, alone, deadAfter, cancellation);
        heard[host] = beat.Living;
        beats.AddOrUpdate(host, 1, (_, before) => before + 1);
        return beat;
    }

    /// <summary>How often a host has said that it lives.</summary>
    public int BeatsOf(string host) => beats.GetValueOrDefault(host);

    /// <summary>Whether a host was told of another when it last asked.</summary>
    public bool HeardOf(string host, string other) => heard.GetValueOrDefault(host)?.Contains(other) is true;

    public ValueTask RetireAsync(string host, CancellationToken cancellation) => Inner.RetireAsync(host, cancellation);

    public ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<DbTransaction, Task<JsonText>> work, CancellationToken cancellation) =>
        Inner.TransactAsync(run, key, work, cancellation);
}
