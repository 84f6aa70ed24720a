using System.Diagnostics;

namespace OrleansAiOs.LoadTests;

/// <summary>w1, w2, w3 and w5, and what doing nothing costs.</summary>
internal static class Cases
{
    private const int EventsPerRun = 12; // start, 5 scheduled, 5 completed, end

    // What a host does now and then is compiled for good as well, as in one that has run for an hour.
    private const int Signed = 120;

    private static async Task WarmUpAsync(IEngine engine, int runs)
    {
        for (var part = 0; part < Signed; part++)
        {
            var first = part * runs / Signed;
            await Bench.PoolAsync((part + 1) * runs / Signed - first, 50, i => engine.RunAsync("bench-steps", $"warm{first + i}", 5));
            await engine.SignAsync();
        }
    }

    public static async Task ThroughputAsync(IEngine engine)
    {
        await WarmUpAsync(engine, Bench.Num("W1_WARM", 2000));
        var n = Bench.Num("W1_N", 20_000);
        var (before, client, server) = (Bench.Cpu(engine.Processes), Environment.CpuUsage.TotalTime, await Bench.ServerAsync());
        var watch = Stopwatch.StartNew();
        await Bench.PoolAsync(n, Bench.Num("INFLIGHT", 200), i => engine.RunAsync("bench-steps", $"a{i}", 5));
        var seconds = watch.Elapsed.TotalSeconds;
        await engine.SignAsync(); // the CPU time is that of all that these runs cause
        var (after, clientAfter, serverAfter) = (Bench.Cpu(engine.Processes), Environment.CpuUsage.TotalTime, await Bench.ServerAsync());
        Bench.Emit("w1" + engine.Suffix, new
        {
            n,
            wf_per_s = n / seconds,
            steps_per_s = n * 5 / seconds,
            seconds,
            cpu_ms_per_wf = (after.Own - before.Own) * 1000 / n,
            client_cpu_ms_per_wf = engine.Processes.Length == 0 ? double.NaN : (clientAfter - client).TotalMilliseconds / n, // in the one before
            pg_cpu_ms_per_wf = (after.Postgres - before.Postgres) * 1000 / n,
            events_per_step = EventsPerRun / 5.0,
            rows_per_step = (serverAfter.Rows - server.Rows) / (n * 5),
            transactions_per_step = (serverAfter.Transactions - server.Transactions) / (n * 5),
            wal_bytes_per_step = (serverAfter.WalBytes - server.WalBytes) / (n * 5),
        });
    }

    public static async Task LatencyAsync(IEngine engine)
    {
        await WarmUpAsync(engine, 1000);
        foreach (var steps in new[] { 1, 5 })
        {
            var ms = new List<double>();
            for (var i = 0; i < Bench.Num("W2_N", 500); i++)
            {
                var watch = Stopwatch.StartNew();
                await engine.RunAsync("bench-steps", $"l{steps}x{i}", steps);
                ms.Add(watch.Elapsed.TotalMilliseconds);
            }
            var (p50, p99, max) = Bench.Latency(ms);
            Bench.Emit($"w2_{steps}step{engine.Suffix}", new { n = ms.Count, p50_ms = p50, p99_ms = p99, max_ms = max });
        }
    }

    public static async Task FanOutAsync(IEngine engine)
    {
        await WarmUpAsync(engine, 200);
        var width = Bench.Num("W3_N", 1000);
        var watch = Stopwatch.StartNew();
        await engine.RunAsync("bench-fan", "f1", width);
        var ms = watch.Elapsed.TotalMilliseconds;
        Bench.Emit("w3" + engine.Suffix, new { n = width, total_ms = ms, steps_per_s = width / ms * 1000 });
    }

    public static async Task WaitingAsync(IEngine engine)
    {
        await WarmUpAsync(engine, 2000);
        var n = Bench.Num("W5_N", 20_000);
        var done = await engine.CompletedAsync();
        var (managed, resident) = await engine.MemoryAsync();
        var watch = Stopwatch.StartNew();
        await Bench.PoolAsync(n, 200, i => engine.StartAsync("bench-wait", $"w{i}", 0));
        var started = watch.Elapsed.TotalSeconds;
        var (managedWaiting, residentWaiting) = await engine.MemoryAsync();
        watch.Restart();
        await Bench.PoolAsync(n, 64, i => engine.SignalAsync($"w{i}", "go", "sig"));
        var signalled = watch.Elapsed.TotalSeconds;
        await Bench.UntilAsync(async () => await engine.CompletedAsync() == done + n);
        Bench.Emit("w5" + engine.Suffix, new
        {
            n,
            start_s = started,
            managed_kib_per_waiting = (managedWaiting - managed) / 1024 / n,
            engine_rss_before_mib = resident / 1024 / 1024,
            engine_rss_parked_mib = residentWaiting / 1024 / 1024,
            kib_per_waiting = (residentWaiting - resident) / 1024 / n,
            wake_signals_s = signalled,
            wake_all_s = watch.Elapsed.TotalSeconds,
        });
    }

    /// <summary>What hosts cost that have nothing to do: first over an empty database, then, started anew, over one in which so many runs sleep for a day.</summary>
    public static async Task IdleAsync(HttpEngine engine)
    {
        foreach (var waiting in new[] { 0, Bench.Num("IDLE_N", 100_000) }.Distinct())
        {
            if (waiting > 0)
            {
                await Bench.PoolAsync(waiting, 200, i => engine.StartAsync("bench-sleep", $"i{i}", 0));
                await engine.RestartAsync();
            }
            await Task.Delay(TimeSpan.FromSeconds(40)); // members that were killed are voted out, and what starts a host settles
            var (before, server) = (Bench.Cpu(engine.Processes), await Bench.ServerAsync());
            var watch = Stopwatch.StartNew();
            await Task.Delay(TimeSpan.FromSeconds(Bench.Num("IDLE_S", 60)));
            var seconds = watch.Elapsed.TotalSeconds;
            var (after, serverAfter) = (Bench.Cpu(engine.Processes), await Bench.ServerAsync());
            Bench.Emit("idle" + engine.Suffix, new
            {
                waiting,
                cpu_ms_per_s = (after.Own - before.Own) * 1000 / seconds,
                pg_cpu_ms_per_s = (after.Postgres - before.Postgres) * 1000 / seconds,
                transactions_per_s = (serverAfter.Transactions - server.Transactions) / seconds,
                resident_mib = engine.Processes.Sum(Bench.Resident) / 1024 / 1024,
            });
        }
    }
}
