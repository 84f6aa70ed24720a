using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Workflows.Dispatch;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Schedules;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Turns;

/// <summary>Something that reaches a run from outside. It decides on the run's state, records events or refuses, and says when its sender gets an answer.</summary>
internal abstract class Input
{
    /// <summary>May be called again, on a freshly loaded run, when the append of the turn lost.</summary>
    public abstract void Decide(WorkflowRun run, Turn turn);

    /// <summary>It runs code that may only read, and if that did more the activation is spent: no other input shares its turn.</summary>
    public virtual bool Alone => false;

    /// <summary>It could not be decided at all: the run is not there, or the host goes down.</summary>
    public abstract void Fail(Exception exception);

    /// <summary>Whether the run has to act on it: if its code cannot, it is parked. What asks nothing of the code leaves the run as it is.</summary>
    public virtual bool NeedsCode(WorkflowRun run) => true;

    /// <summary>It makes a run that is not there.</summary>
    public virtual bool Begins => false;

    /// <summary>Its event changes how the history before it is read: it has a turn of its own.</summary>
    public virtual bool Rereads => false;

    /// <summary>
    /// For one that may be decided on another host: the arguments of its constructor, in their order. Null for what an attempt or the code on
    /// this very host came to: that is decided here, wherever the run is, and the fence of the append says whether it may.
    /// </summary>
    public virtual object?[]? Parts => null;

    /// <summary>Sent twice, it is done once.</summary>
    public virtual bool IsRepeatable => true;

    /// <summary>The answer, for who carries it to another host.</summary>
    public virtual Task<object?> Answered => Task.FromResult<object?>(null);

    /// <summary>The answer came from another host.</summary>
    public virtual void Relay(object? answer)
    {
    }
}

/// <summary>An input somebody waits for an answer to.</summary>
internal abstract class Command<TReply> : Input
{
    private readonly TaskCompletionSource<TReply> reply = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<TReply> Reply => reply.Task;

    public override void Fail(Exception exception) => reply.TrySetException(exception);

    public abstract override object?[] Parts { get; }

    public override Task<object?> Answered => AnsweredAsync();

    public override void Relay(object? answer) => reply.TrySetResult((TReply)answer!);

    private async Task<object?> AnsweredAsync() => await Reply;

    protected void Answer(Turn turn, TReply answer) => turn.Replies.Add(() => reply.TrySetResult(answer));

    /// <summary>The same of an answer that stands in the run's history.</summary>
    protected void AnswerAsRecorded(Turn turn, TReply answer)
    {
        turn.Known++;
        Answer(turn, answer);
    }

    protected void Refuse(Turn turn, Refusal refusal, string message) => Refuse(turn, new CommandRefusedException(refusal, message));

    protected void Refuse(Turn turn, Exception refusal) => turn.Replies.Add(() => reply.TrySetException(refusal));
}

internal sealed class StartInput(StartRun command, string? by, WorkflowType type, ParentRun? parent = null) : Command<Started>
{
    public override object?[] Parts => [command, by, type, parent];

    public override bool Begins => true;

    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Started is not { } first)
        {
            run.Record(turn, new RunStarted(type.Name, command.Input, run.Context.HostId, type.Version, command.BusinessKey, by, command.Attributes, command.Priority is 0 ? null : command.Priority, parent, Chain: command.Chain));
            Answer(turn, new Started(run.State.Run, IsNew: true));
        }
        else if (run.State.Imported is not null)
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} exists already: it was imported from another installation, and does not go on here. Choose another id.");
        }
        else if (Difference(first) is { } difference)
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} exists already, {difference}. Choose another id, or send what it was started with.");
        }
        else
        {
            Answer(turn, new Started(run.State.Run, IsNew: false));
        }
    }

    // What is not said the second time is not asked for.
    private string? Difference(RunStarted first) =>
        first.Workflow != type.Name ? $"as a '{first.Workflow}'"
        : command.IfAbsent ? null
        : command.Version is not null && command.Version != first.Version ? $"on {(first.Version is null ? "no version" : $"version '{first.Version}'")} of the code"
        : parent is not null && first.Parent != parent ? first.Parent is { } other ? $"as the child of step {other.Step} of run {other.Run}" : "without a parent"
        : !CanonicalJson.Write(first.Input).AsSpan().SequenceEqual(CanonicalJson.Write(command.Input)) ? "with another input"
        : command.BusinessKey is not null && command.BusinessKey != first.BusinessKey ? $"with {(first.BusinessKey is null ? "no business key" : $"the business key '{first.BusinessKey}'")}"
        : command.Attributes?.FirstOrDefault(a => first.Attributes?.GetValueOrDefault(a.Key) != a.Value) is { Key: { } name } ? $"with another attribute '{name}'"
        : null;
}

