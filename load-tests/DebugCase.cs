using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Stepping;

namespace OrleansAiOs.LoadTests;

/// <summary>debug: how long one step back of <c>aios debug</c> takes on a run of 10,000 events, from its end to its start.</summary>
internal static class DebugCase
{
    public static async Task MeasureAsync()
    {
        var steps = (Bench.Num("DEBUG_EVENTS", 10_000) - 2) / 2; // start, two events a step, end
        await using var host = await new WorkflowTestHost(new WorkflowRegistry().Add<Steps>(), services => services.AddSingleton(TimeProvider.System)).StartAsync();
        var run = await host.StartRunAsync("bench-steps", steps, "debug-1");
        await host.EndOf(run);
        var stepper = new RunStepper(new WorkflowRegistry().Add<Steps>(), run, await host.Store.ReadAsync(run, 1, default));
        stepper.GoTo(stepper.Count);
        var took = new List<double>(stepper.Count);
        while (stepper.Version > 1)
        {
            var started = Stopwatch.GetTimestamp();
            stepper.GoTo(stepper.Version - 1);
            took.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
        took.Sort();
        Bench.Emit("debug_step_back", new { events = stepper.Count, steps_back = took.Count, p50_ms = took[took.Count / 2], p99_ms = took[took.Count * 99 / 100], worst_ms = took[^1], replays = stepper.Replays });
    }
}
