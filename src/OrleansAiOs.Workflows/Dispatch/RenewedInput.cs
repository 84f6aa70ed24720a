using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>
/// An attempt that waited for its place beyond the dispatch window is about to leave. It is appended once more, and the append is the fence: of a
/// run that was taken over meanwhile it does not leave. It keeps its place while it is appended: given back, every other that waits would be
/// too late for it as well. And it keeps its number, since nothing was sent under it.
/// </summary>
internal sealed class RenewedInput(int step, int attempt, int epoch) : Input
{
    private readonly TaskCompletionSource<(Turn Turn, GateRecord? Gate, EffectIntent? Intent)?> appended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The turn whose append holds it, and what the gate said in it, and is to be asked again; null if the attempt is not to leave any more.</summary>
    public Task<(Turn Turn, GateRecord? Gate, EffectIntent? Intent)?> Appended => appended.Task;

    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.IsHeld || run.State.Find<ActivityStep>(step) is not { CancelAsked: false } activity || !activity.Awaits(attempt, epoch) || activity.Owner != run.Context.HostId)
        {
            turn.Replies.Add(() => appended.TrySetResult(null));
            return;
        }
        run.Record(turn, new AttemptStarted(step, attempt));
        turn.ToDispatch.Remove(step); // it is dispatched already
        turn.Replies.Add(() =>
        {
            try
            {
                appended.TrySetResult(activity.Now is not ActivityStep.Phase.Attempting ? null
                    : (turn, activity.Gate, run.Context.Gate is null ? null : run.IntentOf(activity, attempt, run.State.Now) with { Departure = run.Departure([step]) }));
            }
            catch (Exception e)
            {
                appended.TrySetException(e); // the tool cannot say what it costs
            }
        });
    }

    public override void Fail(Exception exception) => appended.TrySetException(exception);
}
