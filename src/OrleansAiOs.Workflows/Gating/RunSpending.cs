using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Gating;

/// <summary>What a run has spent so far, by tool: charges of attempts that were let through. Those of attempts that certainly had no effect are taken back, but for their calls.</summary>
/// <param name="Tools">By the tool's name.</param>
public sealed record RunSpending(IReadOnlyDictionary<string, ToolSpending> Tools)
{
    public static readonly RunSpending None = new(new Dictionary<string, ToolSpending>());

    /// <summary>What a run has spent by its history, with all that was set aside for attempts under way.</summary>
    /// <returns>Null if there is no such run; else also whether it is over.</returns>
    /// <exception cref="UnreadableHistoryException">This build cannot read the history.</exception>
    public static async Task<(RunSpending Spent, bool IsClosed)?> ReadAsync(IRunStore store, RunKey run, CancellationToken cancellation)
    {
        var history = await store.LoadAsync(run, cancellation);
        if (history.Count == 0) return null;
        var state = RunState.Of(run, FoldedHistory.Events(history));
        return (state.Spent ?? None, state.IsClosed);
    }

    /// <summary>All tools together, in one unit.</summary>
    public decimal Total(string unit) => Tools.Values.Sum(tool => tool.Units.GetValueOrDefault(unit));

    /// <summary>Of all tools together, how much more of a unit they came to than was set aside for them.</summary>
    public decimal Beyond(string unit) => Tools.Values.Sum(tool => tool.Beyond?.GetValueOrDefault(unit) ?? 0);

    /// <summary>All tools together.</summary>
    public IReadOnlyDictionary<string, decimal> Totals() =>
        Tools.Values.SelectMany(tool => tool.Units).GroupBy(unit => unit.Key, StringComparer.Ordinal).ToDictionary(unit => unit.Key, unit => unit.Sum(u => u.Value), StringComparer.Ordinal);
}

/// <param name="Units">How much of each unit.</param>
/// <param name="Targets">Whom it reached, or tried to.</param>
/// <param name="Beyond">How much of that is what the tool came to beyond what was set aside for it; null for nothing.</param>
public sealed record ToolSpending(IReadOnlyDictionary<string, decimal> Units, IReadOnlyCollection<string> Targets, IReadOnlyDictionary<string, decimal>? Beyond = null);
