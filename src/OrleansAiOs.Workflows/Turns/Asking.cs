using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Turns;

// What asks the run's code for an answer: queries, which store nothing, and updates.
//
// Stored of an update: update-accepted, an input with its number in the run and the receipt of its command; then update-completed or
// update-failed, the code's commands, with the answer. A refusal by the code's validator stores nothing.
//
// The sender has two answers: that it is recorded (the reply of UpdateInput, after the append), and the outcome, which it asks for
// (UpdateOutcomeInput) now and whenever the host says that an update of this run ended. So nobody who waits is part of any state: a
// crash between acceptance and outcome loses the waiting, not the update; the same command with the same key finds it again. A run that
// ends with updates open answers them with a conflict.

/// <summary>Reads what the run's code says of itself. It is taken in a turn of its own, which appends nothing.</summary>
internal sealed class QueryInput(string query, JsonText? input) : Command<JsonText>
{
    public override object?[] Parts => [query, input];

    public override bool NeedsCode(WorkflowRun run) => false; // a question is not to leave a trace

    public override bool Alone => true;

    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.Execution is not { } code)
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} cannot be asked: {run.LoadFault?.Reason ?? "its code is not there"}. {run.LoadFault?.Detail}");
            return;
        }
        if (!code.Queries.Knows(query))
        {
            Refuse(turn, Refusal.NotFound, $"Run {run.State.Run} ('{run.State.Started!.Workflow}') answers no query '{query}' at this point. It answers: {code.Queries.NamesForPeople}.");
            return;
        }
        var answer = code.Queries.Ask(query, input);
        if (answer.Thrown is QueryArgumentException objection) Refuse(turn, Refusal.Invalid, $"The query '{query}' of run {run.State.Run} is refused: {Failure.Clean(objection.Message)}");
        else if (answer.Thrown is { } thrown) Refuse(turn, Refusal.Conflict, $"The query '{query}' of run {run.State.Run} broke: {Failure.Clean(thrown.Message)}");
        else Answer(turn, answer.Value);
    }
}

/// <summary>Asks the run's code to do something and to answer. The reply is the version that holds it; see <see cref="UpdateOutcomeInput"/>.</summary>
/// <param name="workflow">What the run has to be a run of; null where any will do.</param>
internal sealed class UpdateInput(string update, JsonText input, string by, string? key, string? workflow = null) : RunCommand(key, $"update {update} {input}")
{
    // Hosts of a build before entities know the first four.
    public override object?[] Parts => workflow is null ? [update, input, by, Key] : [update, input, by, Key, workflow];

    private const int UpdatesMax = 10_000;

    public override bool Alone => true;

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        var state = run.State;
        if (workflow is not null && state.Started!.Workflow != workflow)
            Refuse(turn, Refusal.Conflict, $"Run {state.Run} is a '{state.Started.Workflow}', not a '{workflow}'. Ids are unique over all workflows of a tenant: choose another.");
        else if (state.IsHeld || run.Execution is not { } code)
            Refuse(turn, new CommandRefusedException(Refusal.Conflict, $"Run {state.Run} is {state.Status.ToString().ToLowerInvariant()}: its code can accept no update until it goes on.", TimeSpan.FromSeconds(10)));
        else if (!code.Updates.Knows(update))
            Refuse(turn, Refusal.NotFound, $"Run {state.Run} ('{state.Started!.Workflow}') takes no update '{update}' at this point. It takes: {Names(code.Updates.Names)}.");
        else if (state.Updates.Count >= UpdatesMax && state.Updates.Values.Count(accepted => accepted.At > run.Now - CheckpointedLoop.ReceiptsFor) >= UpdatesMax)
            Refuse(turn, new CommandRefusedException(Refusal.Conflict, $"Run {state.Run} has taken {UpdatesMax} updates in {CheckpointedLoop.ReceiptsFor.Days} days, the most one run does: it keeps their answers for so long. Spread what it does over several.", TimeSpan.FromMinutes(10)));
        else
        {
            string? objection = null;
            var read = code.Queries.Read($"the validator of update '{update}'", () =>
            {
                objection = code.Updates.Objection(update, input);
                return default;
            });
            if (read.Thrown is { } thrown) Refuse(turn, Refusal.Conflict, $"The validator of update '{update}' of run {state.Run} broke: {Failure.Clean(thrown.Message)}");
            else if (objection is not null) Refuse(turn, Refusal.Invalid, $"Update '{update}' of run {state.Run} is refused: {Failure.Clean(objection)}");
            else Answer(turn, run.Record(turn, new UpdateAccepted(state.UpdatesAccepted + 1, update, input, by, Key, Body)));
        }
    }

    private static string Names(IEnumerable<string> names) => string.Join(", ", names) is { Length: > 0 } list ? list : "none";
}

