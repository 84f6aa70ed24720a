using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrleansAiOs.Host.Replaying;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Postgres;
using OrleansAiOs.Postgres.Embedded;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.Replay;
using Spectre.Console;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios replay: runs of the past with the code of now, sealed off from the world. With --against, the gate of a deployment.</summary>
internal static class ReplayCommand
{
    private const int LinesOfChangeMax = 40;

    public static Command Create(ClientOptions client)
    {
        var what = new Argument<string?>("RUN|FILE") { Description = "A run's id, or a file that aios export wrote. With --against, without it: every run of the database.", Arity = ArgumentArity.ZeroOrOne };
        var packs = new Option<string[]>("--pack") { Description = "A folder with a built pack, or an assembly: the code to replay with, beside the packs of this program.", HelpName = "DIR", AllowMultipleArgumentsPerToken = true };
        var against = new Option<string?>("--against") { Description = "A new build, as folder or assembly: report by type and version what it would do to the runs there are.", HelpName = "DIR" };
        var query = new Option<string[]>("--query") { Description = "With --against, only these: workflow=, version=, status=open|closed|completed|failed|cancelled|terminated.", HelpName = "NAME=VALUE", AllowMultipleArgumentsPerToken = true };
        var sample = new Option<int?>("--sample") { Description = "With --against, so many of them, chosen by chance; the same of the same.", HelpName = "N" };
        var connection = new Option<string?>("--connection") { Description = "With --against: an external database instead of the private one. Default: $AIOS_CONNECTION.", HelpName = "STRING" };
        var asTest = new Option<string?>("--as-test") { Description = "Write an xunit test into this folder that replays it, its history inside; it needs OrleansAiOs.Testing. Nothing is replayed now.", HelpName = "DIR" };
        var within = Within();
        return client.Query("replay", "Replay a run, or an exported file, with the code there is now: same commands, or what differs and how to patch it.", what, packs, against, query, sample, connection, asTest, within).Does(async call =>
        {
            var target = call.Parsed.GetValue(what);
            if (call.Get(asTest) is { } folder)
            {
                if (target is null || call.Has(against) || call.Has(packs)) throw CliException.Usage("--as-test takes a run or a file, and neither --against nor --pack.");
                return await WriteTestAsync(client, call, target, folder);
            }
            if (call.Get(against) is { } build) return await GateAsync(client, call, target, build, call.Get(query) ?? [], call.Get(sample), call.Get(connection), Seconds(call.Get(within)));
            if (target is null) throw CliException.Usage("Name a run or a file; or, with --against, a build.");
            if (call.Has(query) || call.Has(sample) || call.Has(connection)) throw CliException.Usage("--query, --sample and --connection go with --against.");
            return await OneByOneAsync(client, call, target, call.Get(packs) ?? [], Seconds(call.Get(within)));
        });
    }

    public static Option<double> Within() => new("--within")
    {
        Description = "How long the code may take to come to rest behind one event, before it is taken to loop or to block. Default: 10.", HelpName = "SECONDS",
        DefaultValueFactory = _ => Replayer.DefaultRestWithin.TotalSeconds,
    };

    public static double Seconds(double within) => within is > 0 and <= 86_400 ? within : throw CliException.Usage($"--within is more than 0 and at most 86400 seconds, not {within.ToString(CultureInfo.InvariantCulture)}.");

    /// <summary>The verb of the sealed process; not for people.</summary>
    public static Command CreateSealed()
    {
        var order = new Argument<string>("ORDER");
        var command = new Command(SealedProcess.Verb, "What aios replay runs, sealed off.") { Hidden = true };
        return command.With(order).Does(async call =>
        {
            await using var input = Console.OpenStandardInput();
            var answers = Console.Out;
            Console.SetOut(Console.Error); // what the replayed code prints is no answer of ours
            var code = await SealedReplay.RunAsync(JsonSerializer.Deserialize<SealedOrder>(call.Get(order), SealedReplay.Json)!, input, answers, call.Cancellation);
            // Threads of the replayed code may be held, or go on for ever.
            await answers.FlushAsync(call.Cancellation);
            Environment.Exit(code);
            return code;
        });
    }

    // ---- verdicts ----

