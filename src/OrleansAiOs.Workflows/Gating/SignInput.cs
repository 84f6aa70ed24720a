using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Gating;

// Somebody decides on an attempt that the gate holds. What is stored: EffectSigned, with the signature as it came; and, once the gate finds
// that enough have signed, AttemptStarted with its answer behind it in the same append. That append is fenced like any other, so a signature
// is used by one attempt of one run, once. The gate checks it again, with everything it binds, just before the attempt is sent: a crash
// between the two leaves an attempt under way whose signatures stand in the history, and are checked by whoever takes it over.

internal sealed class SignInput(int step, bool granted, Decider by, DecisionSignature signature, string? comment, string? key)
    : RunCommand(key, $"sign {step} {granted} {by.Id} {signature.Digest} {comment}")
{
    public override object?[] Parts => [step, granted, by, signature, comment, Key];

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ActivityStep>(step) is not { Now: ActivityStep.Phase.AwaitingSignature, Hold: { } hold } held)
            Refuse(turn, Refusal.Conflict, $"Nothing is held for a signature at step {step} of run {run.State.Run}: it was signed, refused, or its deadline passed. List the approvals anew.");
        else if (run.State.IsHeld || run.Execution?.Declaration(step) is null || run.Context.Gate is null)
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} is {run.State.Status.ToString().ToLowerInvariant()}: let it go on before its step {step} is signed.");
        else if (!string.Equals(signature.Digest, hold.Digest, StringComparison.OrdinalIgnoreCase))
            Refuse(turn, Refusal.Conflict, $"'{hold.Title}' is not what was signed: the signature is over {signature.Digest}, and {hold.Digest} is held. Read it again and sign anew.");
        else if (run.Now >= hold.Expires)
            Refuse(turn, Refusal.Conflict, $"'{hold.Title}' could be signed until {hold.Expires:u}; that is over.");
        else if (held.Signatures.Any(signed => signed.By.Id == by.Id))
            Refuse(turn, Refusal.Conflict, $"{by.Id} has signed '{hold.Title}' already.");
        else
        {
            Answer(turn, Decide(run, turn, held, hold));
        }
    }

    private long Decide(WorkflowRun run, Turn turn, ActivityStep held, HoldTerms hold)
    {
        long? version = null;
        foreach (var e in held.OnSigned(new EffectSigned(step, granted, by, signature, comment is null ? null : Failure.Clean(comment), Key, Body)).ToList())
        {
            var recorded = run.Record(turn, e);
            version ??= recorded;
        }
        if (run.State.Find<ActivityStep>(step) is not { Now: ActivityStep.Phase.AwaitingSignature } still) return version!.Value;
        var answer = run.Judge(() => run.IntentOf(still, still.Attempt, run.Now), run.Now);
        // Not enough yet: what is held stays as it is.
        if (answer.Hold?.Digest != hold.Digest) run.Record(turn, new AttemptStarted(step, still.Attempt, answer));
        return version!.Value;
    }
}
