namespace OrleansAiOs.Workflows.Gating;

/// <summary>What a run has spent so far, by tool: charges of attempts that were let through. Those of attempts that certainly had no effect are taken back, but for their calls.</summary>
/// <param name="Tools">By the tool's name.</param>
public sealed record RunSpending(IReadOnlyDictionary<string, ToolSpending> Tools)
{
    public static readonly RunSpending None = new(new Dictionary<string, ToolSpending>());

    /// <summary>All tools together, in one unit.</summary>
    public decimal Total(string unit) => Tools.Values.Sum(tool => tool.Units.GetValueOrDefault(unit));

    /// <summary>All tools together.</summary>
    public IReadOnlyDictionary<string, decimal> Totals() =>
        Tools.Values.SelectMany(tool => tool.Units).GroupBy(unit => unit.Key, StringComparer.Ordinal).ToDictionary(unit => unit.Key, unit => unit.Sum(u => u.Value), StringComparer.Ordinal);
}

/// <param name="Units">How much of each unit.</param>
/// <param name="Targets">Whom it reached, or tried to.</param>
public sealed record ToolSpending(IReadOnlyDictionary<string, decimal> Units, IReadOnlyCollection<string> Targets);
