using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Testing.Tests.Checking;

/// <summary>The histories of a tree that was reset are clean; with one thing changed in one of them, the checker names I13.</summary>
public sealed class KinCheckerTests
{
    private static readonly Signal<int> Go = new("go");
    private static readonly RunKey Run = new(RunKey.DefaultTenant, "r");

    [Workflow("kin")]
    private sealed class Kin : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value)
        {
            value += await Receive(Go);
            return value + await Call(Child<int, int>.Of<Kid>(), value) + await Receive(Go);
        }
    }

    [Workflow("kid")]
    private sealed class Kid : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value) => value + await Receive(Go);
    }

    private static readonly WorkflowRegistry Registry = new WorkflowRegistry().Add<Kin>().Add<Kid>();

    // 1 run-started | 2 signal-received, 3 child-scheduled 1 | 4 child-reached | …
    private const long BeforeTheChild = 1;
    private const long AtTheChild = 4;

    /// <summary>A tree whose child waits, was reset, and waits again.</summary>
    private static async Task<List<RunFacts>> Facts(long cut, EffectAction action, bool kidEndsFirst = false)
    {
        await using var test = await new WorkflowTestHost(Registry).StartAsync();
        await test.StartRunAsync("kin", 1, Run.Id);
        await test.SignalAsync(Run, Go, 1);
        var kid = Run with { Id = "r.1" };
        await test.Until(Run, row => !row.Busy && row.Waits.Any(wait => wait.Kind == "child"));
        await test.Until(kid, row => row.Waits.Any(wait => wait.Kind == "signal"));
        if (kidEndsFirst)
        {
            await test.SignalAsync(kid, Go, 1);
            await test.Until(Run, row => row.Waits.Any(wait => wait.Kind == "signal"));
        }
        await test.Host.ResetAsync(new ResetRun(Run, cut, "a test", new Dictionary<int, EffectAction> { [1] = action }), "olga");
        await test.Until(Run, row => !row.Busy && row.Waits.Any(wait => wait.Kind == (kidEndsFirst && action is EffectAction.Reuse ? "signal" : "child")));
        if (action is EffectAction.Redo) await test.Until(Run with { Id = "r.1:1" }, row => row.Waits.Any(wait => wait.Kind == "signal"));
        var facts = new List<RunFacts>();
        foreach (var row in await test.Store.ListAsync(new RunQuery(RunKey.DefaultTenant), default)) facts.Add(new RunFacts(row.Run, await test.Store.ReadAsync(row.Run, 1, default), row, null));
        return facts;
    }

    private static IEnumerable<string> Broken(IEnumerable<RunFacts> facts)
    {
        var checker = new HistoryChecker(new CheckerOptions());
        return facts.SelectMany(checker.Check).Concat(checker.CheckRest()).Where(violation => violation.Invariant == "I13").Select(violation => violation.What).ToList();
    }

    /// <summary>The tree with a run's last event, or several, in place of another.</summary>
    private static List<RunFacts> With(List<RunFacts> facts, string run, Func<WorkflowEvent, WorkflowEvent?> change) =>
    [
        .. facts.Select(of => of.Run.Id != run ? of : of with
        {
            History = [.. of.History.Select(stored => (stored, Event: change(stored.Read()))).Where(kept => kept.Event is not null)
                .Select((kept, i) => EventNames.Write(kept.Event!) is var (type, body) ? kept.stored with { Version = i + 1, Type = type, Body = body } : default)],
        }),
    ];

    private static List<RunFacts> Behind(List<RunFacts> facts, string run, params WorkflowEvent[] events) =>
    [
        .. facts.Select(of => of.Run.Id != run ? of : of with
        {
            History = [.. of.History, .. events.Select((e, i) => EventNames.Write(e) is var (type, body) ? new StoredEvent(of.History.Count + i + 1, Guid.NewGuid(), type, body, of.History[^1].At) : default)],
        }),
    ];

    [Theory]
    [InlineData(AtTheChild, EffectAction.Reuse, false)]
    [InlineData(AtTheChild, EffectAction.Reuse, true)]
    [InlineData(AtTheChild, EffectAction.Redo, false)]
    [InlineData(AtTheChild, EffectAction.Redo, true)]
    [InlineData(BeforeTheChild, EffectAction.Redo, false)]
    [InlineData(BeforeTheChild, EffectAction.Compensate, false)]
    public async Task What_the_engine_wrote_is_clean(long cut, EffectAction action, bool kidEndsFirst) => Broken(await Facts(cut, action, kidEndsFirst)).Should().BeEmpty();

    [Fact]
    public async Task A_parent_that_waits_for_a_child_that_believes_to_be_heard_is_found() =>
        Broken(Behind(await Facts(AtTheChild, EffectAction.Reuse), "r.1", new RunTerminated("x"), new RunSettled())).Should().ContainSingle().Which.Should().Contain("step 1 waits for its child run r.1, which has ended");

    [Fact]
    public async Task A_child_that_goes_on_for_a_branch_that_was_left_is_found() =>
        Broken(With(await Facts(BeforeTheChild, EffectAction.Redo), "r.1", e => e is RunClosed or RunSettled ? null : e)).Should().Contain(what => what.Contains("was left, and the child goes on"));

    [Fact]
    public async Task A_reset_that_forgets_a_child_is_found()
    {
        var facts = await Facts(AtTheChild, EffectAction.Reuse);
        Broken(With(facts, "r", e => e is RunReset reset ? reset with { Effects = [] } : e)).Should().Contain(what => what.Contains("what becomes of"));
    }

    [Fact]
    public async Task An_outcome_that_the_child_never_had_is_found()
    {
        var facts = await Facts(AtTheChild, EffectAction.Reuse, kidEndsFirst: true);
        Broken(With(facts, "r", e => e is RunReset reset ? reset with { Effects = [reset.Effects[0] with { Result = JsonText.From(99) }] } : e)).Should().Equal("it reuses an outcome for step 1 that its child run r.1 never had");
    }

    [Fact]
    public async Task A_child_that_is_replaced_by_the_run_it_was_is_found()
    {
        var facts = await Facts(AtTheChild, EffectAction.Redo);
        Broken(With(facts, "r", e => e is ChildReplaced replaced ? replaced with { Run = "r.1" } : e)).Should().Contain(what => what.Contains("which it was before"));
    }

    [Fact]
    public async Task A_child_that_nobody_chose_to_replace_is_found()
    {
        var facts = await Facts(AtTheChild, EffectAction.Redo);
        Broken(With(facts, "r", e => e is RunReset reset ? reset with { Effects = [reset.Effects[0] with { Action = EffectAction.Reuse, Child = reset.Effects[0].Child! with { Stays = true, Ends = null } }] } : e)).Should().Contain(what => what.Contains("no reset chose that"));
    }
}
