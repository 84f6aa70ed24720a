using System.CommandLine;
using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios migrate: moves open runs to another version of their code, where they replay on it.</summary>
internal static class MigrateCommand
{
    public static Command Create(ClientOptions client)
    {
        var type = new Option<string>("--type") { Description = "The workflow.", HelpName = "WORKFLOW", Required = true };
        var to = new Option<string>("--to") { Description = "The version to move to; with --undo, the one to move back from.", HelpName = "VERSION", Required = true };
        var from = new Option<string?>("--from") { Description = "Runs on this version only.", HelpName = "VERSION" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Replay and report, and move nothing." };
        var undo = new Option<bool>("--undo") { Description = "Move runs back to the version they came from." };
        var command = client.Change("migrate", "Move open runs to another version of their code: those that replay on it. The rest stay, and are reported with the difference.", type, to, from, dryRun, undo);
        return command.Does(async call =>
        {
            using var api = client.Connect(call);
            var all = new List<MigratedDocument>();
            for (string? cursor = null; ;)
            {
                var json = await api.CommandAsync(HttpMethod.Post, "/api/v1/migrations", new
                {
                    type = call.Get(type), to = call.Get(to), from = call.Get(from), dryRun = call.Get(dryRun), undo = call.Get(undo), cursor,
                }, call.Cancellation);
                var page = api.Read<PageDocument<MigratedDocument>>(json);
                all.AddRange(page.Items);
                if (page.Items.Count > 0 && !call.Get(client.Json)) Tell(call.Terminal, page.Items);
                if ((cursor = page.Next) is null) break;
            }
            var stay = all.Count(run => run.Stays);
            if (call.Get(client.Json)) call.Terminal.Json(JsonSerializer.Serialize(new { items = all }, ApiClient.Json));
            else call.Terminal.Note($"{all.Count - stay} {(call.Get(dryRun) ? "would move" : "moved")}, {stay} stay on their version");
            return stay == 0 ? ExitCode.Done : ExitCode.Failed;
        });
    }

    private static void Tell(Terminal terminal, List<MigratedDocument> runs) => terminal.Table(["run", "from", "to", "result", "why"], runs.Select(run => (IEnumerable<Cell>)
    [
        run.Run, run.From ?? "-", run.To ?? "-", new Cell(run.Result, run.Stays ? Human.StyleOf("failed") : Human.StyleOf("completed")), run.Why,
    ]));
}

internal sealed record MigratedDocument(string Run, string Result, string? From = null, string? To = null, string? Why = null, long? Version = null, JsonElement? Certificate = null)
{
    public bool Stays => Result.ToLowerInvariant() is "pinned" or "busy";
}
