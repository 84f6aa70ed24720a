using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
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
/// Code that loops for ever or blocks ends its own replay and no other (<see cref="RestWithin"/>).
/// </summary>
public sealed class Replayer
{
    /// <summary>10 seconds: some thousand times what code needs between two inputs.</summary>
    public static readonly TimeSpan DefaultRestWithin = TimeSpan.FromSeconds(10);

    private readonly WorkflowRegistry registry;

    public Replayer(WorkflowRegistry registry) => this.registry = registry;

    /// <summary>Explain differences, not only find the first. A gate over many histories asks for it once a kind.</summary>
    public bool Explain { get; init; } = true;

    /// <summary>Compare the arguments of commands too. Without it <see cref="ReplayVerdict.ByteEqual"/> is false.</summary>
    public bool CompareArguments { get; init; } = true;

    /// <summary>
    /// How long the code may take to come to rest behind one input, or behind the difference when it is explained; more than zero, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>. While a debugger is attached there is no limit.
    /// </summary>
    public TimeSpan RestWithin { get; init; } = DefaultRestWithin;

    /// <summary>
    /// For who watches the process: if the caller is code that is being replayed, or on a thread which that code began, its replay ends with
    /// <paramref name="why"/>, and this never returns: what the code was about to do does not happen.
    /// </summary>
    /// <param name="why">What the code did, as in "reached out of the replay".</param>
    /// <returns>False if no replay is under way here.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool Hold(string why)
    {
        if (Patience.Current?.Hold(why, CodePlace.Beneath(Assembly.GetCallingAssembly())) is not true) return false;
        Patience.KeepThread();
        return true;
    }

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

        var (strict, patience) = (new Strict(CompareArguments), new Patience(RestWithin));
        WorkflowRun loaded;
        try
        {
            loaded = WorkflowRun.Begin(run, events, strict.Context(registry, patience));
            var cameBack = ApartThread.Run(patience, loaded.ReplayAll);
            if (patience.IsOver) return new Overdue(patience, RestWithin, registry, run, events, loaded).Verdict(started, cameBack);
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
        return Explain && !events.Exists(e => e.Event is RunReset) ? Explained(verdict, run, events, type, loaded.FirstDifference) : verdict;
    }

    private ReplayVerdict Explained(ReplayVerdict verdict, RunKey run, List<(WorkflowEvent Event, DateTimeOffset At)> events, WorkflowType type, FirstDifference? first)
    {
        var (explained, patience) = (verdict, new Patience(RestWithin));
        var cameBack = ApartThread.Run(patience, () => explained = Diagnosis.Of(verdict, run, events, type, registry, first, patience));
        if (!patience.IsOver) return explained;
        return verdict with
        {
            KeepsThread = !cameBack,
            Note = $"What differs behind it is not known: there the code {(patience.Held ?? $"did not come to rest within {Overdue.Text(RestWithin)}")}{(patience.Place is { } at ? $" at {at}" : "")}.",
        };
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
    internal static RunContext Sealed(WorkflowRegistry registry, Action<WorkflowEvent, WorkflowEvent>? matched = null, LenientReplay? lenient = null, Action<string>? left = null, Patience? patience = null) => new()
    {
        Registry = registry,
        HostId = "replay",
        Clock = new StoreClock(NoTime.Instance),
        Ids = new IdSource(0),
        IsLiving = _ => true,
        OnForeignWork = _ => left ?? (static _ => { }),
        Matched = matched,
        Lenient = lenient,
        Patience = patience,
    };

    private sealed class Strict(bool compare)
    {
        public List<(WorkflowEvent Recorded, WorkflowEvent Asked)> Changed { get; } = [];

        [SuppressMessage("Style", "IDE0032", Justification = "Written from another thread.")]
        private volatile string? left;

        public string? Left => left;

        public RunContext Context(WorkflowRegistry registry, Patience patience) => Sealed(registry, compare ? Compare : null, null, what => left ??= what, patience);

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
