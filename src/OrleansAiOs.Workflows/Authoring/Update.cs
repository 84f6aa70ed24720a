namespace OrleansAiOs.Workflows;

/// <summary>
/// A named command with an answer: the run's code may refuse it, with nothing recorded; if not, it is recorded, carried out, and its
/// answer is recorded too. Declared once as a static field.
/// </summary>
/// <param name="name">The name in histories and in the API; for ever.</param>
public sealed class Update<TIn, TOut>(string name)
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;
}