    private static async Task<int> OneByOneAsync(ClientOptions client, Invocation call, string target, string[] packs, double restWithin)
    {
        var isFile = File.Exists(target);
        using var export = isFile ? null : await DownloadAsync(client, call, target);
        var verdicts = new List<ReplayVerdict>();
        var order = new SealedOrder([.. packs.Select(Path.GetFullPath)], BuiltIn: true, isFile ? Path.GetFullPath(target) : null, Gate: false, RestWithin: restWithin);
        var seal = await SealedProcess.RunAsync(order, export is null ? null : to => export.CopyToAsync(to), answer =>
        {
            if (answer.Verdict is { } verdict) verdicts.Add(verdict);
        }, call.Cancellation);
        foreach (var verdict in verdicts)
        {
            if (call.Get(client.Json)) call.Terminal.Json(JsonSerializer.Serialize(new { seal, verdict }, SealedReplay.Json));
            else Tell(call.Terminal, verdict, seal);
        }
        if (verdicts.Count == 0) throw new CliException(ExitCode.CannotReplay, "The file holds no run.");
        return verdicts.Exists(v => v.Result is ReplayResult.CannotReplay) ? ExitCode.CannotReplay : verdicts.Exists(v => v.Result is ReplayResult.Different) ? ExitCode.Differs : ExitCode.Done;
    }

    private static async Task<int> WriteTestAsync(ClientOptions client, Invocation call, string target, string folder)
    {
        if (!Directory.Exists(folder)) throw new CliException(ExitCode.NotFound, $"There is no folder '{folder}'. Name the one of a test project.");
        byte[] bytes;
        if (File.Exists(target))
        {
            if (new FileInfo(target).Length > ReplayAsTest.BytesMax) throw TooLong(target);
            bytes = await File.ReadAllBytesAsync(target, call.Cancellation);
        }
        else
        {
            using var download = await DownloadAsync(client, call, target);
            bytes = download.ToArray();
        }
        if (bytes.Length > ReplayAsTest.BytesMax) throw TooLong(target);
        // What is written must be whole, or the test would fail for another reason than its code.
        try
        {
            await foreach (var lines in new HistoryReader(new MemoryStream(bytes)).ReadAsync(call.Cancellation)) lines.Parse();
        }
        catch (MalformedExportException e)
        {
            throw new CliException(ExitCode.Failed, $"{target} is no whole export.", e.Message);
        }
        var (name, code) = ReplayAsTest.Write(target, bytes);
        var file = Path.Combine(folder, $"{name}.cs");
        if (File.Exists(file)) throw new CliException(ExitCode.Conflict, $"{file} is there already. Nothing was touched; remove it, or choose another folder.");
        await File.WriteAllTextAsync(file, code, call.Cancellation);
        call.Terminal.Line(file);
        return ExitCode.Done;

        static CliException TooLong(string target) =>
            new(ExitCode.Failed, $"{target} is longer than {ReplayAsTest.BytesMax >> 20} MB, too much for a source file. Export it beside the test, and write the test yourself: PastRuns.ReplayAsync(File.OpenRead(…)).");
    }

    private static async Task<MemoryStream> DownloadAsync(ClientOptions client, Invocation call, string run)
    {
        using var api = client.Connect(call);
        var export = new MemoryStream();
        await api.DownloadAsync($"{ApiPaths.Run(run)}/export", export, call.Cancellation);
        export.Position = 0;
        return export;
    }

    private static void Tell(Terminal terminal, ReplayVerdict verdict, string seal)
    {
        var (head, colour) = verdict.Result switch
        {
            ReplayResult.Same => (verdict.ByteEqual ? "same commands, byte for byte" : "same commands", Color.Green),
            ReplayResult.Different => ("DIFFERENT", Color.Red),
            _ => ("CANNOT BE REPLAYED", Color.Yellow),
        };
        terminal.Line($"{verdict.Run} ({verdict.Workflow}{(verdict.CodeVersion is null ? "" : $" {verdict.CodeVersion}")}): {head}; {verdict.Events} events, {verdict.Commands} commands, sealed by {seal}", new Style(colour));
        if (verdict.Why is { } why) terminal.Line($"  {why}");
        Tell(terminal, verdict.Changes, verdict.Note);
    }

    private static void Tell(Terminal terminal, IReadOnlyList<CommandChange> changes, string? note)
    {
        foreach (var change in changes.Where(change => change.Kind is not ChangeKind.Stuck).Take(LinesOfChangeMax)) terminal.Line($"  {change.Kind.ToString().ToLowerInvariant(),-9}  {change.Text}");
        if (changes.Count > LinesOfChangeMax) terminal.Line($"  … and {changes.Count - LinesOfChangeMax} more; --json has them all");
        foreach (var patch in changes.Select(change => change.Patch).OfType<SuggestedPatch>().DistinctBy(patch => patch.Text)) terminal.Line($"  patch      {patch.Text}");
        if (note is not null) terminal.Line($"  note       {note}");
    }

    // ---- the gate ----

