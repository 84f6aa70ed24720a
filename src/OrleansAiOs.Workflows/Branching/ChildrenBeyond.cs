using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Branching;

/// <summary>What became of a child that lies beyond a cut, or is awaited at it, and what can become of it now.</summary>
internal static class ChildrenBeyond
{
    /// <param name="recorded">How it ended, as the parent has it; null if it has not heard.</param>
    /// <param name="isFork">The tree is another's, and is left alone.</param>
    /// <exception cref="CommandRefusedException">Its history cannot be read.</exception>
    public static async Task<EffectBeyond> DescribeAsync(IRunStore store, WorkflowRun parent, ChildScheduled child, bool mayNotBeThere, WorkflowEvent? recorded, bool openAtCut, bool isFork)
    {
        var (isThere, end) = await LookAsync(store, new RunKey(parent.State.Run.Tenant, child.Run), new ParentRun(parent.State.Run.Id, child.Step));
        // To a fork of this parent, one that was reset since is still what the parent was told.
        if (isThere && (end is not null || !isFork)) recorded = end is null ? null : ChildStep.Ended(child.Step, end);
        var (result, failure) = recorded switch
        {
            ChildCompleted completed => ((JsonText?)completed.Result, (Failure?)null),
            ChildFailed failed => (null, failed.Failure),
            OutcomeReused { Failure: { } reused } => (null, reused),
            OutcomeReused reused => (reused.Result, null),
            _ => (null, null),
        };
        var hasEnded = result is not null || failure is not null;
        // One that is over started all that it had scheduled.
        var goesOn = !hasEnded && (isThere || mayNotBeThere && !parent.State.IsClosed);
        EffectAction[] canBe = hasEnded ? [EffectAction.Reuse, EffectAction.Redo] : goesOn && !isFork ? [EffectAction.Reuse, EffectAction.Redo, EffectAction.Compensate] : [EffectAction.Redo];
        var outcome = result is not null ? "completed" : failure is not null ? "failed" : isThere ? "under way" : goesOn ? "not started yet" : "gone";
        return new EffectBeyond(child.Step, child.Workflow, Effect.Keyed, child.Run, openAtCut, outcome, result, failure, null, canBe,
            openAtCut && canBe[0] is EffectAction.Reuse ? EffectAction.Reuse : null, child.Run)
        {
            Input = child.Input,
            OnParentClose = child.OnParentClose,
            GoesOn = goesOn,
            IsFork = isFork,
        };
    }

    // In its own history: it may have been reset since the parent heard of its end, or have ended when the parent was over.
    private static async Task<(bool IsThere, RunClosed? End)> LookAsync(IRunStore store, RunKey child, ParentRun parent)
    {
        var history = await store.LoadAsync(child, CancellationToken.None);
        if (history.Count == 0) return default;
        try
        {
            var state = RunState.Of(child, FoldedHistory.Events(history));
            return state.Imported is null && state.Started?.Parent == parent ? (true, state.Outcome) : default;
        }
        catch (UnreadableHistoryException e)
        {
            throw new CommandRefusedException(Refusal.Conflict, $"What became of the child run {child} of step {parent.Step} cannot be read: {e.Message}");
        }
    }

    /// <summary>What the history holds of the choice.</summary>
    public static EffectChoice Chosen(EffectBeyond child, EffectAction action)
    {
        var hasEnded = child.Result is not null || child.Failure is not null;
        ParentClose? ends = !child.GoesOn || child.IsFork ? null : action switch
        {
            EffectAction.Redo => ParentClose.Terminate,
            EffectAction.Compensate => ParentClose.RequestCancel,
            _ => null,
        };
        var choice = new EffectChoice(child.Step, child.Activity, child.Effect, action, child.Key, child.Input, Child: new ChildChoice(child.Child!, child.OnParentClose, action is EffectAction.Reuse && !hasEnded, ends));
        return action is EffectAction.Reuse && hasEnded ? choice with { Result = child.Result ?? default, Failure = child.Failure } : choice;
    }

    public static string Told(EffectBeyond child) => $"step {child.Step} child run {child.Child} of '{child.Activity}' ({child.Outcome}{(child.OpenAtCut ? ", awaited at the cut" : "")}): "
        + string.Join(" or ", child.CanBe.Select(action => $"{EffectsBeyond.Word(action)} ({Meaning(child, action)})"));

    private static string Meaning(EffectBeyond child, EffectAction action) => action switch
    {
        EffectAction.Reuse when child.GoesOn => "it stays the child",
        EffectAction.Reuse => "its outcome is taken",
        EffectAction.Compensate => "it is cancelled and undoes what it did, and another run is started",
        _ when child.GoesOn && !child.IsFork => "it is terminated, and another run started",
        _ => "another run is started",
    };

    public static string WhyNot(EffectBeyond child, EffectAction action) => (action, child) switch
    {
        (EffectAction.Reuse, { GoesOn: false }) => "it has no recorded outcome, and is not there any more",
        (_, { IsFork: true, GoesOn: true }) => "it has not ended, and a fork leaves the other tree alone: wait for its end, or redo it",
        (_, { IsFork: true }) => "a fork leaves the other tree alone",
        _ => "it has ended; what it did can be undone only by itself: reset that run",
    };
}
