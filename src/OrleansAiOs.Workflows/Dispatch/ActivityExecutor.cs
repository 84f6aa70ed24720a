using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Timers;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>
/// Runs attempts in the host's process and posts their outcomes back as inputs.
///
/// An attempt reaches this file only after the append that records it. It is sent only within the dispatch window after that append:
/// an attempt that waited longer (a paused machine, a full gate) may by then have been taken over by another host, so it is
/// appended again first, and loses if it was. A crash here leaves the attempt under way in the history, owned by a dead incarnation.
/// </summary>
internal sealed class ActivityExecutor(WorkflowHost host, IServiceProvider services, IRunStore store, StoreClock clock, WorkflowHostOptions options, Action<RunKey, Input> post)
{
    private readonly ConcurrentDictionary<string, ActivityGate> gates = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(RunKey, int), Attempt> underWay = new();
    private readonly CancellationTokenSource halt = new();
    private readonly Preparing preparing = new(services, clock, options, post);
    private int count;
    private TaskCompletionSource? drained;

    public void Dispatch(Attempt attempt)
    {
        Interlocked.Increment(ref count);
        underWay[(attempt.Run, attempt.Step)] = attempt;
        // Inquiries have a gate of their own, so that calls that hang do not keep them waiting.
        var name = attempt.Inquiry > 0 ? attempt.Activity.Gate + "?" : attempt.Activity.Gate;
        var gate = gates.GetOrAdd(name, static (_, state) =>
            new ActivityGate(state.attempt.Activity.Options, state.self.Time, state.self.Start, state.self.Gate),
            (self: this, attempt));
        if (attempt is { Inquiry: 0, Options.ScheduleToStart: { } limit }) WatchStart(attempt, limit);
        gate.Enter(attempt);
    }

    /// <summary>Asks a running attempt to stop: of an activity that may be given up, or of any whose outcome nobody wants any more.</summary>
    public void StopAttempt(RunKey run, int step, bool whateverItDoes)
    {
        if (!underWay.TryGetValue((run, step), out var attempt) || !whateverItDoes && attempt.Activity.Effect is not (Effect.Pure or Effect.Idempotent)) return;
        attempt.StopAsked = true;
        attempt.FireStop();
        attempt.ComeBack();
    }

    /// <summary>What is in hand of a step; null if nothing is.</summary>
    public AttemptView? ViewOf(RunKey run, int step) =>
        underWay.TryGetValue((run, step), out var attempt) && gates.TryGetValue(attempt.Inquiry > 0 ? attempt.Activity.Gate + "?" : attempt.Activity.Gate, out var gate) ? gate.View(attempt.IsClaimed, run.Tenant, attempt.AwaitsPlace) : null;

    /// <summary>Whether anything is in hand of a run.</summary>
    public bool HasInHand(RunKey run) => underWay.Any(attempt => attempt.Key.Item1 == run);

    /// <summary>Whether activities ask for a service of this type that nobody has registered.</summary>
    public bool Lacks(Type service) => services.GetService<IServiceProviderIsService>() is { } known && !known.IsService(service);

    /// <summary>Waits until nothing is under way.</summary>
    public async Task DrainAsync(TimeSpan atMost)
    {
        drained = new TaskCompletionSource(options.Continuations);
        if (Volatile.Read(ref count) > 0) await Task.WhenAny(drained.Task, Task.Delay(atMost, Time));
    }

    /// <summary>From now on nothing is sent and no outcome is reported: what is under way is for the next incarnation.</summary>
    public void Halt() => halt.Cancel();

    private TimeProvider Time => options.Time;

    private IEffectGate? Gate => options.Gate;

    private void WatchStart(Attempt attempt, TimeSpan limit)
    {
        var timer = Time.CreateTimer(static state =>
        {
            var (self, late) = ((ActivityExecutor, Attempt))state!;
            if (!late.Claim()) return;
            self.Report(late, new AttemptOutcome.Failed(new Failure("NotStartedInTime",
                $"{late.Activity.Name} did not start within {late.Options.ScheduleToStart} of being scheduled: {late.AwaitsPlace ?? "all its slots on this host were taken"}.",
                FailureKind.NotStartedInTime), null, Definite: true, Final: false, null));
        }, (this, attempt), limit - attempt.Age(Time) is { Ticks: > 0 } left ? left : TimeSpan.Zero, Timeout.InfiniteTimeSpan); // it counts from the append
        attempt.Stop.Token.UnsafeRegister(static t => ((ITimer)t!).Dispose(), timer);
    }

