using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Host.Cli;
using OrleansAiOs.Postgres;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.EndToEnd.Database;

/// <summary>aios verify over a real database: quiet where all is well, and naming what somebody has tampered with.</summary>
public sealed class VerifyTests(PostgresFixture database) : IClassFixture<PostgresFixture>
{
    private static readonly Activity<int, int> Double = Activity.Pure<int, int>("verify.double", (x, _) => Task.FromResult(2 * x));

    [Workflow("verify-sample")]
    private sealed class Sample : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input) => await Call(Double, await Call(Double, input));
    }

    [Fact]
    public async Task A_history_with_an_event_missing_is_named_and_a_whole_one_is_not()
    {
        await using (var store = await PostgresStore.OpenAsync(database.ConnectionString, NullLogger.Instance))
        {
            await using var host = new WorkflowHost(store, new WorkflowRegistry().Add<Sample>(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
                new WorkflowHostOptions { Time = TimeProvider.System, HostId = "verify", Seed = 1 });
            await host.StartAsync(default);
            foreach (var id in new[] { "whole", "holed" }) (await host.RunAsync(new StartRun("verify-sample", JsonText.From(1), id), "tester")).Should().BeOfType<RunCompleted>();
        }
        (await VerifyAsync()).Should().Match<(int Code, string Output)>(ended => ended.Code == 0 && ended.Output.Contains("2 runs"));

        await using (var command = database.DataSource.CreateCommand("delete from aios.mt_events where stream_id = 'run/holed' and version = 3")) await command.ExecuteNonQueryAsync();
        var (code, output) = await VerifyAsync();
        code.Should().Be(1);
        output.Should().Contain("I4 holed").And.NotContain("whole");
    }

    private async Task<(int Code, string Output)> VerifyAsync()
    {
        using var output = new StringWriter();
        return (await AiosCommand.RunAsync(["verify", "--connection", database.ConnectionString], output, TextWriter.Null), output.ToString());
    }
}
