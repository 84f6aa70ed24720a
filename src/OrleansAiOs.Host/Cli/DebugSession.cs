using System.Globalization;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Stepping;
using Spectre.Console;

namespace OrleansAiOs.Host.Cli;

/// <summary>One person stepping through one run: what they type, and what they are shown.</summary>
internal sealed class DebugSession(Terminal terminal, RunStepper stepper, Func<string, Task<IReadOnlyList<StoredEvent>>> read)
{
    private const string Help = """
        n [K]       the next event, or K on        p [K]   the one before, or K back
        g N         go to event N                  e       to the end
        b KIND      break at events of a kind: an event's name (step-failed), an activity's or a signal's; again takes it away
        c           on to the next break, or the end        r   back to the break before, or the start
        d RUN|FILE  on to the first difference from another run
        l           the events around              w   where the code is, and its variables
        o           operations without an outcome  q   quit
        """;

    private readonly SortedSet<string> breaks = new(StringComparer.Ordinal);

    public RunStepper Stepper => stepper;

    public IReadOnlyCollection<string> Breaks => breaks;

    /// <summary>Does one command, and shows what it led to.</summary>
    /// <returns>False when it was the last.</returns>
    public async Task<bool> DoAsync(string command)
    {
        var (verb, rest) = command.Split(' ', 2, StringSplitOptions.TrimEntries) switch { [var one] => (one, ""), [var one, var two] => (one, two), _ => ("", "") };
        switch (verb)
        {
            case "q": return false;
            case "n": Go(stepper.Version + Number(rest, 1)); break;
            case "p": Go(stepper.Version - Number(rest, 1)); break;
            case "g": Go(Number(rest, null)); break;
            case "e": Go(stepper.Count); break;
            case "c": Go(stepper.Find(breaks) ?? stepper.Count); break;
            case "r": Go(stepper.Find(breaks, backward: true) ?? 1); break;
            case "b" when rest is "": terminal.Line(breaks.Count == 0 ? "no breaks" : $"breaks at {string.Join(", ", breaks)}"); break;
            case "b":
                var added = breaks.Add(rest) || !breaks.Remove(rest);
                terminal.Line($"{(added ? "breaks" : "no longer breaks")} at {rest}");
                break;
            case "d": await DifferAsync(rest); break;
            case "l": Around(); break;
            case "w": Where(stepper.Now); break;
            case "o": Open(stepper.Now); break;
            case "": Tell(); break;
            default:
                foreach (var line in Terminal.Lines(verb is "h" or "?" ? Help : $"'{command}' is no command of the debugger.\n{Help}")) terminal.Line(line);
                break;
        }
        return true;
    }

    public void Tell()
    {
        var now = stepper.Now;
        terminal.Line($"{now.Version.ToString(CultureInfo.InvariantCulture)}/{stepper.Count}  {Human.Time(now.At)}  {now.Text}", new Style(decoration: Decoration.Bold));
        if (now.AskedAt is { } asked) terminal.Line($"  asked for at {asked} ({asked.Method})");
        if (now.Difference is { } difference) foreach (var line in Terminal.Lines(difference)) terminal.Line($"  ! {line}", Human.StyleOf("failed"));
        terminal.Line(now.Line is { } line2 ? $"  the code asks for the next event at {line2}" : now.Frames.Count > 0 ? $"  the code waits at {string.Join(", ", Leaves(now))}" : $"  the run is {now.Status.ToString().ToLowerInvariant()}");
    }

    private void Go(int version)
    {
        stepper.GoTo(version);
        Tell();
    }

    private async Task DifferAsync(string what)
    {
        if (what is "") throw CliException.Usage("d takes a run or a file: d RUN");
        var other = await read(what);
        if (stepper.FirstDifference(other) is not { } found)
        {
            terminal.Line($"from event {stepper.Version} on, {what} went the same way");
            return;
        }
        Go(found.Here);
        terminal.Line(found.Here > stepper.Count ? "  here, the history ends behind this event" : $"  here   {found.Here}  {stepper.Text(found.Here)}");
        terminal.Line(found.There > other.Count ? $"  there, the history of {what} ends behind event {other.Count}" : $"  there  {found.There}  {other[found.There - 1].Type} {Human.Cut(new JsonText(other[found.There - 1].Body).ToString())}");
    }

    private void Around()
    {
        for (var v = Math.Max(1, stepper.Version - 5); v <= Math.Min(stepper.Count, stepper.Version + 5); v++)
            terminal.Line($"{(v == stepper.Version ? "→" : " ")} {v.ToString(CultureInfo.InvariantCulture),6}  {Human.Cut(stepper.Text(v))}");
    }

    private void Where(Moment now)
    {
        foreach (var line in State(now).DefaultIfEmpty("no variables yet: the code is before its first await")) terminal.Line($"  {line}");
    }

