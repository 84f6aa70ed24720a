using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

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
///                A child that may not have ended is such a step too: it is cancelled (compensate) or terminated (redo), and its end awaited.
///   begin        BranchBegun: the code goes on, and is shown the signals of the dead branch and what else was kept. A child that stays is asked
///                whether it has ended, for it may have told that to the dead branch; nobody waits for an end that was told already.
///   redo         a step open at the cut is due now, under a key of its own: the count of resets is in the epoch's upper half.
///   reuse        the recorded outcome stands behind BranchBegun as OutcomeReused: at once for a step open at the cut; for any other when the code
///                asks for that activity, with that input, at that step. If it asks for something else the run is parked with both.
///
/// Children are effects too. What became of one is read in its own history when the command is planned, for it may have gone on since the parent
/// heard of it. One that ended gives its recorded outcome (reuse), or another run is started in its place, under an id with the count of resets
/// (redo: child-replaced for a step open at the cut). One that has not ended stays the child of its step (reuse): the default where the cut lies
/// between its start and its end. It may end after it was read and before the append; what is asked at the beginning of the branch finds that.
/// A fork takes over no child: the other tree goes on as it was, so one that has not ended can only be redone. Steps/ChildStep.cs has the rest.
/// A run that is over and whose kin are not known to have been told is not reset until they are: what is on its way is not called back.
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
        // Between a reset and its branch stands what is to be done before the code goes on.
        foreach (var i in own)
            if (events[i].Event is RunReset or RunForked) cuts.RemoveAll(cut => cut > i && cut <= Begun(events, i));
        // What was copied is the other run's past: its effects bear that run's keys.
        if (Forked(events) is { Index: var forked }) cuts.RemoveAll(cut => cut <= forked);
        return cuts;
    }

    private static int Begun(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events, int cut)
    {
        for (var i = cut + 1; i < events.Count; i++)
            if (events[i].Event is BranchBegun) return i;
        return events.Count;
    }

    private static (int Index, RunForked Event)? Forked(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events)
    {
        for (var i = events.Count - 1; i > 0; i--)
            if (events[i].Event is RunForked forked) return (i, forked);
        return null;
    }

    /// <summary>Whether what the code asks for is what was chosen to be reused.</summary>
    public static bool IsFor(EffectChoice choice, StepCommand asked) => asked switch
    {
        StepScheduled call => choice.Child is null && choice.Activity == call.Activity && Same(choice.Input, call.Input),
        ChildScheduled child => choice.Child is not null && choice.Activity == child.Workflow && Same(choice.Input, child.Input),
        _ => false,
    };

    private static bool Same(JsonText a, JsonText b) => CanonicalJson.Write(a).AsSpan().SequenceEqual(CanonicalJson.Write(b));

    public static string? Objection(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events, long cut, bool startOver)
    {
        var cuts = Cuts(events, startOver);
        if (cuts.BinarySearch(cut) >= 0) return null;
        if (Forked(events) is { Index: var index, Event: var forked } && cut >= 0 && cut <= index)
            return $"Event {cut} was copied from run {forked.From}; this run has events of its own from {index + 1} on. Fork run {forked.From} at event {cut} instead.";
        if (cut < 0 || cut > events.Count) return $"The history has {events.Count} events; there is no event {cut}.";
        var (before, after) = (cuts.FindLast(c => c < cut), cuts.Find(c => c > cut));
        var why = cut > 0 && Live(events)?[(int)cut - 1] is false ? "is of a branch that an earlier reset left"
            : cut > 0 && RunState.Of(new RunKey(RunKey.DefaultTenant, "cut"), [.. events.Take((int)cut)]).CutAt is not null ? "stands before the branch of an earlier reset or fork has begun" : "is not the end of what followed an input: the code was in the middle of a turn";
        return $"Event {cut} {why}. The nearest events to cut behind are {(before == 0 && !startOver ? "" : $"{before} ({Name(before)}) and ")}{(after == 0 ? "none later" : $"{after} ({Name(after)})")}.";

        string Name(long version) => version == 0 ? "before the first step" : EventNames.Of(events[(int)version - 1].Event);
    }
}
