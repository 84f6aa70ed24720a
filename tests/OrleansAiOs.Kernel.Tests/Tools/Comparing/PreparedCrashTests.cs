using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing;
using OrleansAiOs.Testing.CrashPoints;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Kernel.Tests.Tools.Comparing;

/// <summary>What stood there before, whatever goes wrong in between: the engine's part of a comparison.</summary>
public sealed class PreparedCrashTests
{
    private static Target target = new();

    private static readonly Activity<string, string> Write = Activity.Keyed<object, string, string>("target.write", (_, value, key, context) => Task.FromResult($"{context.Found!.Value.To<string>()} -> {target.Set(key.Value, value)}"))
        .Preparing((_, _, _) => Task.FromResult<JsonText?>(JsonText.From(target.Value)));

    [Fact]
    public async Task Whatever_IO_goes_wrong_it_is_told_what_stood_there_before_the_first_attempt()
    {
        var report = await WorkflowTestHost.CrashEverywhereAsync(() =>
        {
            target = new Target();
            return new WorkflowTestHost(new WorkflowRegistry().Add<WritesOnce>(), services => services.AddSingleton(new object()));
        }, async host =>
        {
            var run = await host.StartRunAsync("writes-once", "new");
            (await host.ResultOf<string>(run)).Should().Be("old -> new");
            target.Writes.Should().Be(1);
        });
        report.Struck[CrashMode.KilledAfter].Should().Contain("preparing target.write").And.Contain("target.write");
        report.Struck[CrashMode.ReplyLost].Should().Contain("preparing target.write").And.Contain("target.write");
    }

    /// <summary>A receiver that knows keys.</summary>
    private sealed class Target
    {
        private readonly HashSet<string> keys = [];

        public string Value { get; private set; } = "old";

        public int Writes => keys.Count;

        public string Set(string key, string value)
        {
            lock (keys)
                if (keys.Add(key)) Value = value;
            return Value;
        }
    }

    [Workflow("writes-once")]
    private sealed class WritesOnce : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string value) => Call(Write, value);
    }
}
