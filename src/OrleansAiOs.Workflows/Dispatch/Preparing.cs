using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Timers;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>
/// What an attempt looks at before it leaves, and beside it. What it finds is appended first, and the append is also the fence: a run that was
/// taken over meanwhile takes it from nobody else, and the attempt does not leave. An attempt behind one that may have had its effect looks
/// at nothing: what it would find may be half done already.
/// </summary>
internal sealed class Preparing(IServiceProvider services, StoreClock clock, WorkflowHostOptions options, Action<RunKey, Input> post)
{
    /// <returns>How the attempt ended without having left; null if it may leave.</returns>
    public async Task<AttemptOutcome?> MakeReadyAsync(Attempt attempt, ActivityContext context, CancellationToken halt)
    {
        if (attempt.Found is not null || attempt.StopAsked) return null;
        JsonText? found;
        try
        {
            await using var scope = services.CreateAsyncScope();
            found = await options.InPlaceOf(attempt.Activity).PrepareAsync(scope.ServiceProvider, attempt.Input, context)
                .WaitAsync(attempt.Options.StartToClose ?? CallOptions.StartToCloseDefault, options.Time, halt);
        }
        catch (Exception e)
        {
            return AttemptOutcome.Of(e) with { Definite = true };
        }
        if (found is not { } kept) return null;
        var input = new PreparedInput(attempt.Step, attempt.Number, attempt.Epoch, kept);
        post(attempt.Run, input);
        try
        {
            if (await input.Appended is not { } turn) return new AttemptOutcome.NotSent();
            attempt.Prepared(kept, turn);
            return null;
        }
        catch (Exception)
        {
            return new AttemptOutcome.NotSent(); // whether it is recorded is not known: it is not left for
        }
    }

    /// <summary>What the gate says to reading another tool beside an attempt; null where there is no gate.</summary>
    public async ValueTask<GateRecord?> MayReadAsync(Attempt attempt, string activity, JsonText input, CancellationToken halt)
    {
        if (options.Gate is not { } gate || attempt.Intent is not { } intent) return null;
        var read = intent with
        {
            Activity = activity, Effect = Effect.Pure, Input = input, Charge = null, Title = null, At = clock.Now, IsReading = true, IsInquiry = false, Hold = null, Signatures = [], Earlier = null, Departure = null,
        };
        try
        {
            var judged = gate.Judge(read);
            return judged.Answer is GateAnswer.Allow ? await gate.RecheckAsync(read, judged, halt) ?? judged : judged;
        }
        catch (Exception e)
        {
            return BrokenGate.Waits(clock.Now, e);
        }
    }
}

/// <summary>An attempt is about to leave, and says what it has found.</summary>
internal sealed class PreparedInput(int step, int attempt, int epoch, JsonText found) : Input
{
    private readonly TaskCompletionSource<Turn?> appended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The turn whose append holds it; null if the attempt is not to leave any more.</summary>
    public Task<Turn?> Appended => appended.Task;

    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (!run.State.IsHeld && run.State.Find<ActivityStep>(step) is { } activity && activity.Awaits(attempt, epoch))
        {
            run.Record(turn, new AttemptPrepared(step, attempt, found));
            turn.Replies.Add(() => appended.TrySetResult(turn));
        }
        else
        {
            turn.Replies.Add(() => appended.TrySetResult(null));
        }
    }

    public override void Fail(Exception exception) => appended.TrySetException(exception);
}