/// <summary>What became of the update that a version of the history accepted; null while it is under way.</summary>
internal sealed class UpdateOutcomeInput(long accepted) : Command<UpdateOutcome>
{
    public override object?[] Parts => [accepted];

    public override void Decide(WorkflowRun run, Turn turn)
    {
        var isLeft = false;
        if (run.State.Updates.Values.FirstOrDefault(update => update.Version == accepted) is not { } update && !(isLeft = (update = run.State.LeftUpdates.FirstOrDefault(update => update.Version == accepted)) is not null))
            Refuse(turn, Refusal.Conflict, $"Version {accepted} of run {run.State.Run} is no update: its idempotency key was used for another command.");
        else if (update!.Outcome is null && isLeft)
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} was reset before it answered the update '{update.Name}'. Send it again under a new key.");
        else if (update.Outcome is null && run.State.IsClosed)
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} ended ({run.State.Status.ToString().ToLowerInvariant()}) before it answered the update '{update.Name}'.");
        else if (update.Outcome is { } outcome) AnswerAsRecorded(turn, new UpdateOutcome(accepted, IsOver: true, (outcome as UpdateCompleted)?.Answer, (outcome as UpdateFailed)?.Failure));
        else Answer(turn, new UpdateOutcome(accepted, IsOver: false, null, null));
    }
}

/// <summary>An update of a run, as its history tells it.</summary>
internal sealed class UpdateState(int number, string name, long version, DateTimeOffset at)
{
    public UpdateState(KeptUpdate kept) : this(kept.Update, kept.Name, kept.Version, kept.At) =>
        Outcome = kept.Failure is { } failure ? new UpdateFailed(kept.Update, failure) : new UpdateCompleted(kept.Update, kept.Answer ?? default);

    private readonly int number = number;

    public string Name => name;

    public long Version => version;

    public WorkflowEvent? Outcome { get; private set; }

    /// <summary>When it was accepted; once it is over, when that was: its answer is kept from then on.</summary>
    public DateTimeOffset At { get; private set; } = at;

    /// <summary>For a checkpoint, before which no update is open.</summary>
    public KeptUpdate Keep() => new(number, name, version, At, (Outcome as UpdateCompleted)?.Answer, (Outcome as UpdateFailed)?.Failure);

    private void End(WorkflowEvent how, DateTimeOffset when) => (Outcome, At) = (how, when);

    /// <summary>An event of a dead branch, in which numbers may come twice.</summary>
    public static void Leave(List<UpdateState> left, RunState state, WorkflowEvent e)
    {
        if (e is UpdateAccepted accepted) left.Add(new UpdateState(accepted.Update, accepted.Name, state.Version, state.Now));
        else if (left.FindLast(update => update.number == (e as UpdateCompleted)?.Update || update.number == (e as UpdateFailed)?.Update) is { } ended) ended.Outcome ??= e;
    }

    public static bool Fold(RunState state, WorkflowEvent e)
    {
        switch (e)
        {
            case UpdateAccepted accepted:
                state.UpdatesAccepted = accepted.Update;
                state.Updates.Add(accepted.Update, new UpdateState(accepted.Update, accepted.Name, state.Version, state.Now));
                state.Keep(accepted.Key, accepted.Body);
                return true;
            case UpdateCompleted completed:
                state.Updates[completed.Update].End(completed, state.Now);
                return true;
            case UpdateFailed failed:
                state.Updates[failed.Update].End(failed, state.Now);
                return true;
            default:
                return false;
        }
    }
}
