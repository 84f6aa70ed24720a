using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>One stream of a budget's escrow, folded.</summary>
internal sealed class EscrowState(string budget, string period, int number) : LedgerPage(number)
{
    private const int RunsPerEvent = 500;

    private readonly Dictionary<string, decimal> spent = new(StringComparer.Ordinal);
    private readonly Dictionary<string, decimal> outstanding = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Holding> runs = new(StringComparer.Ordinal);

    /// <summary>What settled runs have spent.</summary>
    public IReadOnlyDictionary<string, decimal> Spent => spent;

    /// <summary>What runs that are not settled were granted.</summary>
    public IReadOnlyDictionary<string, decimal> Outstanding => outstanding;

    public IReadOnlyDictionary<string, Holding> Runs => runs;

    /// <summary>What is neither spent nor granted of a limit.</summary>
    public decimal Free(string unit, decimal limit) => limit - spent.GetValueOrDefault(unit) - outstanding.GetValueOrDefault(unit);

    protected override void Fold(KernelEvent e, DateTimeOffset at)
    {
        switch (e)
        {
            case EscrowOpened opened:
                foreach (var (unit, amount) in opened.Spent) spent[unit] = amount;
                break;
            case EscrowCarried carried:
                foreach (var holding in carried.Runs) Hold(holding, holding.At ?? at);
                break;
            case EscrowMoved moved:
                foreach (var back in moved.Returns ?? []) Settle(back);
                foreach (var holding in moved.Trims ?? [])
                    if (runs.TryGetValue(holding.Run, out var before)) Hold(holding, before.At);
                foreach (var holding in moved.Grants ?? []) Hold(holding, at);
                break;
        }
    }

    public override IReadOnlyList<KernelEvent> Next() =>
        [new EscrowOpened(budget, period, Spent), .. Runs.Select(run => new EscrowHolding(run.Key, run.Value.Units, At: run.Value.At)).Chunk(RunsPerEvent).Select(page => new EscrowCarried(page))];

    private void Hold(EscrowHolding holding, DateTimeOffset at)
    {
        if (runs.TryGetValue(holding.Run, out var before)) Count(before.Units, -1);
        runs[holding.Run] = new Holding(holding.Units, at);
        Count(holding.Units, 1);
    }

    private void Settle(EscrowReturn back)
    {
        if (!runs.Remove(back.Run, out var before)) return;
        Count(before.Units, -1);
        foreach (var (unit, amount) in back.Spent) spent[unit] = spent.GetValueOrDefault(unit) + amount;
    }

    private void Count(IReadOnlyDictionary<string, Held> units, int sign)
    {
        foreach (var (unit, held) in units) outstanding[unit] = outstanding.GetValueOrDefault(unit) + sign * held.Granted;
    }

    /// <summary>What a run holds, and when it last asked, by the store's clock.</summary>
    public sealed record Holding(IReadOnlyDictionary<string, Held> Units, DateTimeOffset At);
}
