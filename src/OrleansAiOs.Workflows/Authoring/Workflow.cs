using OrleansAiOs.Workflows.Entities;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows;

/// <summary>Gives a workflow its name in histories and in the API.</summary>
/// <param name="name">For ever: rename the class, not this.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class WorkflowAttribute(string name) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;

    /// <summary>
    /// The version of the code, written into each run it starts. Classes of one name and several versions stand side by side: a start takes the
    /// newest unless it names one, and a run stays on the version it began with until it is migrated.
    /// </summary>
    public string? Version { get; init; }
}

/// <summary>
/// What a workflow's code can ask of the engine. The code is ordinary async C#, but it is run again from its history after every
/// restart, so it must do the same each time: time, chance and the world come only through these members.
/// <c>Task.WhenAll</c>, <c>Task.WhenAny</c> and <c>Task.Delay(span, Time)</c> work as always.
/// </summary>
public abstract class Workflow
{
    private WorkflowExecution? execution;

    private protected Workflow()
    {
    }

    internal WorkflowExecution Execution
    {
        get
        {
            if (execution is null) throw new InvalidOperationException("A workflow's members can be used only inside its RunAsync, not in its constructor.");
            execution.DemandTurn();
            return execution;
        }
        set => execution = value;
    }

    /// <summary>The run's id.</summary>
    protected string RunId => Execution.Run.Id;

    /// <summary>Who started the run, as the host knows them; null if nobody in particular.</summary>
    protected string? StartedBy => Execution.State.StartedBy;

    /// <summary>The time of the input the code reacts to (UTC). It stands still between two awaits.</summary>
    protected DateTimeOffset Now => Execution.Time.GetUtcNow();

    /// <summary>The run's time, for everything in the base library that takes a <see cref="TimeProvider"/>. Its timers are durable.</summary>
    protected TimeProvider Time => Execution.Time;

    /// <summary>Fires when the run is asked to cancel. Every member below watches it unless it is handed another token.</summary>
    protected CancellationToken Cancellation => Execution.Cancellation;

    /// <summary>Calls a tool activity and waits, however long it takes, for its result.</summary>
    /// <exception cref="ActivityFailedException">Its attempts are used up, or it failed for good.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled, and no attempt can have taken effect.</exception>
    protected Task<TOut> Call<TIn, TOut>(Activity<TIn, TOut> activity, TIn input, CallOptions? options = null, CancellationToken? cancellation = null) =>
        ActivityStep.Call(Execution, activity, input, options, cancellation ?? Cancellation);

    /// <summary>
    /// Starts a child run and waits, however long it takes, for its result. Need not be awaited at once, or at all: then see
    /// <see cref="ChildOptions.OnParentClose"/>.
    /// </summary>
    /// <exception cref="ChildFailedException">It failed, was cancelled or terminated, or could not be started.</exception>
    /// <exception cref="OperationCanceledException">This run was cancelled, and the child has ended for it, or was abandoned.</exception>
    protected Task<TOut> Call<TIn, TOut>(Child<TIn, TOut> child, TIn input, ChildOptions? options = null, CancellationToken? cancellation = null) =>
        ChildStep.Call(Execution, child, input, options ?? new ChildOptions(), cancellation ?? Cancellation);

    /// <summary>
    /// Has an entity do something, and waits, however long it takes, for its answer. One that is not there comes to be. Two entities that
    /// await each other wait for ever.
    /// </summary>
    /// <exception cref="ActivityFailedException">It refused, or its handler failed; or what is called so is something else, or is over.</exception>
    protected async Task<TOut> Call<TIn, TOut>(EntityKey entity, Update<TIn, TOut> update, TIn input, CancellationToken? cancellation = null) =>
        (await ActivityStep.Call(Execution, EntityTools.Update, EntityTools.Ask(Execution, entity, update, input), null, cancellation ?? Cancellation)).To<TOut>()!;

    /// <summary>Waits until a moment; past ones return at once. Free while it waits, whether a second or a year.</summary>
    protected Task Until(DateTimeOffset moment, CancellationToken? cancellation = null) => TimerStep.Until(Execution, moment, cancellation ?? Cancellation);

    /// <summary>Waits for a time.</summary>
    protected Task Sleep(TimeSpan span, CancellationToken? cancellation = null) => TimerStep.Until(Execution, Now + span, cancellation ?? Cancellation);

    /// <summary>Takes the next signal of this name, in the order they arrived; one that came earlier is not lost.</summary>
    protected Task<T> Receive<T>(Signal<T> signal, CancellationToken? cancellation = null) => SignalWait.Receive(Execution, signal, cancellation ?? Cancellation);

