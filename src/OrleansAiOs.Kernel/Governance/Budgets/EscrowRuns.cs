using System.Data.Common;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Budgets;

/// <summary>What the engine's own tables say of runs that hold something of a budget: whether they are over, and what they have spent.</summary>
internal sealed class EscrowRuns(DbDataSource source, IRunStore store, EscrowPace pace)
{
    private const int HistoriesPerSweep = 200;

    /// <summary>Which of these runs are open, and the store's clock if there are any. One without a row was purged, and so is over.</summary>
    public async Task<(HashSet<string> Open, DateTimeOffset Now)> OpenAsync(string tenant, string[] ids)
    {
        await using var command = source.Command("select id, now() from aios.runs where tenant_id = $1 and id = any($2) and closed_at is null", tenant, ids);
        var (open, now) = (new HashSet<string>(StringComparer.Ordinal), default(DateTimeOffset));
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            open.Add(reader.GetString(0));
            now = await reader.GetFieldValueAsync<DateTimeOffset>(1);
        }
        return (open, now);
    }

    /// <summary>What can be taken back of what runs hold. Those with the most that is not known to be spent are looked at first.</summary>
    /// <param name="on">As it was read just now, with the store's times.</param>
    public async Task<EscrowMoved?> LeftOverAsync(string tenant, Budget budget, EscrowState on)
    {
        var (open, now) = await OpenAsync(tenant, [.. on.Runs.Keys]);
        var (trims, returns) = (new List<EscrowHolding>(), new List<EscrowReturn>());
        foreach (var (run, holding) in on.Runs.OrderBy(run => open.Contains(run.Key)).ThenByDescending(run => Idle(run.Value, budget)).Take(HistoriesPerSweep))
        {
            if (open.Contains(run) && Idle(holding, budget) == 0) break;
            (RunSpending Spent, bool IsClosed)? read;
            try
            {
                read = await RunSpending.ReadAsync(store, new RunKey(tenant, run), default);
            }
            catch (UnreadableHistoryException)
            {
                continue; // what it holds stays its own until somebody has mended it
            }
            if (read is not var (spent, isClosed))
                returns.Add(new EscrowReturn(run, holding.Units.ToDictionary(unit => unit.Key, unit => unit.Value.Granted, StringComparer.Ordinal))); // its history is gone: it counts as all spent
            else if (isClosed)
                returns.Add(new EscrowReturn(run, holding.Units.ToDictionary(unit => unit.Key, unit => Behind(unit), StringComparer.Ordinal)));
            else
            {
                // Who holds a lease may be about to spend: of that, it is only told what is spent by now.
                var isOut = open.Contains(run) && now - holding.At >= 2 * pace.Lease;
                var units = holding.Units.ToDictionary(unit => unit.Key, unit => unit.Value with { Spent = Behind(unit), Granted = isOut ? Math.Min(unit.Value.Granted, Behind(unit)) : unit.Value.Granted }, StringComparer.Ordinal);
                if (units.Any(unit => unit.Value != holding.Units[unit.Key])) trims.Add(new EscrowHolding(run, units));
            }

            decimal Behind(KeyValuePair<string, Held> unit) => EscrowAsk.Behind(budget, spent, unit.Key, unit.Value);
        }
        return trims.Count + returns.Count == 0 ? null : new EscrowMoved(null, trims.Count == 0 ? null : trims, returns.Count == 0 ? null : returns);
    }

    // In parts of the limits, so that units can be compared. Streams from before may hold runs that were granted nothing of any unit.
    private static decimal Idle(EscrowState.Holding holding, Budget budget) =>
        holding.Units.Select(unit => Math.Max(0, unit.Value.Granted - unit.Value.Spent) / (budget.Limits.GetValueOrDefault(unit.Key) is > 0 and var limit ? limit : 1)).DefaultIfEmpty().Max();
}

/// <param name="Lease">For so long after it asked a run may spend what it was granted without asking again.</param>
/// <param name="BetweenSweeps">The time between two sweeps of a budget that is short, beside one that grows with what a sweep takes.</param>
/// <param name="FoldAfter">A stream of so many events is closed.</param>
internal sealed record EscrowPace(TimeSpan Lease, TimeSpan BetweenSweeps, int FoldAfter)
{
    public static readonly EscrowPace Usual = new(TimeSpan.FromMinutes(2), TimeSpan.FromSeconds(1), 500);
}
