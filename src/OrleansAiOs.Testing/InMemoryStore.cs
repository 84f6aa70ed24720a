using System.Data.Common;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Retention;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Timers;

namespace OrleansAiOs.Testing;

/// <summary>
/// The store's contract in memory, for tests and simulation. It survives the host that uses it, not the process. Everything is done
/// under one lock, in the order asked, so that a simulation repeats.
/// </summary>
public sealed class InMemoryStore(TimeProvider time) : IRunStore
{
    private readonly Lock sync = new();
    private readonly SortedDictionary<RunKey, List<StoredEvent>> streams = new(ByTenantThenId);
    private readonly SortedDictionary<RunKey, RunRow> rows = new(ByTenantThenId);
    private readonly SortedDictionary<RunKey, DateTimeOffset> wakeUps = new(ByTenantThenId);
    private readonly Dictionary<string, (DateTimeOffset Seen, DateTimeOffset Watching, bool Dead)> hosts = new(StringComparer.Ordinal);
    private readonly Dictionary<(RunKey, string), JsonText> outcomes = [];
    private readonly Dictionary<(RunKey, string), Task> transactions = [];

    private static readonly Comparer<RunKey> ByTenantThenId = Comparer<RunKey>.Create((a, b) =>
        string.CompareOrdinal(a.Tenant, b.Tenant) is not 0 and var tenant ? tenant : string.CompareOrdinal(a.Id, b.Id));

    /// <summary>Appends so far, the empty ones included.</summary>
    public int Appends { get; private set; }

    public ValueTask<AppendResult> AppendAsync(RunAppend append)
    {
        if (append.Outbox is { Count: > 0 }) throw new NotSupportedException("The store in memory keeps no outbox: nothing would ever be told to anybody.");
        lock (sync)
        {
            var stream = streams.GetValueOrDefault(append.Run);
            if ((stream?.Count ?? 0) != append.Expected) return new(AppendResult.Conflict);
            Appends++;
            if (stream is null) streams.Add(append.Run, stream = []);
            foreach (var e in append.Events) stream.Add(new StoredEvent(stream.Count + 1, e.Id, e.Type, e.Body, e.At));
            if (append.Row is not null) rows[append.Run] = append.Row;
            if (append.WakeUp is { Due: { } due }) wakeUps[append.Run] = due;
            else if (append.WakeUp is not null) wakeUps.Remove(append.Run);
            return new(AppendResult.Appended);
        }
    }

