namespace OrleansAiOs.Workflows;

/// <summary>What one iteration of a <c>Loop</c> ended with.</summary>
/// <param name="State">The state to go on with, or the loop's result.</param>
/// <param name="IsDone">The loop is over.</param>
public readonly record struct Iteration<TState>(TState State, bool IsDone);

/// <summary>Ends an iteration of a <c>Loop</c>.</summary>
public static class Iteration
{
    /// <summary>The loop goes on with this state.</summary>
    public static Iteration<TState> Next<TState>(TState state) => new(state, IsDone: false);

    /// <summary>The loop is over, with this result.</summary>
    public static Iteration<TState> Done<TState>(TState state) => new(state, IsDone: true);
}
