using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading.Channels;
using OrleansAiOs.Host.Cli;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Stepping;

namespace OrleansAiOs.Host.Replaying;

/// <summary>What the sealed process is told, as its one argument.</summary>
/// <param name="Packs">Folders and assemblies with the code to replay with.</param>
/// <param name="BuiltIn">The packs of this program too.</param>
/// <param name="File">An export to read; standard input if null.</param>
/// <param name="Gate">Answer one report over all runs, not a verdict for each.</param>
/// <param name="RestWithin">Seconds the code may take to come to rest.</param>
/// <param name="Debug">Read one run from standard input, and answer the moments that are asked for there (<see cref="SealedStepper"/>).</param>
/// <param name="AttachAt">Then wait for an IDE's debugger instead, and stop it at this event.</param>
internal sealed record SealedOrder(IReadOnlyList<string> Packs, bool BuiltIn, string? File, bool Gate, string? Workflow = null, string? Version = null, string? Status = null, int? Sample = null,
    string? ParentsNamespace = null, int Workers = 0, double RestWithin = 10, bool Debug = false, int? AttachAt = null);

/// <summary>What it answers: a line for each verdict, or one with the report; the last line says that it came to its end.</summary>
internal sealed record SealedAnswer(string? Seal = null, ReplayVerdict? Verdict = null, GateReport? Report = null, string? Problem = null, bool Done = false, Moment? Moment = null, string? Stuck = null, int? Process = null);

/// <summary>
/// Replays an export: in a process that does nothing else and that its parent has sealed off. One thread reads the file and splits it into
/// runs; the others parse and replay them, one run at a time each.
/// </summary>
internal static class SealedReplay
{
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static async Task<int> RunAsync(SealedOrder order, Stream input, TextWriter output, CancellationToken cancellation)
    {
        using var watch = new Seal();
        var seal = Seal.OfThisProcess(order.ParentsNamespace);
        var answers = new Lock();
        void Answer(SealedAnswer answer)
        {
            var line = JsonSerializer.Serialize(answer, Json);
            lock (answers) output.WriteLine(line);
        }

        try
        {
            var registry = Registry(order);
            if (order.Debug)
            {
                await StepAsync(order, registry, new StreamReader(input), Answer, seal, cancellation);
                return ExitCode.Done;
            }
            var restWithin = TimeSpan.FromSeconds(order.RestWithin);
            var gate = new Gate(registry, restWithin);
            await using var file = order.File is null ? null : File.OpenRead(order.File);
            await ReplayAllAsync(order, file ?? input, run =>
            {
                if (order.Gate) gate.Replay(run);
                else Answer(new SealedAnswer(Verdict: Gate.Replay(new Replayer(registry) { RestWithin = restWithin }, run)));
            }, cancellation);
            Answer(new SealedAnswer(seal, Report: order.Gate ? gate.Report() : null, Problem: Seal.Unclaimed is { } left ? $"Code of the packs {left}, on a thread of its own, apart from any replay." : null, Done: true));
        }
        catch (Exception e) when (e is MalformedExportException or ArgumentException or UnreadableHistoryException or IOException or BadImageFormatException or InvalidOperationException or UnauthorizedAccessException or ReflectionTypeLoadException)
        {
            Answer(new SealedAnswer(seal, Problem: e.Message, Done: true));
        }
        await output.FlushAsync(cancellation);
        return ExitCode.Done;
    }

