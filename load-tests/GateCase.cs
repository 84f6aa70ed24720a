using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Postgres;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.LoadTests;

/// <summary>
/// gate: how many histories of 20 events a minute <c>aios replay --against</c> judges, from a file and from the database. One run of the
/// real engine is the pattern; each history is that one under another id, wherever the id stands.
/// </summary>
internal static class GateCase
{
    private const string PatternId = "gate-0000000";
    private const int StepsOfRun = 9; // start, 9 scheduled, 9 completed, end

    public static async Task MeasureAsync()
    {
        var pattern = await PatternAsync();
        var folder = Directory.CreateTempSubdirectory("aios-gate-").FullName;
        try
        {
            var file = Path.Combine(folder, "histories.ndjson");
            var n = Bench.Num("GATE_FILE_N", 100_000);
            await using (var to = new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.None, 1024 * 1024))
            {
                using var writer = new HistoryWriter(to, new ExportOptions { ExportedAt = DateTimeOffset.UtcNow });
                for (var i = 0; i < n; i++) await writer.WriteAsync(new RunKey(RunKey.DefaultTenant, Id(i)), Copy(pattern, i));
                await writer.FinishAsync();
            }
            await JudgeAsync("gate_file", n, [file, "--against", typeof(GateCase).Assembly.Location], new FileInfo(file).Length);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        var rows = Bench.Num("GATE_DB_N", 25_000);
        await using (var store = await PostgresStore.OpenAsync(Bench.Connection(Bench.Database), NullLogger.Instance))
        {
            await Bench.PoolAsync(rows, 400, async i =>
            {
                var run = new RunKey(RunKey.DefaultTenant, Id(i));
                var history = Copy(pattern, i);
                var row = new RunRow(run, "bench-steps", null, RunStatus.Completed, "gate", false, null, null, [], history[0].At, history[^1].At, history[^1].At);
                await store.AppendAsync(new RunAppend(run, 0, [.. history.Select(e => new NewEvent(Guid.CreateVersion7(), e.Type, e.Body, e.At))], row, null));
            });
        }
        await JudgeAsync("gate_db", rows, ["--against", typeof(GateCase).Assembly.Location, "--connection", Bench.Connection(Bench.Database)], 0);
    }

    private static async Task JudgeAsync(string name, int n, string[] arguments, long bytes)
    {
        var program = Bench.Env("AIOS_PROGRAM", Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../OrleansAiOs.Host/release/aios.dll")));
        var watch = Stopwatch.StartNew();
        using var process = Process.Start(new ProcessStartInfo("dotnet", ["exec", program, "replay", .. arguments, "--json"]) { RedirectStandardOutput = true })!;
        var answer = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        var seconds = watch.Elapsed.TotalSeconds;
        if (process.ExitCode != 0) throw new InvalidOperationException($"The gate ended with {process.ExitCode}: {answer}");
        var report = JsonDocument.Parse(answer).RootElement.GetProperty("report");
        if (report.GetProperty("runs").GetInt32() != n) throw new InvalidOperationException($"The gate saw {report.GetProperty("runs")} of {n} runs.");
        Bench.Emit(name, new { n, events = report.GetProperty("events").GetInt64(), seconds, histories_per_min = n / seconds * 60, bytes, load = double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], null) });
    }

    private static async Task<IReadOnlyList<StoredEvent>> PatternAsync()
    {
        await using var host = await new WorkflowTestHost(new WorkflowRegistry().Add<Steps>(), services => services.AddSingleton(TimeProvider.System)).StartAsync();
        var run = await host.StartRunAsync("bench-steps", StepsOfRun, PatternId);
        await host.EndOf(run);
        var history = await host.Store.ReadAsync(run, 1, default);
        return history.Count == 20 ? history : throw new InvalidOperationException($"The pattern has {history.Count} events, not 20.");
    }

    private static string Id(int i) => $"gate-{i + 1:0000000}";

    private static List<StoredEvent> Copy(IReadOnlyList<StoredEvent> pattern, int i) =>
        [.. pattern.Select(e => e with { Body = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(e.Body).Replace(PatternId, Id(i), StringComparison.Ordinal)) })];
}
