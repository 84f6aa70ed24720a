using OrleansAiOs.Testing;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>Replay goes the way the code went live, also around what was thrown.</summary>
public sealed class SameAsLiveTests
{
    private static readonly Signal<int> Go = new("go");
    private static readonly Activity<int, int> AddOne = Activity.Pure<int, int>("math.add-one", (x, _) => Task.FromResult(x + 1));

    [Workflow("records")]
    private sealed class Records : Workflow<string, int>
    {
        protected override async Task<int> RunAsync(string text)
        {
            int number;
            try
            {
                number = Record(() => int.Parse(text, null));
            }
            catch (FormatException)
            {
                number = -1;
            }
            var second = Record(() => 10);
            await Receive(Go);
            return number + second;
        }
    }

    [Workflow("throws-on-cancel")]
    private sealed class ThrowsOnCancel : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input)
        {
            Cancellation.Register(() => throw new InvalidOperationException("hung on the token"));
            return await Receive(Go, CancellationToken.None);
        }
    }

    private static class Broken
    {
        [Workflow("records")]
        internal sealed class Records : Workflow<string, int>
        {
#pragma warning disable AIOS008 // a workflow that cannot be made on this host
            private readonly string dictionary = Environment.GetEnvironmentVariable("AIOS_TEST_NO_SUCH_THING") ?? throw new InvalidOperationException("no such thing");
#pragma warning restore AIOS008

            protected override Task<int> RunAsync(string text) => Task.FromResult(dictionary.Length);
        }
    }

    [Workflow("leaves-a-branch")]
    private sealed class LeavesABranch : Workflow<int, int>
    {
        private static bool broken = true;

        public static void Mend() => broken = false;

        public static void Break() => broken = true;

        protected override async Task<int> RunAsync(int input)
        {
            _ = Branch();
            await Receive(new Signal<int>("end"));
#pragma warning disable AIOS009 // stands for a deployment that mends the code
            return broken ? throw new InvalidOperationException("to be mended") : 1;
#pragma warning restore AIOS009
        }

        private async Task Branch()
        {
            await Receive(Go);
            await Call(AddOne, 1);
        }
    }

    private static WorkflowRegistry Registry => new WorkflowRegistry().Add<Records>().Add<ThrowsOnCancel>().Add<LeavesABranch>();

    [Theory]
    [InlineData("7", 17)]
    [InlineData("seven", 9)]
    public async Task A_recorded_value_that_threw_throws_again(string text, int expected)
    {
        await using var test = await new WorkflowTestHost(Registry).StartAsync();
        var run = await test.StartRunAsync("records", text);
        await test.KillAndRestartAsync();
        await test.SignalAsync(run, Go, 1);
        (await test.ResultOf<int>(run)).Should().Be(expected);
    }

    [Fact]
    public async Task What_the_code_hangs_on_its_token_and_throws_parks_the_run()
    {
        await using var test = await new WorkflowTestHost(Registry).StartAsync();
        var run = await test.StartRunAsync("throws-on-cancel", 1);
        await test.Host.CancelAsync(run, "enough", "tester");
        (await test.Until(run, r => r.Status is RunStatus.Parked)).Waits.Single(w => w.Kind == "unpark").Why.Should().Contain("hung on the token");
    }

    [Fact]
    public async Task A_build_in_which_the_workflow_cannot_be_created_parks_its_runs()
    {
        await using var test = await new WorkflowTestHost(Registry).StartAsync();
        var run = await test.StartRunAsync("records", "7");
        await test.KillAndRestartAsync(new WorkflowRegistry().Add<Broken.Records>());
        await test.SignalAsync(run, Go, 1);
        (await test.Until(run, r => r.Status is RunStatus.Parked)).Waits.Single(w => w.Kind == "unpark").Why.Should().Contain("no such thing");
        await test.KillAndRestartAsync();
        await test.Host.UnparkAsync(run, "tester");
        (await test.ResultOf<int>(run)).Should().Be(17);
    }

    [Fact]
    public async Task Nothing_stands_behind_the_end_of_a_run_that_was_unparked_into_it()
    {
        LeavesABranch.Break();
        await using var test = await new WorkflowTestHost(Registry).StartAsync();
        var run = await test.StartRunAsync("leaves-a-branch", 1);
        await test.Host.SignalAsync(run, "end", JsonText.From(1), "tester");
        await test.Until(run, r => r.Status is RunStatus.Parked);
        await test.SignalAsync(run, Go, 1);
        LeavesABranch.Mend();
        await test.Host.UnparkAsync(run, "tester");
        (await test.ResultOf<int>(run)).Should().Be(1);
        (await test.HistoryOf(run))[^1].Should().BeOfType<RunCompleted>();
    }
}
