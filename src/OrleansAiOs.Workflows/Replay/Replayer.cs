using System.Diagnostics.CodeAnalysis;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Timers;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// Replays a stored history with the workflows of a build, offline: the code runs as it does when a host loads the run, against what was
/// recorded. It reads no clock and no store, and runs no activity. Whether the workflow's code itself reaches out is for the caller to
/// prevent (<c>aios replay</c> runs it in a sealed process).
///
/// <code>
/// strict    the engine's own loading of a run ──► same commands, or the first difference: that is the verdict
/// lenient   only after a difference: the code goes on behind it, and gets what history holds for whatever it asks for
/// aligned   recorded and asked commands side by side ──► what was inserted, removed, reordered, and the patch for each
/// </code>
/// A diagnosis never turns a difference into a match; at worst it explains nothing, and the first difference stands alone.
/// </summary>
public sealed class Replayer
{
    private readonly WorkflowRegistry registry;

    public Replayer(WorkflowRegistry registry) => this.registry = registry;

    /// <summary>Explain differences, not only find the first. A gate over many histories asks for it once a kind.</summary>
    public bool Explain { get; init; } = true;

    /// <summary>Compare the arguments of commands too. Without it <see cref="ReplayVerdict.ByteEqual"/> is false.</summary>
    public bool CompareArguments { get; init; } = true;

    public ReplayVerdict Replay(RunKey run, IReadOnlyList<StoredEvent> history)
    {
        if (history.Count == 0) return Cannot(run, "", null, 0, "The history holds no event.");
        List<(WorkflowEvent Event, DateTimeOffset At)> events;
        try
        {
            events = FoldedHistory.Events(history);
        }
        catch (UnreadableHistoryException e)
        {
            return Cannot(run, "", null, history.Count, e.Message);
        }
        if (events[0].Event is not RunStarted started) return Cannot(run, "", null, history.Count, $"The history begins with a {EventNames.Of(events[0].Event)}, not with a run-started.");
        if (registry.Find(started.Workflow, WorkflowRun.VersionAtEnd(events)) is not { } type)
            return registry.Find(started.Workflow) is not null
                ? Cannot(run, started.Workflow, WorkflowRun.VersionAtEnd(events), history.Count, $"This build holds of '{started.Workflow}': {registry.VersionsForPeople(started.Workflow)}. "
                    + $"The run is on {(WorkflowRun.VersionAtEnd(events) is { } on ? $"version '{on}'" : "the one without a version")}: keep that class in the build, or migrate the run.")
                : Cannot(run, started.Workflow, started.Version, history.Count, $"This build holds no workflow '{started.Workflow}'. It knows: {registry.NamesForPeople}. Name the pack that holds it.");

        var strict = new Strict(CompareArguments);
        WorkflowRun loaded;
        try
        {
            loaded = WorkflowRun.Load(run, events, strict.Context(registry));
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or KeyNotFoundException)
        {
            return Cannot(run, started.Workflow, started.Version, history.Count, $"The history contradicts itself: {e.Message}");
        }
        var verdict = new ReplayVerdict(run, started.Workflow, started.Version, ReplayResult.Same, history.Count, events.Count(e => e.Event.IsCommand),
            CompareArguments && loaded.LoadFault is null && strict.Changed.Count == 0, Changes: strict.Changes(events));
        if (strict.Left is { } left)
            return verdict with { Result = ReplayResult.Different, ByteEqual = false, Why = left, Changes = [new CommandChange(ChangeKind.Threw, null, null, null, null, null, left)] };
        if (loaded.LoadFault is not { } fault) return verdict;
        if (loaded.FirstDifference is null && loaded.ReplayFault is null) return Cannot(run, started.Workflow, started.Version, history.Count, $"{fault.Reason}. {fault.Detail}");

        verdict = verdict with { Result = ReplayResult.Different, ByteEqual = false };
        if (loaded.ReplayFault is { } thrown) verdict = Threw(verdict, thrown, loaded.State.Version);
        else
        {
            var first = loaded.FirstDifference!;
            verdict = verdict with
            {
                Why = $"{char.ToUpperInvariant(first.ToString()[0])}{first.ToString()[1..]}.",
                BreaksAt = first.Recorded is null ? first.Version + 1 : first.Version,
                BreaksAtStep = ((first.Recorded ?? first.Asked) as StepEvent)?.Step,
            };
        }
        // A diagnosis goes on behind the difference, where a reset could cut anywhere: the first difference has to do.
        return Explain && !events.Exists(e => e.Event is RunReset) ? Diagnosis.Of(verdict, run, events, type, registry, loaded.FirstDifference) : verdict;
    }

    private static ReplayVerdict Threw(ReplayVerdict verdict, Exception thrown, long version)
    {
        var at = CodePlace.Of(thrown);
        var text = $"The code threw {thrown.GetType().Name}{(at is null ? "" : $" at {at}")} while the inputs up to event {version} were shown to it: {Failure.Clean(thrown.Message)}";
        return verdict with { Why = text, BreaksAt = version, Changes = [new CommandChange(ChangeKind.Threw, version, null, null, null, at, text)] };
    }

    private static ReplayVerdict Cannot(RunKey run, string workflow, string? version, long events, string why) =>
        new(run, workflow, version, ReplayResult.CannotReplay, events, 0, false, why);

    /// <summary>What a replay needs of a host: nothing that could do anything.</summary>
    internal static RunContext Sealed(WorkflowRegistry registry, Action<WorkflowEvent, WorkflowEvent>? matched = null, LenientReplay? lenient = null, Action<string>? left = null) => new()
    {
        Registry = registry,
        HostId = "replay",
        Clock = new StoreClock(NoTime.Instance),
        Ids = new IdSource(0),
        IsLiving = _ => true,
        OnForeignWork = _ => left ?? (static _ => { }),
        Matched = matched,
        Lenient = lenient,
    };

    private sealed class Strict(bool compare)
    {
        public List<(WorkflowEvent Recorded, WorkflowEvent Asked)> Changed { get; } = [];

        [SuppressMessage("Style", "IDE0032", Justification = "Written from another thread.")]
        private volatile string? left;

        public string? Left => left;

        public RunContext Context(WorkflowRegistry registry) => Sealed(registry, compare ? Compare : null, null, what => left ??= what);

        private void Compare(WorkflowEvent recorded, WorkflowEvent asked)
        {
            if (!CommandIdentity.IsByteEqual(recorded, asked)) Changed.Add((recorded, asked));
        }

        public IReadOnlyList<CommandChange> Changes(List<(WorkflowEvent Event, DateTimeOffset At)> events) =>
        [
            .. Changed.Select(change =>
            {
                var version = events.FindIndex(e => ReferenceEquals(e.Event, change.Recorded)) + 1;
                return Diagnosis.ArgumentsChanged(version, change.Recorded, change.Asked, null);
            }),
        ];
    }

    /// <summary>A replay never asks for the time of day.</summary>
    private sealed class NoTime : TimeProvider
    {
        public static readonly NoTime Instance = new();

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch;

        public override long GetTimestamp() => 0;
    }
}
