using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Who is next where attempts have to wait, and how fast they begin.</summary>
public abstract class LimitConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Activity<string, string> One = Activity.Pure<Outside, string, string>("limit.one", (o, name, c) => o.Call(name, c), new ActivityOptions { Concurrency = 1 });

    private static readonly Activity<string, string> Slow = Activity.Pure<Outside, string, string>("limit.slow", (o, name, c) => o.Call(name, c), new ActivityOptions { PerSecond = 2, Burst = 3 });

    private static readonly Activity<string, string> Shared = Activity.Pure<Outside, string, string>("limit.shared", (o, name, c) => o.Call(name, c), new ActivityOptions { Concurrency = 4, ConcurrencyPerTenant = 2 });

    private static readonly Activity<string, string> Rare = Activity.Keyed<Outside, string, string>("limit.rare", (o, name, _, c) => o.Call(name, c), new ActivityOptions { PerSecond = 0.5 });

    protected override WorkflowHostOptions Configure(WorkflowHostOptions options) => options with { DispatchWindow = TimeSpan.FromSeconds(10) };

    [Workflow("rare")]
    private sealed class AtRare : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string name) => Call(Rare, name);
    }

    [Workflow("one")]
    private sealed class AtOne : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string name) => Call(One, name);
    }

    [Workflow("slow")]
    private sealed class AtSlow : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string name) => Call(Slow, name);
    }

    [Workflow("shared")]
    private sealed class AtShared : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string name) => Call(Shared, name);
    }

    [Workflow("in-time")]
    private sealed class InTime : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string name) => Call(One, name, new() { ScheduleToStart = TimeSpan.FromSeconds(5), Retry = RetryPolicy.None });
    }

    // When this returns, its attempt is at the gate.
    private async Task<RunKey> Begin(string workflow, string name, string tenant = RunKey.DefaultTenant, int priority = 0) =>
        (await Host.StartRunAsync(new StartRun(workflow, JsonText.From(name), Key(name).Id, Tenant: tenant, Priority: priority), "paula")).Run;

    // As the rate lets them through: time that ran on while one is appended anew would make it late again.
    private async Task OneByOne(int calls)
    {
        for (var call = 1; call <= calls; call++)
        {
            if (call > 1) Time.Advance(TimeSpan.FromSeconds(2));
            await Eventually(() => Task.FromResult(Outside.Calls.Count >= call), () => $"call {call} was not made");
        }
    }

    private void Hold(Func<string, bool> which) => Outside.Answer = (name, _) => which(name) ? Outside.Hang() : Task.FromResult(name);

    [Fact]
    public async Task The_run_with_the_highest_priority_is_next_and_of_equals_the_first()
    {
        Hold(name => name == "hold");
        var runs = new List<RunKey> { await Begin("one", "hold") };
        foreach (var (name, priority) in new[] { ("low", -5), ("a", 0), ("high", 100), ("b", 0), ("higher", 7), ("c", 0) }) runs.Add(await Begin("one", name, priority: priority));
        await Eventually(() => Task.FromResult(Outside.Calls.Count > 0), () => "nothing was called");
        Outside.Names.Should().Equal("hold");
        Outside.LetGo();
        foreach (var run in runs) await End(run);
        Outside.Names.Should().Equal("hold", "high", "higher", "a", "b", "c", "low");
        (await Events<RunStarted>(runs[3]))[0].Priority.Should().Be(100);
        foreach (var wrong in new[] { -101, 101 }) await Refused(() => Begin("one", "wrong", priority: wrong), Refusal.Invalid, "*priority*");
    }

    [Fact]
    public async Task What_does_not_start_in_time_fails_without_having_been_sent()
    {
        Hold(_ => true);
        var first = await Begin("one", "first");
        var second = await Begin("in-time", "second");
        Time.Advance(TimeSpan.FromSeconds(6));
        var failure = await FailureOf(second);
        (await Events<StepFailed>(second)).Single().Failure.Kind.Should().Be(FailureKind.NotStartedInTime);
        failure.Message.Should().Contain("slots");
        await Eventually(() => Task.FromResult(Outside.Calls.Count > 0), () => "nothing was called");
        Outside.Names.Should().Equal("first");
        (await Store.FindAsync(first, default))!.Status.Should().Be(RunStatus.Running);
    }

    [Fact]
    public async Task Tenants_take_turns_whatever_the_priority_of_ones_runs()
    {
        Hold(name => name == "hold");
        var runs = new List<RunKey> { await Begin("one", "hold", "a") };
        for (var i = 1; i <= 6; i++) runs.Add(await Begin("one", $"a{i}", "a", priority: 100));
        for (var i = 1; i <= 2; i++) runs.Add(await Begin("one", $"b{i}", "b"));
        runs.Add(await Begin("one", "c1", "c"));
        Outside.LetGo();
        foreach (var run in runs) await End(run);
        Outside.Names.Should().Equal("hold", "b1", "c1", "a1", "b2", "a2", "a3", "a4", "a5", "a6");
    }

    [Fact]
    public async Task A_tenant_has_no_more_than_its_share_while_places_are_free()
    {
        Hold(_ => true);
        var runs = new List<RunKey>();
        for (var i = 1; i <= 3; i++) runs.Add(await Begin("shared", $"a{i}", "a"));
        runs.Add(await Begin("shared", "b1", "b"));
        await Eventually(() => Task.FromResult(Outside.Calls.Count == 3), () => string.Join(' ', Outside.Names));
        Outside.Names.Should().BeEquivalentTo("a1", "a2", "b1");
        Outside.LetGo();
        foreach (var run in runs) await End(run);
        Outside.Names.Should().HaveCount(4);
    }

    [Fact]
    public async Task What_waits_for_its_place_longer_than_the_dispatch_window_is_sent_all_the_same_once_and_as_its_first_attempt()
    {
        var runs = new List<RunKey>();
        for (var i = 1; i <= 12; i++) runs.Add(await Begin("rare", $"{i}"));
        await OneByOne(12);
        foreach (var run in runs) (await End(run)).Should().BeOfType<RunCompleted>();
        Outside.Names.Should().BeEquivalentTo(Enumerable.Range(1, 12).Select(i => $"{i}"), "each is sent once; two that are appended anew at one moment may overtake each other");
        Outside.Calls.Select(call => call.Attempt).Should().AllBeEquivalentTo(1);
        var renewed = await Events<AttemptStarted>(runs[^1]);
        renewed.Should().NotBeEmpty("it waited for 22 s");
        renewed.Select(start => start.Attempt).Should().AllBeEquivalentTo(1, "nothing was sent under that number before");
    }

    [Fact]
    public async Task The_final_no_to_a_keyed_call_that_waited_long_for_its_place_leaves_nothing_unknown()
    {
        Outside.Answer = (name, _) => name is "no" ? throw new RefusedException("not this one") : Task.FromResult(name);
        var runs = new List<RunKey>();
        for (var i = 1; i <= 7; i++) runs.Add(await Begin("rare", $"{i}"));
        runs.Add(await Begin("rare", "no"));
        await OneByOne(8);
        (await FailureOf(runs[^1])).Message.Should().Contain("not this one");
        (await Events<AttemptStarted>(runs[^1])).Should().NotBeEmpty("it waited for 14 s");
        (await Events<OutcomeUnknown>(runs[^1])).Should().BeEmpty();
    }

    [Fact]
    public async Task A_run_that_is_cancelled_while_its_call_waits_beyond_the_window_is_not_called_for()
    {
        var runs = new List<RunKey>();
        for (var i = 1; i <= 7; i++) runs.Add(await Begin("rare", $"{i}"));
        var last = await Begin("rare", "cancelled");
        await Host.CancelAsync(last, "no longer wanted", "paula");
        await OneByOne(7);
        await PassTimeUntilEnd(last);
        (await End(last)).Should().BeOfType<RunCancelled>();
        Outside.Names.Should().NotContain("cancelled");
    }

    [Fact]
    public async Task A_rate_lets_a_burst_through_and_then_so_many_a_second()
    {
        var runs = new List<RunKey>();
        for (var i = 1; i <= 8; i++) runs.Add(await Begin("slow", $"{i}"));
        for (var begun = 3; begun <= 8; begun++)
        {
            await Eventually(() => Task.FromResult(Outside.Calls.Count >= begun), () => $"{Outside.Calls.Count} began");
            Outside.Calls.Count.Should().Be(begun, "the bucket is empty until time passes");
            Time.Advance(TimeSpan.FromMilliseconds(499));
            Outside.Calls.Count.Should().Be(begun);
            Time.Advance(TimeSpan.FromMilliseconds(1));
        }
        foreach (var run in runs) await End(run);
        Time.Advance(TimeSpan.FromHours(1));
        for (var i = 11; i <= 14; i++) runs.Add(await Begin("slow", $"{i}"));
        await Eventually(() => Task.FromResult(Outside.Calls.Count >= 11), () => $"{Outside.Calls.Count} began");
        Outside.Calls.Count.Should().Be(11, "a long rest is no more than a full bucket");
        await PassTimeUntilEnd(runs[^1]);
    }
}

public sealed class LimitsInMemory(InMemory store) : LimitConformance(store), IClassFixture<InMemory>;

public sealed class LimitsOnPostgres(OnPostgres store) : LimitConformance(store), IClassFixture<OnPostgres>;
