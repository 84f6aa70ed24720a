using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.EndToEnd;

public sealed class LateAppendTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    private static readonly RunKey Late = new(RunKey.DefaultTenant, "late");

    [Fact]
    public async Task An_append_of_a_dead_host_that_commits_after_the_takeover_is_not_forgotten()
    {
        await using var proxy = new TcpFaultProxy(postgres.ConnectionString);
        var registry = new WorkflowRegistry().Add<Bulky>();
        var dead = await InProcessHost.StartAsync(proxy.ConnectionString, registry);
        proxy.OnCommit = _ => Fate.Stall;
        var start = dead.Engine.StartRunAsync(new StartRun("bulky", JsonText.From(1), Late.Id), "test");
        while (proxy.Stalls == 0) await Task.Delay(5);
        dead.Engine.Halt();
        await using var next = await InProcessHost.StartAsync(postgres.ConnectionString, registry, lateAppendsFor: TimeSpan.FromSeconds(2));
        (await next.Store.FindAsync(Late, CancellationToken.None)).Should().BeNull("the next host looked for what to take over, and could not see it");

        proxy.OnCommit = _ => Fate.Pass;
        proxy.ReleaseStalled();

        while (await next.Store.FindAsync(Late, CancellationToken.None) is null) await Task.Delay(20);
        (await next.Engine.WaitAsync(Late, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(30))).Should().BeOfType<RunCompleted>();
        start.IsCompletedSuccessfully.Should().BeFalse("nobody was told of it");
    }
}
