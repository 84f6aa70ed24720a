using System.Text;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Testing.Tests;

public sealed class PastRunsTests
{
    private static readonly Activity<int, int> AddOne = Activity.Pure<int, int>("past.add-one", (n, _) => Task.FromResult(n + 1));
    private static readonly Activity<int, int> Double = Activity.Pure<int, int>("past.double", (n, _) => Task.FromResult(n * 2));

    [Workflow("past")]
    private sealed class Past : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int n) => await Call(AddOne, n);
    }

    private static class Now
    {
        [Workflow("past-changed")]
        internal sealed class Before : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int n) => await Call(AddOne, n);
        }

        internal static class After
        {
            [Workflow("past-changed")]
            internal sealed class Changed : Workflow<int, int>
            {
                protected override async Task<int> RunAsync(int n) => await Call(AddOne, await Call(Double, n));
            }
        }
    }

    private static async Task<string> ExportOf<TWorkflow>(string name) where TWorkflow : Workflow
    {
        await using var host = await new WorkflowTestHost(new WorkflowRegistry().Add<TWorkflow>()).StartAsync();
        var run = await host.StartRunAsync(name, 1);
        (await host.ResultOf<int>(run)).Should().Be(2);
        using var file = new MemoryStream();
        using (var writer = new HistoryWriter(file, new ExportOptions { ExportedAt = DateTimeOffset.UnixEpoch }))
        {
            await writer.WriteAsync(run, await host.Store.ReadAsync(run, 1, default));
            await writer.FinishAsync();
        }
        return Encoding.UTF8.GetString(file.ToArray());
    }

    [Fact]
    public async Task A_past_run_replays_with_the_code_beside_the_test_whatever_its_line_ends() =>
        await PastRuns.ReplayAsync((await ExportOf<Past>("past")).Replace("\n", "\r\n"));

    [Fact]
    public async Task Code_that_asks_for_something_else_fails_it_with_the_difference_and_the_patch()
    {
        var export = await ExportOf<Now.Before>("past-changed");
        await PastRuns.ReplayAsync(export, new WorkflowRegistry().Add<Now.Before>());
        var replay = () => PastRuns.ReplayAsync(export, new WorkflowRegistry().Add<Now.After.Changed>());
        (await replay.Should().ThrowAsync<PastRunDiffersException>()).WithMessage("1 of 1 past runs*inserted: *past.double*patch: *Patched(*");
    }

    [Fact]
    public async Task A_workflow_that_is_not_here_or_is_here_twice_is_named()
    {
        var export = await ExportOf<Past>("past");
        // Longer or shorter, the file would not be whole; its hash is looked at in the end.
        var unknown = () => PastRuns.ReplayAsync(export.Replace("\"past\"", "\"pasd\"", StringComparison.Ordinal));
        (await unknown.Should().ThrowAsync<PastRunDiffersException>()).WithMessage("*holds a workflow 'pasd'*");
        var twice = async () => await PastRuns.ReplayAsync(await ExportOf<Now.Before>("past-changed"));
        (await twice.Should().ThrowAsync<PastRunDiffersException>()).WithMessage("Several classes are the workflow 'past-changed'*");
    }
}