    private static async Task<int> GateAsync(ClientOptions client, Invocation call, string? file, string build, string[] query, int? sample, string? connection, double restWithin)
    {
        if (file is not null && !File.Exists(file)) throw new CliException(ExitCode.NotFound, $"There is no file '{file}'. With --against, name what aios export wrote, or nothing to read the database.");
        if (!File.Exists(build) && !Directory.Exists(build)) throw new CliException(ExitCode.NotFound, $"There is no build '{build}'. Name its output folder, or its assembly.");
        if (sample is < 1) throw CliException.Usage("--sample begins at 1.");
        var order = Narrowed(new SealedOrder([Path.GetFullPath(build)], BuiltIn: false, file is null ? null : Path.GetFullPath(file), Gate: true, Sample: sample, RestWithin: restWithin), query);
        var (report, seal) = ((GateReport?)null, "");
        void OnAnswer(SealedAnswer answer) => report = answer.Report ?? report;
        var given = GivenConnection.Read(connection);
        if (file is not null) seal = await SealedProcess.RunAsync(order, null, OnAnswer, call.Cancellation);
        else if (given is not null) seal = await SealedProcess.RunAsync(order, to => StreamAsync(to, given, order, call.Cancellation), OnAnswer, call.Cancellation);
        else
            await EmbeddedPostgres.UseAsync(new EmbeddedPostgresOptions { DataFolder = new HostFolder(HostAddress.FolderPath(call.Get(client.Data))).Postgres, Progress = call.Terminal.Note },
                async own => seal = await SealedProcess.RunAsync(order, to => StreamAsync(to, own, order, call.Cancellation), OnAnswer, call.Cancellation), call.Cancellation);

        if (call.Get(client.Json)) call.Terminal.Json(JsonSerializer.Serialize(new { seal, report }, SealedReplay.Json));
        else Tell(call.Terminal, report!, seal);
        return report!.Safe ? ExitCode.Done : report.Types.Any(type => type.OpenBreak + type.ClosedDiffer > 0) ? ExitCode.Differs : ExitCode.CannotReplay;
    }

    private static SealedOrder Narrowed(SealedOrder order, string[] query)
    {
        foreach (var part in query)
            order = part.Split('=', 2) switch
            {
                ["workflow", { Length: > 0 } name] => order with { Workflow = name },
                ["version", { Length: > 0 } version] => order with { Version = version },
                ["status", "open" or "closed" or "completed" or "failed" or "cancelled" or "terminated"] => order with { Status = part["status=".Length..] },
                _ => throw CliException.Usage($"--query knows workflow=, version= and status=open|closed|completed|failed|cancelled|terminated, not '{part}'."),
            };
        return order;
    }

    /// <summary>The histories of a database as the file that the sealed process reads.</summary>
    internal static async Task StreamAsync(Stream to, string connection, SealedOrder order, CancellationToken cancellation)
    {
        await using var store = await PostgresStore.OpenUnchangedAsync(connection, toWrite: false, cancellation);
        using var writer = new HistoryWriter(to, new ExportOptions { ExportedAt = DateTimeOffset.UtcNow });
        await foreach (var run in store.EveryRunAsync(cancellation))
            if (order.Workflow is null || run.Row is null || run.Row.Workflow == order.Workflow) await writer.WriteAsync(run.Run, run.History, cancellation);
        await writer.FinishAsync(cancellation);
    }

    private static void Tell(Terminal terminal, GateReport report, string seal)
    {
        terminal.Table(["workflow", "version", "runs", "safe", "open runs that break", "ended runs that differ", "cannot be replayed"], report.Types.Select(type => (IEnumerable<Cell>)
        [
            type.Workflow, type.Version ?? "", Number(type.Runs), Number(type.Safe), Number(type.OpenBreak), Number(type.ClosedDiffer), Number(type.CannotReplay),
        ]));
        foreach (var type in report.Types)
            foreach (var difference in type.Differences)
            {
                terminal.Line("");
                terminal.Line($"{type.Workflow}{(type.Version is null ? "" : $" {type.Version}")}: {difference.Runs} runs, {difference.Open} of them open, "
                    + (difference.Result is ReplayResult.CannotReplay ? "cannot be replayed" : difference.Step is { } step ? $"break at step {step}" : "break") + $": {string.Join(", ", difference.Examples)}", new Style(Color.Red));
                terminal.Line($"  {difference.Why}");
                Tell(terminal, difference.Changes, difference.Note);
            }
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{report.Runs} runs with {report.Events} events in {report.Seconds:0.0} s, sealed by {seal}: {(report.Safe ? "this build is safe for all of them" : "this build needs patches, or is not for all of them")}"));
    }

    private static string Number(long count) => count.ToString(CultureInfo.InvariantCulture);
}
