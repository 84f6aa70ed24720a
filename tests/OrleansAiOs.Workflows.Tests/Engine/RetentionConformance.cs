using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Retention;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Runs that are over are deleted when their time is, whole or not at all; open ones never.</summary>
public abstract class RetentionConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");

    [Workflow("ends")]
    private sealed class Ends : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string how) => how == "fail" ? throw new WorkflowFailedException("as asked") : await Call(Tools.Keyed, how);
    }

    [Workflow("stays")]
    private sealed class Stays : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string input) => Receive(Go);
    }

    private static readonly RunKey Sweeper = new(RunKey.DefaultTenant, "aios:retention");

    protected override IRunStore Front(IRunStore store) => StoreAtTestTime.Over(store, Time);

    protected override WorkflowHostOptions Configure(WorkflowHostOptions options) => options with { Retention = RetentionRule.Parse("ends:failed=100d; ends:completed=10d; stays=for-ever; *=1d") };

    private async Task<bool> Is(RunKey run) => await Store.FindAsync(run, default) is not null;

    // Time stands while it sweeps: a sweep that takes longer than it may is given up.
    private async Task SweepAfter(int days)
    {
        await UntilWaits(Sweeper, "timer");
        var before = (await Events<StepCompleted>(Sweeper)).Count;
        Time.Advance(TimeSpan.FromDays(days));
        await Eventually(async () => (await Events<StepCompleted>(Sweeper)).Count > before, () => "nothing was swept");
    }

    [Fact]
    public async Task What_is_over_goes_when_its_time_is_and_all_of_it()
    {
        var (done, failed, open) = (await Start("ends", "well", "done"), await Start("ends", "fail", "failed"), await Start("stays", "x", "open"));
        await End(done);
        await End(failed);
        await SweepAfter(days: 9);
        (await Is(done)).Should().BeTrue("it is kept for ten days");
        await SweepAfter(days: 2);
        (await Is(done)).Should().BeFalse();
        (await Store.ReadAsync(done, 1, default)).Should().BeEmpty();
        (await Is(failed)).Should().BeTrue();
        (await Is(open)).Should().BeTrue();
        await KillAndRestart();
        await SweepAfter(days: 88);
        (await Is(failed)).Should().BeTrue("it is kept for a hundred days");
        await SweepAfter(days: 2);
        (await Is(failed)).Should().BeFalse();
        (await Store.ReadAsync(failed, 1, default)).Should().BeEmpty();
        await Signal(open, "go", "on");
        await End(open);
        (await Start("ends", "fail", "done")).Should().Be(done, "its name is free");
        await End(done);
        (await Store.FindAsync(Sweeper, default))!.ClosedAt.Should().BeNull();
    }

    [Fact]
    public async Task An_open_run_is_not_deleted_whoever_asks_and_a_closed_one_is_once()
    {
        var (done, open) = (await Start("ends", "well", "done"), await Start("stays", "x", "open"));
        await End(done);
        (await Store.PurgeAsync([open, done, Key("nobody")], "by a test", default)).Should().Equal(done);
        (await Store.PurgeAsync([open, done], "by a test", default)).Should().BeEmpty();
        await Signal(open, "go", "on");
        (await Result<string>(open)).Should().Be("on");
        await Eventually(() => Task.FromResult(ViewOf(done) is null), () => "it stays in memory");
        await Refused(() => Signal(done, "go", "on"), Refusal.NotFound);
    }

    [Fact]
    public async Task A_host_starts_also_where_somebody_has_ended_the_sweeping()
    {
        await Host.CancelAsync(Sweeper, "no more", "olga");
        await End(Sweeper);
        await KillAndRestart();
        Logged.Should().Contain("aios:retention").And.Contain("aios reset");
        var done = await Start("ends", "well", "done");
        await End(done);
    }

    [Workflow("parent")]
    private sealed class Parent : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string input)
        {
            await Call(Child, input, new ChildOptions { Id = $"{RunId}-child" });
            return await Receive(Go);
        }
    }

    private static readonly Child<string, string> Child = new("ends");

    [Theory]
    [InlineData(10)]
    [InlineData(20_000)] // also where the events that name kin are payloads
    public async Task A_run_is_kept_while_its_parent_is_open(int chars)
    {
        var parent = await Start("parent", new string('z', chars), "parent");
        var child = new RunKey(parent.Tenant, $"{parent.Id}-child");
        await Until(parent, row => row.Waits.Any(wait => wait.Kind == "signal"));
        (await Store.PurgeAsync([child, parent], "by a test", default)).Should().BeEmpty();
        await Signal(parent, "go", "on");
        await End(parent);
        foreach (var run in new[] { parent, child }) await Until(run, row => !row.Busy);
        (await Store.PurgeAsync([child, parent], "by a test", default)).Should().BeEquivalentTo([child, parent]);
    }

    [Fact]
    public async Task What_two_runs_say_at_length_is_kept_until_both_are_gone()
    {
        var large = new string('x', 20_000);
        var (one, two) = (await Start("ends", large, "one"), await Start("ends", large, "two"));
        await End(one);
        await End(two);
        (await Store.PurgeAsync([one], "by a test", default)).Should().HaveCount(1);
        (await Result<string>(two)).Should().Be(large);
        (await Store.PurgeAsync([two], "by a test", default)).Should().HaveCount(1);
        var again = await Start("ends", large, "one");
        (await Result<string>(again)).Should().Be(large, "it is stored anew");
    }

    [Theory]
    [InlineData("x", "*WORKFLOW*SPAN*")]
    [InlineData("x=soon", "*'soon'*90d*")]
    [InlineData("x=0s", "*'0s'*")]
    [InlineData("x:running=1d", "*'running'*completed*")]
    [InlineData("x:3=1d", "*'3'*completed*")]
    [InlineData("a:b:c=1d", "*'a:b:c'*")]
    public void A_rule_that_cannot_be_read_is_named(string text, string message) =>
        FluentActions.Invoking(() => RetentionRule.Parse(text)).Should().Throw<FormatException>().WithMessage($"RETENTION: {message}");
}

public sealed class RetentionInMemory(InMemory store) : RetentionConformance(store), IClassFixture<InMemory>;
