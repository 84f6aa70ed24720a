using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Retention;

namespace OrleansAiOs.Workflows.Tests.Hosting;

/// <summary>What a host sees to when it begins, and again when it could not.</summary>
public sealed class BeginningTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(2);

    private static readonly Activity<int, int> Work = Activity.Pure<Hand, int, int>("begin.work", (hand, _, _) => hand.Answer);

    private readonly ManualTime time = new();
    private readonly StoreInFront store;
    private readonly Hand hand = new();

    private readonly List<WorkflowHost> hosts = [];

    public BeginningTests() => store = new StoreInFront(time);

    // Time stands still by then: a stop that waits would wait for ever.
    public void Dispose() => hosts.ForEach(host => host.Halt());

    private sealed class Hand
    {
        private readonly TaskCompletionSource<int> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<int> Answer => answer.Task;

        public void Give(int number) => answer.TrySetResult(number);
    }

    [Workflow("works")]
    private sealed class Works : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int input) => Call(Work, input);
    }

    private WorkflowHost HostOf(string id, Func<WorkflowHostOptions, WorkflowHostOptions>? otherwise = null)
    {
        var options = new WorkflowHostOptions { Time = time, HostId = id, Seed = 1, Shared = true };
        hosts.Add(new(store, new WorkflowRegistry().Add<Works>(), new ServiceCollection().AddSingleton(hand).BuildServiceProvider(), NullLogger<WorkflowHost>.Instance, otherwise?.Invoke(options) ?? options));
        return hosts[^1];
    }

    private static async Task UntilAsync(Func<ValueTask<bool>> condition)
    {
        using var giveUp = new CancellationTokenSource(Patience);
        while (!await condition()) await Task.Delay(5, giveUp.Token);
    }

    [Fact]
    public async Task What_a_dead_host_left_is_found_however_late_its_append_was_committed()
    {
        hand.Give(7);
        var run = new RunKey(RunKey.DefaultTenant, "late");
        var (reached, mayCommit) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var dying = HostOf("dying");
        await dying.StartAsync(default);
        store.OnAppend = async (append, commit) =>
        {
            if (append.Run != run || mayCommit.Task.IsCompleted) return await commit();
            reached.TrySetResult();
            await mayCommit.Task;
            return await commit();
        };
        var start = dying.StartRunAsync(new StartRun("works", JsonText.From(1), run.Id), "test");
        await reached.Task.WaitAsync(Patience);
        dying.Halt();

        var next = HostOf("next");
        await next.StartAsync(default);
        await BeatsAsync(60); // it is declared dead, what it left is looked for, and half a minute later once more
        store.HeardOf("next", "dying").Should().BeFalse();
        mayCommit.SetResult();
        await UntilAsync(async () => await store.FindAsync(run, default) is not null);
        for (var beats = 0; (await store.FindAsync(run, default))!.Status is not RunStatus.Completed; beats++)
        {
            beats.Should().BeLessThan(200, "nobody has died since, and it is to be found all the same");
            await BeatsAsync(1);
        }
        await start.ContinueWith(_ => { }, TaskScheduler.Default);
    }

    [Fact]
    public async Task A_host_that_begins_with_too_much_to_do_serves_and_sees_to_old_runs_when_there_is_room()
    {
        var busy = HostOf("busy");
        await busy.StartAsync(default);
        var run = (await busy.StartRunAsync(new StartRun("works", JsonText.From(1), "busy"), "test")).Run;
        busy.Halt();

        var next = HostOf("next", options => options with { Shared = false, ActiveRunsMax = 1, Retention = RetentionRule.Parse("*=1d") });
        await next.StartAsync(default);
        var kept = new RunKey(RunKey.DefaultTenant, RetentionWorkflow.Run);
        (await store.FindAsync(kept, default)).Should().BeNull("there was no room");
        hand.Give(7);
        (await next.WaitAsync(run, default).WaitAsync(Patience)).Should().BeOfType<RunCompleted>();
        await UntilAsync(async () =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return await store.FindAsync(kept, default) is not null;
        });
    }

    private async Task BeatsAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            var before = store.BeatsOf("next");
            await UntilAsync(() =>
            {
                time.Advance(Beat);
                return new(store.BeatsOf("next") > before);
            });
        }
    }
}
