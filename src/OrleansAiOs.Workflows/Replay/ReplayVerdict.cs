namespace OrleansAiOs.Workflows.Replay;

/// <summary>What a replay found.</summary>
public enum ReplayResult
{
    /// <summary>The code asks for what was recorded: the run goes on with this build, or ended as it would now.</summary>
    Same,

    /// <summary>It asks for something else: a run with this history is parked by this build.</summary>
    Different,

    /// <summary>It cannot be said: the workflow is not in this build, the history cannot be read, or the code reached out of the replay or did not come to rest.</summary>
    CannotReplay,
}

/// <param name="Run">The run whose history was replayed.</param>
/// <param name="Workflow">Its workflow's name.</param>
/// <param name="CodeVersion">The version of the code that started it, if it had one.</param>
/// <param name="Why">In a sentence, when the result is not <see cref="ReplayResult.Same"/>.</param>
/// <param name="BreaksAt">The version of the event at which the difference shows.</param>
/// <param name="BreaksAtStep">The step it shows at, if it is about one.</param>
/// <param name="ByteEqual">Every command asked for is the recorded one byte for byte, arguments included.</param>
/// <param name="Changes">What differs, in order; changed arguments too, which do no harm: a recorded intent is carried out as recorded.</param>
/// <param name="Note">What the reader should know of how this was found.</param>
/// <param name="KeepsThread">The code could not be stopped: it keeps a thread of this process, until that ends.</param>
public sealed record ReplayVerdict(RunKey Run, string Workflow, string? CodeVersion, ReplayResult Result, long Events, int Commands, bool ByteEqual, string? Why = null,
    long? BreaksAt = null, int? BreaksAtStep = null, IReadOnlyList<CommandChange>? Changes = null, string? Note = null, bool KeepsThread = false)
{
    public IReadOnlyList<CommandChange> Changes { get; init; } = Changes ?? [];

    /// <summary>The patches that together make this history replay, each once.</summary>
    public IEnumerable<SuggestedPatch> Patches => Changes.Select(change => change.Patch).OfType<SuggestedPatch>().DistinctBy(patch => (patch.Name, patch.Form, patch.At, patch.Old));
}

public enum ChangeKind
{
    /// <summary>The code asks for something that was not recorded.</summary>
    Inserted,

    /// <summary>The code no longer asks for what was recorded.</summary>
    Removed,

    /// <summary>The code asks for another operation in the same place.</summary>
    Replaced,

    /// <summary>The code asks for it earlier or later than it was recorded.</summary>
    Reordered,

    /// <summary>The same operation with other arguments: harmless.</summary>
    Arguments,

    /// <summary>The code threw.</summary>
    Threw,

    /// <summary>The code did not come to rest, or was held.</summary>
    Stuck,
}

/// <summary>One difference between what was recorded and what the code asks for.</summary>
/// <param name="Version">The recorded event.</param>
/// <param name="Step">The step it was recorded for.</param>
/// <param name="Recorded">What was recorded, for people.</param>
/// <param name="Asked">What the code asks for, for people.</param>
/// <param name="At">The line that asks, or behind which it was asked before.</param>
/// <param name="Text">The difference in a sentence.</param>
public sealed record CommandChange(ChangeKind Kind, long? Version, int? Step, string? Recorded, string? Asked, CodePlace? At, string Text, SuggestedPatch? Patch = null);

/// <summary>How the code of now and the histories of before both keep their way.</summary>
/// <param name="Name">What to hand to <c>Patched</c>.</param>
/// <param name="At">The line to change.</param>
/// <param name="Text">What to write, for people.</param>
/// <param name="Old">What was recorded, as C#: the call for <see cref="PatchForm.Choose"/>, whole statements where it has to be kept; the present name for <see cref="PatchForm.KeepName"/>.</param>
/// <param name="OldAt">The second line of <see cref="PatchForm.Move"/> and <see cref="PatchForm.KeepBetween"/>.</param>
/// <param name="Times">For <see cref="PatchForm.GuardRepeats"/> and <see cref="PatchForm.GuardFirst"/>: so often.</param>
public sealed record SuggestedPatch(string Name, PatchForm Form, CodePlace? At, string Text, string? Old = null, CodePlace? OldAt = null, int Times = 0);

public enum PatchForm
{
    /// <summary><c>if (Patched("name")) { the statement at the line }</c></summary>
    Guard,

    /// <summary>The same, from the n-th time on: the call stands in a loop that now goes round more often, and is left there.</summary>
    GuardRepeats,

    /// <summary>The same, the first n times only: the call now comes earlier in each round of a loop.</summary>
    GuardFirst,

    /// <summary><c>if (!Patched("name")) the old call</c>, behind the statement at the line.</summary>
    KeepBehind,

    /// <summary>The same, in front of the statement at the line.</summary>
    KeepInFront,

    /// <summary>The same, between the line and <see cref="SuggestedPatch.OldAt"/>, and outside of a loop that holds only one of them.</summary>
    KeepBetween,

    /// <summary>The same, in front of the workflow's return.</summary>
    KeepAtEnd,

    /// <summary>The same, as the first of the workflow's statements.</summary>
    KeepAtStart,

    /// <summary><c>Patched("name") ? the call at the line : the old call</c></summary>
    Choose,

    /// <summary>What undoes the saga's step at the line: <c>undo: Patched("name") ? what it is : the old activity</c></summary>
    ChooseUndo,

    /// <summary>The statement at the line under <c>if (Patched("name"))</c>, and once more where it stood, under <c>if (!Patched("name"))</c>.</summary>
    Move,

    /// <summary>Give the activity or the signal its old name back.</summary>
    KeepName,

    /// <summary>A person has to find the place.</summary>
    ByHand,
}
