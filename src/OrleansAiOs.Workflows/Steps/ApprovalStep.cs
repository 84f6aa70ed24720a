using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Steps;

/// <summary>A person's decision the code waits for, bound to the digest of what is decided on.</summary>
internal sealed class ApprovalStep(ApprovalRequested request, DateTimeOffset at) : OpenStep(request.Step)
{
    public ApprovalRequested Request => request;

    public DateTimeOffset At => at;

    public override DateTimeOffset? Due => request.Deadline;

    public override RunWait Describe() => new("approval", request.Title, Number, request.Deadline, request.Role, request.NotBy, request.Digest, request.Subject, Since: at);

    // ---- the code's side ----


    public static Task<Decision> Ask(WorkflowExecution execution, string title, JsonText subject, string by, IEnumerable<string?>? notBy,
        TimeSpan? within, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) return Task.FromCanceled<Decision>(cancellation);
        var waiter = new DecisionWaiter(cancellation);
        var step = execution.NextStep(waiter);
        var forbidden = notBy?.OfType<string>().Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray() ?? [];
        execution.Emit(new ApprovalRequested(step, Failure.Clean(title), subject, CanonicalJson.Digest(subject), by, forbidden, execution.State.Now + within));
        waiter.WatchCancellation(() =>
        {
            if (execution.State.Find<ApprovalStep>(step) is null) return;
            execution.Emit(new ApprovalWithdrawn(step));
            execution.Take(step)?.Cancel();
        });
        return waiter.Task;
    }

    private sealed class DecisionWaiter(CancellationToken cancellation) : Waiter(cancellation)
    {
        private readonly TaskCompletionSource<Decision> decision = new();

        public Task<Decision> Task => decision.Task;

        public override void Cancel() => decision.TrySetCanceled(Cancellation);

        public override void Imagine() => decision.TrySetResult(new Decision(true, new Decider("somebody", [], "imagined"), null));

        public override bool Deliver(WorkflowEvent e) => decision.TrySetResult(
            e is ApprovalDecided decided ? new Decision(decided.Granted, decided.By, decided.Comment) : new Decision(false, null, null));
    }

    // ---- fold ----

    public static bool Fold(RunState state, StepEvent e)
    {
        switch (e)
        {
            case ApprovalRequested requested:
                state.Add(new ApprovalStep(requested, state.Now));
                return true;
            case ApprovalDecided decided:
                state.Keep(decided.Key, decided.Body);
                state.Close(e.Step);
                return true;
            case ApprovalExpired or ApprovalWithdrawn:
                state.Close(e.Step);
                return true;
            default:
                return false;
        }
    }

    // ---- decide ----

    /// <summary>Why this person cannot decide this; null if they can.</summary>
    public string? Objection(Decider by, string? digest)
    {
        if (!by.Roles.Contains(request.Role, StringComparer.Ordinal))
            return $"'{request.Title}' is for the role '{request.Role}'; {by.Id} holds {(by.Roles.Count == 0 ? "none" : string.Join(", ", by.Roles))}.";
        if (request.NotBy.Contains(by.Id, StringComparer.Ordinal))
            return $"'{request.Title}' needs a second pair of eyes: {by.Id} took part in preparing it.";
        if (digest is not null && !string.Equals(digest, request.Digest, StringComparison.OrdinalIgnoreCase))
            return $"'{request.Title}' is not what was shown to {by.Id}: the digest given is {digest}, the subject's is {request.Digest}. Read it again and decide anew.";
        return null;
    }

    public IEnumerable<WorkflowEvent> OnDue(DateTimeOffset now) => request.Deadline <= now ? [new ApprovalExpired(Number)] : [];
}
