using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Hosting;

/// <summary>A run that is held with a dead host's attempt under way is left alone until it goes on; it keeps nobody busy.</summary>
public sealed class HeldRunTests
{
    private static readonly RunKey Run = new(RunKey.DefaultTenant, "r");
    private static readonly TaskCompletionSource Never = new();
    private static int calls;

    private static readonly Activity<int, int> Hang = Activity.Pure<int, int>("hang", async (value, _) =>
    {
        if (Interlocked.Increment(ref calls) == 1) await Never.Task;
        return value;
    });

    [Workflow("held")]
    private sealed class Held : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input)
        {
            Answers(new Query<int>("input"), () => input);
            return await Call(Hang, input);
        }
    }

    private static async Task<WorkflowHost> Start(StoreInFront store, string id)
    {
        var host = new WorkflowHost(store, new WorkflowRegistry().Add<Held>(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
            new WorkflowHostOptions { Time = TimeProvider.System, HostId = id, Seed = 1, PassivateAfter = TimeSpan.FromHours(1) });
        await host.StartAsync(CancellationToken.None);
        return host;
    }

    [Fact]
    public async Task It_is_read_once_and_taken_over_on_resuming()
    {
        var store = new StoreInFront();
        await using var first = await Start(store, "host-1");
        await first.StartRunAsync(new StartRun("held", JsonText.From(1), "r"), "test");
        await first.PauseAsync(Run, "wait", "test");
        first.Halt();

        await using var second = await Start(store, "host-2");
        for (var i = 0; i < 50; i++) (await second.QueryAsync(Run, "input")).To<int>().Should().Be(1);
        store.Loads.Should().BeLessThan(5);
        await second.ResumeAsync(Run, "test");
        (await second.WaitAsync(Run, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60))).Should().BeOfType<RunCompleted>();
    }
}
