using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Host.Replaying;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Stepping;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios debug: steps through a run's history, forward and back, with the workflow's code at each event. The world is not touched.</summary>
internal static class DebugCommand
{
    public static Command Create(ClientOptions client)
    {
        var what = new Argument<string>("RUN|FILE") { Description = "A run of the host, or a file: what `aios export` wrote, or what `aios history RUN --json` printed." };
        var packs = new Option<string[]>("--pack") { Description = "A folder with the built pack that holds the workflow.", HelpName = "DIR", AllowMultipleArgumentsPerToken = true };
        var commands = new Option<string?>("--commands") { Description = "What to do, separated by commas, as in 'n,n,b step-failed,c'; then end. Without it: keys on a screen, lines from a pipe.", HelpName = "LIST" };
        var id = new Option<string?>("--run-id") { Description = "Which run of an export, if it holds several; of a printed history, the id of its run (default: the file's name).", HelpName = "ID" };
        var attach = new Option<bool>("--attach") { Description = "Wait for an IDE's debugger, and stop it in the workflow's code at the event --at says." };
        var at = new Option<int>("--at") { Description = "The event to begin at. Default: 1.", HelpName = "EVENT", DefaultValueFactory = _ => 1 };
        var within = ReplayCommand.Within();
        return client.Query("debug", "Step through a run, forward and back, with the code's state at each event. Its code runs sealed off, as in a replay: nothing is called, sent or changed.", what, packs, commands, id, attach, at, within).Does(async call =>
        {
            var (run, history) = await ReadAsync(client, call, call.Get(what), call.Get(id));
            var order = new SealedOrder([.. (call.Get(packs) ?? []).Select(Path.GetFullPath)], BuiltIn: true, File: null, Gate: false, RestWithin: ReplayCommand.Seconds(call.Get(within)), Debug: true,
                AttachAt: call.Get(attach) ? Math.Clamp(call.Get(at), 1, history.Count) : null);
            await using var code = await SealedStepper.StartAsync(order, run, history, call.Cancellation);
            var stepper = Open(run, history, code);
            call.Terminal.Note($"{run.Id}, its code sealed by {code.Seal}");
            if (order.AttachAt is { } stopAt) return await AttachAsync(call, stepper, code, stopAt);
            stepper.GoTo(call.Get(at));
            var session = new DebugSession(call.Terminal, stepper, async other => (await ReadAsync(client, call, other, null)).History);
            if (call.Get(commands) is { } list)
            {
                foreach (var command in list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                    if (!await session.DoAsync(command)) break;
            }
            else if (call.Terminal.IsScreen && !Console.IsInputRedirected) await DebugScreen.RunAsync(session, call.Cancellation);
            else
            {
                session.Tell();
                while (await Console.In.ReadLineAsync(call.Cancellation) is { } line)
                    if (!await session.DoAsync(line.Trim())) break;
            }
            return code.Stuck is null ? ExitCode.Done : ExitCode.CannotReplay;
        });
    }

    private static RunStepper Open(RunKey run, IReadOnlyList<StoredEvent> history, SealedStepper code)
    {
        try
        {
            return new RunStepper(run, history, code.At);
        }
        catch (Exception e) when (e is ArgumentException or UnreadableHistoryException)
        {
            throw new CliException(ExitCode.Invalid, $"The history of {run} cannot be stepped through.", e.Message);
        }
    }

    // The debugger stops on the code's own stack: its variables, its callers and "step over" are the IDE's from there on.
    private static async Task<int> AttachAsync(Invocation call, RunStepper stepper, SealedStepper code, int version)
    {
        call.Terminal.Note($"Attach a debugger to process {code.Process.ToString(CultureInfo.InvariantCulture)}; it will stop at event {version}: {stepper.Text(version)}");
        await code.EndAsync(call.Cancellation);
        return ExitCode.Done;
    }

    private static async Task<(RunKey Run, IReadOnlyList<StoredEvent> History)> ReadAsync(ClientOptions client, Invocation call, string what, string? id)
    {
        if (File.Exists(what))
        {
            if (await ExportedAsync(what, id, call.Cancellation) is { } exported) return exported;
            var name = id ?? Path.GetFileNameWithoutExtension(what);
            if (!RunKey.TryParse(RunKey.DefaultTenant, name, out var run, out var error)) throw CliException.Usage($"'{name}' cannot be the id of the run in {what}: {error} Say which it is with --run-id.");
            return (run, Lines(what, await File.ReadAllLinesAsync(what, call.Cancellation)));
        }
        using var api = client.Connect(call);
        var page = await api.GetAsync<PageDocument<EventDocument>>($"{ApiPaths.Run(what)}/history", call.Cancellation);
        var me = await api.GetAsync<MeDocument>(ApiPaths.Me, call.Cancellation);
        return (new RunKey(me.Tenant, what), [.. page.Items.Select(Stored)]);
    }

    /// <returns>Null if the file is no export.</returns>
    private static async Task<(RunKey, IReadOnlyList<StoredEvent>)?> ExportedAsync(string file, string? id, CancellationToken cancellation)
    {
        await using var content = File.OpenRead(file);
        var start = new byte[ExportFormat.Name.Length + 64];
        if (!Encoding.UTF8.GetString(start.AsSpan(0, await content.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellation))).Contains(ExportFormat.Name, StringComparison.Ordinal)) return null;
        content.Position = 0;
        var found = new List<ExportedRun>();
        try
        {
            await foreach (var lines in new HistoryReader(content).ReadAsync(cancellation))
                if (lines.Parse() is var run && (id is null || run.Run.Id == id) && found.Count < 2) found.Add(run);
        }
        catch (MalformedExportException e)
        {
            throw new CliException(ExitCode.Invalid, $"{file} cannot be read. {e.Message}");
        }
        return found switch
        {
            [] => throw new CliException(ExitCode.NotFound, id is null ? $"{file} holds no run." : $"{file} holds no run '{id}'."),
            [var one] => (one.Run, one.History),
            _ => throw CliException.Usage($"{file} holds several runs, {found[0].Run.Id} and {found[1].Run.Id} among them. Say which with --run-id."),
        };
    }

    private static List<StoredEvent> Lines(string file, string[] lines)
    {
        var history = new List<StoredEvent>(lines.Length);
        for (var i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length == 0) continue;
            try
            {
                history.Add(Stored(JsonSerializer.Deserialize<EventDocument>(lines[i], ApiClient.Json) ?? throw new JsonException("it is null")));
                if (history[^1].Version != history.Count) throw new JsonException($"it is event {history[^1].Version}, and {history.Count} must stand here");
            }
            catch (JsonException e)
            {
                throw new CliException(ExitCode.Invalid, $"{file}, line {i + 1} is not an event as `aios history RUN --json` prints one: {e.Message}");
            }
        }
        return history.Count > 0 ? history : throw new CliException(ExitCode.Invalid, $"{file} holds no event.");
    }

    private static StoredEvent Stored(EventDocument e) => e.Type is null || e.Data.ValueKind is JsonValueKind.Undefined
        ? throw new JsonException("version, type, at and data are expected")
        : new StoredEvent(e.Version, Guid.Empty, e.Type, Encoding.UTF8.GetBytes(e.Data.GetRawText()), e.At);
}
