using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools.Code;

/// <summary>
/// Makes a C# method a tool. Its parameters are the members of the input, and its schema is derived from their types; a parameter of type
/// ActivityContext, IdempotencyKey or CancellationToken is handed in and is no input. An instance method's object comes from dependency
/// injection. [Description] on the method, a parameter or a member says what it is.
/// </summary>
/// <param name="name">SERVER.NAME, as in "crm.update". It is for ever: rename the method, not this.</param>
/// <param name="effect">What it does outside. Whoever loads the assembly trusts it as they trust the workflows beside it.</param>
[AttributeUsage(AttributeTargets.Method, Inherited = false)]
public sealed class ToolAttribute(string name, Effect effect) : Attribute
{
    public string Name => name;

    public Effect Effect => effect;

    public string? Title { get; init; }

    /// <summary>Argument paths that a call may set, as "customer.email"; all of them if left out.</summary>
    public string[]? Fields { get; init; }

    /// <summary>The tool by which the target of a call is read before it and after it, as "crm.get"; it is pure. Nothing is compared if left out.</summary>
    public string? CompareBy { get; init; }

    /// <summary>Its arguments, as "id=customer.id"; behind "==" stands a JSON constant.</summary>
    public string[]? CompareWith { get; init; }

    /// <summary>Where in its answer the target stands.</summary>
    public string? CompareAt { get; init; }

    /// <summary>Arguments whose field in the target has another path, as "mail=contact.email"; behind the "=" of one that sets no field stands nothing.</summary>
    public string[]? CompareFields { get; init; }

    /// <summary>Fields that the receiver sets by itself.</summary>
    public string[]? CompareOwn { get; init; }
}
