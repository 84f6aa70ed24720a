using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>A cancel stops what has not happened and undoes what has.</summary>
public abstract class CancelConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");

    [Workflow("waits")]
    private sealed class Waits : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string what)
        {
            await using var saga = Saga();
            await saga.Call(Tools.Keyed, "a", undo: Tools.Undo);
            await saga.Call(Tools.Keyed, "b", undo: Tools.Undo);
            switch (what)
            {
                case "timer": await Sleep(TimeSpan.FromDays(1)); break;
                case "signal": await Receive(Go); break;
                case "approval": await Approval("Pay", 1, by: "controller"); break;
                case "pure": await Call(Tools.Pure, "hang"); break;
                case "backoff": await Call(Tools.Pure, "fail"); break;
                case "keyed": await saga.Call(Tools.Keyed, "slow", undo: Tools.Undo); await Sleep(TimeSpan.FromDays(1)); break;
                case "fan-out": await Task.WhenAll(saga.Call(Tools.Keyed, "slow", undo: Tools.Undo), Call(Tools.Pure, "final no")); break;
                case "early": return "left early";
                case "paid": await Call(Tools.Keyed, "slow", cancellation: CancellationToken.None); return saga.Complete("paid");
            }
            return saga.Complete("done");
        }
    }

    private readonly TaskCompletionSource slow = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task<RunKey> StartAndReach(string what)
    {
        Outside.Answer = async (name, c) =>
        {
            switch (name)
            {
                case "slow": await slow.Task; break;
                case "hang": await Task.Delay(Timeout.Infinite, c.Cancellation); break;
                case "fail": throw new IOException("later");
                case "final no": throw new RefusedException("no");
            }
            return name;
        };
        var run = await Start("waits", what);
        var reached = what switch { "pure" => "hang", "backoff" => "fail", "keyed" or "fan-out" or "paid" => "slow", _ => "b" };
        await Eventually(() => Task.FromResult(Outside.Names.Contains(reached)), () => $"{what} was not reached");
        if (what is "timer" or "signal" or "approval") await UntilWaits(run, what);
        if (what is "backoff") await Until(run, r => r.Waits.Any(w => w.Until is not null));
        return run;
    }

    private IEnumerable<string> Undone => Outside.Names.Where(n => n.StartsWith("undo ", StringComparison.Ordinal));

    [Theory]
    [InlineData("timer")]
    [InlineData("signal")]
    [InlineData("approval")]
    [InlineData("pure")]
    [InlineData("backoff")]
    public async Task A_cancel_while_it_waits_ends_the_wait_and_undoes_in_reverse_order(string what)
    {
        var run = await StartAndReach(what);
        await Host.CancelAsync(run, "changed our mind", "paula");
        (await End(run)).Should().BeOfType<RunCancelled>().Which.Reason.Should().Be("changed our mind");
        Undone.Should().Equal("undo b", "undo a");
        (await Store.FindAsync(run, default))!.Status.Should().Be(RunStatus.Cancelled);
    }

    [Theory]
    [InlineData("timer")]
    [InlineData("approval")]
    [InlineData("backoff")]
    public async Task So_it_does_after_a_crash(string what)
    {
        var run = await StartAndReach(what);
        await KillAndRestart();
        await Host.CancelAsync(run, "changed our mind", "paula");
        (await End(run)).Should().BeOfType<RunCancelled>();
        Undone.Should().Equal("undo b", "undo a");
    }

    [Fact]
    public async Task An_effect_under_way_is_awaited_and_then_undone_with_the_others()
    {
        var run = await StartAndReach("keyed");
        await Host.CancelAsync(run, "changed our mind", "paula");
        await Eventually(async () => (await Events<StepCancelAsked>(run)).Count == 1, () => "the step was not asked to stop");
        Undone.Should().BeEmpty("nobody knows yet what there is to undo");
        slow.SetResult();
        (await End(run)).Should().BeOfType<RunCancelled>();
        Undone.Should().Equal("undo slow", "undo b", "undo a");
    }

    [Fact]
    public async Task A_branch_of_a_fan_out_still_under_way_when_another_fails_is_undone_too()
    {
        var run = await StartAndReach("fan-out");
        await Eventually(async () => (await Events<StepFailed>(run)).Count == 1, () => "the other branch did not fail");
        slow.SetResult();
        (await FailureOf(run)).Message.Should().Contain("no");
        Undone.Should().Equal("undo slow", "undo b", "undo a");
    }

    [Fact]
    public async Task Leaving_a_saga_unfinished_undoes_it()
    {
        (await Result<string>(await StartAndReach("early"))).Should().Be("left early");
        Undone.Should().Equal("undo b", "undo a");
    }

    [Fact]
    public async Task A_cancel_that_comes_after_the_point_of_no_return_changes_nothing()
    {
        var run = await StartAndReach("paid");
        await Host.CancelAsync(run, "too late", "paula");
        slow.SetResult();
        (await Result<string>(run)).Should().Be("paid");
        Undone.Should().BeEmpty();
    }

    [Fact]
    public async Task A_crash_while_it_is_undone_does_not_keep_it_from_being_undone()
    {
        var run = await StartAndReach("timer");
        var answer = Outside.Answer;
        var crashed = false;
        Outside.Answer = (name, c) => name == "undo b" && !crashed ? Outside.Hang() : answer(name, c);
        await Host.CancelAsync(run, "changed our mind", "paula");
        await Eventually(() => Task.FromResult(Undone.Any()), () => "the undoing did not begin");
        crashed = true;
        await KillAndRestart();
        (await End(run)).Should().BeOfType<RunCancelled>();
        Undone.Should().Equal("undo b", "undo b", "undo a");
        Outside.Calls.Where(c => c.Name == "undo b").Select(c => c.Key).Distinct().Should().HaveCount(1);
    }

    [Fact]
    public async Task A_step_that_cannot_be_undone_does_not_keep_the_others_from_it_and_is_named()
    {
        var run = await StartAndReach("timer");
        var answer = Outside.Answer;
        Outside.Answer = (name, c) => name == "undo b" ? throw new RefusedException("booked for good") : answer(name, c);
        await Host.CancelAsync(run, "changed our mind", "paula");
        (await FailureOf(run)).Message.Should().Contain("booked for good").And.Contain("1 of the saga's steps");
        Undone.Should().Equal("undo b", "undo a");
    }

    [Fact]
    public async Task Cancelling_twice_is_once_and_an_ended_run_cannot_be_cancelled()
    {
        var run = await StartAndReach("keyed");
        await Host.CancelAsync(run, "first", "paula", "k");
        await Host.CancelAsync(run, "second", "paula");
        (await Events<CancelRequested>(run)).Should().HaveCount(1);
        slow.SetResult();
        (await End(run)).Should().BeOfType<RunCancelled>().Which.Reason.Should().Be("first");
        await Refused(() => Host.CancelAsync(run, "third", "paula"), Refusal.Conflict);
    }
}

public sealed class CancelsInMemory(InMemory store) : CancelConformance(store), IClassFixture<InMemory>;

public sealed class CancelsOnPostgres(OnPostgres store) : CancelConformance(store), IClassFixture<OnPostgres>;
