using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>What survives everything: the truth behind the hosts' connections to the store.</summary>
internal sealed class SimDisk(SimWorld world, TimeProvider time)
{
    private readonly Dictionary<(RunKey, string), JsonText> outcomes = [];
    private readonly Dictionary<RunKey, List<DateTimeOffset>> committedAt = [];
    private readonly Dictionary<RunKey, SimScheduler> activeOn = [];
    private readonly Dictionary<string, DateTimeOffset> diedAt = new(StringComparer.Ordinal);
    private readonly HashSet<string> registered = new(StringComparer.Ordinal);

    public InMemoryStore Store { get; } = new(time);

    private readonly HashSet<RunKey> unfinished = [];

    /// <summary>Runs that were started, and are open or have kin to tell of their end.</summary>
    public IReadOnlyCollection<RunKey> Unfinished => unfinished;

    /// <summary>Runs that were deleted, as they were then, with the times of their commits.</summary>
    public List<(RunFacts Facts, IReadOnlyList<DateTimeOffset> CommittedAt)> Gone { get; } = [];

    /// <summary>What was wrong with what was deleted.</summary>
    public List<Violation> WronglyGone { get; } = [];

    public bool IsGone(RunKey run) => Gone.Exists(gone => gone.Facts.Run == run);

    public int LengthOf(RunKey run) => committedAt.TryGetValue(run, out var times) ? times.Count : 0;

    /// <summary>All there is and was, with the time at which each event was committed, by the store's clock.</summary>
    public IEnumerable<(RunFacts Facts, IReadOnlyList<DateTimeOffset> CommittedAt)> All => Store.Snapshot()
        .Select(stored => (new RunFacts(stored.Run, stored.History, stored.Row, stored.WakeUp), (IReadOnlyList<DateTimeOffset>)committedAt[stored.Run])).Concat(Gone);

    public IReadOnlyCollection<RunKey> Purge(IReadOnlyList<RunKey> runs)
    {
        var before = Store.Snapshot().Select(stored => new RunFacts(stored.Run, stored.History, stored.Row, stored.WakeUp)).ToDictionary(facts => facts.Run);
        var gone = Store.PurgeAsync(runs, "the simulation", CancellationToken.None).Result;
        WronglyGone.AddRange(PurgeChecker.Check([.. before.Values], gone, SimHousekeeper.Rules, time.GetUtcNow()));
        foreach (var run in gone)
        {
            world.Note($"{run} is deleted");
            Gone.Add((before[run], committedAt[run]));
            committedAt.Remove(run);
            unfinished.Remove(run);
            foreach (var outcome in outcomes.Keys.Where(key => key.Item1 == run).ToList()) outcomes.Remove(outcome);
        }
        return gone;
    }

    public AppendResult Commit(RunAppend append)
    {
        var result = Store.AppendAsync(append).Result;
        if (result is AppendResult.Conflict)
        {
            world.Count.Conflicts++;
            return result;
        }
        if (!committedAt.TryGetValue(append.Run, out var times)) committedAt.Add(append.Run, times = []);
        var now = time.GetUtcNow();
        for (var i = 0; i < append.Events.Count; i++) times.Add(now);
        if (append.Row is { ClosedAt: not null, Busy: false }) unfinished.Remove(append.Run);
        else if (append.Row is not null) unfinished.Add(append.Run);
        return result;
    }

    /// <summary>Counts how often a run changes between two hosts that both live.</summary>
    public void NoteActivation(RunKey run, SimScheduler on)
    {
        if (activeOn.TryGetValue(run, out var before) && before != on && !before.IsDead) world.Count.DualActivations++;
        activeOn[run] = on;
    }

    /// <summary>When the store declared a host dead.</summary>
    public DateTimeOffset? DiedAt(string host) => diedAt.TryGetValue(host, out var at) ? at : null;

    public HostBeat Beat(string host, bool alone, TimeSpan deadAfter)
    {
        try
        {
            var beat = Store.BeatAsync(host, alone, deadAfter, CancellationToken.None).Result;
            registered.Add(host);
            foreach (var other in registered)
                if (!beat.Living.Contains(other)) diedAt.TryAdd(other, beat.StoreTime);
            return beat;
        }
        catch (HostFencedException)
        {
            diedAt.TryAdd(host, time.GetUtcNow());
            throw;
        }
    }

    public void Retire(string host)
    {
        _ = Store.RetireAsync(host, CancellationToken.None);
        diedAt.TryAdd(host, time.GetUtcNow());
    }

    public JsonText? OutcomeOf(RunKey run, string key) => outcomes.TryGetValue((run, key), out var outcome) ? outcome : null;

    public JsonText Commit(RunKey run, string key, JsonText outcome, SimTransaction transaction)
    {
        if (!outcomes.TryAdd((run, key), outcome)) return outcomes[(run, key)];
        foreach (var (reference, value) in transaction.Writes) world.Receivers.Database.Apply(reference, value);
        return outcome;
    }
}
