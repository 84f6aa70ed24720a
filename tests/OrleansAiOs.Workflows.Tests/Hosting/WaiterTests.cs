using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Hosting;

/// <summary>Whoever waits for the end of a run hears of it, whatever others who ask about the same run do.</summary>
public sealed class WaiterTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly RunKey Run = new(RunKey.DefaultTenant, "r");

    private readonly StoreInFront store = new();
    private readonly WorkflowHost host;

    public WaiterTests() => host = HostOf("host-1", isShared: false);

    private WorkflowHost HostOf(string id, bool isShared, TimeProvider? time = null) => new(store, new WorkflowRegistry().Add<Listener>().Add<Echo>().Add<Desk>(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
        new WorkflowHostOptions { Time = time ?? TimeProvider.System, HostId = id, Seed = 1, Shared = isShared });

    public Task InitializeAsync() => host.StartAsync(CancellationToken.None);

    public async Task DisposeAsync() => await host.DisposeAsync();

    [Workflow("listener")]
    private sealed class Listener : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int input) => await Receive(new Signal<string>("said"));
    }

    [Workflow("echo")]
    private sealed class Echo : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int input) => Task.FromResult(input);
    }

    [Workflow("desk")]
    private sealed class Desk : Workflow<int, int>
    {
        public static readonly Update<int, string> Ask = new("ask");

        protected override async Task<int> RunAsync(int input)
        {
            Handles(Ask, async _ => await Receive(new Signal<string>("said")));
            await Receive(new Signal<string>("close"));
            return input;
        }
    }

    [Fact]
    public async Task What_another_host_is_to_answer_is_asked_for_again_soon_and_then_ever_more_seldom()
    {
        await host.DisposeAsync();
        var time = new PassingTime();
        await using var one = HostOf("one", isShared: true, time);
        await using var other = HostOf("other", isShared: true);
        await one.StartAsync(default);
        await other.StartAsync(default);
        one.Route = (run, input) => other.PostHere(run, input);
        await one.StartRunAsync(new StartRun("desk", JsonText.From(1), "r"), "test");
        var answer = one.UpdateAsync(Run, "ask", JsonText.From(1), "test", "k", CancellationToken.None);
        while (time.Waited.Count < 25 && !answer.IsCompleted) await Task.Delay(2);
        await other.SignalAsync(Run, "said", JsonText.From("done"), "test");
        (await answer.WaitAsync(Patience)).Answer!.Value.To<string>().Should().Be("done");
        var waited = time.Waited.ToList();
        waited[0].Should().BeLessThan(TimeSpan.FromMilliseconds(100), "most are answered soon");
        waited.Should().BeInAscendingOrder();
        waited[24].Should().Be(TimeSpan.FromMinutes(1), "else what waits for a person costs a question each second");
        waited[^1].Should().Be(TimeSpan.FromMinutes(1));
    }

    /// <summary>Whoever waits for something has waited at once, and how long that would have been is noted.</summary>
    private sealed class PassingTime : TimeProvider
    {
        public ConcurrentQueue<TimeSpan> Waited { get; } = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (state is not Task) return System.CreateTimer(callback, state, dueTime, period);
            Waited.Enqueue(dueTime);
            return System.CreateTimer(callback, state, TimeSpan.FromMilliseconds(1), period);
        }
    }

    [Fact]
    public async Task A_shared_host_knows_the_end_of_a_run_it_started_without_asking_the_store_and_asks_for_one_that_ends_elsewhere()
    {
        await host.DisposeAsync();
        await using var one = HostOf("one", isShared: true);
        await using var other = HostOf("other", isShared: true);
        await one.StartAsync(default);
        await other.StartAsync(default);
        var (_, end, row) = await one.StartAndWaitAsync(new StartRun("echo", JsonText.From(7), "echo"), "test", default).WaitAsync(Patience);
        end.Should().BeOfType<RunCompleted>();
        row!.Status.Should().Be(RunStatus.Completed);
        store.Finds.Should().Be(0);

        var waiting = one.RunAsync(new StartRun("listener", JsonText.From(1), "r"), "test");
        await Started();
        await other.SignalAsync(Run, "said", JsonText.From("done"), "test");
        (await waiting.WaitAsync(Patience)).Should().BeOfType<RunCompleted>();
    }

    [Fact]
    public async Task A_start_that_is_refused_takes_nobody_elses_wait_away()
    {
        var waiting = host.RunAsync(new StartRun("listener", JsonText.From(1), "r"), "test");
        await Started();
        var other = () => host.StartAndWaitAsync(new StartRun("listener", JsonText.From(2), "r"), "test", CancellationToken.None);
        (await other.Should().ThrowAsync<CommandRefusedException>()).Which.Refusal.Should().Be(Refusal.Conflict);
        await host.SignalAsync(Run, "said", JsonText.From("done"), "test");
        (await waiting.WaitAsync(Patience)).Should().BeOfType<RunCompleted>();
    }

    [Fact]
    public async Task Who_reads_the_end_between_its_commit_and_its_announcement_takes_nobody_elses_wait_away()
    {
        var (committed, mayAnswer) = (new TaskCompletionSource(), new TaskCompletionSource());
        store.OnAppend = async (append, commit) =>
        {
            var result = await commit();
            if (append.Row?.ClosedAt is null) return result;
            committed.SetResult();
            await mayAnswer.Task;
            return result;
        };
        var waiting = host.RunAsync(new StartRun("listener", JsonText.From(1), "r"), "test");
        await Started();
        var signal = host.SignalAsync(Run, "said", JsonText.From("done"), "test");
        await committed.Task.WaitAsync(Patience);

        (await host.WaitAsync(Run, CancellationToken.None).WaitAsync(Patience)).Should().BeOfType<RunCompleted>();
        mayAnswer.SetResult();
        await signal.WaitAsync(Patience);
        (await waiting.WaitAsync(Patience)).Should().BeOfType<RunCompleted>();
    }

    [Fact]
    public async Task Who_gives_up_waiting_takes_nobody_elses_wait_away()
    {
        var waiting = host.RunAsync(new StartRun("listener", JsonText.From(1), "r"), "test");
        await Started();
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(20));
        await FluentActions.Awaiting(() => host.WaitAsync(Run, soon.Token)).Should().ThrowAsync<OperationCanceledException>();
        await host.SignalAsync(Run, "said", JsonText.From("done"), "test");
        (await waiting.WaitAsync(Patience)).Should().BeOfType<RunCompleted>();
    }

    [Fact]
    public async Task A_host_that_goes_down_leaves_nobody_waiting()
    {
        var waiting = host.RunAsync(new StartRun("listener", JsonText.From(1), "r"), "test");
        await Started();
        host.Halt();
        (await FluentActions.Awaiting(() => waiting.WaitAsync(Patience)).Should().ThrowAsync<CommandRefusedException>()).Which.Refusal.Should().Be(Refusal.Busy);
        await FluentActions.Awaiting(() => host.WaitAsync(Run, CancellationToken.None).WaitAsync(Patience)).Should().ThrowAsync<CommandRefusedException>();
    }

    private async Task Started()
    {
        while (await store.FindAsync(Run, default) is null) await Task.Delay(2);
    }
}
