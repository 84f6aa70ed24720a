using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>A run starts others, hears of their end, and leaves none behind that it should not.</summary>
public abstract class ChildConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");
    private static readonly Child<string, string> One = Child<string, string>.Of<ChildOne>();

    [Workflow("child")]
    private sealed class ChildOne : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string what)
        {
            await using var saga = Saga();
            await saga.Call(Tools.Keyed, what, undo: Tools.Undo);
            if (what == "fail") throw new WorkflowFailedException("no such luck");
            return saga.Complete(what == "wait" ? await Receive(Go) : $"{what} done by {StartedBy}");
        }
    }

    [Workflow("parent")]
    private sealed class Parent : Workflow<string[], string>
    {
        private static readonly Child<string, string> Unknown = new("no-such");
        private static readonly Child<int, int> Misread = new("child");

        protected override async Task<string> RunAsync(string[] how)
        {
            var options = new ChildOptions { OnParentClose = Enum.TryParse<ParentClose>(how[0], out var policy) ? policy : default, Id = how.Length > 2 ? how[2] : null };
            try
            {
                switch (how)
                {
                    case ["unknown", ..]: return await Call(Unknown, "x");
                    case ["misread", ..]: return $"{await Call(Misread, 1)}";
                    case ["many", ..]: return string.Join(' ', await Task.WhenAll(Enumerable.Range(1, 5).Select(i => Call(One, $"{i}"))));
                    case [_, "leave", ..]:
                        _ = Call(One, "wait", options);
                        return await Receive(Go);
                    default: return await Call(One, how[1], options);
                }
            }
            catch (ChildFailedException e) when (how[0] != "throw")
            {
                return $"{e.Failure.Type}: {e.Failure.Message}";
            }
        }
    }

    // Parent and children agree, whatever happened.
    private async Task DemandThatAllIsWell()
    {
        IReadOnlyList<RunRow> rows = [];
        await Eventually(async () =>
        {
            rows = await Store.ListAsync(new RunQuery(RunKey.DefaultTenant, Limit: 500), default);
            return rows.All(row => row is { ClosedAt: not null, Busy: false });
        }, () => string.Join("\n", rows));
        var checker = new HistoryChecker(new CheckerOptions { Registry = Code, AllHaveEnded = true });
        var found = new List<Violation>();
        foreach (var row in rows) found.AddRange(checker.Check(await FactsAsync(row.Run)));
        found.AddRange(checker.CheckRest());
        found.Should().BeEmpty();
    }

    private async Task<RunKey> ChildOf(RunKey parent, int step = 1)
    {
        var child = new RunKey(parent.Tenant, $"{parent.Id}.{step}");
        await Eventually(async () => await Store.FindAsync(child, default) is not null, () => $"{child} was not started");
        return child;
    }

    [Fact]
    public async Task A_child_is_started_once_and_its_result_awaited()
    {
        var parent = await Start("parent", new[] { "", "a" });
        (await Result<string>(parent)).Should().Be("a done by paula");
        var child = await ChildOf(parent);
        (await Events<RunStarted>(child)).Single().Parent.Should().Be(new ParentRun(parent.Id, 1));
        Outside.Names.Should().Equal("a");
        await DemandThatAllIsWell();
        (await History(child)).Last().Should().BeOfType<RunSettled>();
        (await Host.WaitAsync(child, default)).Should().BeOfType<RunCompleted>();
    }

    [Fact]
    public async Task Children_run_side_by_side()
    {
        var parent = await Start("parent", new[] { "many" });
        (await Result<string>(parent)).Should().Be(string.Join(' ', Enumerable.Range(1, 5).Select(i => $"{i} done by paula")));
        await DemandThatAllIsWell();
    }

    [Theory]
    [InlineData("fail", "WorkflowFailedException: no such luck")]
    [InlineData("cancel", "Cancelled: It was cancelled: no longer")]
    [InlineData("terminate", "Terminated: It was terminated: enough")]
    public async Task A_child_that_ends_badly_fails_the_step(string how, string told)
    {
        var parent = await Start("parent", new[] { "", how == "fail" ? "fail" : "wait" });
        var child = await ChildOf(parent);
        if (how != "fail") await UntilWaits(child, "signal");
        if (how == "cancel") await Host.CancelAsync(child, "no longer", "paula");
        if (how == "terminate") await Host.TerminateAsync(child, "enough", "paula");
        (await Result<string>(parent)).Should().Be(told);
        await DemandThatAllIsWell();
    }

    [Theory]
    [InlineData("unknown", "UnknownWorkflow: *no-such*child*")]
    [InlineData("misread", "BadInput: *cannot be read*")]
    public async Task A_child_that_cannot_be_started_fails_the_step(string how, string told)
    {
        var parent = await Start("parent", new[] { how });
        (await Result<string>(parent)).Should().Match(told);
        await DemandThatAllIsWell();
    }

    [Fact]
    public async Task A_child_of_another_or_of_nobody_is_not_taken_for_ones_own()
    {
        var taken = await Start("child", "wait", "taken");
        var first = await Start("parent", new[] { "", "wait", taken.Id }, "p1");
        (await Result<string>(first)).Should().StartWith("ChildExists:").And.Contain("without a parent");
        var own = Key("own").Id;
        var second = await Start("parent", new[] { "", "wait", own }, "p2");
        await Until(new RunKey(second.Tenant, own), _ => true);
        var third = await Start("parent", new[] { "", "wait", own }, "p3");
        (await Result<string>(third)).Should().Contain($"as the child of step 1 of run {second.Id}");
        await Signal(new RunKey(second.Tenant, own), "go", "x");
        (await Result<string>(second)).Should().Be("x");
        (await FailureOf(await Start("parent", new[] { "", "wait", "a/b" }, "p4"))).Message.Should().Contain("a/b");
        await Signal(taken, "go", "x");
        await DemandThatAllIsWell();
    }

    [Fact]
    public async Task A_parent_that_waits_is_not_kept_in_memory_and_hears_of_the_end_after_any_crash()
    {
        var parent = await Start("parent", new[] { "", "wait" });
        var child = await ChildOf(parent);
        await UntilWaits(child, "signal");
        var wait = (await UntilWaits(parent, "child")).Waits.Single();
        (wait.Name, wait.Why).Should().Be(("child", $"run {child.Id}"));
        (await Store.FindAsync(parent, default))!.Busy.Should().BeFalse();
        await PassTimeUntil(() => Host.ActiveRuns == 0, 60);
        await KillAndRestart();
        await Signal(child, "go", "late");
        (await Result<string>(parent)).Should().Be("late");
        await DemandThatAllIsWell();
    }

    [Theory]
    [InlineData(ParentClose.RequestCancel, RunStatus.Cancelled)]
    [InlineData(ParentClose.Terminate, RunStatus.Terminated)]
    [InlineData(ParentClose.Abandon, RunStatus.Running)]
    public async Task When_a_parent_ends_or_is_cancelled_or_terminated_its_child_gets_what_the_policy_says(ParentClose policy, RunStatus expected)
    {
        foreach (var how in new[] { "ends", "cancelled", "terminated", "awaiting" })
        {
            var parent = await Start("parent", new[] { $"{policy}", how == "awaiting" ? "wait" : "leave" }, how);
            var child = await ChildOf(parent);
            await UntilWaits(child, "signal");
            if (how == "ends") await Signal(parent, "go", "x");
            else if (how == "terminated") await Host.TerminateAsync(parent, "enough", "paula");
            else await Host.CancelAsync(parent, "no longer", "paula");
            var end = await End(parent);
            if (how is "awaiting" or "cancelled") end.Should().BeOfType<RunCancelled>();
            await Until(parent, row => !row.Busy);
            var row = await Until(child, row => row.Status == expected);
            Outside.Names.Contains("undo wait").Should().Be(expected is RunStatus.Cancelled);
            if (policy is ParentClose.Abandon) await Signal(child, "go", "x");
        }
        await DemandThatAllIsWell();
    }

    [Fact]
    public async Task A_paused_parent_keeps_the_end_until_it_is_resumed()
    {
        var parent = await Start("parent", new[] { "", "wait" });
        var child = await ChildOf(parent);
        await UntilWaits(child, "signal");
        await Host.PauseAsync(parent, "wait", "paula");
        await Signal(child, "go", "x");
        await Eventually(async () => (await Events<ChildCompleted>(parent)).Count == 1, () => "the parent was not told");
        await KillAndRestart();
        await Host.ResumeAsync(parent, "paula");
        (await Result<string>(parent)).Should().Be("x");
        await DemandThatAllIsWell();
    }
}

public sealed class ChildInMemory(InMemory store) : ChildConformance(store), IClassFixture<InMemory>;

public sealed class ChildOnPostgres(OnPostgres store) : ChildConformance(store), IClassFixture<OnPostgres>;
