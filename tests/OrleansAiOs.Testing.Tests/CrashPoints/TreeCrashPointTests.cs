using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Testing.Simulation;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using Xunit.Abstractions;
using Points = OrleansAiOs.Testing.CrashPoints.CrashPoints;

namespace OrleansAiOs.Testing.Tests.CrashPoints;

/// <summary>A tree is reset and forked while every I/O goes wrong in every way: no parent waits for ever, and no child goes on for nobody.</summary>
public sealed class TreeCrashPointTests(ITestOutputHelper output)
{
    private sealed record Ledger(Func<string, Task<int>> Post);

    private static readonly Activity<int, int> Post = Activity.Keyed<Ledger, int, int>("tree.post", (ledger, _, key, _) => ledger.Post(key.Value));
    private static readonly Activity<int, int> Reverse = Activity.Keyed<Ledger, int, int>("tree.reverse", (ledger, _, key, _) => ledger.Post(key.Value));
    private static readonly Signal<int> Go = new("go");

    [Workflow("tree")]
    private sealed class Tree : Workflow<int, int>
    {
        private static readonly Child<int, int> Branch = Child<int, int>.Of<Twig>();

        protected override async Task<int> RunAsync(int input)
        {
            var stays = Call(Branch, 30, new ChildOptions { OnParentClose = ParentClose.Abandon });     // step 1
            await Receive(Go);
            var redone = Call(Branch, 20);                                                              // step 2
            var undone = Call(Branch, 10);                                                              // step 3
            var reused = await Call(Branch, 1);                                                         // step 4
            return await Receive(Go) + reused + await stays + await redone + await undone;
        }
    }