    private void Start(Attempt attempt)
    {
        using (ExecutionContext.SuppressFlow())
            _ = Task.Factory.StartNew(static state =>
            {
                var (self, attempt) = ((ActivityExecutor, Attempt))state!;
                return self.RunAsync(attempt);
            }, (this, attempt), CancellationToken.None, TaskCreationOptions.DenyChildAttach, options.Scheduler);
    }

    private async Task RunAsync(Attempt attempt)
    {
        try
        {
            if (halt.IsCancellationRequested) return;
            if (attempt.Inquiry > 0) await InquireAsync(attempt);
            else await CallAsync(attempt);
        }
        catch (Exception e) when (underWay.TryGetValue((attempt.Run, attempt.Step), out var present) && present == attempt)
        {
            // Not the tool's fault but ours; the run must hear of it all the same, or it would wait for ever.
            var failure = new Failure(e.GetType().Name, $"The attempt could not be carried out: {e.GetType().Name}", FailureKind.Error);
            if (attempt.Inquiry > 0) Finish(attempt, new InquiryInput(attempt.Step, attempt.Inquiry, attempt.Epoch, Reconciled<JsonText>.StillUnknown(failure.Message)));
            else Report(attempt, new AttemptOutcome.Failed(failure, e, Definite: false, Final: false, null));
        }
        finally
        {
            attempt.Place?.Dispose();
            gates[attempt.Inquiry > 0 ? attempt.Activity.Gate + "?" : attempt.Activity.Gate].Leave(attempt);
        }
    }

    private async Task CallAsync(Attempt attempt)
    {
        if (attempt.Activity.Prepares && await preparing.MakeReadyAsync(attempt, ContextOf(attempt, static _ => { }, attempt.Stop.Token), halt.Token) is { } unready)
        {
            if (!halt.IsCancellationRequested) Report(attempt, unready);
            return;
        }
        do
        {
            if (attempt.StopAsked || IsLate(attempt) && !await RenewAsync(attempt))
            {
                if (!halt.IsCancellationRequested) Report(attempt, new AttemptOutcome.NotSent());
                return;
            }
            if (await RefusedAsync(attempt) is { } refusal)
            {
                Report(attempt, new AttemptOutcome.Refused(refusal));
                return;
            }
        }
        while (attempt.StopAsked || IsLate(attempt)); // the gate may take its time
        using var span = Telemetry.StartAttempt(attempt);
        var started = Time.GetTimestamp();
        var progress = new HeartbeatDetails(Time, options.KeepHeartbeatsEvery, details => post(attempt.Run, new HeartbeatInput(attempt.Step, attempt.Number, details)));
        using var watch = new AttemptWatch(attempt, Time, halt.Token, progress);
        var work = InvokeAsync(attempt, watch);
        if (!work.IsCompleted) await Task.WhenAny(work, watch.Expired);
        if (halt.IsCancellationRequested) return;

        var outcome = work.IsCompleted ? Outcome(attempt, work) : watch.Expiry;
        Telemetry.Attempted(attempt, outcome, Time.GetElapsedTime(started));
        if (outcome is AttemptOutcome.Failed failed) span?.SetStatus(System.Diagnostics.ActivityStatusCode.Error, failed.Failure.Message);
        // Before the outcome, so that whoever tries again after it knows.
        if (outcome is AttemptOutcome.Failed && progress.End() is { } last) post(attempt.Run, new HeartbeatInput(attempt.Step, attempt.Number, last));
        Report(attempt, outcome);
        if (!work.IsCompleted) await AwaitLateAnswer(attempt, work);
    }

    private bool IsLate(Attempt attempt) => attempt.IsLate(clock.Now, Time, options.DispatchWindow);

    private async Task<bool> RenewAsync(Attempt attempt)
    {
        var input = new RenewedInput(attempt.Step, attempt.Number, attempt.Epoch);
        post(attempt.Run, input);
        try
        {
            if (await input.Appended is not { } renewed) return false;
            attempt.Renewed(renewed.Turn, renewed.Gate, renewed.Intent);
            return true;
        }
        catch (Exception)
        {
            return false; // whether it is recorded is not known: it is not sent
        }
    }

    private async ValueTask<GateRecord?> RefusedAsync(Attempt attempt)
    {
        if (options.Gate is not { } gate || attempt.Intent is not { } intent) return null;
        intent = intent with { At = clock.Now };
        try
        {
            // Recorded by a host that had no gate: it is judged now, and what is answered takes its place.
            var recorded = attempt.Gate ?? gate.Judge(intent);
            var refusal = recorded.Answer is GateAnswer.Allow || intent.IsInquiry ? await gate.RecheckAsync(intent, recorded, halt.Token) : recorded;
            return refusal is null && !intent.IsInquiry && attempt.Place is { } place && !gate.Holds(intent, place)
                ? new GateRecord(GateAnswer.Wait, intent.Chain, Why: "What limits the calls under way has changed while it was about to be sent. It asks again.", RetryAt: clock.Now)
                : refusal;
        }
        catch (Exception e)
        {
            return BrokenGate.Waits(clock.Now, e);
        }
    }

