namespace OrleansAiOs.Workflows;

/// <summary>A named message that a run can receive. Declared once as a static field, and received by that field.</summary>
/// <param name="name">The name in histories and in the API; for ever.</param>
public sealed class Signal<T>(string name)
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;
}
