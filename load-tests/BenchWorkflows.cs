using OrleansAiOs.Workflows;

namespace OrleansAiOs.LoadTests;

/// <summary>The workloads of shared/peers/README.md as workflows.</summary>
internal static class BenchSteps
{
    public static readonly Signal<string> Go = new("go");

    /// <summary>A no-op that returns a small number; with STEP_LOG set, it leaves a line for each time its body ran.</summary>
    public static readonly Activity<StepInput, int> NoOp = Activity.Pure<StepInput, int>("bench.no-op", async (step, _) =>
    {
        StepLog.Write(step);
        if (step.Number == 3) await StepLog.GateAsync();
        return step.Number;
    }, new ActivityOptions { Concurrency = 10_000, StartToClose = TimeSpan.FromMinutes(10) });
}

internal sealed record StepInput(string Run, int Number);

[Workflow("bench-steps")]
internal sealed class Steps : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int steps)
    {
        var sum = 0;
        for (var i = 1; i <= steps; i++) sum += await Call(BenchSteps.NoOp, new StepInput(RunId, i));
        return sum;
    }
}

[Workflow("bench-fan")]
internal sealed class Fan : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int width) =>
        (await Task.WhenAll(Enumerable.Range(0, width).Select(i => Call(BenchSteps.NoOp, new StepInput(RunId, -i))))).Length;
}

[Workflow("bench-wait")]
internal sealed class Wait : Workflow<int, string>
{
    protected override Task<string> RunAsync(int input) => Receive(BenchSteps.Go);
}

[Workflow("bench-sleep")]
internal sealed class Sleeps : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int input)
    {
        await Sleep(TimeSpan.FromDays(1));
        return input;
    }
}

/// <summary>One line per run of a step's body, in a file of this process: it survives a kill -9, so repeats can be counted.</summary>
internal static class StepLog
{
    private static readonly string? Path = Environment.GetEnvironmentVariable("STEP_LOG");
    private static readonly string? Gate = Environment.GetEnvironmentVariable("STEP_GATE");
    private static readonly FileStream? File = Path is null ? null : new FileStream($"{Path}.{Environment.ProcessId}", FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 1);
    private static readonly Lock Sync = new();

    public static void Write(StepInput step)
    {
        if (File is null || step.Run.StartsWith("warm", StringComparison.Ordinal)) return;
        var line = System.Text.Encoding.ASCII.GetBytes($"{step.Run}:{step.Number}\n");
        lock (Sync) File.Write(line);
    }

    public static async Task GateAsync()
    {
        while (Gate is not null && !System.IO.File.Exists(Gate)) await Task.Delay(10);
    }
}