    /// <summary>
    /// Asks for a person's decision and waits for it. The decision is bound to the digest of <paramref name="subject"/>'s canonical JSON.
    /// </summary>
    /// <param name="title">What is asked, in one line.</param>
    /// <param name="subject">What is decided on; shown to the approver.</param>
    /// <param name="by">The role that may decide.</param>
    /// <param name="notBy">Who may not, whatever their roles (four eyes).</param>
    /// <param name="within">The deadline; none if left out.</param>
    /// <param name="cancellation">Withdraws the request.</param>
    protected Task<Decision> Approval<T>(string title, T subject, string by, IEnumerable<string?>? notBy = null, TimeSpan? within = null,
        CancellationToken? cancellation = null) =>
        ApprovalStep.Ask(Execution, title, JsonText.From(subject), by, notBy, within, cancellation ?? Cancellation);

    /// <summary>Records a value the code cannot compute twice, and gives the recorded one on every replay. Not for calls outside.</summary>
    protected T Record<T>(Func<T> value) => RecordedValue.Record(Execution, value);

    /// <summary>A new identifier, the same on every replay.</summary>
    protected Guid NewGuid() => Execution.NewGuid();

    /// <summary>
    /// True where the changed code should run: in every run that reaches this point for the first time. False in a run whose
    /// history was written before the change.
    /// </summary>
    protected bool Patched(string patch) => Execution.Patched(patch);

    /// <summary>Sets search attributes of the run: at most 32, names to 64 and values to 256 characters.</summary>
    protected void SetAttributes(params (string Name, string Value)[] attributes) => Execution.SetAttributes(attributes);

    /// <summary>Says how a query is answered from here on. The handler only reads: it may ask nothing of the engine, and change nothing.</summary>
    protected void Answers<T>(Query<T> query, Func<T> handler) => Execution.Queries.Add(query, handler);

    /// <summary>Says how a query with an argument is answered from here on. One that is asked without gets null; where that is no value of <typeparamref name="TIn"/>, it is refused.</summary>
    protected void Answers<TIn, TOut>(Query<TIn, TOut> query, Func<TIn, TOut> handler) => Execution.Queries.Add(query, handler);

    /// <summary>
    /// Says how an update is carried out from here on. <paramref name="refuse"/> only reads, and says why an update is not accepted, or
    /// null; one it refuses leaves no trace. The handler may await steps; several may be under way at once, between the code's awaits.
    /// </summary>
    protected void Handles<TIn, TOut>(Update<TIn, TOut> update, Func<TIn, Task<TOut>> handler, Func<TIn, string?>? refuse = null) =>
        Execution.Updates.Add(update, handler, refuse);

    /// <summary>Says how an update is carried out from here on, without awaiting anything.</summary>
    protected void Handles<TIn, TOut>(Update<TIn, TOut> update, Func<TIn, TOut> handler, Func<TIn, string?>? refuse = null) =>
        Execution.Updates.Add(update, input => Task.FromResult(handler(input)), refuse);

    /// <summary>
    /// Runs <paramref name="body"/> with the state until it says that it is done. However long that takes, the run stays quick to load: between two
    /// iterations, when nothing is awaited, the engine may write a checkpoint, and a later load reads from there. So whatever an iteration
    /// hands to the next has to be in the state, which is stored as JSON; nothing else that the body changes survives.
    /// </summary>
    /// <param name="state">What the first iteration begins with.</param>
    /// <param name="body">One iteration; ends with <see cref="Iteration.Next"/> or <see cref="Iteration.Done"/>.</param>
    /// <param name="checkpointAfter">How many events are between two checkpoints, at least.</param>
    protected Task<TState> Loop<TState>(TState state, Func<TState, Task<Iteration<TState>>> body, int checkpointAfter = 100) =>
        Execution.Loops.RunAsync(state, body, checkpointAfter);

    /// <summary>Opens a scope whose steps are undone in reverse unless it is completed.</summary>
    protected Saga Saga() => new(Execution, Cancellation);

    internal abstract Task<JsonText> InvokeAsync(JsonText input);
}

/// <summary>A workflow from <typeparamref name="TIn"/> to <typeparamref name="TOut"/>.</summary>
public abstract class Workflow<TIn, TOut> : Workflow
{
    /// <summary>The workflow's code.</summary>
    protected abstract Task<TOut> RunAsync(TIn input);

    internal sealed override async Task<JsonText> InvokeAsync(JsonText input) => JsonText.From(await RunAsync(input.To<TIn>()!));
}
