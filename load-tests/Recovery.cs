using System.Diagnostics;

namespace OrleansAiOs.LoadTests;

/// <summary>w4: a worker with 1,000 runs under way, all held at step 3, is killed -9 and started again.</summary>
internal static class Recovery
{
    public static async Task<int> WorkAsync(string mode)
    {
        await using var engine = await InProcessEngine.StartAsync();
        if (mode == "submit") await Bench.PoolAsync(Bench.Num("W4_N", 1000), 200, i => engine.StartAsync("bench-steps", $"k{i}", 5));
        await Task.Delay(Timeout.InfiniteTimeSpan);
        return 0;
    }

    public static async Task MeasureAsync()
    {
        var n = Bench.Num("W4_N", 1000);
        var folder = Directory.CreateTempSubdirectory("aios-w4-").FullName;
        var (log, gate) = (Path.Combine(folder, "steps.txt"), Path.Combine(folder, "gate"));
        File.WriteAllText(log, "");
        var worker = Spawn("submit", log, gate);
        try
        {
            await Bench.UntilAsync(() => Task.FromResult(Lines(log).Length >= 3 * n));
            var doneAtKill = Lines(log).Length;
            worker.Kill();
            await worker.WaitForExitAsync();
            File.WriteAllText(gate, "");
            var watch = Stopwatch.StartNew();
            worker = Spawn("recover", log, gate);
            await Bench.UntilAsync(async () => await Bench.CompletedAsync() == n);
            var seconds = watch.Elapsed.TotalSeconds;
            var repeats = Lines(log).CountBy(line => line).ToList();
            Bench.Emit("w4", new
            {
                n,
                recover_s = seconds,
                steps_done_at_kill = doneAtKill,
                in_flight_at_kill = n,
                distinct_steps = repeats.Count,
                steps_run_more_than_once = repeats.Count(line => line.Value > 1),
                extra_executions = repeats.Sum(line => line.Value - 1),
            });
        }
        finally
        {
            worker.Kill();
            await worker.WaitForExitAsync();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Process Spawn(string mode, string log, string gate)
    {
        var start = new ProcessStartInfo("dotnet");
        foreach (var argument in new[] { "exec", typeof(Recovery).Assembly.Location, "worker", mode }) start.ArgumentList.Add(argument);
        start.Environment["STEP_LOG"] = log;
        start.Environment["STEP_GATE"] = gate;
        return Process.Start(start)!;
    }

    private static string[] Lines(string file)
    {
        using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
