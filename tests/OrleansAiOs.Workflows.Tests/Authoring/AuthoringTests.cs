using OrleansAiOs.Testing;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Authoring;

public sealed class AuthoringTests
{
    private static readonly Activity<int, int> AddOne = Activity.Pure<int, int>("math.add-one", (x, _) => Task.FromResult(x + 1));
    private static readonly Signal<string> Go = new("go");

    [Workflow("five-steps")]
    private sealed class FiveSteps : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input)
        {
            for (var i = 0; i < 5; i++) input = await Call(AddOne, input);
            return input;
        }
    }

    [Workflow("fan-out")]
    private sealed class FanOut : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int width) => (await Task.WhenAll(Enumerable.Range(0, width).Select(i => Call(AddOne, i)))).Sum();
    }

    [Workflow("waits")]
    private sealed class Waits : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int seconds)
        {
            var go = Receive(Go);
            var first = await Task.WhenAny(go, Task.Delay(TimeSpan.FromSeconds(seconds), Time));
            return first == go ? await go : "timed out";
        }
    }

    [Workflow("approve")]
    private sealed class Approve : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int amount)
        {
            var decision = await Approval($"Pay {amount}", new { Amount = amount }, by: "controller", notBy: [StartedBy], within: TimeSpan.FromHours(1));
            return decision.Granted ? $"granted by {decision.By!.Id}" : "refused";
        }
    }

    private static WorkflowRegistry Registry => new WorkflowRegistry().Add<FiveSteps>().Add<FanOut>().Add<Waits>().Add<Approve>();

    [Fact]
    public void An_activity_cannot_take_a_name_of_the_engines_own_which_no_policy_judges()
    {
        Func<Activity>[] taken =
        [
            () => Activity.Pure<int, int>("aios.pay", (x, _) => Task.FromResult(x)), () => Activity.Pure<string, int, int>("aios.pay", (_, x, _) => Task.FromResult(x)),
            () => Activity.Named<string, int, int>("aios.pay", (_, x, _) => Task.FromResult(x)), () => Activity.Idempotent<string, int, int>("aios.pay", (_, x, _) => Task.FromResult(x)),
            () => Activity.Keyed<string, int, int>("aios.pay", (_, x, _, _) => Task.FromResult(x)), () => Activity.Transactional<string, int, int>("aios.pay", (_, x, _, _) => Task.FromResult(x)),
            () => Activity.Transactional<int, int>("aios.pay", (x, _, _) => Task.FromResult(x)), () => Activity.AtMostOnce<string, int, int>("aios.start-run", (_, x, _, _) => Task.FromResult(x)),
        ];
        foreach (var make in taken) make.Should().Throw<ArgumentException>().WithMessage("*engine's own*");
    }

    [Fact]
    public async Task Five_sequential_steps_cost_six_appends()
    {
        await using var test = await new WorkflowTestHost(Registry).StartAsync();
        var end = await test.RunAsync("five-steps", 1, "r");
        end.Should().BeOfType<RunCompleted>().Which.Result.To<int>().Should().Be(6);
        test.Store.Appends.Should().Be(6);
        (await test.HistoryOf(new RunKey("default", "r"))).Should().HaveCount(12);
    }

    [Fact]
    public async Task A_thousand_parallel_steps_join()
    {
        await using var test = await new WorkflowTestHost(Registry).StartAsync();
        (await test.RunAsync("fan-out", 1000)).Should().BeOfType<RunCompleted>().Which.Result.To<int>().Should().Be(500500);
    }

    [Fact]
    public async Task A_signal_wins_over_a_far_timer_also_after_a_crash()
    {
        await using var test = await new WorkflowTestHost(Registry).StartAsync();
        var run = await test.StartRunAsync("waits", 3600);
        await test.KillAndRestartAsync();
        await test.Host.SignalAsync(run, "go", JsonText.From("now"), "tester");
        (await test.EndOf(run)).Should().BeOfType<RunCompleted>().Which.Result.To<string>().Should().Be("now");
    }

    [Fact]
    public async Task A_timer_fires_after_the_host_that_set_it_died()
    {
        await using var test = await new WorkflowTestHost(Registry).StartAsync();
        var run = await test.StartRunAsync("waits", 1);
        await test.KillAndRestartAsync();
        (await test.EndOf(run)).Should().BeOfType<RunCompleted>().Which.Result.To<string>().Should().Be("timed out");
    }

    [Fact]
    public async Task Four_eyes_are_two_people()
    {
        await using var test = await new WorkflowTestHost(Registry).StartAsync();
        var run = await test.StartRunAsync("approve", 100);
        var row = await test.Until(run, r => r.AwaitsApproval);
        row.Waits.Single().Digest.Should().NotBeNull();
        var same = () => test.Host.DecideAsync(run, 1, true, new Decider("tester", ["controller"], "key"));
        (await same.Should().ThrowAsync<CommandRefusedException>()).Which.Refusal.Should().Be(Refusal.Forbidden);
        var wrongRole = () => test.Host.DecideAsync(run, 1, true, new Decider("clara", ["clerk"], "key"));
        (await wrongRole.Should().ThrowAsync<CommandRefusedException>()).Which.Refusal.Should().Be(Refusal.Forbidden);
        await test.Host.DecideAsync(run, 1, true, new Decider("carl", ["controller"], "key"));
        (await test.EndOf(run)).Should().BeOfType<RunCompleted>().Which.Result.To<string>().Should().Be("granted by carl");
    }
}
