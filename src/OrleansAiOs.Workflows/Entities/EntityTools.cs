using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Entities;

/// <summary>What a run asks of an entity: an effect of the engine on itself, which the entity's receipts keep from being had twice.</summary>
internal static class EntityTools
{
    internal sealed record Asking(string Workflow, string Id, string Update, JsonText Input);

    /// <summary>
    /// Sends the update, or finds that it was sent, and waits for its answer. The host that goes down lets go of it; the next one asks again
    /// under the same key. A refusal is certainly no effect, for the entity refuses only what it has no receipt of; that a host is busy, or goes
    /// down, says nothing of the effect.
    /// </summary>
    public static readonly Activity<Asking, JsonText> Update = new("aios.update-run", Effect.Keyed, async (_, asking, context, _) =>
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.Cancellation, context.Host!.GoesDown);
        var by = context.StartedBy ?? $"run:{context.Run}";
        var start = new StartRun(asking.Workflow, JsonText.From<object?>(null), asking.Id, Tenant: context.Tenant, Chain: context.Chain is { Count: > 0 } chain ? Joiners.Beside(by, chain) : null);
        try
        {
            // As jsonb gives it back it is written otherwise; the receipt is to know it again.
            var input = new JsonText(CanonicalJson.Write(asking.Input));
            var outcome = await context.Host.UpdateAsync(start, by, asking.Update, input, $"run:{context.Run}", context.Key.Value, either.Token);
            if (!outcome.IsOver) throw new OperationCanceledException(either.Token);
            return outcome.Failure is { } failure ? throw new RefusedException(failure.Message, retry: false) : outcome.Answer ?? default;
        }
        catch (CommandRefusedException e) when (e.Refusal is not Refusal.Busy)
        {
            throw new RefusedException(e.Message, retry: e.RetryAfter is not null, e.RetryAfter);
        }
    }, new ActivityOptions { StartToClose = TimeSpan.FromDays(7), Concurrency = 10_000 });

    /// <summary>What a step asks, if it asks an entity.</summary>
    public static Asking? AskedBy(StepScheduled step) => step.Activity == Update.Name ? step.Input.To<Asking>() : null;

    public static Asking Ask<TIn, TOut>(WorkflowExecution execution, EntityKey entity, Update<TIn, TOut> update, TIn input) => entity.Id != execution.Run.Id
        ? new(entity.Workflow, entity.Id, update.Name, JsonText.From(input))
        : throw new WorkflowFailedException($"The {entity} awaits an answer from itself, and would do so for ever. Call what the update '{update.Name}' does.");
}