/// <summary>A command to a run that exists, with a key under which its answer is kept in the run's history.</summary>
internal abstract class RunCommand(string? key, string body) : Command<long>
{
    private readonly string digest = key is null ? "" : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body))[..16]);

    protected string? Key => key;

    protected string? Body => key is null ? null : digest;

    public override bool IsRepeatable => key is not null;

    public sealed override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.ReceiptOf(key) is { } receipt)
        {
            if (receipt.Body == digest) AnswerAsRecorded(turn, receipt.Version);
            else Refuse(turn, Refusal.Conflict, $"The idempotency key '{key}' was used before on run {run.State.Run}, for another command. Use a new key for a new command.");
            return;
        }
        if (run.State.Imported is { } imported)
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} was imported (exported at {imported.ExportedAt:u}) and is kept as evidence: it can be shown, replayed and exported, not steered. Start a run of its workflow instead.");
            return;
        }
        if (run.State.IsClosed && this is not UnparkInput && !OpensAgain)
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} is {run.State.Status.ToString().ToLowerInvariant()} since {run.State.Now:u}; it takes no more commands.");
            return;
        }
        DecideOnce(run, turn);
    }

    /// <summary>It is also for a run that is over.</summary>
    protected virtual bool OpensAgain => false;

    protected abstract void DecideOnce(WorkflowRun run, Turn turn);
}

internal sealed class SignalInput(string signal, JsonText value, string by, string? key) : RunCommand(key, $"signal {signal} {value}")
{
    public override object?[] Parts => [signal, value, by, Key];

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        if (run.Execution?.SignalObjection(signal, value) is { } objection)
        {
            Refuse(turn, Refusal.Invalid, $"Signal '{signal}' of run {run.State.Run} cannot be read: {objection}");
            return;
        }
        if (run.State.Signals >= run.Context.SignalsMax)
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} has received {run.State.Signals} signals, the most one run takes.");
            return;
        }
        bool? joins = run.State.Started?.Workflow == ScheduleWorkflow.Name && ScheduleWorkflow.Redirects(signal, value) ? true : null;
        Answer(turn, run.Record(turn, new SignalReceived(signal, value, by, Key, Body, joins)));
    }
}

internal sealed class CancelInput(string reason, string by, string? key) : RunCommand(key, $"cancel {reason}")
{
    public override object?[] Parts => [reason, by, Key];

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        Answer(turn, run.State.CancelReason is null ? run.Record(turn, new CancelRequested(Failure.Clean(reason), by, Key, Body)) : run.State.Version);
    }
}

internal sealed class DecideInput(int step, bool granted, Decider by, string? comment, string? digest, string? key)
    : RunCommand(key, $"decide {step} {granted} {by.Id} {comment}")
{
    public override object?[] Parts => [step, granted, by, comment, digest, Key];

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ApprovalStep>(step) is not { } approval)
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} awaits no approval at step {step}: it was decided, withdrawn, or its deadline passed. List the approvals anew.");
        else if (approval.Due <= run.Now)
            Refuse(turn, Refusal.Conflict, $"The deadline of '{approval.Request.Title}' passed at {approval.Due:u}.");
        else if (approval.Objection(by, digest) is { } objection)
            Refuse(turn, digest is not null && !string.Equals(digest, approval.Request.Digest, StringComparison.OrdinalIgnoreCase) ? Refusal.Conflict : Refusal.Forbidden, objection);
        else
        {
            Answer(turn, run.Record(turn, new ApprovalDecided(step, granted, by, comment is null ? null : Failure.Clean(comment), Key, Body)));
        }
    }
}

/// <summary>A person says what became of an attempt whose outcome is unknown.</summary>
internal sealed class ResolveInput(int step, bool happened, JsonText result, string why, string by, string? key)
    : RunCommand(key, $"resolve {step} {happened} {result}")
{
    public override object?[] Parts => [step, happened, result, why, by, Key];

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ActivityStep>(step) is not { Now: ActivityStep.Phase.AwaitingPerson or ActivityStep.Phase.PausingToInquire or ActivityStep.Phase.Inquiring } unknown)
        {
            Refuse(turn, Refusal.Conflict, $"Step {step} of run {run.State.Run} has no unknown outcome to resolve.");
            return;
        }
        long? version = null;
        if (happened && run.Execution?.Declaration(step)?.Objection(result) is { } objection)
        {
            Refuse(turn, Refusal.Invalid, $"The value given for step {step} of run {run.State.Run} cannot be read as the result of {unknown.Scheduled.Activity}: {objection}");
            return;
        }
        if (happened) version = run.Record(turn, new OutcomeHappened(step, result, by, Key, Body));
        else if (run.Execution?.Declaration(step) is { } declared)
            foreach (var e in unknown.AfterNeverWill(new OutcomeNeverWill(step, Failure.Clean(why), by, Key, Body), declared.Options, run.State.IsHeld))
            {
                var recorded = run.Record(turn, e);
                version ??= recorded;
            }
        else
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} is parked: unpark it before its step {step} is tried again.");
            return;
        }
        Answer(turn, version!.Value);
    }
}

