using System.Globalization;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Stepping;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>What there is to say of a replay whose code did not come to rest, or was held.</summary>
internal sealed class Overdue(Patience patience, TimeSpan limit, WorkflowRegistry registry, RunKey run, List<(WorkflowEvent Event, DateTimeOffset At)> events, WorkflowRun loaded)
{
    public static string Text(TimeSpan limit) => $"{limit.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture)} s";

    /// <param name="started">How the run began.</param>
    /// <param name="cameBack">The code could be stopped; else it is still under way, and nothing of it may be read.</param>
    public ReplayVerdict Verdict(RunStarted started, bool cameBack)
    {
        var version = loaded.State.Version;
        var input = Input(version);
        var (why, at) = Why(cameBack, input);
        var verdict = new ReplayVerdict(run, started.Workflow, started.Version, ReplayResult.CannotReplay, events.Count, 0, false, why, input, (events[input - 1].Event as StepEvent)?.Step,
            Changes: [new CommandChange(ChangeKind.Stuck, input, (events[input - 1].Event as StepEvent)?.Step, null, null, at, why)], KeepsThread: !cameBack);
        // It had gone another way before: that is sure, whatever it does behind it.
        return patience.Held is null && cameBack && loaded.FirstDifference is { Asked: not null } first
            ? verdict with { Result = ReplayResult.Different, Why = $"{char.ToUpperInvariant(first.ToString()[0])}{first.ToString()[1..]}.", Note = why }
            : verdict;
    }

    public string Why(bool cameBack) => Why(cameBack, Input(loaded.State.Version)).Text;

    /// <summary>The version of the input that was shown last.</summary>
    private int Input(long version)
    {
        var at = (int)Math.Clamp(version, 1, events.Count);
        while (at > 1 && events[at - 1].Event.IsCommand) at--;
        return at;
    }

    private (string Text, CodePlace? At) Why(bool cameBack, int input)
    {
        var behind = $"behind event {input} ({EventNames.Of(events[input - 1].Event)}{(events[input - 1].Event is StepEvent { Step: var step } ? $", step {step}" : "")})";
        if (patience.Held is { } held) return ($"The workflow's code {held}{At(patience.Place)}, {behind}. Calls belong into activities, which replay does not run.", patience.Place);
        var late = $"The code did not come to rest within {Text(limit)} {behind}:";
        if (patience.Place is { } asking) return ($"{late} it goes on and on at {asking}.", asking);
        if (cameBack && loaded.ReplayFault is ThreadInterruptedException interrupted && CodePlace.Of(interrupted) is { } blocked) return ($"{late} it blocks at {blocked}.", blocked);
        if (cameBack && loaded.Execution is { } code && Leaf(code) is { } yielding) return ($"{late} it goes on and on at {yielding}.", yielding);
        return LastRest(input) is { } rested
            ? ($"{late} it went on from {rested} and neither awaits nor ends. Look for a loop behind that line.", rested)
            : ($"{late} it has not come back since it was started. Look for a loop in front of its first await.", null);
    }

    private static string At(CodePlace? place) => place is null ? "" : $" at {place}";

    private static CodePlace? Leaf(WorkflowExecution code) => CodeState.Read(code).Frames.LastOrDefault(frame => frame.Waits is not null)?.Waits;

    // The line at which it rested before that input: once more to there, where it did come to rest.
    private CodePlace? LastRest(int input)
    {
        if (input == 1) return null;
        var again = new Patience(limit);
        var replay = WorkflowRun.Begin(run, [.. events.Take(input - 1)], Replayer.Sealed(registry, patience: again));
        return ApartThread.Run(again, replay.ReplayAll) && !again.IsOver && replay.Execution is { } code ? Leaf(code) : null;
    }
}
