using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

/// <summary>Attempts that the gate lets wait. They would ask again by themselves; nobody who has just let them go on wants to wait for that.</summary>
internal static class GateWaits
{
    private const int PageSize = 200;

    /// <param name="because">What stands in the reason of those that are to ask again now.</param>
    public static async Task WakeAsync(WorkflowHost host, Caller caller, string because, CancellationToken cancellation)
    {
        RunCursor? after = null;
        while (true)
        {
            var rows = await host.Store.ListAsync(new RunQuery(caller.Tenant, RunStatus.Running, Sort: RunSort.OldestFirst, After: after, Limit: PageSize), cancellation);
            foreach (var row in rows)
                foreach (var wait in row.Waits.Where(wait => wait is { Kind: "activity", Step: not null } && wait.Why?.Contains(because, StringComparison.Ordinal) is true))
                    try
                    {
                        await host.RetryNowAsync(row.Run, wait.Step!.Value, caller.By);
                    }
                    catch (CommandRefusedException)
                    {
                        // It has gone on meanwhile.
                    }
            if (rows.Count < PageSize) return;
            after = new RunCursor(rows[^1].StartedAt, rows[^1].Run.Id);
        }
    }
}