    public ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation)
    {
        lock (sync) return new(streams.TryGetValue(run, out var stream) ? [.. stream.Skip((int)fromVersion - 1)] : []);
    }

    public ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation)
    {
        lock (sync)
        {
            IReadOnlyList<StoredEvent> stream = streams.TryGetValue(run, out var stored) ? [.. stored] : [];
            return FoldedHistory.ReadAsync([.. stream.Skip((int)(rows.GetValueOrDefault(run)?.Checkpoint ?? 1) - 1)],
                (from, to) => new([.. stream.Where(e => e.Version >= from && e.Version <= to)]));
        }
    }

    public ValueTask<IReadOnlyCollection<RunKey>> PurgeAsync(IReadOnlyList<RunKey> runs, string why, CancellationToken cancellation)
    {
        lock (sync)
        {
            List<RunKey> gone = [.. runs.Where(run => rows.TryGetValue(run, out var row) && row is { ClosedAt: not null, Busy: false }
                && !streams[run].Select(Kin.NamedIn).OfType<string>().Any(kin => rows.TryGetValue(run with { Id = kin }, out var other) && other.ClosedAt is null))];
            foreach (var run in gone)
            {
                streams.Remove(run);
                rows.Remove(run);
                wakeUps.Remove(run);
                foreach (var outcome in outcomes.Keys.Where(key => key.Item1 == run).ToList()) outcomes.Remove(outcome);
            }
            return new(gone);
        }
    }

    public ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation)
    {
        lock (sync) return new(rows.GetValueOrDefault(run));
    }

    public ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation)
    {
        lock (sync)
        {
            var found = rows.Values.Where(row => row.Run.Tenant == query.Tenant
                && (query.Status is null || row.Status == query.Status)
                && (query.Workflow is null || row.Workflow == query.Workflow)
                && (query.BusinessKey is null || row.BusinessKey == query.BusinessKey)
                && (query.StartedFrom is null || row.StartedAt >= query.StartedFrom)
                && (query.StartedBefore is null || row.StartedAt < query.StartedBefore)
                && (query.ClosedBefore is null || row.ClosedAt < query.ClosedBefore)
                && (query.IsOpen is null || (row.ClosedAt is null && !row.IsImported) == query.IsOpen)
                && (query.AwaitsApproval is null || row.AwaitsApproval == query.AwaitsApproval)
                && (query.Attributes is null || query.Attributes.All(a => row.Attributes?.GetValueOrDefault(a.Key) == a.Value)));
            var sign = query.Sort is RunSort.NewestFirst ? -1 : 1;
            var ordered = found.Order(Comparer<RunRow>.Create((a, b) => sign * Compare(a.StartedAt, a.Run.Id, b.StartedAt, b.Run.Id)));
            return new([.. ordered.Where(row => query.After is not { } after || sign * Compare(row.StartedAt, row.Run.Id, after.StartedAt, after.Id) > 0).Take(query.Limit)]);
        }

        static int Compare(DateTimeOffset at, string id, DateTimeOffset otherAt, string otherId) =>
            at.CompareTo(otherAt) is not 0 and var byTime ? byTime : string.CompareOrdinal(id, otherId);
    }

    public ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation)
    {
        lock (sync) return new([.. wakeUps.Where(w => w.Value < before && (buckets is null || buckets.Contains(WakeUpBuckets.Of(w.Key)))).OrderBy(w => w.Value).Take(limit).Select(w => new WakeUp(w.Key, w.Value))]);
    }

    public ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, IReadOnlyCollection<int>? buckets, CancellationToken cancellation)
    {
        lock (sync) return new(wakeUps.Where(w => w.Value >= from && (buckets is null || buckets.Contains(WakeUpBuckets.Of(w.Key)))).Select(w => (DateTimeOffset?)w.Value).Min());
    }

    public ValueTask<IReadOnlyList<RunRow>> ParkedAsync(IReadOnlyCollection<string> reasons, RunKey? after, int limit, CancellationToken cancellation)
    {
        lock (sync) return new([.. rows.Values.Where(row => row is { Status: RunStatus.Parked, ClosedAt: null } && row.ParkedFor is { } reason && reasons.Contains(reason) && (after is null || Place(row.Run, after.Value) > 0))
                .Order(Comparer<RunRow>.Create((a, b) => Place(a.Run, b.Run))).Take(limit)]);

        static int Place(RunKey a, RunKey b) => string.CompareOrdinal(a.Tenant, b.Tenant) is not 0 and var tenants ? tenants : string.CompareOrdinal(a.Id, b.Id);
    }

    public ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation)
    {
        lock (sync) return new([.. rows.Values.Where(row => row.Busy && !livingHosts.Contains(row.Host)).Select(row => row.Run)]);
    }

    public ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation)
    {
        lock (sync)
        {
            var now = time.GetUtcNow();
            if (hosts.TryGetValue(host, out var own) && own.Dead) throw new HostFencedException(host);
            var watching = own.Seen >= now - deadAfter / 2 ? own.Watching : now; // whoever was not heard itself does not know that others could have been
            hosts[host] = (now, watching, false);
            foreach (var (name, other) in hosts.ToList())
                if (!other.Dead && name != host && (alone || now - other.Seen > deadAfter && now - watching >= deadAfter)) hosts[name] = other with { Dead = true };
            return new(new HostBeat(now, [.. hosts.Where(h => !h.Value.Dead).Select(h => h.Key).Order(StringComparer.Ordinal)]));
        }
    }

    public ValueTask RetireAsync(string host, CancellationToken cancellation)
    {
        lock (sync) hosts[host] = (time.GetUtcNow(), time.GetUtcNow(), true);
        return ValueTask.CompletedTask;
    }

    /// <summary>Keeps the outcome; there is no database for the work to write to, so it is handed no transaction.</summary>
    public async ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<DbTransaction, Task<JsonText>> work, CancellationToken cancellation)
    {
        var mine = new TaskCompletionSource();
        while (true)
        {
            Task underWay;
            lock (sync)
            {
                if (outcomes.TryGetValue((run, key), out var known)) return known;
                if (transactions.TryAdd((run, key), mine.Task)) break;
                underWay = transactions[(run, key)];
            }
            await underWay; // until the first has committed or gone
        }
        try
        {
            var outcome = await work(null!);
            lock (sync)
                return transactions.GetValueOrDefault((run, key)) == mine.Task ? outcomes[(run, key)] = outcome : throw new IOException("The transaction was broken off with its host.");
        }
        finally
        {
            lock (sync)
                if (transactions.GetValueOrDefault((run, key)) == mine.Task) transactions.Remove((run, key));
            mine.SetResult();
        }
    }

    /// <summary>The host is dead: what it has not committed, it never will.</summary>
    internal void BreakTransactions()
    {
        lock (sync) transactions.Clear();
    }

    /// <summary>Everything, for a checker of invariants.</summary>
    internal IReadOnlyList<(RunKey Run, IReadOnlyList<StoredEvent> History, RunRow? Row, DateTimeOffset? WakeUp)> Snapshot()
    {
        lock (sync)
            return [.. streams.Select(s => (s.Key, (IReadOnlyList<StoredEvent>)[.. s.Value], rows.GetValueOrDefault(s.Key),
                wakeUps.TryGetValue(s.Key, out var due) ? due : (DateTimeOffset?)null))];
    }
}
