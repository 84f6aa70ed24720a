using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Testing.Simulation;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Retention;

namespace OrleansAiOs.Testing.Tests.Checking;

/// <summary>A history of the real engine is clean; with one thing changed in it, the checker names the invariant.</summary>
public sealed class HistoryCheckerTests
{
    private static readonly RunKey Run = new(RunKey.DefaultTenant, "r");
    private static readonly string Key = IdempotencyKey.Of(Run.Tenant, Run.Id, 3, 0).Value;

    private static readonly Activity<int, int> Post = Activity.Keyed<object, int, int>("post", (_, value, _, _) => Task.FromResult(value));

    private static readonly Query<int> Value = new("value");

    [Workflow("checked")]
    private sealed class Checked : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value)
        {
            Answers(Value, () => value);
            await Sleep(TimeSpan.FromSeconds(1));
            await Approval("Post it", value, by: "controller", notBy: [StartedBy]);
            return await Call(Post, value);
        }
    }

    [Workflow("checked")]
    private sealed class CheckedOtherwise : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value)
        {
            await Approval("Post it", value, by: "controller");
            return value;
        }
    }

    // 1 run-started 2 timer-set 3 timer-fired 4 approval-requested 5 approval-decided 6 step-scheduled 7 step-completed 8 run-completed
    private static RunFacts Facts(bool untilApproval = false)
    {
        var services = new ServiceCollection().AddSingleton(new object()).BuildServiceProvider();
        var world = new VirtualHost(new WorkflowRegistry().Add<Checked>(), () => services);
        world.Run(async _ =>
        {
            await world.SendAsync(host => host.StartRunAsync(new StartRun("checked", JsonText.From(1), Run.Id), "alice"));
            if (untilApproval) return;
            await world.UntilAsync(Run, row => row.AwaitsApproval);
            await world.SendAsync(host => host.DecideAsync(Run, 2, true, new Decider("carl", ["controller"], "key"), key: "yes"));
            await world.UntilAsync(Run, row => row.ClosedAt is not null);
        }, TimeSpan.FromHours(1));
        return world.Facts().Single();
    }

    private static CheckerOptions Options(int effects = 1, string? key = null) => new()
    {
        Registry = new WorkflowRegistry().Add<Checked>(),
        Ledgers = [new ReceiverLedger(effects == 0 ? new Dictionary<string, int>() : new Dictionary<string, int> { [key ?? Key] = effects })],
        Acknowledged = new[] { new Acknowledged(Run, CommandKind.Start, "", 1), new Acknowledged(Run, CommandKind.Decide, "yes", 5) }.ToLookup(a => a.Run),
        AllHaveEnded = true,
    };

    private static IEnumerable<string> Broken(RunFacts facts, CheckerOptions options)
    {
        var checker = new HistoryChecker(options);
        return checker.Check(facts).Concat(checker.CheckRest()).Select(violation => violation.Invariant);
    }

    [Fact]
    public void What_the_engine_wrote_is_clean() => Broken(Facts(), Options()).Should().BeEmpty();

    [Fact]
    public async Task A_stream_of_runs_is_checked_one_by_one()
    {
        var found = new List<Violation>();
        await foreach (var violation in new HistoryChecker(Options()).CheckAsync(Stream())) found.Add(violation);
        found.Should().ContainSingle().Which.Invariant.Should().Be("I4");

        static async IAsyncEnumerable<RunFacts> Stream()
        {
            yield return Facts();
            await Task.Yield();
            yield return Without(Facts(), 3);
        }
    }

    [Fact]
    public void An_acknowledged_command_that_is_not_recorded_breaks_I1() =>
        Broken(Facts(), Options() with { Acknowledged = new[] { new Acknowledged(Run, CommandKind.Signal, "lost", 2) }.ToLookup(a => a.Run) }).Should().Contain("I1");

    [Fact]
    public void A_second_outcome_of_a_step_breaks_I2() =>
        Broken(With(Facts(), 8, EventOf(Facts(), 7)), Options()).Should().Contain("I2");

    [Theory, InlineData(0), InlineData(2)]
    public void An_effect_that_is_missing_or_doubled_breaks_I3(int effects) => Broken(Facts(), Options(effects)).Should().Contain("I3");

    [Fact]
    public void An_effect_that_no_history_knows_breaks_I3() => Broken(Facts(), Options(1, "stranger")).Should().Contain("I3");

    [Fact]
    public void A_hole_in_the_versions_breaks_I4() => Broken(Without(Facts(), 3), Options() with { Ledgers = [] }).Should().Equal("I4");

    [Fact]
    public void An_outcome_of_nothing_breaks_I4() => Broken(With(Facts(), 3, new StepCompleted(9, 1, JsonText.From(1))), Options()).Should().Contain("I4");

    [Fact]
    public void A_timer_that_fired_early_breaks_I4() =>
        Broken(With(Facts(), 2, new TimerSet(1, EventAt(Facts(), 3).AddSeconds(1))), Options()).Should().Contain("I4");

    [Fact]
    public void A_row_that_lies_breaks_I5() =>
        Broken(Facts() is var facts ? facts with { Row = facts.Row! with { Status = RunStatus.Failed } } : null!, Options()).Should().Contain("I5");

    [Fact]
    public void A_lost_wake_up_breaks_I5() => Broken(Facts(untilApproval: true) with { WakeUp = null }, Options(0) with { Acknowledged = null }).Should().Contain("I5");

    [Fact]
    public void Code_that_asks_for_something_else_breaks_I6() =>
        Broken(Facts(), Options() with { Registry = new WorkflowRegistry().Add<CheckedOtherwise>() }).Should().Equal("I6");

    [Theory]
    [InlineData("eve", "clerk")]
    [InlineData("alice", "controller")]
    public void A_decision_by_somebody_not_entitled_breaks_I10(string who, string role) =>
        Broken(With(Facts(), 5, new ApprovalDecided(2, true, new Decider(who, [role], "key"), Key: "yes")), Options()).Should().Equal("I10");

    [Fact]
    public void A_subject_changed_after_the_fact_breaks_I10() =>
        Broken(With(Facts(), 4, (ApprovalRequested)EventOf(Facts(), 4) with { Subject = JsonText.From(1000) }), Options()).Should().Equal("I10");

    [Fact]
    public void A_query_whose_answer_no_moment_gives_breaks_I14() => Broken(Facts(), Options() with { Asked = Ask(4) }).Should().Equal("I14");

    [Fact]
    public void A_query_answered_as_at_some_moment_it_may_have_been_is_clean() => Broken(Facts(), Options() with { Asked = Ask(1) }).Should().BeEmpty();

    private static ILookup<RunKey, Asked> Ask(int answer) => new[] { new Asked(Run, "value", JsonText.From(answer), 3, 8) }.ToLookup(asked => asked.Run);

    [Fact]
    public void A_command_that_was_refused_and_is_recorded_breaks_I1() =>
        Broken(Facts(), Options() with { Refused = new[] { new Refused(Run, CommandKind.Decide, "yes", "not now") }.ToLookup(refused => refused.Run) }).Should().Equal("I1");

    [Fact]
    public void An_open_run_that_was_deleted_breaks_I16_and_one_deleted_in_time_does_not()
    {
        IReadOnlyList<RetentionRule> rules = [new(null, null, TimeSpan.FromDays(1))];
        var end = EventAt(Facts(), 8);
        PurgeChecker.Check([Facts(untilApproval: true)], [Run], rules, end.AddDays(9)).Select(v => v.Invariant).Should().Equal("I16");
        PurgeChecker.Check([Facts()], [Run], rules, end.AddHours(23)).Select(v => v.Invariant).Should().Equal("I16");
        PurgeChecker.Check([Facts()], [Run], rules, end.AddDays(2)).Should().BeEmpty();
    }

    [Fact]
    public void A_run_left_open_breaks_I12() => Broken(Facts(untilApproval: true), Options(0) with { Acknowledged = null }).Should().Equal("I12");

    private static WorkflowEvent EventOf(RunFacts facts, int version) => facts.History[version - 1].Read();

    private static DateTimeOffset EventAt(RunFacts facts, int version) => facts.History[version - 1].At;

    private static RunFacts Without(RunFacts facts, int version) => facts with { History = [.. facts.History.Where(e => e.Version != version)] };

    private static RunFacts With(RunFacts facts, int version, WorkflowEvent e)
    {
        var (type, body) = EventNames.Write(e);
        return facts with { History = [.. facts.History.Select(stored => stored.Version == version ? stored with { Type = type, Body = body } : stored)] };
    }
}
