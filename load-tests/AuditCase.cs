using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrleansAiOs.Kernel.Audit;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.LoadTests;

/// <summary>
/// audit: what each part of the trail costs by itself. The difference that it makes to w1 is smaller than what the machine does between two
/// runs of w1, so the parts are measured alone: leaves and batch of a flush as w1 makes them, the fold of what is left by so many runs,
/// and then how fast all of it is verified.
/// </summary>
internal static class AuditCase
{
    private const int Appends = 60; // of w1's flushes
    private const int EventsPerAppend = 2;

    public static async Task MeasureAsync(IEngine engine)
    {
        Flushes(2000);
        var leaves = Flushes(Bench.Num("AUDIT_FLUSHES", 50_000));
        Bench.Emit("audit_leaves", new { cpu_us_per_event = leaves });

        for (var i = 0; i < 150; i++) await FoldAsync(engine, $"warm{i}-", 100); // until its code is compiled for good, as in a host that has run for an hour
        var n = Bench.Num("AUDIT_N", 20_000);
        var (own, postgres, seconds, events) = await FoldAsync(engine, "a", n);
        Bench.Emit("audit_fold", new { events, seconds, cpu_us_per_event = own * 1e6 / events, pg_cpu_us_per_event = postgres * 1e6 / events });

        await using var source = NpgsqlDataSource.Create(Bench.Connection(Bench.Database));
        await using var connection = await source.OpenConnectionAsync();
        var lines = await CheckpointLines.ReadAsync([], []);
        var watch = Stopwatch.StartNew();
        var before = Bench.Cpu();
        var report = await new AuditVerifier(connection, lines, finding => throw new InvalidOperationException(finding.ToString())).VerifyAsync();
        var after = Bench.Cpu();
        Bench.Emit("audit_verify", new { report.Events, events_per_s = report.Events / watch.Elapsed.TotalSeconds, peak_mib = Process.GetCurrentProcess().PeakWorkingSet64 / 1024.0 / 1024, cpu_us_per_event = (after.Own - before.Own) * 1e6 / report.Events });
    }

    private static async Task<(double Own, double Postgres, double Seconds, long Events)> FoldAsync(IEngine engine, string prefix, int runs)
    {
        await Bench.PoolAsync(runs, Bench.Num("INFLIGHT", 200), i => engine.RunAsync("bench-steps", $"{prefix}{i}", 5));
        await using var source = NpgsqlDataSource.Create(Bench.Connection(Bench.Database));
        await using var auditor = new Auditor(source, AuditKey.Make(), [], new AuditorOptions(TimeSpan.FromHours(1)), TimeProvider.System, NullLogger.Instance);
        var already = (await auditor.StatusAsync()).Events;
        var (before, watch) = (Bench.Cpu(), Stopwatch.StartNew());
        await auditor.CheckpointAsync();
        var (after, seconds) = (Bench.Cpu(), watch.Elapsed.TotalSeconds);
        return (after.Own - before.Own, after.Postgres - before.Postgres, seconds, (await auditor.StatusAsync()).Events - already);
    }

    private static double Flushes(int count)
    {
        var (id, at) = (Guid.NewGuid(), DateTimeOffset.UtcNow);
        var appends = Enumerable.Range(0, Appends).Select(i => (Stream: $"a{i + 10_000}", Bodies: new[]
        {
            Encoding.UTF8.GetBytes($$"""{"attempt":1,"result":{{i % 5 + 1}},"step":{{i % 5 + 1}}}"""),
            Encoding.UTF8.GetBytes($$"""{"activity":"bench.no-op","effect":"Pure","input":{"number":{{i % 5 + 2}},"run":"a{{i + 10_000}}"},"step":{{i % 5 + 2}}}"""),
        })).ToArray();
        var flush = new AuditFlush();
        var before = Process.GetCurrentProcess().TotalProcessorTime;
        for (var n = 0; n < count; n++)
        {
            flush.Begin();
            foreach (var append in appends)
                flush.Add(new RunAppend(new RunKey("default", append.Stream), n % 6, [.. append.Bodies.Select((body, i) => new NewEvent(id, i == 0 ? "step-completed" : "step-scheduled", body, at))], null, null), null);
            flush.End();
        }
        return (Process.GetCurrentProcess().TotalProcessorTime - before).TotalMicroseconds / count / Appends / EventsPerAppend;
    }
}