internal sealed class UnparkInput(string by, string? key) : RunCommand(key, "unpark")
{
    public override object?[] Parts => [by, Key];

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        if (run.State.Parked is null)
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} is not parked.");
            return;
        }
        if (run.LoadFault is { } fault)
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} cannot go on with this build. {fault.Reason}. {fault.Detail}");
            return;
        }
        var version = run.Record(turn, new RunUnparked(by, Key, Body));
        OwnerLostInput.TakeOver(run, turn, owner => !run.Context.IsLiving(owner));
        DueInput.DoWhatIsDue(run, turn);
        Answer(turn, version);
    }
}

/// <summary>An input of the engine itself: nobody waits for an answer.</summary>
internal abstract class InnerInput : Input
{
    // What it carried is not lost: it is in the history as an attempt under way, a due wake-up, or a busy run of a dead host.
    public sealed override void Fail(Exception exception)
    {
    }
}

internal sealed class OutcomeInput(int step, int attempt, int epoch, AttemptOutcome outcome) : InnerInput
{
    /// <summary>The same attempt, when the store cannot take what it answered: that it took effect may be true, what it answered is lost.</summary>
    public OutcomeInput WithoutItsAnswer(Exception why) => new(step, attempt, epoch, AttemptOutcome.Of(new UnstorableException($"The outcome cannot be stored: {why.Message}")));

    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ActivityStep>(step) is not { } activity) return;
        if (run.Execution?.Declaration(step) is { } declared)
            foreach (var e in activity.OnOutcome(attempt, epoch, outcome, declared, run.Now, run.Context.Ids.NextDouble(), run.State.IsHeld).ToList()) run.Record(turn, e);
        else if (outcome is AttemptOutcome.Answered answered && epoch == activity.Epoch && activity.Now is not ActivityStep.Phase.Reusing)
            run.Record(turn, new StepCompleted(step, attempt, answered.Result)); // parked: the effect is known all the same
    }
}

internal sealed class InquiryInput(int step, int inquiry, int epoch, Reconciled<JsonText> verdict) : InnerInput
{
    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ActivityStep>(step) is { } activity && activity.Epoch == epoch && run.Execution?.Declaration(step) is { } declared)
            foreach (var e in activity.OnInquiry(inquiry, verdict, declared.Options, run.Now, run.Context.Ids.NextDouble(), run.State.IsHeld).ToList()) run.Record(turn, e);
    }
}

internal sealed class DueInput : InnerInput
{
    public override object?[] Parts => [];

    public override void Decide(WorkflowRun run, Turn turn) => DoWhatIsDue(run, turn);

    // A host without the run's version is woken for it as well: too early a wake-up is no reason to park.
    public override bool NeedsCode(WorkflowRun run) => run.State.Due <= run.Now;

    public static void DoWhatIsDue(WorkflowRun run, Turn turn)
    {
        if (run.State.IsClosed || run.State.IsHeld) return;
        var now = run.Now;
        // A step may be closed by what the code does about an earlier one. While effects are undone, all else waits.
        foreach (var due in run.State.InOrder<OpenStep>().Where(step => step.Due <= now && run.State.MayAct(step)).Select(step => step.Number).ToList())
        {
            IEnumerable<WorkflowEvent> events = run.State.Find<OpenStep>(due) switch
            {
                TimerStep timer => timer.OnDue(now),
                ApprovalStep approval => approval.OnDue(now),
                ChildStep child => child.OnDue(run.State.Run),
                ActivityStep activity when run.Execution?.Declaration(due) is { } declared => activity.OnDue(declared, now),
                _ => [],
            };
            foreach (var e in events.ToList())
                if (!run.State.IsClosed) run.Record(turn, e);
        }
    }
}

/// <summary>Host incarnations died: what they had under way in this run goes on here.</summary>
internal sealed class OwnerLostInput : InnerInput
{
    public override object?[] Parts => [];

    public override void Decide(WorkflowRun run, Turn turn) => TakeOver(run, turn, owner => !run.Context.IsLiving(owner));

    public override bool NeedsCode(WorkflowRun run) => run.State.InOrder<ActivityStep>().Any(step => step.UnderWay && !run.Context.IsLiving(step.Owner));

    public static void TakeOver(WorkflowRun run, Turn turn, Func<string, bool> isDead)
    {
        // What passes between a run and its kin is idempotent, and needs no append to be sent by another.
        if (run.State.Unsettled is not null && run.State.Host is { } host && isDead(host)) turn.Settles = true;
        if (run.State.IsClosed) return;
        foreach (var step in run.State.InOrder<ChildStep>().Where(step => step.UnderWay && isDead(step.Owner))) turn.ToReach.Add(step.Number);
        if (run.State.IsHeld) return;
        foreach (var step in run.State.InOrder<ActivityStep>().Where(step => step.UnderWay && isDead(step.Owner)).ToList())
            if (run.Execution?.Declaration(step.Number) is { } declared)
                foreach (var e in step.OnOwnerLost(declared.Activity).ToList()) run.Record(turn, e);
    }
}

/// <summary>The code went on from a foreign thread: it cannot be trusted any further.</summary>
internal sealed class ForeignWorkInput(string what) : InnerInput
{
    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.IsClosed || run.State.Parked is not null) return;
        turn.MustPark ??= new Parking(-1, Parking.LeftTheEngine, what);
    }
}