    private async Task<JsonText> InvokeAsync(Attempt attempt, AttemptWatch watch)
    {
        var context = ContextOf(attempt, watch.Heartbeat, watch.Token);
        var tool = options.InPlaceOf(attempt.Activity);
        await using var scope = services.CreateAsyncScope();
        if (attempt.Activity.Effect is not Effect.Transactional) return await tool.RunAsync(scope.ServiceProvider, attempt.Input, context, null);
        return await store.TransactAsync(attempt.Run, context.Key.Value,
            transaction => tool.RunAsync(scope.ServiceProvider, attempt.Input, context, transaction), watch.Token);
    }

    private ActivityContext ContextOf(Attempt attempt, Action<JsonText?> heartbeat, CancellationToken cancellation) =>
        new(attempt.Run.Tenant, attempt.Run.Id, attempt.Step, attempt.Number, IdempotencyKey.Of(attempt.Run.Tenant, attempt.Run.Id, attempt.Step, attempt.Epoch), heartbeat, cancellation)
        {
            Effect = attempt.Activity.Effect, Details = attempt.Details, Found = attempt.Found, MayHaveHappened = attempt.MayHaveHappened, ScheduledAt = attempt.ScheduledAt, Host = host, Chain = attempt.Intent?.Chain ?? [], StartedBy = attempt.StartedBy,
            OnSpent = attempt.Spend, MayReadAsync = (activity, input) => preparing.MayReadAsync(attempt, activity, input, halt.Token),
        };

    private static AttemptOutcome Outcome(Attempt attempt, Task<JsonText> work)
    {
        if (work.IsCompletedSuccessfully) return new AttemptOutcome.Answered(work.Result, attempt.Spent);
        var exception = work.Exception?.InnerException ?? new TaskCanceledException(work);
        return exception is OperationCanceledException && attempt.StopAsked
            ? new AttemptOutcome.Failed(Failure.Of(exception, FailureKind.Cancelled), exception, Definite: true, Final: true, null)
            : AttemptOutcome.Of(exception);
    }

    // An answer that comes after its time-out was reported is still the truth about the effect.
    private async Task AwaitLateAnswer(Attempt attempt, Task<JsonText> work)
    {
        try
        {
            var result = await work;
            if (!halt.IsCancellationRequested) post(attempt.Run, new OutcomeInput(attempt.Step, attempt.Number, attempt.Epoch, new AttemptOutcome.Answered(result, attempt.Spent)));
        }
        catch (Exception)
        {
            // The time-out was reported already; a late failure adds nothing to it.
        }
    }

    private async Task InquireAsync(Attempt attempt)
    {
        using var watch = new AttemptWatch(attempt, Time, halt.Token);
        var context = ContextOf(attempt, watch.Heartbeat, watch.Token);
        Reconciled<JsonText> verdict;
        if (await RefusedAsync(attempt) is { } refusal)
        {
            Finish(attempt, new InquiryInput(attempt.Step, attempt.Inquiry, attempt.Epoch, Reconciled<JsonText>.StillUnknown($"The gate lets nobody ask: {refusal.Why}")));
            return;
        }
        try
        {
            await using var scope = services.CreateAsyncScope();
            var work = options.InPlaceOf(attempt.Activity).ReconcileAsync(scope.ServiceProvider, attempt.Input, context);
            if (!work.IsCompleted) await Task.WhenAny(work, watch.Expired);
            verdict = work.IsCompleted ? await work : Reconciled<JsonText>.StillUnknown($"The receiver did not answer the inquiry within {watch.Limit}.");
        }
        catch (Exception e)
        {
            verdict = Reconciled<JsonText>.StillUnknown($"The inquiry failed: {e.Message}");
        }
        if (!halt.IsCancellationRequested) Finish(attempt, new InquiryInput(attempt.Step, attempt.Inquiry, attempt.Epoch, verdict));
    }

    private void Report(Attempt attempt, AttemptOutcome outcome) => Finish(attempt, new OutcomeInput(attempt.Step, attempt.Number, attempt.Epoch, outcome));

    private void Finish(Attempt attempt, Input input)
    {
        underWay.TryRemove(new KeyValuePair<(RunKey, int), Attempt>((attempt.Run, attempt.Step), attempt));
        post(attempt.Run, input);
        if (Interlocked.Decrement(ref count) == 0) drained?.TrySetResult();
    }
}
