using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Gating;

/// <summary>
/// Who joins the chain of a run that others have started: whoever resets or forks it, and whoever tells a schedule what to start from now on.
/// What goes on from there is done for them too: nobody gains a right by steering what another may do.
/// </summary>
internal static class Joiners
{
    /// <param name="e">What somebody did.</param>
    /// <param name="started">Whom the run was started with: of them, none joins by a signal.</param>
    public static IEnumerable<string> Of(WorkflowEvent e, IReadOnlyList<string> started) => e switch
    {
        RunReset { By: { } by } => [by],
        RunForked { By: { } by } => [by],
        // Resets and forks are done in one's own name; this may be done for somebody: "ana (service/crm)".
        SignalReceived { Joins: true, By: { } by } => Links(by).Where(link => !started.Contains(link, StringComparer.Ordinal) && !started.Contains($"user/{link}", StringComparer.Ordinal)),
        _ => [],
    };

    /// <summary>Whom a run was started with.</summary>
    public static IReadOnlyList<string> Started(RunStarted? started) => started?.Chain ?? (started?.By is { } by ? [by] : []);

    /// <summary>What a start has to say of a chain beside who it is by; null if that says it all.</summary>
    public static IReadOnlyList<string>? Beside(string? by, IReadOnlyList<string> chain) => chain is [var only] && only == by ? null : chain;

    /// <summary>The whole chain: those it was started with, and behind them, marked with a '+', whoever joined.</summary>
    public static string[] Chain(IReadOnlyList<string> started, IEnumerable<string> joined) => [.. started, .. joined.Except(started, StringComparer.Ordinal).Select(by => $"+{by}")];

    private static string[] Links(string by) => by.Split([" (", ", ", ")"], StringSplitOptions.RemoveEmptyEntries);
}
