using System.CommandLine;
using System.Globalization;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios list: runs, and what they wait for.</summary>
internal static class ListCommand
{
    public static Command Create(ClientOptions client)
    {
        var status = new Option<string?>("--status") { Description = "running, parked, paused, completed, failed, cancelled or terminated." };
        status.AcceptOnlyFromAmong("running", "parked", "paused", "completed", "failed", "cancelled", "terminated");
        var workflow = new Option<string?>("--workflow") { Description = "Runs of this workflow only." };
        var businessKey = new Option<string?>("--business-key") { Description = "Runs of this case only.", HelpName = "KEY" };
        var attributes = new Option<string[]>("--attribute") { Description = "Runs with this search attribute only; may be repeated.", HelpName = "NAME=VALUE" };
        var awaitsApproval = new Option<bool>("--awaits-approval") { Description = "Runs that wait for a person's decision only." };
        var from = new Option<DateTimeOffset?>("--started-from") { Description = "Runs started at or after this time (UTC unless it says otherwise).", HelpName = "TIME", CustomParser = Time };
        var before = new Option<DateTimeOffset?>("--started-before") { Description = "Runs started before this time.", HelpName = "TIME", CustomParser = Time };
        var sort = new Option<string?>("--sort") { Description = "newest (default) or oldest first." };
        sort.AcceptOnlyFromAmong("newest", "oldest");
        var limit = new Option<int?>("--limit") { Description = "Runs on one page." };
        var cursor = new Option<string?>("--cursor") { Description = "Go on where the page before ended." };

        return client.Query("list", "List runs.", status, workflow, businessKey, attributes, awaitsApproval, from, before, sort, limit, cursor).Does(async call =>
        {
            var path = ApiPaths.Query(ApiPaths.Runs,
            [
                ("status", call.Get(status)), ("workflow", call.Get(workflow)), ("businessKey", call.Get(businessKey)),
                .. (call.Get(attributes) ?? []).Select(text => ("attribute", (string?)Attribute(text))),
                ("awaitsApproval", call.Get(awaitsApproval) ? "true" : null),
                ("startedFrom", Stamp(call.Get(from))), ("startedBefore", Stamp(call.Get(before))),
                ("sort", call.Get(sort)), ("limit", call.Get(limit)?.ToString(CultureInfo.InvariantCulture)), ("cursor", call.Get(cursor)),
            ]);
            using var api = client.Connect(call);
            var json = await api.GetAsync(path, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else Tell(call.Terminal, api.Read<PageDocument<RunDocument>>(json));
            return ExitCode.Done;
        });
    }

    private static void Tell(Terminal terminal, PageDocument<RunDocument> page)
    {
        if (page.Items.Count == 0) terminal.Note("no runs");
        else
            terminal.Table(["run", "workflow", "status", "business key", "waits for", "started", "closed"], page.Items.Select(run => (IEnumerable<Cell>)
            [
                run.Id, run.Workflow, new Cell(run.Status, Human.StyleOf(run.Status)), run.BusinessKey, Waiting.Brief(run), Human.Time(run.StartedAt), Human.Time(run.ClosedAt),
            ]));
        if (page.Next is { } next) terminal.Note($"more: the same command with --cursor {next}");
    }

    private static string Attribute(string text) => text.Split('=', 2) is [{ Length: > 0 } name, var value]
        ? $"{name}:{value}"
        : throw CliException.Usage($"--attribute is NAME=VALUE; '{text}' is not.");

    internal static string? Stamp(DateTimeOffset? time) => time?.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);

    internal static DateTimeOffset? Time(System.CommandLine.Parsing.ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) return time;
        result.AddError($"'{text}' is not a time. It looks like 2026-01-31 or 2026-01-31T12:00:00Z.");
        return null;
    }
}
