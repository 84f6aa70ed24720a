namespace OrleansAiOs.Host.Cli;

/// <summary>What an open run waits for, and who can move it on.</summary>
internal static class Waiting
{
    /// <summary>For a list's cell.</summary>
    public static string Brief(RunDocument run) => run switch
    {
        { ClosedAt: not null } => "",
        { Busy: true } => "its own work",
        _ => Human.Cut(string.Join("; ", run.OpenWaits.Select(Brief))),
    };

    /// <summary>What is waited for, and under it who can do what about it.</summary>
    public static IEnumerable<string> Told(RunDocument run)
    {
        foreach (var wait in run.OpenWaits)
        {
            yield return Brief(wait) + (wait.Since is { } since ? $", since {Human.Time(since)}" : "");
            if (wait.Subject is { } subject) yield return $"    on {subject.GetRawText()}";
            if (wait.Why is { Length: > 0 } why)
                foreach (var line in Terminal.Lines(why)) yield return $"    {line}";
            foreach (var cure in Cures(run, wait)) yield return $"    → {cure}";
        }
    }

    private static string Brief(WaitDocument wait) => wait.Kind switch
    {
        "signature" => $"signature \"{wait.Name}\" by {By(wait)}",
        "approval" => $"approval \"{wait.Name}\" by {By(wait)}",
        "timer" => $"timer until {Human.Time(wait.Until)}",
        "signal" => $"signal {wait.Name}",
        "activity" when wait.Until is { } until => $"activity {wait.Name}, next attempt {Human.Time(until)}",
        "outcome-unknown" => $"word on what became of {wait.Name ?? "a step"}",
        "child" => $"child {wait.Name}",
        "update" => $"update {wait.Name}",
        "resume" => $"resuming: {wait.Name}",
        "unpark" => $"mending: {wait.Name}",
        var kind => $"{kind} {wait.Name}".TrimEnd(),
    };

    private static string By(WaitDocument wait) =>
        $"{wait.Role}{(wait.NotBy is { Count: > 0 } notBy ? $" other than {Human.Names(notBy)}" : "")}{(wait.Until is { } until ? $" before {Human.Time(until)}" : "")}";

    private static string[] Cures(RunDocument run, WaitDocument wait) => wait.Kind switch
    {
        "signature" => [$"whoever holds the role {wait.Role} and a signing key: aios approve {run.Id} {wait.Step}  |  aios reject {run.Id} {wait.Step}"],
        "approval" => [$"whoever holds a key with role {wait.Role}: aios approve {run.Id} {wait.Step}  |  aios reject {run.Id} {wait.Step}"],
        "signal" => [$"aios signal {run.Id} {wait.Name} JSON"],
        "outcome-unknown" when wait.Until is { } until => [$"the receiver is asked again {Human.Time(until)}", Resolve(run, wait)],
        "outcome-unknown" => [Resolve(run, wait)],
        "unpark" => [$"when what is wrong is mended: aios unpark {run.Id}"],
        "update" => [$"aios update {run.Id} {wait.Name} JSON"],
        "resume" => [$"aios resume {run.Id}"],
        _ => [],
    };

    private static string Resolve(RunDocument run, WaitDocument wait) =>
        $"whoever has made sure: aios resolve {run.Id} {wait.Step} --happened RESULT  |  aios resolve {run.Id} {wait.Step} --never";
}
