using System.CommandLine;
using System.Text.Json;
using Spectre.Console;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios explain: why a run is where it is, and what may safely be done about it.</summary>
internal static class ExplainCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        return client.Query("explain", "Say why a run is where it is: since when, who can move it on, and with which command.", id).Does(call => client.ShowAsync<ExplanationDocument>(call, $"{ApiPaths.Run(call.Get(id))}/explain", explanation => Tell(call.Terminal, explanation)));
    }

    private static void Tell(Terminal terminal, ExplanationDocument said)
    {
        terminal.Line($"run      {said.Run}{(said.Workflow is null ? "" : $"  ({said.Workflow})")}");
        if (said.Status is { } status) terminal.Line($"status   {status}", Human.StyleOf(status));
        terminal.Line($"as of    {Human.Time(said.AsOf)}");
        foreach (var cause in said.Causes)
        {
            terminal.Line("");
            terminal.Line(cause.Code, new Style(cause.Urgency.ToLowerInvariant() is "host" or "stopped" or "person" or "failing" ? Color.Red : Color.Default, decoration: Decoration.Bold));
            foreach (var line in Wrapped(cause.Says, terminal.Width - 2)) terminal.Line($"  {line}");
            if (cause.Since is { } since) terminal.Line($"  since    {Human.Time(since)} ({Human.Span(said.AsOf - since)})");
            if (cause.Detail is { Length: > 0 } detail)
            {
                var lines = Terminal.Lines(detail).ToList();
                foreach (var line in lines.Take(12)) terminal.Line($"  │ {line}");
                if (lines.Count > 12) terminal.Line($"  │ … {lines.Count - 12} more lines: --json");
            }
            foreach (var unblocker in cause.Unblockers ?? []) terminal.Line($"  waits on {unblocker}");
            foreach (var repair in cause.Repairs ?? [])
            {
                terminal.Line($"  → {repair.Does}:");
                terminal.Line($"      {repair.Command}");
            }
        }
    }

    // A file has no width; on a screen a sentence is broken between words.
    private static IEnumerable<string> Wrapped(string text, int width)
    {
        foreach (var paragraph in Terminal.Lines(text))
        {
            var rest = paragraph;
            while (rest.Length > width && width > 20)
            {
                var cut = rest.LastIndexOf(' ', width);
                if (cut <= 0) break;
                yield return rest[..cut];
                rest = rest[(cut + 1)..];
            }
            yield return rest;
        }
    }

    private sealed record ExplanationDocument(string Run, string? Workflow, string? Status, DateTimeOffset AsOf, List<CauseDocument> Causes);

    private sealed record CauseDocument(string Code, string Says, string Urgency, DateTimeOffset? Since = null, int? Step = null, string? Detail = null, List<string>? Unblockers = null,
        List<RepairDocument>? Repairs = null);

    private sealed record RepairDocument(string Does, string Command);
}

/// <summary>aios retry-now: the pause before a step's next attempt, or before the next inquiry, ends.</summary>
internal static class RetryNowCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var step = new Argument<int>("STEP") { Description = "The step's number." };
        return client.Change("retry-now", "End the pause before a step's next attempt, or before its receiver is asked again.", id, step).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/steps/{call.Get(step)}/retry-now", new { }, $"step {call.Get(step)} of {call.Get(id)} is tried again now"));
    }
}

/// <summary>aios skip: a person gives a step its result.</summary>
internal static class SkipCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var step = new Argument<int>("STEP") { Description = "The step's number." };
        var value = new Option<string>("--value") { Description = "Its result: JSON, @FILE, or - for stdin.", HelpName = "JSON", Required = true };
        var why = new Option<string>("--why") { Description = "Why it may be skipped; kept in the history.", HelpName = "TEXT", Required = true };
        return client.Change("skip", "Give a step that does not get on its result, and let the run go on with it. Not while an attempt is under way.", id, step, value, why).Does(async call =>
        {
            JsonElement given = await JsonArgument.ReadAsync(call.Get(value)!, call.Cancellation);
            return await client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/steps/{call.Get(step)}/skip", new { value = given, why = call.Get(why) },
                $"recorded: step {call.Get(step)} of {call.Get(id)} is skipped");
        });
    }
}
