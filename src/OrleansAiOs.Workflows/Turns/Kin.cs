using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Turns;

// The inputs that pass between a parent and its children; the protocol stands in Steps/ChildStep.cs.

/// <summary>The child has durably got what it was sent.</summary>
internal sealed class ChildReachedInput(int step, bool cancelled, int epoch) : InnerInput
{
    // What a dead branch had sent says nothing of what the new one has to send.
    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ChildStep>(step) is { UnderWay: true } child && child.CancelAsked == cancelled && child.Epoch == epoch) run.Record(turn, new ChildReached(step, cancelled));
    }
}

/// <summary>The child's run ended, or cannot be. Its sender goes on asking until this is answered.</summary>
/// <param name="step">The step that started the child; it may have had another since, and then this one is of a dead branch.</param>
internal sealed class ChildEndedInput(int step, string child, StepEvent end) : Command<bool>
{
    public override object?[] Parts => [step, child, end];

    public override void Decide(WorkflowRun run, Turn turn)
    {
        if ((Awaiting(run, step) ?? Awaiting(run, -step)) is { } open) run.Record(turn, end with { Step = open.Number });
        Answer(turn, true);
    }

    private ChildStep? Awaiting(WorkflowRun run, int number) => run.State.Find<ChildStep>(number) is { } open && open.Awaits(child) ? open : null;
}

/// <summary>Asks a child how it ended: it may have told that to a branch that is dead, or to a parent that was over. Null while it goes on.</summary>
internal sealed class ChildEndInput(int step) : Command<StepEvent?>
{
    public override object?[] Parts => [step];

    public override bool NeedsCode(WorkflowRun run) => false;

    public override void Decide(WorkflowRun run, Turn turn) => Answer(turn, run.State.Outcome is { } end ? ChildStep.Ended(step, end) : null);
}

/// <summary>A branch that had this run as its child was left, and it is to end. Answers its end as the parent records it; null if that is to come.</summary>
/// <param name="child">As it was scheduled, with how it is to end.</param>
internal sealed class ChildLeftInput(ChildScheduled child, ParentRun parent, string? startedBy, string? version) : Command<StepEvent?>
{
    private readonly string why = $"the branch of its parent {parent.Run} that started it was left by a reset";
    private readonly string by = $"run:{parent.Run}";

    public override object?[] Parts => [child, parent, startedBy, version];

    // One that is not there must not come later.
    public override bool Begins => true;

    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Started is { } started && (run.State.Imported is not null || started.Parent != parent))
        {
            Answer(turn, new ChildFailed(parent.Step, new Failure("NotTheChild", $"Run {run.State.Run} is not its child, and is left alone.")));
            return;
        }
        if (run.State.Started is null)
            run.RecordStillborn(turn, new RunStarted(child.Workflow, child.Input, run.Context.HostId, version, By: startedBy, Parent: parent), new RunTerminated(why, by));
        else if (!run.State.IsClosed && child.OnParentClose is ParentClose.Terminate)
            TerminateInput.End(run, turn, new RunTerminated(why, by));
        else if (run.State is { IsClosed: false, CancelReason: null })
            run.Record(turn, new CancelRequested(why, by));
        // One that goes on to undo what it did tells its end when it has.
        Answer(turn, run.State.Outcome is { } end ? ChildStep.Ended(parent.Step, end) : null);
    }
}

/// <summary>What follows from the run's end has been done.</summary>
/// <param name="end">The version of the end: a run that was reset may have another by now.</param>
internal sealed class SettledInput(long end) : InnerInput
{
    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Unsettled?.Version == end) run.Record(turn, new RunSettled());
    }
}

/// <summary>What follows from a run's end, and is not known to be done.</summary>
/// <param name="Version">The version of the end.</param>
/// <param name="Parent">Who is to be told.</param>
/// <param name="End">What.</param>
/// <param name="Children">Those that were open, and have to be started or told; of dead branches, those that have to end.</param>
internal sealed record Unsettled(long Version, ParentRun? Parent, RunClosed End, IReadOnlyList<ChildStep> Children)
{
    public static Unsettled? After(RunState state, RunClosed end)
    {
        List<ChildStep> children =
        [
            .. state.InOrder<ChildStep>().Where(child => child.Now is not (ChildStep.Phase.Reusing or ChildStep.Phase.Replacing) && (child.MayNotBeThere || child.Scheduled.OnParentClose is not ParentClose.Abandon)),
            // Kept over a cut for code that did not come to ask for them.
            .. state.Reuses.Values.Where(choice => choice.Child is { Stays: true, OnParentClose: not ParentClose.Abandon }).OrderBy(choice => choice.Step).Select(choice => ChildStep.Left(choice, choice.Child!.OnParentClose, state)),
        ];
        return state.Started?.Parent is null && children.Count == 0 ? null : new Unsettled(state.Version, state.Started?.Parent, end, children);
    }
}
