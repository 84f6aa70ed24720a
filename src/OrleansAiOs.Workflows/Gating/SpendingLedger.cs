namespace OrleansAiOs.Workflows.Gating;

/// <summary>
/// The fold of what a run spends. An attempt's charge counts from the append that lets it through: before it is sent.
///
/// What an effect moves ("amount:…") counts once, however many attempts it takes; what an attempt uses up (calls, tokens, its cost, anything
/// else) counts again for each: a retry is billed. What certainly had no effect moved nothing, but was made: a call that was cut short has
/// used its tokens. Only a receiver's own no used nothing but the call, and what never left is taken back whole.
/// </summary>
internal sealed class SpendingLedger
{
    private readonly Dictionary<string, OfTool> tools = new(StringComparer.Ordinal);
    private RunSpending? view;

    public SpendingLedger()
    {
    }

    public SpendingLedger(RunSpending spent)
    {
        foreach (var (tool, of) in spent.Tools) tools[tool] = new OfTool(of.Units, of.Targets, of.Beyond ?? new Dictionary<string, decimal>());
    }

    /// <summary>As it stands; made once for all who ask before it changes.</summary>
    public RunSpending View() => view ??= new(tools.ToDictionary(tool => tool.Key, tool => tool.Value.View(), StringComparer.Ordinal));

    /// <param name="reserved">The charge of an attempt of the same effect that may have been made; its place is taken.</param>
    public void Reserve(string tool, Charge charge, Charge? reserved)
    {
        if (reserved is not null) Add(tool, reserved, -1, Moves);
        Add(tool, charge, 1, _ => true);
        if (charge.Target is { } target) Of(tool).Targets.Add(target);
    }

    public void Release(string tool, Charge charge, TakenBack why) => Add(tool, charge, -1, why switch
    {
        TakenBack.NeverLeft => _ => true,
        TakenBack.Refused => unit => unit != Charge.Calls,
        _ => Moves,
    });

    /// <summary>The attempt never left, and an earlier one may have had its effect: what it would have used up is free again.</summary>
    public void ReleaseUse(string tool, Charge charge) => Add(tool, charge, -1, unit => !Moves(unit));

    /// <summary>Whether a unit counts once for an effect, and not for each attempt.</summary>
    public static bool Moves(string unit) => unit.StartsWith(Charge.Moved, StringComparison.Ordinal);

    /// <summary>The tool says what it really came to.</summary>
    public void Settle(string tool, Charge reserved, IReadOnlyDictionary<string, decimal> actual)
    {
        foreach (var (unit, amount) in actual)
        {
            var of = Of(tool);
            var more = amount - reserved.Units.GetValueOrDefault(unit);
            of.Units[unit] = of.Units.GetValueOrDefault(unit) + more;
            if (more > 0) of.Beyond[unit] = of.Beyond.GetValueOrDefault(unit) + more;
        }
    }

    private void Add(string tool, Charge charge, int sign, Func<string, bool> which)
    {
        var units = Of(tool).Units;
        foreach (var (unit, amount) in charge.Units)
            if (which(unit)) units[unit] = units.GetValueOrDefault(unit) + sign * amount;
    }

    // Only who changes something asks.
    private OfTool Of(string tool)
    {
        view = null;
        if (!tools.TryGetValue(tool, out var of)) tools.Add(tool, of = new OfTool(new Dictionary<string, decimal>(), [], new Dictionary<string, decimal>()));
        return of;
    }

    private sealed class OfTool(IReadOnlyDictionary<string, decimal> units, IEnumerable<string> targets, IReadOnlyDictionary<string, decimal> beyond)
    {
        public Dictionary<string, decimal> Units { get; } = units.ToDictionary(StringComparer.Ordinal);

        public HashSet<string> Targets { get; } = new(targets, StringComparer.Ordinal);

        public Dictionary<string, decimal> Beyond { get; } = beyond.ToDictionary(StringComparer.Ordinal);

        public ToolSpending View() => new(Units.ToDictionary(StringComparer.Ordinal), [.. Targets.Order(StringComparer.Ordinal)], Beyond.Count == 0 ? null : Beyond.ToDictionary(StringComparer.Ordinal));
    }
}

/// <summary>Why a charge is taken back, and so how much of it.</summary>
internal enum TakenBack
{
    /// <summary>The attempt was never made: all of it.</summary>
    NeverLeft,

    /// <summary>The receiver said no: all but the call.</summary>
    Refused,

    /// <summary>It is certain that it had no effect, not that nothing was used: what it would have moved.</summary>
    NoEffect,
}
