using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Hosting;

/// <summary>Hosts that share a store are replaced one by one: what one of the old build had to park goes on with the first of the new that begins.</summary>
public sealed class DeployedTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly Signal<int> Number = new("number");

    private readonly StoreInFront store = new();

    [Workflow("waits")]
    private sealed class Waits : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input)
        {
            var number = await Receive(Number);
            return number > 0 ? number : throw new InvalidOperationException("not this one");
        }
    }

    [Workflow("twice")]
    private sealed class Twice : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input) => await Receive(Number) + await Receive(Number);
    }

    [Workflow("other")]
    private sealed class Other : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int input) => Task.FromResult(input);
    }

    private WorkflowHost HostOf(string id, WorkflowRegistry code, TimeSpan? heartbeat = null) => new(store, code, new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
        new WorkflowHostOptions { Time = TimeProvider.System, HostId = id, Seed = 1, Shared = true, HeartbeatEvery = heartbeat ?? new WorkflowHostOptions { Time = TimeProvider.System, HostId = id, Seed = 1 }.HeartbeatEvery });

    [Fact]
    public async Task A_run_that_was_parked_for_want_of_its_code_alone_goes_on_by_itself_with_a_host_that_holds_it()
    {
        var (lacking, broken) = (new RunKey(RunKey.DefaultTenant, "lacking"), new RunKey(RunKey.DefaultTenant, "broken"));
        await using (var first = HostOf("first", new WorkflowRegistry().Add<Waits>()))
        {
            await first.StartAsync(default);
            foreach (var run in new[] { lacking, broken }) await first.StartRunAsync(new StartRun("waits", JsonText.From(1), run.Id), "test");
            await first.SignalAsync(broken, Number.Name, JsonText.From(-1), "test");
        }
        await using (var old = HostOf("old", new WorkflowRegistry().Add<Other>()))
        {
            await old.StartAsync(default);
            await old.SignalAsync(lacking, Number.Name, JsonText.From(7), "test");
            (await store.FindAsync(lacking, default))!.Status.Should().Be(RunStatus.Parked);
            (await store.FindAsync(broken, default))!.Status.Should().Be(RunStatus.Parked);
        }
        await using (var another = HostOf("another", new WorkflowRegistry().Add<Other>()))
        {
            await another.StartAsync(default);
            (await store.FindAsync(lacking, default))!.Status.Should().Be(RunStatus.Parked, "this one does not hold it either");
        }
        await using var next = HostOf("next", new WorkflowRegistry().Add<Waits>());
        await next.StartAsync(default);
        (await next.WaitAsync(lacking, default).WaitAsync(Patience)).Should().BeOfType<RunCompleted>("the signal was kept").Which.Result.To<int>().Should().Be(7);
        (await store.ReadAsync(lacking, 1, default)).Select(e => e.Read()).OfType<RunUnparked>().Single().By.Should().Be("engine");
        (await store.FindAsync(broken, default))!.Status.Should().Be(RunStatus.Parked, "its code is there, and breaks");
    }

    [Fact]
    public async Task What_hosts_of_the_old_build_park_while_one_of_the_new_is_there_already_goes_on_each_time_one_of_them_goes()
    {
        var run = new RunKey(RunKey.DefaultTenant, "parked-twice");
        await using var next = HostOf("next", new WorkflowRegistry().Add<Twice>(), heartbeat: TimeSpan.FromMilliseconds(20));
        await next.StartAsync(default);
        await next.StartRunAsync(new StartRun("twice", JsonText.From(1), run.Id), "test");
        for (var number = 1; number <= 2; number++)
        {
            await using var old = HostOf($"old-{number}", new WorkflowRegistry().Add<Other>());
            await old.StartAsync(default);
            await UntilAsync(() => new(store.HeardOf("next", $"old-{number}")));
            await old.SignalAsync(run, Number.Name, JsonText.From(number), "test");
            (await store.FindAsync(run, default))!.Status.Should().Be(RunStatus.Parked);
            await old.StopAsync();
            await UntilAsync(async () => (await store.FindAsync(run, default))!.Status is not RunStatus.Parked);
        }
        (await next.WaitAsync(run, default).WaitAsync(Patience)).Should().BeOfType<RunCompleted>("the signals were kept").Which.Result.To<int>().Should().Be(3);
    }

    private static async Task UntilAsync(Func<ValueTask<bool>> condition)
    {
        for (var started = Stopwatch.GetTimestamp(); !await condition(); await Task.Delay(10))
            Stopwatch.GetElapsedTime(started).Should().BeLessThan(Patience);
    }
}