    private static async Task StepAsync(SealedOrder order, WorkflowRegistry registry, StreamReader input, Action<SealedAnswer> answer, string seal, CancellationToken cancellation)
    {
        var told = JsonSerializer.Deserialize<SealedHistory>(await input.ReadLineAsync(cancellation) ?? "", Json) ?? throw new InvalidOperationException("There is no run to step through.");
        var stepper = new RunStepper(registry, new RunKey(told.Tenant, told.Run), told.Stored()) { RestWithin = TimeSpan.FromSeconds(order.RestWithin) };
        answer(new SealedAnswer(seal, Process: Environment.ProcessId));
        if (order.AttachAt is { } at)
        {
            while (!Debugger.IsAttached) await Task.Delay(100, cancellation);
            stepper.StopAt(at, Debugger.Break);
            answer(new SealedAnswer(seal, Done: true));
            return;
        }
        while (await input.ReadLineAsync(cancellation) is { } version)
            answer(new SealedAnswer(Moment: stepper.GoTo(int.Parse(version, CultureInfo.InvariantCulture)), Stuck: stepper.Stuck));
    }

    private static async Task ReplayAllAsync(SealedOrder order, Stream input, Action<ExportedRun> replay, CancellationToken cancellation)
    {
        // Verdicts come in the order of the file; a report does not care.
        var workers = !order.Gate ? 1 : order.Workers > 0 ? order.Workers : Math.Max(1, Environment.ProcessorCount);
        var queue = Channel.CreateBounded<RunLines>(new BoundedChannelOptions(256) { SingleWriter = true });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var working = Enumerable.Range(0, workers).Select(_ => Task.Run(async () =>
        {
            try
            {
                await foreach (var lines in queue.Reader.ReadAllAsync(stop.Token))
                    if (lines.Parse() is var run && IsWanted(order, run)) replay(run);
            }
            catch
            {
                await stop.CancelAsync();
                throw;
            }
        }, CancellationToken.None)).ToList();
        try
        {
            var reader = new HistoryReader(input);
            if (order.Sample is { } count)
            {
                // Each run of the file is as likely as any other to be among those kept (Vitter's algorithm R); the same file gives the same sample.
                var (kept, seen, random) = (new List<RunLines>(), 0L, new Random(count));
                await foreach (var lines in reader.ReadAsync(stop.Token))
                {
                    if (!IsWanted(order, lines.Parse())) continue;
                    if (kept.Count < count) kept.Add(lines);
                    else if (random.NextInt64(seen + 1) is var at && at < count) kept[(int)at] = lines;
                    seen++;
                }
                foreach (var lines in kept) await queue.Writer.WriteAsync(lines, stop.Token);
            }
            else
            {
                await foreach (var lines in reader.ReadAsync(stop.Token)) await queue.Writer.WriteAsync(lines, stop.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // A worker stopped it, and says why.
        }
        finally
        {
            queue.Writer.Complete();
        }
        await Task.WhenAll(working);
    }

    private static bool IsWanted(SealedOrder order, ExportedRun run)
    {
        if (order.Workflow is not null && run.Workflow != order.Workflow) return false;
        if (order.Version is null && order.Status is null) return true;
        if (order.Version is not null && (run.History[0].Read() as RunStarted)?.Version != order.Version) return false;
        var end = run.History.LastOrDefault(e => e.Type is not "run-imported")?.Type;
        return order.Status switch
        {
            null => true,
            "open" => end is not ("run-completed" or "run-failed" or "run-cancelled" or "run-terminated"),
            "closed" => end is "run-completed" or "run-failed" or "run-cancelled" or "run-terminated",
            var status => end == $"run-{status}",
        };
    }

    private static WorkflowRegistry Registry(SealedOrder order)
    {
        var registry = new WorkflowRegistry();
        var assemblies = order.Packs.SelectMany(pack => File.Exists(pack) ? PackLoader.FromFile(pack) : PackLoader.FromFolder(pack)).Distinct().ToList();
        foreach (var assembly in assemblies) registry.AddFrom(assembly);
        // A newer build of a pack that is part of this program takes its place.
        if (order.BuiltIn)
            foreach (var assembly in ServeCommand.BuiltIn.Where(own => !assemblies.Exists(other => other.GetName().Name == own.GetName().Name))) registry.AddFrom(assembly);
        return registry;
    }
}
