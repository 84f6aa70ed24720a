namespace OrleansAiOs.Workflows;

/// <summary>
/// A thing with a name and a state that lives for as long as it is spoken to: an account, a supplier, a quota. It comes to be with the first
/// update sent to its name, carries out one update at a time, and leaves memory while nobody speaks to it. Beneath, it is a run of a
/// workflow like any other, under the id it is called by: an update may call tools and await people, the state survives a kill, and the
/// history shows who changed what. What it takes to load it does not grow with its age.
/// </summary>
/// <example><code>
/// [Workflow("account")]
/// public sealed class Account : Entity&lt;AccountState&gt;
/// {
///     public static readonly Update&lt;decimal, decimal&gt; Deposit = new("deposit");
///     public static readonly Query&lt;decimal&gt; Balance = new("balance");
///
///     protected override AccountState New() => new(0);
///
///     protected override void Serve()
///     {
///         Handles(Deposit, amount => (State = State with { Balance = State.Balance + amount }).Balance, refuse: amount => amount &lt;= 0 ? "only more than nothing" : null);
///         Answers(Balance, () => State.Balance);
///     }
/// }
/// </code></example>
/// <remarks>
/// An update sent again under its idempotency key within 30 days is answered as it was; so it takes at most 10,000 of them in 30 days. It acts for whoever
/// it was begun by: where its updates have effects, begin it (<c>aios start</c>) as a principal made for it.
/// </remarks>
/// <typeparam name="TState">All it knows; stored as JSON. Best an immutable record.</typeparam>
public abstract class Entity<TState> : Workflow<TState?, TState> where TState : class
{
    private EntityState<TState> kept = null!;
    private TaskCompletionSource changed = new();
    private Task last = Task.CompletedTask;
    private bool isOver;

    /// <summary>What it knows. To be read and set by the handlers given in <see cref="Serve"/>, and only there.</summary>
    protected TState State
    {
        get => kept.State;
        set => kept.State = value ?? throw new ArgumentNullException(nameof(value));
    }

    /// <summary>The state of one that was not there: it began with an update, or was started without a state.</summary>
    protected abstract TState New();

    /// <summary>Says which updates it takes and which queries it answers. The state is not there yet: it is read in the handlers.</summary>
    protected abstract void Serve();

    /// <summary>Ends it behind the update that is being carried out. Its name is not given again before it is deleted.</summary>
    protected void End() => isOver = true;

    /// <summary>
    /// Says how an update is carried out: alone, however long it takes, the next one behind it. <paramref name="refuse"/> is asked when the
    /// update comes, perhaps while another is being carried out; what has to hold when its turn comes, the handler asks, and throws a
    /// <see cref="WorkflowFailedException"/> if it does not.
    /// </summary>
    protected new void Handles<TIn, TOut>(Update<TIn, TOut> update, Func<TIn, Task<TOut>> handler, Func<TIn, string?>? refuse = null) =>
        base.Handles(update, input => AloneAsync(handler, input), refuse);

    /// <summary>Says how an update is carried out, without awaiting anything.</summary>
    protected new void Handles<TIn, TOut>(Update<TIn, TOut> update, Func<TIn, TOut> handler, Func<TIn, string?>? refuse = null) =>
        Handles(update, input => Task.FromResult(handler(input)), refuse);

    private async Task<TOut> AloneAsync<TIn, TOut>(Func<TIn, Task<TOut>> handler, TIn input)
    {
        var (before, mine) = (last, new TaskCompletionSource());
        last = mine.Task;
        try
        {
            await before;
            Cancellation.ThrowIfCancellationRequested();
            if (isOver) throw new WorkflowFailedException("It ended before this update's turn came.");
            return await handler(input);
        }
        finally
        {
            mine.SetResult();
        }
    }

    /// <inheritdoc/>
    protected sealed override async Task<TState> RunAsync(TState? input)
    {
        kept = new EntityState<TState> { State = input ?? New() };
        Serve();
        Execution.Updates.Ended = () => changed.TrySetResult();
        try
        {
            await Loop(kept, NextAsync);
        }
        catch (OperationCanceledException) when (Cancellation.IsCancellationRequested)
        {
            await last; // what it has begun, it undoes or ends
            throw;
        }
        return State;
    }

    // One iteration is from one change to the next, so that the engine can write a checkpoint where nothing is being carried out. The object that
    // holds the state is the loop's own: what else has changed by the time it is written is in it.
    private async Task<Iteration<EntityState<TState>>> NextAsync(EntityState<TState> now)
    {
        kept = now;
        var next = changed = new TaskCompletionSource();
        using (Cancellation.Register(() => next.TrySetCanceled(Cancellation))) await next.Task;
        return isOver ? Iteration.Done(now) : Iteration.Next(now);
    }
}

/// <summary>What an entity's checkpoints hold.</summary>
internal sealed class EntityState<TState>
{
    public required TState State { get; set; }
}
