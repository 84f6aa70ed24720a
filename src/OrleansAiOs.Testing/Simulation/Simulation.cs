using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>
/// One seed: a world of one or two hosts running the real engine over one store, four runs, and a time of faults; then the faults
/// end, and everything must come to its end.
///
/// All of it runs on the calling thread. Chance decides which continuation is next, when messages arrive and what goes wrong; all
/// chance is from the seed, so a seed is a schedule.
/// </summary>
internal sealed class Simulation
{
    private const int Runs = 4;
    private static readonly TimeSpan FaultsFor = TimeSpan.FromSeconds(25);
    private static readonly TimeSpan EndWithin = TimeSpan.FromMinutes(20);
    private static readonly TimeSpan Punctual = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Slack = TimeSpan.FromMilliseconds(200);

    internal static WorkflowRegistry Registry { get; } = new WorkflowRegistry()
        .Add<SimFamily>().Add<SimNested>().Add<SimChild>().Add<SimSequence>().Add<SimFanOut>().Add<SimWaits>().Add<SimSaga>().Add<SimMeanwhile>().Add<SimPerson>().Add<SimLoopWorkflow>();

    private static readonly string[] Shapes = ["sim-sequence", "sim-fan-out", "sim-waits", "sim-saga", "sim-meanwhile", "sim-person", "sim-loop", "sim-family"];

    private readonly SimWorld world;
    private readonly SimDisk disk;
    private readonly SimTime storeTime;
    private readonly SimLog log = new();
    private readonly SimHost[] hosts;
    private readonly SimClient[] clients;
    private readonly bool calm;

    public Simulation(ulong seed, SimSeams? seams = null, bool tellStory = false)
    {
        world = new SimWorld(seed) { Story = tellStory ? [] : null };
        calm = world.Faults.IsCalm;
        var outside = new SimScheduler(world.Loop, 0);
        storeTime = new SimTime(world.Loop, outside, TimeSpan.Zero);
        disk = new SimDisk(world, storeTime);
        var shared = world.Random.Chance(0.6);
        hosts = [.. Enumerable.Range(0, shared ? 2 : 1).Select(slot => new SimHost(world, disk, Registry, seams ?? new SimSeams(), log, slot, shared))];
        clients = [.. Enumerable.Range(0, Runs).Select(i => new SimClient(world, disk, hosts, storeTime, new RunKey(RunKey.DefaultTenant, $"r{i}"), Shapes[world.Random.Below(Shapes.Length)]))];
        foreach (var host in hosts) host.Start();
        foreach (var client in clients) _ = outside.Begin(client.ActAsync);
        world.Loop.After(FaultsFor, world.Faults.End);
        world.Strike = process =>
        {
            if (hosts.FirstOrDefault(host => host.Runs(process)) is not { } struck) return;
            if (world.Random.Chance(0.5)) struck.Pause(world.Random.Between(20, 100));
            else struck.Kill(world.Random.UpTo(TimeSpan.FromSeconds(5)));
        };
        DoHarmLater();
    }

    public SimCount Count => world.Count;

    /// <summary>The histories as they stand.</summary>
    public IEnumerable<(RunKey Run, IReadOnlyList<StoredEvent> History)> Histories => disk.Store.Snapshot().Select(stored => (stored.Run, stored.History));

    public ulong Hash => world.Loop.Hash;

    public IReadOnlyList<string> Story => world.Story ?? [];

    public IReadOnlyList<Violation> Run()
    {
        var ended = world.Loop.Run(IsOver, FaultsFor + EndWithin);
        world.Count.Runs = Runs;
        List<Violation> violations = [.. Judge(ended)];
        if (world.Story is { } story)
            foreach (var (run, history, row, wakeUp) in disk.Store.Snapshot())
                story.AddRange([$"{run}: {row?.Status}, busy {row?.Busy}, wake-up {wakeUp:O}", .. history.Select(e => $"  {e.Version} {disk.CommittedAt(run)[(int)e.Version - 1]:HH:mm:ss.fff} {e.Read()}")]);
        return violations;
    }

    // Also what a paused host still has in hand must have come out.
    private bool IsOver() => disk.Started >= Runs && disk.Unfinished.Count == 0 && world.UnderWay == 0 && world.Loop.IsIdle && !Array.Exists(hosts, host => host.IsPaused);

