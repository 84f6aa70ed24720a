using System.CommandLine;
using Spectre.Console;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios show: one run, what it did, what it waits for and who can move it on.</summary>
internal static class ShowCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        return client.Query("show", "Show one run: its summary and its timeline.", id).Does(async call =>
        {
            using var api = client.Connect(call);
            var json = await api.GetAsync(ApiPaths.Run(call.Get(id)), call.Cancellation);
            if (call.Get(client.Json))
            {
                call.Terminal.Json(json);
                return ExitCode.Done;
            }
            var history = await api.GetAsync<PageDocument<EventDocument>>($"{ApiPaths.Run(call.Get(id))}/history", call.Cancellation);
            var run = api.Read<RunDocument>(json);
            Summary(call.Terminal, run);
            call.Terminal.Line("");
            call.Terminal.Table(["at", "step", "what", "outcome", "took", "note"], Timeline.Of(history.Items).Select(Row));
            End(call.Terminal, run);
            return ExitCode.Done;
        });
    }

    private static void Summary(Terminal terminal, RunDocument run)
    {
        terminal.Line($"run         {run.Id}");
        terminal.Line($"workflow    {run.Workflow}{(run.CodeVersion is { } version ? $" (code {version})" : "")}");
        terminal.Line($"status      {run.Status}", Human.StyleOf(run.Status));
        if (run.BusinessKey is { } key) terminal.Line($"case        {key}");
        foreach (var (name, value) in run.Attributes ?? []) terminal.Line($"attribute   {name} = {value}");
        terminal.Line($"started     {Human.Time(run.StartedAt)}{(run.ClosedAt is { } closed ? $", took {Human.Span(closed - run.StartedAt)}" : "")}");
        if (run.ClosedAt is not null) return;
        if (run.Busy) terminal.Line($"works       on host {run.Host}");
        var first = true;
        foreach (var line in Waiting.Told(run))
        {
            terminal.Line($"{(first ? "waits for   " : "            ")}{line}");
            first = false;
        }
    }

    private static IEnumerable<Cell> Row(TimelineEntry entry) =>
    [
        Human.Time(entry.At), entry.Step?.ToString(null, null), Human.Cut(entry.What), new Cell(Human.Cut(entry.Outcome), entry.IsBad ? new Style(Color.Red) : Style.Plain),
        entry.Ended is { } ended ? Human.Span(ended - entry.At) : "", Human.Cut(entry.Note),
    ];

    private static void End(Terminal terminal, RunDocument run)
    {
        if (run.Failure is { } failure) terminal.Line($"failure     {Human.Failure(failure)}", Human.StyleOf("failed"));
        if (run.Reason is { } reason) terminal.Line($"reason      {reason}");
        if (run.Result is not { } result) return;
        terminal.Line("result");
        foreach (var line in Terminal.Lines(Human.Full(result))) terminal.Line($"  {line}");
    }
}
