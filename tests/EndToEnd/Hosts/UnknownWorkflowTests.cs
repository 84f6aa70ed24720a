using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.EndToEnd;

public sealed class UnknownWorkflowTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly RunKey Kept = new(RunKey.DefaultTenant, "kept");
    private static readonly RunKey Dropped = new(RunKey.DefaultTenant, "dropped");

    [Fact]
    public async Task A_run_whose_workflow_the_new_build_lacks_is_parked_and_its_neighbours_go_on_until_it_is_deployed_again()
    {
        await using (var before = await InProcessHost.StartAsync(postgres.ConnectionString, new WorkflowRegistry().Add<KeptWorkflow>().Add<DroppedWorkflow>()))
        {
            await before.Engine.StartRunAsync(new StartRun("kept", JsonText.From(1), Kept.Id), "test");
            await before.Engine.StartRunAsync(new StartRun("dropped", JsonText.From(1), Dropped.Id), "test");
        }
        await using (var redeployed = await InProcessHost.StartAsync(postgres.ConnectionString, new WorkflowRegistry().Add<KeptWorkflow>()))
        {
            await redeployed.Engine.SignalAsync(Dropped, "go", JsonText.From("a"), "test");
            await redeployed.Engine.SignalAsync(Kept, "go", JsonText.From("b"), "test");

            (await redeployed.Engine.WaitAsync(Kept, CancellationToken.None).WaitAsync(Patience)).Should().BeOfType<RunCompleted>().Which.Result.To<string>().Should().Be("b");
            (await redeployed.Store.FindAsync(Dropped, CancellationToken.None))!.Status.Should().Be(RunStatus.Parked);
            var refused = () => redeployed.Engine.StartRunAsync(new StartRun("dropped", JsonText.From(1), "another"), "test");
            (await refused.Should().ThrowAsync<CommandRefusedException>()).WithMessage("*no workflow 'dropped'*This host knows: kept*");
        }
        await using var again = await InProcessHost.StartAsync(postgres.ConnectionString, new WorkflowRegistry().Add<KeptWorkflow>().Add<DroppedWorkflow>());
        await again.Engine.UnparkAsync(Dropped, "test");

        (await again.Engine.WaitAsync(Dropped, CancellationToken.None).WaitAsync(Patience)).Should().BeOfType<RunCompleted>("the signal was kept").Which.Result.To<string>().Should().Be("a");
    }

    [Workflow("kept")]
    private sealed class KeptWorkflow : Workflow<int, string>
    {
        protected override Task<string> RunAsync(int input) => Receive(new Signal<string>("go"));
    }

    [Workflow("dropped")]
    private sealed class DroppedWorkflow : Workflow<int, string>
    {
        protected override Task<string> RunAsync(int input) => Receive(new Signal<string>("go"));
    }
}