    private void DoHarmLater()
    {
        if (world.Faults.Chaos == 0) return;
        world.Loop.After(world.Random.UpTo(TimeSpan.FromSeconds(4 / world.Faults.Chaos)), () =>
        {
            if (world.Faults.Chaos == 0) return;
            var host = hosts[world.Random.Below(hosts.Length)];
            switch (world.Random.Below(8))
            {
                // One that is paused is more dangerous alive.
                case 0 or 1 or 2 when host is { IsUp: true, IsPaused: false }:
                    host.Kill(world.Random.UpTo(TimeSpan.FromSeconds(world.Random.Chance(0.5) ? 1 : 15)));
                    break;
                case 3 or 4:
                    host.Pause(world.Random.UpTo(TimeSpan.FromSeconds(world.Random.Chance(0.5) ? 2 : 90)));
                    break;
                case 5:
                    host.Stop(world.Random.UpTo(TimeSpan.FromSeconds(3)));
                    break;
                case 6:
                    world.Loop.Jumped += world.Random.UpTo(TimeSpan.FromSeconds(world.Random.Chance(0.5) ? 20 : 3600));
                    world.Note("clocks jump");
                    break;
            }
            DoHarmLater();
        });
    }

    private IEnumerable<Violation> Judge(bool ended)
    {
        if (world.Loop.WasLeft) yield return new Violation("determinism", null, "work was queued from another thread");
        foreach (var broken in log.BrokenTurns) yield return new Violation("I12", null, broken);
        foreach (var client in clients)
            foreach (var complaint in client.Complaints) yield return new Violation("I1", null, complaint);

        var checker = new HistoryChecker(new CheckerOptions
        {
            Registry = Registry,
            Ledgers = [.. Ledgers()],
            DiedAt = disk.DiedAt,
            Acknowledged = clients.SelectMany(client => client.Acknowledged).ToLookup(a => a.Run),
        });
        foreach (var (run, history, row, wakeUp) in disk.Store.Snapshot())
        {
            foreach (var violation in checker.Check(new RunFacts(run, history, row, wakeUp))) yield return violation;
            foreach (var violation in JudgeTimes(run, history)) yield return violation;
            if (!ended && (row is { ClosedAt: null } || row is { Busy: true }))
                yield return new Violation("I12", run, $"has not ended: {row.Status}, busy {row.Busy} on {row.Host}, wake-up {wakeUp:u}, waits {string.Join("; ", row.Waits)}");
        }
        foreach (var violation in checker.CheckRest()) yield return violation;
        if (!ended && disk.Unfinished.Count == 0) yield return new Violation("I12", null, "something is still under way");
        world.Count.EffectsExpected = checker.EffectsExpected;
        world.Count.EffectsApplied = checker.EffectsApplied;
    }

    private IEnumerable<ReceiverLedger> Ledgers()
    {
        var receivers = world.Receivers;
        foreach (var receiver in new[] { receivers.Ledger, receivers.Table, receivers.Bank, receivers.SlowBank, receivers.WireDesk, receivers.Database })
            yield return new ReceiverLedger(receiver.Effects);
    }

    // A host may be wrong about the time; the commit is stamped with the store's.
    private IEnumerable<Violation> JudgeTimes(RunKey run, IReadOnlyList<StoredEvent> history)
    {
        var committed = disk.CommittedAt(run);
        if (calm)
        {
            var timers = history.Select(e => (e.Version, Event: e.Read())).ToList();
            foreach (var (version, fired) in timers.Exists(e => e.Event is RunPaused) ? [] : timers.Where(e => e.Event is TimerFired))
                if (timers.Select(e => e.Event).OfType<TimerSet>().First(set => set.Step == ((TimerFired)fired).Step).Due is var due && committed[(int)version - 1] > due + Punctual)
                    yield return new Violation("I8", run, $"event {version}: a timer due at {due:O} fired at {committed[(int)version - 1]:O}");
        }
        for (var i = 0; i < history.Count && i < committed.Count; i++)
            if (history[i].At > committed[i] + Slack)
            {
                yield return new Violation("I4", run, $"event {i + 1} ({history[i].Type}) bears the time {history[i].At:O}, and was committed at {committed[i]:O}");
                yield break;
            }
    }
}
