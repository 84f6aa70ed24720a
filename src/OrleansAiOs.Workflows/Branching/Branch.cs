using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Branching;

/// <summary>
/// A run goes on from an earlier event of its own (reset), or a new run from an event of an old one (fork).
///
/// What is stored. Reset: one input event, RunReset, at the end of the run's stream. The events between the cut (its <c>to</c>) and it are a dead
/// branch: they stay as evidence, their receipts still answer, and neither fold nor code sees them again. Fork: a new stream, written in one
/// append: a copy of the old one up to the cut, times kept, then RunForked. Both events carry what was chosen for every effect beyond the cut.
///
/// The algorithm. The command is planned on the history as it is stored: the cut must be the end of an input's group, so that the code has come
/// to rest there; what is kept must replay with this build; every effect that lies beyond the cut, or that is open at it, must be chosen. The
/// append names the version that was read; a run that went on meanwhile is planned afresh. Behind it the run is read anew:
///
///   compensate   an open step with the number of its effect below zero: the undo that the saga had registered, the last effect's first. Until all
///                are closed, inputs are kept from the code, as while the run is parked. One that fails waits for a person, who resolves it.
///   begin        BranchBegun: the code goes on, and is shown the signals of the dead branch and what else was kept.
///   redo         a step open at the cut is due now, under a key of its own: the count of resets is in the epoch's upper half.
///   reuse        the recorded outcome stands behind BranchBegun as OutcomeReused: at once for a step open at the cut; for any other when the code
///                asks for that activity, with that input, at that step. If it asks for something else the run is parked with both.
///
/// A crash before the append leaves the old branch as it was. A crash behind it leaves steps that are due and a wake-up row that says so, in the
/// same append: whoever loads the run goes on. An outcome of the dead branch that comes late bears an epoch that no step has any more.
/// </summary>
internal static class Branch
{
    /// <summary>Epochs of one reset: its steps count their own redos from here.</summary>
    public const int EpochsPerReset = 1 << 16;

    public const int ResetsMax = 1000;

    /// <summary>The version of each event; a gap in a folded history jumps.</summary>
    public static long[] Versions(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events)
    {
        var versions = new long[events.Count];
        for (var i = 0; i < versions.Length; i++) versions[i] = events[i].Event is LoopResumption resumption ? resumption.Version : i == 0 ? 1 : versions[i - 1] + 1;
        return versions;
    }

    /// <summary>Which events are of the branch the run is on; null if all are.</summary>
    public static bool[]? Live(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events)
    {
        bool[]? live = null;
        for (var i = 0; i < events.Count; i++)
        {
            if (events[i].Event is not RunReset reset) continue;
            if (live is null)
            {
                live = new bool[events.Count];
                Array.Fill(live, true);
            }
            var versions = Versions(events);
            // How it was started stays true, also for one that starts over.
            for (var k = i - 1; k > 0 && versions[k] > reset.To; k--) live[k] = false;
        }
        return live;
    }

    /// <summary>The versions at which a branch can be cut, in order: what stands there is the last of an input's group, and no input that was held back stands before it.</summary>
    public static List<long> Cuts(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events, bool startOver)
    {
        var live = Live(events);
        var own = Enumerable.Range(0, events.Count).Where(i => live?[i] is not false).ToList();
        var cuts = new List<long>();
        if (startOver) cuts.Add(0);
        for (var k = 0; k < own.Count; k++)
        {
            if (k + 1 < own.Count && events[own[k + 1]].Event.IsCommand) continue;
            cuts.Add(own[k] + 1);
        }
        // A held input and the parking that says so belong together.
        foreach (var i in own)
            if (events[i].Event is RunParked { Holds: > 0 and var holds }) cuts.RemoveAll(cut => cut > i - holds && cut <= i);
        // What was copied is the other run's past: its effects bear that run's keys.
        if (Forked(events) is { Index: var forked }) cuts.RemoveAll(cut => cut <= forked);
        return cuts;
    }

    private static (int Index, RunForked Event)? Forked(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events)
    {
        for (var i = events.Count - 1; i > 0; i--)
            if (events[i].Event is RunForked forked) return (i, forked);
        return null;
    }

    /// <summary>
    /// Why a tree cannot be cut here; null if it can. A child that was scheduled behind the cut, or is awaited at it, has a history of its own, and
    /// tells its end once: a parent cut away from it could wait for what will not come, so it is not cut while such a child is in it.
    /// </summary>
    public static string? KinObjection(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events, long cut)
    {
        var live = Live(events);
        var open = new SortedDictionary<int, ChildScheduled>();
        for (var i = 0; i < events.Count; i++)
        {
            if (live?[i] is false) continue;
            if (events[i].Event is ChildScheduled child) open[child.Step] = child;
            if (i < cut && events[i].Event is ChildCompleted or ChildFailed) open.Remove(((StepEvent)events[i].Event).Step);
        }
        return open.Count == 0 ? null
            : $"Behind event {cut}, or open at it, {(open.Count == 1 ? "is a child" : "are children")}: {string.Join(", ", open.Values.Select(child => $"step {child.Step} (run {child.Run} of '{child.Workflow}')"))}. "
                + "A parent is cut only where no child is beyond the cut: cut behind the end of the last of them, or reset or fork the child itself.";
    }

    public static string? Objection(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events, long cut, bool startOver)
    {
        var cuts = Cuts(events, startOver);
        if (cuts.BinarySearch(cut) >= 0) return null;
        if (Forked(events) is { Index: var index, Event: var forked } && cut >= 0 && cut <= index)
            return $"Event {cut} was copied from run {forked.From}; this run has events of its own from {index + 1} on. Fork run {forked.From} at event {cut} instead.";
        if (cut < 0 || cut > events.Count) return $"The history has {events.Count} events; there is no event {cut}.";
        var (before, after) = (cuts.FindLast(c => c < cut), cuts.Find(c => c > cut));
        var why = cut > 0 && Live(events)?[(int)cut - 1] is false ? "is of a branch that an earlier reset left" : "is not the end of what followed an input: the code was in the middle of a turn";
        return $"Event {cut} {why}. The nearest events to cut behind are {(before == 0 && !startOver ? "" : $"{before} ({Name(before)}) and ")}{(after == 0 ? "none later" : $"{after} ({Name(after)})")}.";

        string Name(long version) => version == 0 ? "before the first step" : EventNames.Of(events[(int)version - 1].Event);
    }
}
