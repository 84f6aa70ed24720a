using OrleansAiOs.Workflows.Entities;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows;

/// <summary>
/// A scope whose steps are undone in reverse order unless it is completed: on an exception, on an early return, and when the run is
/// cancelled. The undoing itself cannot be cancelled. Use with <c>await using</c>.
/// </summary>
public sealed class Saga : IAsyncDisposable
{
    private readonly WorkflowExecution execution;
    private readonly CancellationToken cancellation;
    private readonly Stack<Func<Task>> undo = new();
    private readonly List<Task> underWay = [];
    private bool completed;

    internal Saga(WorkflowExecution execution, CancellationToken cancellation) => (this.execution, this.cancellation) = (execution, cancellation);

    /// <summary>Calls <paramref name="activity"/>, and remembers to call <paramref name="undo"/> with its result.</summary>
    public Task<TOut> Call<TIn, TOut, TUndone>(Activity<TIn, TOut> activity, TIn input, Activity<TOut, TUndone> undo, CallOptions? options = null) =>
        Remember(() => ActivityStep.Call(execution, activity, input, options, cancellation), result => result, undo, result => result);

    /// <summary>Has an entity do something, and remembers to send it <paramref name="undo"/> with its answer.</summary>
    public Task<TOut> Call<TIn, TOut, TUndone>(EntityKey entity, Update<TIn, TOut> update, TIn input, Update<TOut, TUndone> undo) =>
        Remember(() => ActivityStep.Call(execution, EntityTools.Update, EntityTools.Ask(execution, entity, update, input), null, cancellation), answer => answer.To<TOut>()!,
            EntityTools.Update, result => EntityTools.Ask(execution, entity, undo, result));

    private Task<T> Remember<TOut, T, TUndo, TUndone>(Func<Task<TOut>> call, Func<TOut, T> read, Activity<TUndo, TUndone> undo, Func<T, TUndo> with)
    {
        var remembered = Remembered();
        underWay.Add(remembered);
        return remembered;

        async Task<T> Remembered()
        {
            var (outcome, step) = (call(), execution.StepsSoFar);
            var result = read(await outcome);
            execution.Undos[step] = (undo, () => JsonText.From(with(result))); // a reset may ask for it from outside
            this.undo.Push(() =>
            {
                execution.Undos.Remove(step);
                execution.Undoing = step;
                try
                {
                    return ActivityStep.Call(execution, undo, with(result), null, CancellationToken.None, undoes: true);
                }
                finally
                {
                    execution.Undoing = null;
                }
            });
            return result;
        }
    }

    /// <summary>Remembers something else to do on undoing. Pass <see cref="CancellationToken.None"/> to the calls inside.</summary>
    public void OnUndo(Func<Task> action) => undo.Push(action);

    /// <summary>What was done stays done.</summary>
    public T Complete<T>(T result)
    {
        completed = true;
        return result;
    }

    /// <summary>Undoes, in reverse order, what was done and not completed. One that fails does not keep the others from being undone.</summary>
    public async ValueTask DisposeAsync()
    {
        if (completed) return;

        // A branch of a fan-out may still be under way: its effect, if it comes, is undone too.
        for (var i = 0; i < underWay.Count; i++) await underWay[i].ContinueWith(static _ => { }, TaskScheduler.Current);

        List<Exception>? failed = null;
        while (undo.TryPop(out var action))
        {
            try
            {
                await action();
            }
            catch (WorkflowFailedException e)
            {
                (failed ??= []).Add(e);
            }
        }
        if (failed is not null)
            throw new WorkflowFailedException($"{failed.Count} of the saga's steps could not be undone: {string.Join("; ", failed.Select(e => e.Message))}", failed[0]);
    }
}
