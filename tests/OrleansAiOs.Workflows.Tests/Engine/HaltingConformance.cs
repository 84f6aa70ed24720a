using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>A run can be ended or halted from outside, whatever its code would do.</summary>
public abstract class HaltingConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");

    [Workflow("halted")]
    private sealed class Halted : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string what)
        {
            await using var saga = Saga();
            await saga.Call(Tools.Keyed, "a", undo: Tools.Undo);
            switch (what)
            {
                case "throw": await Receive(Go); throw new InvalidOperationException("a fault");
                case "timer": await Sleep(TimeSpan.FromMinutes(1)); break;
                case "once": await Call(Tools.Once, "b"); break;
                default: await Call(Tools.Keyed, "b"); break;
            }
            var last = await Receive(Go);
            return saga.Complete(await Call(Tools.Pure, last));
        }
    }

    private async Task Reached(string name) => await Eventually(() => Task.FromResult(Outside.Names.Contains(name)), () => $"{name} was not called");

    [Fact]
    public async Task A_terminated_run_is_over_at_once_and_undoes_nothing_and_what_was_under_way_is_asked_to_stop()
    {
        var (stopped, answer) = (new TaskCompletionSource(), new TaskCompletionSource<string>());
        Outside.Answer = (name, c) =>
        {
            if (name != "b") return Task.FromResult(name);
            c.Cancellation.Register(() => stopped.SetResult());
            return answer.Task;
        };
        var run = await Start("halted", "");
        await Reached("b");
        var version = await Host.TerminateAsync(run, "enough", "paula", "k1");
        (await End(run)).Should().BeOfType<RunTerminated>().Which.Reason.Should().Be("enough");
        await stopped.Task.WaitAsync(TimeSpan.FromSeconds(60));
        answer.SetResult("late");
        (await Store.FindAsync(run, default))!.Should().Match<RunRow>(row => row.Status == RunStatus.Terminated && !row.Busy && row.ClosedAt != null);
        (await Host.TerminateAsync(run, "enough", "paula", "k1")).Should().Be(version, "the same command again has the same answer");
        await Refused(() => Host.TerminateAsync(run, "again", "paula", "k2"), Refusal.Conflict, "*terminated*");
        await KillAndRestart();
        (await History(run)).Last().Should().BeOfType<RunTerminated>("the late answer is dropped");
        Outside.Names.Should().Equal("a", "b");
    }

    [Fact]
    public async Task A_run_that_is_parked_or_paused_can_be_terminated()
    {
        var parked = await Start("halted", "throw", "parked");
        await Signal(parked, "go", "x");
        await UntilParked(parked);
        await Host.TerminateAsync(parked, "beyond repair", "paula");
        (await End(parked)).Should().BeOfType<RunTerminated>();
        var paused = await Start("halted", "", "paused");
        await UntilWaits(paused, "signal");
        await Host.PauseAsync(paused, "wait", "paula");
        await Host.TerminateAsync(paused, "enough", "paula");
        (await End(paused)).Should().BeOfType<RunTerminated>();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_paused_run_keeps_what_reaches_it_and_goes_on_when_it_is_resumed(bool crash)
    {
        var run = await Start("halted", "");
        await UntilWaits(run, "signal");
        await Host.PauseAsync(run, "month's end", "paula");
        await Signal(run, "go", "c");
        var row = (await Store.FindAsync(run, default))!;
        row.Status.Should().Be(RunStatus.Paused);
        row.Waits[0].Should().Match<RunWait>(w => w.Kind == "resume" && w.Name == "month's end" && w.Why == "paused by paula");
        if (crash) await KillAndRestart();
        Outside.Names.Should().Equal(["a", "b"], "its code has not seen the signal");
        await Host.ResumeAsync(run, "paula");
        (await Result<string>(run)).Should().Be("c");
        (await Events<RunResumed>(run)).Should().ContainSingle();
    }

    [Fact]
    public async Task While_it_is_paused_outcomes_are_recorded_and_no_attempt_begins()
    {
        var failures = 0;
        var first = new TaskCompletionSource();
        Outside.Answer = async (name, c) =>
        {
            if (name != "b" || failures++ > 0) return name;
            await first.Task;
            throw new IOException("down");
        };
        var run = await Start("halted", "");
        await Reached("b");
        await Host.PauseAsync(run, "wait", "paula");
        first.SetResult();
        await Eventually(async () => (await Events<AttemptFailed>(run)).Count == 1, () => "the outcome is not recorded");
        Time.Advance(TimeSpan.FromHours(1));
        await KillAndRestart();
        Time.Advance(TimeSpan.FromHours(1));
        (await Events<AttemptStarted>(run)).Should().BeEmpty();
        await Host.ResumeAsync(run, "paula");
        await UntilWaits(run, "signal");
        Outside.Names.Should().Equal("a", "b", "b");
    }

    [Fact]
    public async Task A_timer_that_falls_due_while_the_run_is_paused_fires_when_it_is_resumed()
    {
        var run = await Start("halted", "timer");
        await UntilWaits(run, "timer");
        await Host.PauseAsync(run, "wait", "paula");
        Time.Advance(TimeSpan.FromHours(1));
        await Signal(run, "go", "c");
        (await Events<TimerFired>(run)).Should().BeEmpty();
        await Host.ResumeAsync(run, "paula");
        (await Result<string>(run)).Should().Be("c");
    }

    [Fact]
    public async Task A_dead_hosts_attempt_is_taken_over_when_the_run_is_resumed()
    {
        Outside.Answer = (name, _) => name == "b" && Outside.Calls.Count(c => c.Name == "b") == 1 ? Outside.Hang() : Task.FromResult(name);
        var run = await Start("halted", "");
        await Reached("b");
        await Host.PauseAsync(run, "wait", "paula");
        await KillAndRestart();
        Outside.Names.Count(name => name == "b").Should().Be(1);
        await Host.ResumeAsync(run, "paula");
        await UntilWaits(run, "signal");
        Outside.Names.Count(name => name == "b").Should().Be(2);
    }

    [Fact]
    public async Task A_person_may_say_that_an_attempt_never_will_and_the_next_begins_on_resuming()
    {
        Outside.Answer = (name, c) => name == "b" && c.Attempt == 1 ? throw new IOException("lost") : Task.FromResult(name);
        var run = await Start("halted", "once");
        await Eventually(async () => (await Events<OutcomeStillUnknown>(run)).Count > 0, () => "the receiver was not asked");
        await Host.PauseAsync(run, "wait", "paula");
        await Host.ResolveAsync(run, 2, happened: false, default, "we asked them", "paula");
        (await Events<AttemptStarted>(run)).Should().BeEmpty();
        await Host.ResumeAsync(run, "paula");
        await UntilWaits(run, "signal");
        (await Events<AttemptStarted>(run)).Should().ContainSingle();
    }

    [Fact]
    public async Task A_cancel_that_comes_while_it_is_paused_is_carried_out_on_resuming()
    {
        var run = await Start("halted", "");
        await UntilWaits(run, "signal");
        await Host.PauseAsync(run, "wait", "paula");
        await Host.CancelAsync(run, "no longer", "paula");
        await Host.ResumeAsync(run, "paula");
        (await End(run)).Should().BeOfType<RunCancelled>();
        Outside.Names.Last().Should().Be("undo a");
        await Refused(() => Host.ResumeAsync(run, "paula"), Refusal.Conflict);
    }

    [Fact]
    public async Task A_run_whose_code_throws_at_what_was_kept_is_parked_and_one_may_be_both()
    {
        var run = await Start("halted", "throw");
        await UntilWaits(run, "signal");
        await Refused(() => Host.ResumeAsync(run, "paula"), Refusal.Conflict, "*not paused*");
        await Host.PauseAsync(run, "wait", "paula");
        await Signal(run, "go", "x");
        await Host.ResumeAsync(run, "paula");
        await UntilParked(run);
        await Refused(() => Host.ResumeAsync(run, "paula"), Refusal.Conflict, "*unpark*");
        await Host.PauseAsync(run, "both", "paula");
        (await UntilParked(run)).Waits.Select(w => w.Kind).Should().StartWith(["unpark", "resume"]);
        await Host.UnparkAsync(run, "paula");
        await Until(run, row => row.Status is RunStatus.Paused);
        await Host.ResumeAsync(run, "paula");
        await UntilParked(run);
    }
}

public sealed class HaltingInMemory(InMemory store) : HaltingConformance(store), IClassFixture<InMemory>;

public sealed class HaltingOnPostgres(OnPostgres store) : HaltingConformance(store), IClassFixture<OnPostgres>;
