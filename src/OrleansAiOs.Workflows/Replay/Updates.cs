using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// The code's side of updates: the handlers, and the updates that were accepted before there was one. Which handler takes which update,
/// and when, follows from the order of the inputs and of the code alone, so that a replay repeats it; the answer is a command.
/// </summary>
internal sealed class Updates(WorkflowExecution execution)
{
    private readonly Dictionary<string, Handler> handlers = new(StringComparer.Ordinal);
    private readonly List<UpdateAccepted> waiting = [];
    private int underWay;

    /// <summary>None is under way, and none waits for a handler.</summary>
    public bool IsQuiet => underWay == 0 && waiting.Count == 0;

    /// <summary>Told behind the end of each, when it is no longer under way.</summary>
    public Action? Ended { get; set; }

    public IEnumerable<string> Names => handlers.Keys.Order(StringComparer.Ordinal);

    /// <summary>The last handler given for a name takes what comes.</summary>
    public void Add<TIn, TOut>(Update<TIn, TOut> update, Func<TIn, Task<TOut>> handle, Func<TIn, string?>? refuse)
    {
        handlers[update.Name] = new Handler(
            async input => JsonText.From(await handle(input.To<TIn>()!)),
            input =>
            {
                TIn value;
                try
                {
                    value = input.To<TIn>(WorkflowJson.Door)!;
                }
                catch (Exception e)
                {
                    return $"it cannot be read: {e.Message}";
                }
                return refuse?.Invoke(value);
            });
        foreach (var early in waiting.Where(accepted => accepted.Name == update.Name).ToList())
        {
            waiting.Remove(early);
            Begin(early);
        }
    }

    /// <summary>Why the code refuses it; null if it does not.</summary>
    public string? Objection(string name, JsonText input) => handlers[name].Refuse(input);

    public bool Knows(string name) => handlers.ContainsKey(name);

    public void Deliver(UpdateAccepted accepted)
    {
        if (handlers.ContainsKey(accepted.Name)) Begin(accepted);
        else waiting.Add(accepted);
    }

    private void Begin(UpdateAccepted accepted) => _ = CarryOutAsync(handlers[accepted.Name], accepted);

    private async Task CarryOutAsync(Handler handler, UpdateAccepted accepted)
    {
        underWay++;
        try
        {
            var answer = await handler.Carry(accepted.Input);
            execution.EmitIfOpen(new UpdateCompleted(accepted.Update, answer));
        }
        catch (WorkflowFailedException e)
        {
            execution.EmitIfOpen(new UpdateFailed(accepted.Update, Failure.Of(e)));
        }
        catch (OperationCanceledException e) when (execution.State.CancelReason is { } reason)
        {
            execution.EmitIfOpen(new UpdateFailed(accepted.Update, new Failure(e.GetType().Name, $"The run was cancelled: {reason}", FailureKind.Cancelled)));
        }
        catch (Exception e)
        {
            execution.Blame(e);
        }
        finally
        {
            underWay--;
            Ended?.Invoke();
        }
    }

    private sealed record Handler(Func<JsonText, Task<JsonText>> Carry, Func<JsonText, string?> Refuse);
}
