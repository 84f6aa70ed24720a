using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Turns;

// The inputs that pass between a parent and its children; the protocol stands in Steps/ChildStep.cs.

/// <summary>The child has durably got what it was sent.</summary>
internal sealed class ChildReachedInput(int step, bool cancelled) : InnerInput
{
    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ChildStep>(step) is { IsReaching: true } child && child.CancelAsked == cancelled) run.Record(turn, new ChildReached(step, cancelled));
    }
}

/// <summary>The child's run ended, or cannot be. Its sender goes on asking until this is answered.</summary>
internal sealed class ChildEndedInput(int step, string child, StepEvent end) : Command<bool>
{
    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ChildStep>(step) is { } open && open.Scheduled.Run == child) run.Record(turn, end);
        Answer(turn, true);
    }
}

/// <summary>What follows from the run's end has been done.</summary>
internal sealed class SettledInput : InnerInput
{
    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Unsettled is not null) run.Record(turn, new RunSettled());
    }
}

/// <summary>What follows from a run's end, and is not known to be done.</summary>
/// <param name="Parent">Who is to be told.</param>
/// <param name="End">What.</param>
/// <param name="Children">Those that were open, and have to be started or told.</param>
internal sealed record Unsettled(ParentRun? Parent, RunClosed End, IReadOnlyList<ChildStep> Children)
{
    public static Unsettled? After(RunState state, RunClosed end)
    {
        var children = state.InOrder<ChildStep>().Where(child => child.IsReaching || child.Scheduled.OnParentClose is not ParentClose.Abandon).ToList();
        return state.Started?.Parent is null && children.Count == 0 ? null : new Unsettled(state.Started?.Parent, end, children);
    }
}
