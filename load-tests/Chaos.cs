using OrleansAiOs.EndToEnd;

namespace OrleansAiOs.LoadTests;

/// <summary>The kill test of the test command, ten times as long: the real host against hostile receivers, killed again and again.</summary>
internal static class Chaos
{
    public static async Task RunAsync()
    {
        var plan = new ChaosPlan(Bench.Num("CHAOS_RUNS", 1000), Bench.Num("CHAOS_KILLS", 100), Bench.Num("CHAOS_SEED", 1), TimeSpan.FromHours(1));
        var report = await ChaosRun.RunAsync(plan, Bench.Connection(Bench.Database));
        Bench.Emit("chaos", report.Figures);
        foreach (var violation in report.Lost.Concat(report.Doubled)) Console.Error.WriteLine(violation);
        if (report.Lost.Count + report.Doubled.Count > 0) Environment.ExitCode = 1;
    }
}
