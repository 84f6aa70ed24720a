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
        var steps = new StepFiles();
        var worker = Spawn("submit", steps);
        try
        {
            await Bench.UntilAsync(() => Task.FromResult(steps.Done.Length >= 3 * steps.Runs));
            var doneAtKill = steps.Done.Length;
            worker.Kill();
            await worker.WaitForExitAsync();
            steps.OpenGate();
            var watch = Stopwatch.StartNew();
            worker = Spawn("recover", steps);
            await Bench.UntilAsync(async () => await Bench.CompletedAsync() == steps.Runs);
            steps.Report("w4", watch.Elapsed.TotalSeconds, doneAtKill, steps.Runs);
        }
        finally
        {
            worker.Kill();
            await worker.WaitForExitAsync();
            steps.Delete();
        }
    }

    /// <summary>The same with the members of a cluster: one of them is killed, and started again only if there is no other.</summary>
    public static async Task MeasureAsync(int hosts)
    {
        var steps = new StepFiles();
        try
        {
            await using var engine = await HttpEngine.StartAsync(hosts, steps.Environment);
            await Bench.PoolAsync(steps.Runs, 200, i => engine.StartAsync("bench-steps", $"k{i}", 5));
            await Bench.UntilAsync(() => Task.FromResult(steps.Done.Length >= 3 * steps.Runs));
            var doneAtKill = steps.Done.Length;
            var watch = Stopwatch.StartNew();
            await engine.KillOneAsync();
            steps.OpenGate();
            if (hosts == 1) await engine.AddHostAsync();
            await Bench.UntilAsync(async () => await Bench.CompletedAsync() == steps.Runs);
            steps.Report("w4" + engine.Suffix, watch.Elapsed.TotalSeconds, doneAtKill, steps.Runs / hosts);
        }
        finally
        {
            steps.Delete();
        }
    }

    private static Process Spawn(string mode, StepFiles steps)
    {
        var start = new ProcessStartInfo("dotnet");
        foreach (var argument in new[] { "exec", typeof(Recovery).Assembly.Location, "worker", mode }) start.ArgumentList.Add(argument);
        foreach (var (name, value) in steps.Environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Where steps leave a line each, and what the third of each run waits for (see <see cref="StepLog"/>).</summary>
    private sealed class StepFiles
    {
        private readonly string folder = Directory.CreateTempSubdirectory("aios-w4-").FullName;

        public int Runs { get; } = Bench.Num("W4_N", 1000);

        private string Log => Path.Combine(folder, "steps");

        private string Gate => Path.Combine(folder, "gate");

        public Dictionary<string, string> Environment => new() { ["STEP_LOG"] = Log, ["STEP_GATE"] = Gate };

        public string[] Done
        {
            get
            {
                return [.. Directory.EnumerateFiles(folder, "steps.*").SelectMany(Lines)];

                static string[] Lines(string file)
                {
                    using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
                    return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
                }
            }
        }

        public void OpenGate() => File.WriteAllText(Gate, "");

        public void Report(string name, double seconds, int doneAtKill, int inFlight)
        {
            var repeats = Done.CountBy(line => line).ToList();
            Bench.Emit(name, new
            {
                n = Runs,
                recover_s = seconds,
                steps_done_at_kill = doneAtKill,
                in_flight_at_kill = inFlight,
                distinct_steps = repeats.Count,
                steps_run_more_than_once = repeats.Count(line => line.Value > 1),
                extra_executions = repeats.Sum(line => line.Value - 1),
            });
        }

        public void Delete() => Directory.Delete(folder, recursive: true);
    }
}
