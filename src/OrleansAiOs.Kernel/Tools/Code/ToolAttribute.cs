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
}
