using System.Diagnostics;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Explaining;

/// <summary>
/// Says why a run is where it is. It reads the stored history, runs the code over it once more in memory (nothing is appended, sent or
/// woken by that), asks the host what it has in hand, and lets every source of causes look at the whole. It changes nothing, and it
/// answers also when the database does not, when the history cannot be read, and when the code does not come to rest.
///
/// A new kind of wait, limit or fault is one more source here, or one more cause in the file of its family.
/// </summary>
internal static class RunExplainer
{
    private static readonly Func<Subject, IEnumerable<Cause>>[] Sources = [HostCauses.Of, RunCauses.Of, StepCauses.Of, SignalCauses.Of];

    // By the wall clock: a person waits.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static Explanation Explain(Subject subject)
    {
        Cause[] causes = [.. Sources.SelectMany(source => source(subject)).OrderBy(cause => cause.Urgency)];
        if (causes.Length == 0)
            causes = [new Cause(CauseCodes.Waiting, "Nothing of it is open at this moment: a turn is under way that will say what is next.", Urgency.Working, subject.State.Now) { Unblockers = ["the run itself: ask again"] }];
        return new Explanation(subject.Run.Id, subject.State.Started?.Workflow, subject.State.Status, subject.Now, causes);
    }

    // ---- gathering ----

    public static async Task<Explanation> ExplainAsync(WorkflowHost host, RunKey run, IReadOnlyList<Keyholder>? keyholders, CancellationToken cancellation)
    {
        var around = Around(host, run, keyholders);
        var asked = Stopwatch.GetTimestamp();
        IReadOnlyList<StoredEvent> history;
        try
        {
            history = await host.Store.LoadAsync(run, cancellation).AsTask().WaitAsync(Patience, cancellation);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            // The exception itself speaks of the inside; the host's log has it.
            around = around with { StoreTrouble = e is TimeoutException ? $"no answer within {Patience.TotalSeconds:0} s" : "the connection was refused, or broke" };
            return new Explanation(run.Id, null, null, around.Now, [.. HostCauses.WithoutHistory(run, around)]);
        }
        around = around with { StoreTook = Stopwatch.GetElapsedTime(asked) };
        if (history.Count == 0) return new Explanation(run.Id, null, null, around.Now, [.. HostCauses.WithoutHistory(run, around).OrderBy(cause => cause.Urgency)]);

        List<(WorkflowEvent Event, DateTimeOffset At)> events;
        try
        {
            events = FoldedHistory.Events(history);
        }
        catch (UnreadableHistoryException e)
        {
            return new Explanation(run.Id, null, null, around.Now,
            [
                new Cause(CauseCodes.HistoryUnreadable, $"Its history cannot be read by this build. {e.Message}", Urgency.Stopped) { Unblockers = ["the build that wrote it, or a later one"] },
            ]);
        }
        var state = RunState.Of(run, events);

        WorkflowRun? loaded = null;
        bool? goesOn = null;
        if (!state.IsClosed && around.Mailbox is not { Doing: MailboxActivity.RunningCode })
            if (await LoadAsync(host, run, history, cancellation) is var (code, on)) (loaded, goesOn, state) = (code, on, code.State);
            else around = around with { CodeDoesNotRest = !RestingCode.IsSpent };
        if (state.Open.OfType<ActivityStep>().Any(step => step.Now is ActivityStep.Phase.Pausing))
            around = around with { Others = await OthersAsync(host, run, cancellation) };
        return Explain(new Subject(run, state, events, loaded, goesOn, around));
    }

    private static async Task<IReadOnlyList<RunRow>> OthersAsync(WorkflowHost host, RunKey run, CancellationToken cancellation)
    {
        try
        {
            return await host.Store.ListAsync(new RunQuery(run.Tenant, RunStatus.Running, Limit: 500), cancellation).AsTask().WaitAsync(Patience, cancellation);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            return []; // what is known of the run itself is still worth saying
        }
    }

    private static Surroundings Around(WorkflowHost host, RunKey run, IReadOnlyList<Keyholder>? keyholders) => new()
    {
        Now = host.Now,
        HostId = host.Options.HostId,
        Registry = host.Registry,
        IsHalted = host.IsHalted,
        IsFenced = host.Presence.IsFenced,
        IsLiving = host.Context.IsLiving,
        Skew = host.Context.Clock.Skew,
        DeadAfter = host.Options.DeadAfter,
        ActiveRuns = host.ActiveRuns,
        ActiveRunsMax = host.Options.ActiveRunsMax,
        Mailbox = host.ViewOf(run),
        MailboxMax = host.Options.MailboxMax,
        Attempt = step => host.Executor.ViewOf(run, step),
        Lacks = host.Executor.Lacks,
        Keyholders = keyholders,
    };

    private sealed record Loaded(WorkflowRun Code, bool? GoesOn);

    /// <returns>Null if the code does not come to rest.</returns>
    private static Task<Loaded?> LoadAsync(WorkflowHost host, RunKey run, IReadOnlyList<StoredEvent> history, CancellationToken cancellation) =>
        RestingCode.RunAsync(run, patience =>
        {
            var code = WorkflowRun.Load(run, history, Replayer.Sealed(host.Registry, patience: patience));
            bool? goesOn = code.State.Parked is { } parked && code.LoadFault is null && !parked.Reason.StartsWith(Parking.LeftTheEngine, StringComparison.Ordinal)
                ? GoesOn(WorkflowRun.Load(run, history, Replayer.Sealed(host.Registry, patience: patience)))
                : null;
            return new Loaded(code, goesOn);
        }, cancellation);

    // What unparking would do, up to the append: which is not made.
    private static bool GoesOn(WorkflowRun parked) => parked.Take([new UnparkInput("explain", null)], null).MustPark is null;
}
