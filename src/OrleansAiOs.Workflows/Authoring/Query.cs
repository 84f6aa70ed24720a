namespace OrleansAiOs.Workflows;

/// <summary>A named question a run's code answers at any time, without being changed by it. Declared once as a static field.</summary>
/// <param name="name">The name in the API.</param>
/// <example><code>
/// private static readonly Query&lt;int&gt; Done = new("done");
/// …
/// Answers(Done, () => done);
/// </code></example>
public sealed class Query<T>(string name)
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;
}

/// <summary>A question with an argument.</summary>
/// <param name="name">The name in the API.</param>
/// <example><code>
/// private static readonly Query&lt;string, int&gt; InStock = new("in-stock");
/// …
/// Answers(InStock, article => stock[article]);
/// </code></example>
public sealed class Query<TIn, TOut>(string name)
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;
}
