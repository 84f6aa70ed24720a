namespace OrleansAiOs.Workflows.Gating;

/// <summary>
/// The fold of what a run spends. An attempt's charge counts from the append that lets it through: before it is sent. A further attempt of
/// the same effect (the same key) costs its calls again and everything else once. What certainly had no effect is taken back, its calls not:
/// they were made. What never left at all is taken back whole.
/// </summary>
internal sealed class SpendingLedger
{
    public const string Calls = "calls";

    private readonly Dictionary<string, (Dictionary<string, decimal> Units, HashSet<string> Targets)> tools = new(StringComparer.Ordinal);
    private RunSpending? view;

    public SpendingLedger()
    {
    }

    public SpendingLedger(RunSpending spent)
    {
        foreach (var (tool, of) in spent.Tools) tools[tool] = (of.Units.ToDictionary(StringComparer.Ordinal), [.. of.Targets]);
    }

    /// <summary>As it stands; made once for all who ask before it changes.</summary>
    public RunSpending View() => view ??= new(tools.ToDictionary(tool => tool.Key, tool => new ToolSpending(tool.Value.Units.ToDictionary(StringComparer.Ordinal), [.. tool.Value.Targets.Order(StringComparer.Ordinal)]), StringComparer.Ordinal));

    /// <param name="reserved">The charge of an attempt of the same effect that may have been made; its place is taken.</param>
    public void Reserve(string tool, Charge charge, Charge? reserved)
    {
        if (reserved is not null) Add(tool, reserved, -1, calls: false);
        Add(tool, charge, 1, calls: true);
        if (charge.Target is { } target) Of(tool).Targets.Add(target);
    }

    /// <param name="left">The attempt was made, and had no effect; else it was never made.</param>
    public void Release(string tool, Charge charge, bool left) => Add(tool, charge, -1, calls: !left);

    /// <summary>The tool says what it really came to.</summary>
    public void Settle(string tool, Charge reserved, IReadOnlyDictionary<string, decimal> actual)
    {
        foreach (var (unit, amount) in actual)
        {
            var units = Of(tool).Units;
            units[unit] = units.GetValueOrDefault(unit) - reserved.Units.GetValueOrDefault(unit) + amount;
        }
    }

    private void Add(string tool, Charge charge, int sign, bool calls)
    {
        var units = Of(tool).Units;
        foreach (var (unit, amount) in charge.Units)
            if (calls || unit != Calls) units[unit] = units.GetValueOrDefault(unit) + sign * amount;
    }

    // Only who changes something asks.
    private (Dictionary<string, decimal> Units, HashSet<string> Targets) Of(string tool)
    {
        view = null;
        if (!tools.TryGetValue(tool, out var of)) tools.Add(tool, of = (new Dictionary<string, decimal>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal)));
        return of;
    }
}
