using System.Text;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// From a first difference to all of them: a lenient replay, an alignment, and a sentence and a patch for each difference. An operation
/// that no history knows is either new or stands for a recorded one (it was renamed, or another was called instead); each such guess is
/// tried, and the one that leaves the least to explain is kept.
/// </summary>
internal static class Diagnosis
{
    private const int GuessesMax = 6;

    public static ReplayVerdict Of(ReplayVerdict verdict, RunKey run, List<(WorkflowEvent Event, DateTimeOffset At)> events, WorkflowType type, WorkflowRegistry registry,
        FirstDifference? first, Patience patience)
    {
        if (first is null) return verdict; // it threw before it asked for anything else
        var hasEnded = events.Exists(e => e.Event is RunClosed);
        HashSet<string> renamed = new(StringComparer.Ordinal);
        var best = Try(renamed);
        var tried = 0;
        foreach (var candidate in best.Replay.Candidates.Order(StringComparer.Ordinal).ToList())
        {
            if (++tried > GuessesMax) break;
            var guess = Try([.. renamed, candidate]);
            if (guess.Cost >= best.Cost) continue;
            best = guess;
            renamed.Add(candidate);
        }

        var writer = new ChangeWriter(best.Replay, best.Pairs, events, new CodeNames(type));
        var changes = writer.Write(first);
        var note = best.Replay.Fault is { } fault
            ? $"Behind the difference the code was shown made-up outcomes and threw {fault.GetType().Name}{(CodePlace.Of(fault) is { } at ? $" at {at}" : "")}; what it would ask for after that is not known."
            : null;
        return verdict with { Changes = changes, Note = note };

        (LenientReplay Replay, List<(RecordedCommand? Recorded, AskedCommand? Asked)> Pairs, double Cost) Try(HashSet<string> names)
        {
            var replay = new LenientReplay(events, names);
            var loaded = WorkflowRun.Load(run, events, Replayer.Sealed(registry, lenient: replay, patience: patience));
            if (hasEnded) replay.End();
            var (pairs, cost) = Alignment.Of(replay.Recorded, [.. replay.Asked.Where(asked => asked.IsReal)]);
            return (replay, pairs, cost + (replay.Fault is null ? 0 : 2) + (hasEnded && !loaded.State.IsClosed ? 1 : 0));
        }
    }

    public static CommandChange ArgumentsChanged(long version, WorkflowEvent recorded, WorkflowEvent asked, CodePlace? at) =>
        new(ChangeKind.Arguments, version, (recorded as StepEvent)?.Step, Body(recorded), Body(asked), at,
            $"{CommandIdentity.Name(recorded)} of event {version} would now be asked for with other arguments{(at is null ? "" : $" at {at}")}: {Body(recorded)} was recorded and is carried out, {Body(asked)} is asked for");

    internal static string Body(WorkflowEvent e)
    {
        var text = Encoding.UTF8.GetString(EventNames.Write(e).Body);
        return text.Length <= 200 ? text : text[..200] + "…";
    }
}
