using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Steps;

// What a person may do about a step that does not get on by itself. Both are commands with a key, recorded with who asked:
//
//   retry now   RetryAsked ends the pause, and the attempt (or inquiry) that was due at its end stands behind it in the same append.
//   skip        StepSkipped is the step's result. Only while no attempt is under way: an answer that is on its way would find nobody.
//
// A crash before the append leaves the pause as it was; a crash behind it leaves an attempt under way on a dead host, as any other.
// What ActivityStep folds of them stands there.

/// <summary>The pause before a step's next attempt, or before the next inquiry, ends now.</summary>
internal sealed class RetryNowInput(int step, string by, string? key) : RunCommand(key, $"retry-now {step}")
{
    public override object?[] Parts => [step, by, Key];

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ActivityStep>(step) is not { } paused)
            Refuse(turn, Refusal.Conflict, $"Step {step} of run {run.State.Run} is no activity that is open. `aios explain {run.State.Run.Id}` says what the run waits for.");
        else if (run.State.IsHeld || run.Execution?.Declaration(step) is not { } declared)
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} is {run.State.Status.ToString().ToLowerInvariant()}: {(run.State.Parked is null ? "resume" : "unpark")} it before its step {step} is tried again.");
        else if (paused.Now is ActivityStep.Phase.AwaitingPerson)
            Refuse(turn, Refusal.Conflict, $"What became of step {step} of run {run.State.Run} is unknown, and nobody can be asked: it is not tried again until a person resolves it.");
        else if (paused.Now is ActivityStep.Phase.AwaitingSignature)
            Refuse(turn, Refusal.Conflict, $"Step {step} of run {run.State.Run} is held by the gate until it is signed: '{paused.Hold!.Title}', by {paused.Hold.Who}.");
        else if (!run.State.MayAct(paused))
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} was reset and has not gone on from there: what its dead branch did is undone first. Its step {step} is tried as soon as it has.");
        else if (paused.UnderWay)
            Refuse(turn, Refusal.Conflict, $"Step {step} of run {run.State.Run} is in no pause: attempt {paused.Attempt} is under way since {paused.At:u}.");
        else
        {
            Answer(turn, run.Record(turn, new RetryAsked(step, by, Key, Body)));
            foreach (var e in paused.OnDue(declared, run.Now).ToList()) run.Record(turn, e);
        }
    }
}

/// <summary>A person gives a step its result.</summary>
internal sealed class SkipInput(int step, JsonText result, string why, string by, string? key) : RunCommand(key, $"skip {step} {result} {why}")
{
    public override object?[] Parts => [step, result, why, by, Key];

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ActivityStep>(step) is not { } stuck)
            Refuse(turn, Refusal.Conflict, $"Step {step} of run {run.State.Run} is no activity that is open. `aios explain {run.State.Run.Id}` says what the run waits for.");
        else if (stuck.Now is ActivityStep.Phase.Attempting)
            Refuse(turn, Refusal.Conflict, $"Attempt {stuck.Attempt} of step {step} of run {run.State.Run} is under way since {stuck.At:u}: it cannot be skipped until that has ended.");
        // A result that the code cannot read would be in the history for good.
        else if (run.Execution?.Declaration(step) is not { } declared)
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} has no code on this host to read the result of its step {step}. Start a host with the code that fits, and skip it there.");
        else if (declared.Objection(result) is { } objection)
            Refuse(turn, Refusal.Invalid, $"The value given for step {step} of run {run.State.Run} cannot be read as the result of {stuck.Scheduled.Activity}: {objection}");
        else
            Answer(turn, run.Record(turn, new StepSkipped(step, result, Failure.Clean(why), by, Key, Body)));
    }
}
