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
        .Add<SimAccount>().Add<SimTill>().Add<SimTransfer>().Add<SimMovingFirst>().Add<SimMovingSecond>().Add<SimMovingThird>().Add<SimErrand>().Add<SimVigil>()
        .Add<SimFamily>().Add<SimNested>().Add<SimChild>().Add<SimSequence>().Add<SimFanOut>().Add<SimWaits>().Add<SimSaga>().Add<SimMeanwhile>().Add<SimPerson>().Add<SimLoopWorkflow>();

    // What takes a seed longest comes less often.
    private const string Planned = "";
    private static readonly string[] Steady = ["sim-sequence", "sim-fan-out", "sim-waits", "sim-saga", "sim-meanwhile", "sim-person", "sim-loop", "sim-family"];
    private static readonly string[] Shapes = [.. Steady, .. Steady, .. Steady, "sim-account", SimTill.Name, SimTransfer.Name, SimMoving.Name, Planned];

    private readonly SimWorld world;
    private readonly SimDisk disk;
    private readonly SimTime storeTime;
    private readonly SimLog log = new();
    private readonly SimHost[] hosts;
    private readonly SimSender sender;
    private readonly List<Task> acting = [];
    private readonly Task? housekeeping;
    private readonly bool calm;

    public Simulation(ulong seed, SimSeams? seams = null, bool tellStory = false)
    {
        world = new SimWorld(seed) { Story = tellStory ? [] : null };
        world.Forgets = world.Random.Chance(0.06);
        calm = world.Faults.IsCalm && !world.Forgets;
        var outside = new SimScheduler(world.Loop, 0);
        storeTime = new SimTime(world.Loop, outside, TimeSpan.Zero);
        disk = new SimDisk(world, storeTime);
        var shared = world.Random.Chance(0.6);
        hosts = [.. Enumerable.Range(0, shared ? 2 : 1).Select(slot => new SimHost(world, disk, Registry, seams ?? new SimSeams(), log, slot, shared))];
        sender = new SimSender(world, disk, hosts, storeTime);
        foreach (var host in hosts) host.Start();
        for (var i = 0; i < Runs; i++)
        {
            var shape = world.Forgets && i == 0 && world.Random.Chance(0.5) ? SimVigil.Name : Shapes[world.Random.Below(Shapes.Length)];
            var run = new RunKey(RunKey.DefaultTenant, $"r{i}");
            acting.Add(outside.Begin(shape == Planned ? new SimPlanner(world, sender, disk, storeTime, $"s{i}").ActAsync : new SimClient(world, disk, sender, run, shape).ActAsync));
        }
        if (world.Forgets)
            housekeeping = outside.Begin(new SimHousekeeper(world, sender, hosts, disk, () => acting.TrueForAll(client => client.IsCompleted), () => sender.Acknowledged.Count(acked => acked.Kind is CommandKind.Start) >= Runs).ActAsync);
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
    public IEnumerable<(RunKey Run, IReadOnlyList<StoredEvent> History)> Histories => disk.All.Select(stored => (stored.Facts.Run, stored.Facts.History));

    public ulong Hash => world.Loop.Hash;

    public IReadOnlyList<string> Story => world.Story ?? [];

    public IReadOnlyList<Violation> Run()
    {
        var ended = world.Loop.Run(IsOver, FaultsFor + (world.Forgets ? 2 * EndWithin : EndWithin));
        world.Count.Runs = Runs;
        List<Violation> violations = [.. Judge(ended)];
        if (world.Story is { } story)
            foreach (var ((run, history, row, wakeUp), committedAt) in disk.All)
                story.AddRange([$"{run}: {row?.Status}, busy {row?.Busy}, wake-up {wakeUp:O}", .. history.Select(e => $"  {e.Version} {committedAt[(int)e.Version - 1]:HH:mm:ss.fff} {e.Read()}")]);
        return violations;
    }

    // Also what a paused host still has in hand must have come out.
    private bool IsOver() => disk.Unfinished.Count == 0 && world.UnderWay == 0 && world.Loop.IsIdle && acting.TrueForAll(client => client.IsCompleted) && housekeeping is null or { IsCompleted: true } && !Array.Exists(hosts, host => host.IsPaused);

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
        foreach (var complaint in sender.Complaints) yield return complaint;
        foreach (var wrong in disk.WronglyGone) yield return wrong;
        foreach (var client in acting.Append(housekeeping ?? Task.CompletedTask).Where(client => client.IsFaulted)) yield return new Violation("I1", null, $"a client was told something he could not expect: {client.Exception}");

        var checker = new HistoryChecker(new CheckerOptions
        {
            Registry = Registry,
            Ledgers = [.. Ledgers()],
            DiedAt = disk.DiedAt,
            Acknowledged = sender.Acknowledged.ToLookup(a => a.Run),
            Refused = sender.Refused.ToLookup(r => r.Run),
            Asked = sender.Asked.ToLookup(a => a.Run),
            Answered = sender.Answered.ToLookup(a => a.Run),
        });
        foreach (var (facts, committedAt) in disk.All)
        {
            var (run, history, row, wakeUp) = facts;
            foreach (var violation in checker.Check(facts)) yield return violation;
            foreach (var violation in JudgeTimes(run, history, committedAt)) yield return violation;
            if (!ended && (row is { ClosedAt: null } || row is { Busy: true }))
                yield return new Violation("I12", run, $"has not ended: {row.Status}, busy {row.Busy} on {row.Host}, wake-up {wakeUp:u}, waits {string.Join("; ", row.Waits)}");
        }
        foreach (var violation in checker.CheckRest()) yield return violation;
        if (!ended && disk.Unfinished.Count == 0) yield return new Violation("I12", null, acting.TrueForAll(client => client.IsCompleted) ? "something is still under way" : "somebody still waits for an answer");
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
    private IEnumerable<Violation> JudgeTimes(RunKey run, IReadOnlyList<StoredEvent> history, IReadOnlyList<DateTimeOffset> committed)
    {
        if (calm)
        {
            var timers = history.Select(e => (e.Version, Event: e.Read())).ToList();
            foreach (var (version, fired) in timers.Exists(e => e.Event is RunPaused or RunReset or RunForked) ? [] : timers.Where(e => e.Event is TimerFired))
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