    [Workflow("twig")]
    private sealed class Twig : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int minutes)
        {
            await using var saga = Saga();
            await saga.Call(Post, minutes, Reverse);
            await Sleep(TimeSpan.FromMinutes(minutes));
            return saga.Complete(minutes);
        }
    }

    private static readonly WorkflowRegistry Registry = new WorkflowRegistry().Add<Tree>().Add<Twig>();
    private static readonly RunKey Run = new(RunKey.DefaultTenant, "r");

    [Fact]
    public Task A_reset_tree_loses_and_doubles_nothing() => Strike(async world =>
    {
        await Grow(world);
        var cut = await CutBeforeGo(world);
        await world.SendAsync(host => host.ResetAsync(new ResetRun(Run, cut, "a test", new Dictionary<int, EffectAction> { [2] = EffectAction.Redo, [3] = EffectAction.Compensate, [4] = EffectAction.Reuse }), "olga", "reset"));
        await world.SendAsync(host => host.SignalAsync(Run, "go", JsonText.From(5), "alice", "go-2"));
        foreach (var (id, status) in new[] { ("r.2", RunStatus.Terminated), ("r.3", RunStatus.Cancelled), ("r.4", RunStatus.Completed), ("r.1", RunStatus.Completed), ("r.2:1", RunStatus.Completed), ("r.3:1", RunStatus.Completed) })
            (await Settled(world, id)).Status.Should().Be(status, id);
        (await Result(world, "r")).Should().Be(5 + 1 + 30 + 20 + 10);
    }, effects: 4 + 2 + 1);

    [Fact]
    public Task A_parent_that_was_over_and_is_reset_hears_of_the_child_that_ended_meanwhile() => Strike(async world =>
    {
        await world.SendAsync(host => host.StartRunAsync(new StartRun("tree", JsonText.From(1), Run.Id), "alice"));
        await world.UntilAsync(Run, row => !row.Busy && row.Waits.Any(wait => wait.Kind == "child") && row.Waits.Any(wait => wait.Kind == "signal"));
        await world.SendAsync(host => host.TerminateAsync(Run, "too early", "olga", "terminate"));
        await Settled(world, "r");
        await Settled(world, "r.1");
        var cut = (await Events(world, Run)).FindIndex(e => e is RunTerminated);
        await world.SendAsync(host => host.ResetAsync(new ResetRun(Run, cut, "a test"), "olga", "reset"));
        foreach (var go in new[] { "go-1", "go-2" }) await world.SendAsync(host => host.SignalAsync(Run, "go", JsonText.From(5), "alice", go));
        foreach (var id in new[] { "r.2:1", "r.3:1", "r.4:1" }) await Settled(world, id);
        (await Result(world, "r")).Should().Be(5 + 1 + 30 + 20 + 10);
    }, effects: 4);

    [Fact]
    public Task A_forked_tree_has_children_of_its_own_and_leaves_the_old_one_alone() => Strike(async world =>
    {
        await Grow(world);
        var cut = await CutBeforeGo(world);
        var fork = new ForkRun(Run, cut, "f", Effects: new Dictionary<int, EffectAction> { [1] = EffectAction.Redo, [2] = EffectAction.Redo, [3] = EffectAction.Redo, [4] = EffectAction.Reuse });
        await world.SendAsync(host => host.ForkAsync(fork, "olga"));
        foreach (var id in new[] { "f", "r" })
            foreach (var go in id == "f" ? new[] { "go-1", "go-2" } : ["go-2"]) await world.SendAsync(host => host.SignalAsync(Run with { Id = id }, "go", JsonText.From(5), "alice", go));
        foreach (var id in new[] { "f", "r" }) (await Result(world, id)).Should().Be(5 + 1 + 30 + 20 + 10);
        foreach (var id in new[] { "r.1", "r.2", "r.3", "r.4", "f.1:1", "f.2:1", "f.3:1" }) (await Settled(world, id)).Status.Should().Be(RunStatus.Completed, id);
    }, effects: 4 + 3);

    /// <summary>A tree whose first child has been there since before the cut, and of whose others one has ended.</summary>
    private static async Task Grow(VirtualHost world)
    {
        await world.SendAsync(host => host.StartRunAsync(new StartRun("tree", JsonText.From(1), Run.Id), "alice"));
        await world.UntilAsync(Run, row => !row.Busy && row.Waits.Any(wait => wait.Kind == "signal"));
        await world.SendAsync(host => host.SignalAsync(Run, "go", JsonText.From(0), "alice", "go-1"));
        await Settled(world, "r.4");
        await world.UntilAsync(Run, row => !row.Busy && row.Waits.Any(wait => wait.Kind == "signal"));
        foreach (var id in new[] { "r.1", "r.2", "r.3" }) await world.UntilAsync(Run with { Id = id }, row => row.Waits.Any(wait => wait.Kind == "timer"));
    }

    private static async Task<long> CutBeforeGo(VirtualHost world) => (await Events(world, Run)).FindIndex(e => e is SignalReceived);

    private static async Task<List<WorkflowEvent>> Events(VirtualHost world, RunKey run) => [.. (await world.Store.ReadAsync(run, 1, default)).Select(e => e.Read())];

    private static Task<RunRow> Settled(VirtualHost world, string id) => world.UntilAsync(Run with { Id = id }, row => row is { ClosedAt: not null, Busy: false });

    private static async Task<int> Result(VirtualHost world, string id)
    {
        await Settled(world, id);
        return (await Events(world, Run with { Id = id })).OfType<RunCompleted>().Single().Result.To<int>();
    }

    private async Task Strike(Func<VirtualHost, Task> story, int effects)
    {
        var report = await Points.RunAsync(points =>
        {
            var ledger = new Dictionary<string, int>();
            var world = new VirtualHost(Registry, () => new ServiceCollection().AddSingleton(new Ledger(points.Over<string, int>("post", key => Task.FromResult(ledger[key] = 1)))).BuildServiceProvider(), points.Over);
            points.OnKill = world.Kill;
            world.Run(story, within: TimeSpan.FromDays(2));
            var checker = new HistoryChecker(new CheckerOptions { Registry = Registry, AllHaveEnded = true, Ledgers = [new ReceiverLedger(ledger)] });
            world.Facts().SelectMany(checker.Check).Concat(checker.CheckRest()).Should().BeEmpty();
            ledger.Should().HaveCount(effects);
            return Task.CompletedTask;
        });
        output.WriteLine($"{report.Passes} I/Os struck: {string.Join(", ", report.Struck.Select(mode => $"{mode.Key} {mode.Value.Count}"))}");
        report.Failures.Should().BeEmpty();
        report.Struck.Should().HaveCount(4).And.OnlyContain(mode => mode.Value.Count > 5 && mode.Value.Any(io => io.StartsWith("append")) && mode.Value.Contains("post"));
    }
}