    private void Open(Moment now)
    {
        foreach (var line in Pending(now).DefaultIfEmpty("nothing is open")) terminal.Line($"  {line}");
    }

    public static IEnumerable<string> State(Moment now)
    {
        foreach (var field in now.Fields) yield return $"this.{field.Name}: {field.Type} = {field.Value}";
        foreach (var frame in now.Frames)
        {
            yield return $"{frame.Method}{(frame.Waits is { Line: > 0 } waits ? $" awaits at {waits}" : frame.Waits is null ? " runs" : " awaits")}";
            foreach (var local in frame.Locals) yield return $"    {local.Name}: {local.Type} = {local.Value}";
        }
    }

    public static IEnumerable<string> Pending(Moment now)
    {
        foreach (var wait in now.Open)
            yield return $"step {wait.Step} {wait.Kind} {wait.Name}{(wait.Until is { } until ? $" until {Human.Time(until)}" : "")}{(wait.Why is { } why ? $": {why}" : "")}";
        foreach (var signal in now.AwaitedSignals) yield return $"signal {signal}";
    }

    private static IEnumerable<string> Leaves(Moment now) => now.Frames.TakeLast(1).Select(frame => frame.Waits is { Line: > 0 } waits ? $"{waits} ({frame.Method})" : frame.Method);

    private static int Number(string text, int? otherwise) =>
        text is "" && otherwise is { } number ? number
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var given) ? given
        : throw CliException.Usage($"'{text}' is no number of events.");
}

/// <summary>The same on a screen: one page, and keys.</summary>
internal static class DebugScreen
{
    public static async Task RunAsync(DebugSession session, CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            Draw(session);
            var key = Console.ReadKey(intercept: true);
            var command = key.Key switch
            {
                ConsoleKey.RightArrow or ConsoleKey.DownArrow or ConsoleKey.Spacebar => "n",
                ConsoleKey.LeftArrow or ConsoleKey.UpArrow => "p",
                ConsoleKey.PageDown => "n 20",
                ConsoleKey.PageUp => "p 20",
                ConsoleKey.Home => "g 1",
                ConsoleKey.End => "e",
                _ => key.KeyChar switch
                {
                    'g' or 'b' or 'd' => $"{key.KeyChar} {AnsiConsole.Ask<string>(key.KeyChar switch { 'g' => "go to event", 'b' => "break at", _ => "difference from run or file" })}",
                    'n' or 'p' or 'c' or 'r' or 'e' or 'q' => key.KeyChar.ToString(),
                    _ => "",
                },
            };
            try
            {
                if (command is not "" && !await session.DoAsync(command)) return;
            }
            catch (CliException e)
            {
                AnsiConsole.WriteLine(Terminal.Shown(e.Message));
                Console.ReadKey(intercept: true);
            }
        }
    }

    private static void Draw(DebugSession session)
    {
        var (stepper, now) = (session.Stepper, session.Stepper.Now);
        var room = Math.Max(5, (Console.WindowHeight - 12) / 2);
        var events = new Table { Border = TableBorder.None, ShowHeaders = false, Expand = true }.AddColumns("", "", "");
        var first = Math.Max(1, Math.Min(stepper.Version - room / 2, stepper.Count - room + 1));
        for (var v = first; v < first + room && v <= stepper.Count; v++)
            events.AddRow(Row(v == stepper.Version ? "→" : " ", v.ToString(CultureInfo.InvariantCulture), Human.Cut(stepper.Text(v)), v == stepper.Version ? new Style(Color.Black, Color.White) : Style.Plain));
        AnsiConsole.Clear();
        AnsiConsole.Write(new Panel(events) { Header = new PanelHeader($" event {stepper.Version} of {stepper.Count} "), Expand = true });
        AnsiConsole.Write(new Columns(
            new Panel(Lines([.. DebugSession.State(now), now.Line is { } line ? $"asks for the next event at {line}" : ""])) { Header = new PanelHeader(" code "), Expand = true },
            new Panel(Lines([.. DebugSession.Pending(now), .. now.Difference is { } difference ? Terminal.Lines(difference) : []])) { Header = new PanelHeader(" open "), Expand = true }));
        AnsiConsole.WriteLine($"→ next  ← back  g go to  b break{(session.Breaks.Count > 0 ? $" ({string.Join(", ", session.Breaks)})" : "")}  c continue  r back to break  d difference  e end  q quit");
    }

    private static Text[] Row(string mark, string version, string text, Style style) => [new Text(mark, style), new Text(version, style), new Text(Terminal.Shown(text), style)];

    private static Text Lines(IEnumerable<string> lines) => new(string.Join('\n', lines.Where(line => line is not "").Select(Terminal.Shown)));
}
