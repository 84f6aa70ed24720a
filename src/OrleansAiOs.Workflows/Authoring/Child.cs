using System.Reflection;

namespace OrleansAiOs.Workflows;

/// <summary>
/// A workflow that another one starts and awaits as one of its steps. Declared once as a static field and called by that field.
/// </summary>
/// <param name="workflow">The workflow's name.</param>
/// <example><code>
/// private static readonly Child&lt;Order, Receipt&gt; Ship = Child&lt;Order, Receipt&gt;.Of&lt;ShipOrder&gt;();
/// …
/// var receipt = await Call(Ship, order);
/// </code></example>
public sealed class Child<TIn, TOut>(string workflow)
{
    /// <summary>The workflow's name.</summary>
    public string Workflow { get; } = workflow;

    /// <summary>The workflow of a type at hand: input and result are checked by the compiler.</summary>
    public static Child<TIn, TOut> Of<TWorkflow>() where TWorkflow : Workflow<TIn, TOut> =>
        new(typeof(TWorkflow).GetCustomAttribute<WorkflowAttribute>()?.Name ?? throw new InvalidOperationException($"{typeof(TWorkflow).Name} has no [Workflow(\"name\")]."));
}

/// <summary>How a child is started.</summary>
public sealed record ChildOptions
{
    /// <summary>The child's run id. Default: the parent's, a dot and the step's number. An id that exists with another parent fails the step. Behind a reset, and in a fork, the id gets a suffix: it may have been used before.</summary>
    public string? Id { get; init; }

    /// <summary>What becomes of the child when the parent ends before it, or is cancelled while it awaits it.</summary>
    public ParentClose OnParentClose { get; init; } = ParentClose.RequestCancel;

    /// <summary>What people call the child's case.</summary>
    public string? BusinessKey { get; init; }
}

/// <summary>What becomes of a child when its parent ends.</summary>
public enum ParentClose
{
    /// <summary>It is asked to cancel, and undoes what it did.</summary>
    RequestCancel,

    /// <summary>It is ended at once; nothing is undone.</summary>
    Terminate,

    /// <summary>It goes on by itself.</summary>
    Abandon,
}

/// <summary>A child ended otherwise than with a result, or could not be started.</summary>
public sealed class ChildFailedException : WorkflowFailedException
{
    internal ChildFailedException(string run, History.Failure failure) : base($"Child run {run}: {failure.Message}") => (Run, Failure) = (run, failure);

    /// <summary>The child's run id.</summary>
    public string Run { get; }

    /// <summary>How it ended.</summary>
    public History.Failure Failure { get; }
}
