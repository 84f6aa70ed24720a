using System.Diagnostics;
using System.Text.RegularExpressions;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Host.Replaying;

/// <summary>What a build would do to the runs there are.</summary>
/// <param name="Safe">Every history replays.</param>
internal sealed record GateReport(bool Safe, long Runs, long Events, double Seconds, IReadOnlyList<GateType> Types);

/// <param name="Version">Of the code that started the runs.</param>
/// <param name="OpenBreak">Open runs that would be parked.</param>
/// <param name="ClosedDiffer">Ended runs that the code of now would have gone through otherwise.</param>
internal sealed record GateType(string Workflow, string? Version, long Runs, long Safe, long OpenBreak, long ClosedDiffer, long CannotReplay, long OtherArguments, IReadOnlyList<GateDifference> Differences);

/// <summary>Runs that differ in the same way.</summary>
/// <param name="Why">The first of them, in its own words.</param>
/// <param name="Step">Where it shows; null if at different steps.</param>
/// <param name="Examples">Some of the runs.</param>
/// <param name="Changes">What differs in the first of them, with the patches that would make it replay.</param>
internal sealed record GateDifference(ReplayResult Result, string Why, int? Step, long Runs, long Open, IReadOnlyList<string> Examples, IReadOnlyList<CommandChange> Changes, string? Note);

/// <summary>
/// Counts verdicts by type, version and difference. Of each difference one run is explained: the others are like it. Code that does not come
/// to rest costs the others its time, and perhaps a thread that then runs beside theirs: after a few of a type and version its other runs
/// are counted and not replayed.
/// </summary>
internal sealed partial class Gate(WorkflowRegistry registry, TimeSpan restWithin)
{
    private const int ExamplesMax = 3;
    private const int DifferencesMax = 50;
    private const int StuckMax = 3;

    private readonly Replayer quick = new(registry) { Explain = false, RestWithin = restWithin };
    private readonly Replayer thorough = new(registry) { RestWithin = restWithin };
    private readonly Dictionary<(string Workflow, string Version), int> stuck = [];
    private readonly Lock sync = new();
    private readonly SortedDictionary<(string Workflow, string Version), Counts> types = new(Comparer<(string Workflow, string Version)>.Create((a, b) =>
        string.CompareOrdinal(a.Workflow, b.Workflow) is not 0 and var byName ? byName : string.CompareOrdinal(a.Version, b.Version)));
    private readonly long started = Stopwatch.GetTimestamp();
    private long runs, events;

    public void Replay(ExportedRun run)
    {
        var verdict = Hopeless(run) ?? Replay(quick, run);
        var isOpen = run.History.LastOrDefault(e => e.Type is not "run-imported")?.Type is not ("run-completed" or "run-failed" or "run-cancelled" or "run-terminated");
        Difference? first = null;
        lock (sync)
        {
            runs++;
            events += run.History.Count;
            var key = (run.Workflow, verdict.CodeVersion ?? "");
            if (verdict.Changes.Any(change => change.Kind is ChangeKind.Stuck)) stuck[key] = stuck.GetValueOrDefault(key) + 1;
            if (!types.TryGetValue(key, out var counts)) types.Add(key, counts = new Counts());
            counts.Runs++;
            switch (verdict.Result)
            {
                case ReplayResult.Same:
                    counts.Safe++;
                    if (verdict.Changes.Count > 0) counts.OtherArguments++;
                    return;
                case ReplayResult.CannotReplay:
                    counts.Cannot++;
                    break;
                default:
                    if (isOpen) counts.OpenBreak++;
                    else counts.ClosedDiffer++;
                    break;
            }
            var kind = Kind(verdict);
            if (!counts.Differences.TryGetValue(kind, out var difference))
            {
                if (counts.Differences.Count == DifferencesMax) kind = "others";
                if (!counts.Differences.TryGetValue(kind, out difference)) counts.Differences.Add(kind, first = difference = new Difference(verdict));
            }
            difference.Runs++;
            if (isOpen) difference.Open++;
            if (difference.Step != verdict.BreaksAtStep) difference.Step = null;
            if (difference.Examples.Count < ExamplesMax) difference.Examples.Add(run.Run.Id);
        }
        if (first is not null && verdict.Result is ReplayResult.Different) first.Explained = Replay(thorough, run);
    }

    public GateReport Report()
    {
        lock (sync)
        {
            var list = types.Select(type => new GateType(type.Key.Workflow, type.Key.Version == "" ? null : type.Key.Version, type.Value.Runs, type.Value.Safe, type.Value.OpenBreak, type.Value.ClosedDiffer,
                type.Value.Cannot, type.Value.OtherArguments,
                [
                    .. type.Value.Differences.Values.OrderByDescending(d => d.Runs).Select(d =>
                        new GateDifference(d.First.Result, d.First.Why ?? "", d.Step, d.Runs, d.Open, d.Examples, d.Explained?.Changes ?? d.First.Changes, d.Explained?.Note)),
                ])).ToList();
            return new GateReport(list.TrueForAll(type => type.Safe == type.Runs), runs, events, Stopwatch.GetElapsedTime(started).TotalSeconds, list);
        }
    }

    /// <summary>A difference in a history that was redacted may come from that.</summary>
    public static ReplayVerdict Replay(Replayer replayer, ExportedRun run)
    {
        var verdict = replayer.Replay(run.Run, run.History);
        return run.Redacted == 0 || verdict.Result is ReplayResult.Same ? verdict
            : verdict with { Note = $"{run.Redacted} values of this history were redacted when it was exported: the difference may come from that. {verdict.Note}".TrimEnd() };
    }

    private ReplayVerdict? Hopeless(ExportedRun run)
    {
        lock (sync)
        {
            if (stuck.Count == 0) return null;
            var version = (run.History[0].Read() as RunStarted)?.Version;
            return stuck.GetValueOrDefault((run.Workflow, version ?? "")) is >= StuckMax and var seen
                ? new ReplayVerdict(run.Run, run.Workflow, version, ReplayResult.CannotReplay, run.History.Count, 0, false,
                    $"Not replayed: the code of {seen} runs of this type and version left the replay or did not come to rest. Mend that first.")
                : null;
        }
    }

    // The same difference in another run has other numbers in it.
    private static string Kind(ReplayVerdict verdict) => $"{verdict.Result} {Numbers().Replace(verdict.Why ?? "", "#")}";

    [GeneratedRegex(@"\b\d+\b", RegexOptions.NonBacktracking)]
    private static partial Regex Numbers();

    private sealed class Counts
    {
        public long Runs, Safe, OpenBreak, ClosedDiffer, Cannot, OtherArguments;

        public Dictionary<string, Difference> Differences { get; } = new(StringComparer.Ordinal);
    }

    private sealed class Difference(ReplayVerdict first)
    {
        public ReplayVerdict First => first;

        public ReplayVerdict? Explained { get; set; }

        public int? Step { get; set; } = first.BreaksAtStep;

        public long Runs { get; set; }

        public long Open { get; set; }

        public List<string> Examples { get; } = [];
    }
}
