using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Hosting;

public sealed class UnderWayTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static readonly Activity<int, int> Slow = Activity.AtMostOnce<Desk, int, int>("stop.slow", (desk, number, _, _) => desk.AnswerAsync(number));

    private sealed class Desk
    {
        private readonly TaskCompletionSource called = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource<int> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Called => called.Task;

        public Task<int> AnswerAsync(int number)
        {
            called.TrySetResult();
            return answer.Task;
        }

        public void Answer(int number) => answer.SetResult(number);
    }

    [Workflow("calls-slowly")]
    private sealed class CallsSlowly : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int input) => Call(Slow, input);
    }

    [Fact]
    public async Task A_run_whose_call_is_under_way_on_another_host_leaves_memory_here_and_not_there()
    {
        var (desk, store) = (new Desk(), new StoreInFront());
        await using var calling = Shared("calling", store, desk);
        await using var other = Shared("other", store, desk);
        await calling.StartAsync(default);
        await other.StartAsync(default);
        var run = (await calling.StartRunAsync(new StartRun("calls-slowly", JsonText.From(1), "elsewhere"), "test")).Run;
        await desk.Called.WaitAsync(Patience);
        await other.SignalAsync(run, "remark", JsonText.From(1), "test");
        using var giveUp = new CancellationTokenSource(Patience);
        while (other.ActiveRuns > 0) await Task.Delay(10, giveUp.Token);
        calling.ActiveRuns.Should().Be(1);
        desk.Answer(7);
        (await calling.WaitAsync(run, default).WaitAsync(Patience)).Should().BeOfType<RunCompleted>().Which.Result.To<int>().Should().Be(7);

        static WorkflowHost Shared(string id, StoreInFront store, Desk desk) => new(store, new WorkflowRegistry().Add<CallsSlowly>(), new ServiceCollection().AddSingleton(desk).BuildServiceProvider(),
            NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions { Time = TimeProvider.System, HostId = id, Seed = 1, Shared = true, PassivateAfter = TimeSpan.FromMilliseconds(50) });
    }

    [Fact]
    public async Task What_a_call_answers_while_the_host_stops_is_recorded_before_it_has_stopped()
    {
        var (desk, store) = (new Desk(), new StoreInFront());
        await using var host = new WorkflowHost(store, new WorkflowRegistry().Add<CallsSlowly>(), new ServiceCollection().AddSingleton(desk).BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
            new WorkflowHostOptions { Time = TimeProvider.System, HostId = "stops", Seed = 1 });
        await host.StartAsync(default);
        var run = (await host.StartRunAsync(new StartRun("calls-slowly", JsonText.From(1), "slow"), "test")).Run;
        await desk.Called.WaitAsync(Patience);
        var (reached, mayAppend) = (new TaskCompletionSource(), new TaskCompletionSource());
        store.OnAppend = async (_, append) =>
        {
            reached.TrySetResult();
            await mayAppend.Task;
            return await append();
        };
        var stopped = host.StopAsync();
        desk.Answer(7);
        await reached.Task.WaitAsync(Patience);
        stopped.IsCompleted.Should().BeFalse("the answer is not recorded yet");
        mayAppend.SetResult();
        await stopped.WaitAsync(Patience);
        (await store.ReadAsync(run, 1, default)).Select(e => e.Read()).OfType<StepCompleted>().Single().Result.To<int>().Should().Be(7);
    }
}
