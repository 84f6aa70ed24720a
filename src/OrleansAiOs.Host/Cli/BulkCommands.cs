using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrleansAiOs.Workflows.Schedules;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios bulk and aios purge: one command to every run that a filter finds. Without --yes it only says how many those are.</summary>
internal static class BulkCommands
{
    public static Command Create(ClientOptions client)
    {
        var action = new Argument<string>("ACTION") { Description = "cancel, terminate, pause, resume, unpark, signal or purge." };
        action.AcceptOnlyFromAmong("cancel", "terminate", "pause", "resume", "unpark", "signal", "purge");
        var reason = new Option<string?>("--reason") { Description = "Why; kept in each history.", HelpName = "TEXT" };
        var signal = new Option<string?>("--signal") { Description = "The signal's name." };
        var value = new Option<string?>("--value") { Description = "The signal's value: JSON, @FILE, or - for stdin. Default: null.", HelpName = "JSON" };
        var filter = new Filter();
        return client.Change("bulk", "Send one command to every run that a filter finds.", [action, reason, signal, value, .. filter.Options]).Does(async call =>
        {
            JsonElement? sent = call.Get(action) == "signal" ? await JsonArgument.ReadAsync(call.Get(value) ?? "null", call.Cancellation) : null;
            return await ActAsync(client, call, filter, new BulkBody(call.Get(action), filter.Read(call, null), call.Get(reason), call.Get(signal), sent));
        });
    }

    public static Command CreatePurge(ClientOptions client)
    {
        var older = new Option<string>("--older") { Description = "Runs that ended longer ago than this: 30d, 12h, …", HelpName = "SPAN", Required = true };
        var filter = new Filter();
        return client.Change("purge", "Delete runs that are over, with all that is kept of them. They do not come back.", [older, .. filter.Options]).Does(call =>
        {
            if (!SpanText.TryParse(call.Get(older)!, out var span)) throw CliException.Usage($"--older is a span such as 30d or 12h; '{call.Get(older)}' is not.");
            return ActAsync(client, call, filter, new BulkBody("purge", filter.Read(call, TimeProvider.System.GetUtcNow() - span)));
        });
    }

    private static async Task<int> ActAsync(ClientOptions client, Invocation call, Filter filter, BulkBody body)
    {
        using var api = client.Connect(call);
        if (!call.Get(filter.Yes))
        {
            var json = await api.CommandAsync(HttpMethod.Post, ApiPaths.Bulk, body with { DryRun = true, Cursor = call.Get(filter.Cursor) }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Line($"{api.Read<BulkDocument>(json).Matched} runs to {body.Action}; nothing was done. The same command with --yes does it.");
            return ExitCode.Done;
        }
        var (done, refused, cursor) = (0, 0, call.Get(filter.Cursor));
        do
        {
            string json;
            try
            {
                json = await api.CommandAsync(HttpMethod.Post, ApiPaths.Bulk, body with { Cursor = cursor }, call.Cancellation);
            }
            catch (CliException e) when (done > 0)
            {
                throw new CliException(e.Code, e.Message, $"{done} runs were done before. To go on, add --cursor {cursor}\n{e.Detail}");
            }
            var page = api.Read<BulkDocument>(json);
            (done, refused, cursor) = (done + page.Done, refused + page.Refused.Count, page.Next);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else
                foreach (var one in page.Refused) call.Terminal.Line($"{one.Id}: {one.Why}");
        }
        while (cursor is not null);
        call.Terminal.Note($"{body.Action}: {done} runs done, {refused} refused");
        return refused == 0 ? ExitCode.Done : ExitCode.Conflict;
    }

    private sealed class Filter
    {
        private readonly Option<string?> status = new("--status") { Description = "Runs in this state only." };
        private readonly Option<string?> workflow = new("--workflow") { Description = "Runs of this workflow only." };
        private readonly Option<string?> businessKey = new("--business-key") { Description = "Runs of this case only.", HelpName = "KEY" };
        private readonly Option<string[]> attributes = new("--attribute") { Description = "Runs with this search attribute only; may be repeated.", HelpName = "NAME=VALUE" };
        private readonly Option<DateTimeOffset?> from = new("--started-from") { Description = "Runs started at or after this time.", HelpName = "TIME", CustomParser = ListCommand.Time };
        private readonly Option<DateTimeOffset?> before = new("--started-before") { Description = "Runs started before this time.", HelpName = "TIME", CustomParser = ListCommand.Time };

        public Option<bool> Yes { get; } = new("--yes") { Description = "Do it, and not only count." };

        public Option<string?> Cursor { get; } = new("--cursor") { Description = "Go on where an interrupted command ended." };

        private readonly Option<bool> dryRun = new("--dry-run") { Description = "Only count; so it is without --yes." };

        public Symbol[] Options => [status, workflow, businessKey, attributes, from, before, Yes, dryRun, Cursor];

        public FilterBody Read(Invocation call, DateTimeOffset? closedBefore)
        {
            if (call.Get(dryRun) && call.Get(Yes)) throw CliException.Usage("--dry-run and --yes exclude each other.");
            Dictionary<string, string>? named = null;
            foreach (var text in call.Get(attributes) ?? [])
                if (text.Split('=', 2) is not [{ Length: > 0 } name, var value] || !(named ??= []).TryAdd(name, value)) throw CliException.Usage($"--attribute is NAME=VALUE, each name once; '{text}' is not.");
            return new FilterBody(call.Get(status), call.Get(workflow), call.Get(businessKey), named, Stamp(call.Get(from)), Stamp(call.Get(before)), Stamp(closedBefore));
        }

        private static string? Stamp(DateTimeOffset? time) => time?.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);
    }

    private sealed record FilterBody(string? Status, string? Workflow, string? BusinessKey, Dictionary<string, string>? Attributes, string? StartedFrom, string? StartedBefore, string? ClosedBefore);

    private sealed record BulkBody(string Action, FilterBody Filter, string? Reason = null, string? Signal = null, JsonElement? Value = null, bool DryRun = false, string? Cursor = null);
}
