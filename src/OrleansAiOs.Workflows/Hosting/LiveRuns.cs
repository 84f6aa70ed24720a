namespace OrleansAiOs.Workflows.Hosting;

/// <summary>Something was appended to a run, on this host or on another of its cluster.</summary>
/// <param name="Run">Which run.</param>
/// <param name="RowChanged">Whether its summary row changed with it.</param>
public readonly record struct RunChange(RunKey Run, bool RowChanged);

/// <summary>
/// Who looks at a tenant's runs while they go on. For views only: a change may be told twice, late or not at all, so whoever is told reads
/// what is true from the store, and looks there now and then untold.
/// </summary>
public sealed class LiveRuns
{
    private readonly Lock sync = new();
    private volatile Dictionary<string, Action<RunChange>> watchers = new(StringComparer.Ordinal); // replaced, never changed: it is read at every append

    /// <summary>Whether changes on other hosts are told too, as they are in a cluster.</summary>
    public bool HearsOthers => Watched is not null;

    /// <summary>The tenants that are watched here.</summary>
    internal IReadOnlyCollection<string> Tenants => watchers.Keys;

    /// <summary>In a cluster: a tenant is watched here for the first time, or no more. Must be quick.</summary>
    internal Action? Watched { get; set; }

    /// <summary>Tells what is appended to a tenant's runs, until it is disposed.</summary>
    /// <param name="tenant">Whose runs.</param>
    /// <param name="onChange">Must be quick, and throw nothing.</param>
    public IDisposable Watch(string tenant, Action<RunChange> onChange)
    {
        bool isFirst;
        lock (sync)
        {
            isFirst = !watchers.ContainsKey(tenant);
            watchers = new(watchers, StringComparer.Ordinal) { [tenant] = watchers.GetValueOrDefault(tenant) + onChange };
        }
        if (isFirst) Watched?.Invoke();
        return new Watcher(this, tenant, onChange);
    }

    internal void Tell(RunChange change)
    {
        if (watchers.TryGetValue(change.Run.Tenant, out var told)) told(change);
    }

    private void Forget(string tenant, Action<RunChange> onChange)
    {
        bool isLast;
        lock (sync)
        {
            var rest = new Dictionary<string, Action<RunChange>>(watchers, StringComparer.Ordinal);
            if (rest[tenant] - onChange is { } others) rest[tenant] = others;
            else rest.Remove(tenant);
            isLast = !rest.ContainsKey(tenant);
            watchers = rest;
        }
        if (isLast) Watched?.Invoke();
    }

    private sealed class Watcher(LiveRuns live, string tenant, Action<RunChange> onChange) : IDisposable
    {
        private int isGone;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref isGone, 1) == 0) live.Forget(tenant, onChange);
        }
    }
}
