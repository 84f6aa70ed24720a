using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

/// <summary>Kill switches: what is stopped at once, everywhere, and goes on where it was when it is released.</summary>
internal static class KillSwitchesApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/kill-switches", ListAsync).Needs("kill.read").WithSummary("Which kill switches are thrown").Produces<PageView<ThrownView>>();
        api.MapPost("/kill-switches", ThrowAsync).Needs("kill.throw").WithSummary("Stop a principal, a tool or the tenant").Produces<ChangedView>();
        api.MapPost("/kill-switches/release", ReleaseAsync).Needs("kill.release").WithSummary("Let it go on").Produces<ChangedView>();
    }

    private static async Task<PageView<ThrownView>> ListAsync(Caller caller, KillSwitchView switches, Catalogue catalogue, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        return new PageView<ThrownView>([.. switches.List(caller.Tenant).Select(thrown => new ThrownView(thrown.Target, thrown.Id, thrown.Why, thrown.By, thrown.Since))]);
    }

    private static async Task<ChangedView> ThrowAsync(KillSwitchRequest request, Caller caller, KillSwitches switches, Catalogue catalogue, HttpContext context)
    {
        var changed = await Checked(() => switches.ThrowAsync(caller.Tenant, request.Target, request.Id ?? caller.Tenant, request.Why, caller.By, context.RequestAborted));
        await catalogue.FreshAsync(context.RequestAborted);
        return new ChangedView(changed);
    }

    private static async Task<ChangedView> ReleaseAsync(KillSwitchRequest request, Caller caller, KillSwitches switches, Catalogue catalogue, WorkflowHost host, HttpContext context)
    {
        var changed = await Checked(() => switches.ReleaseAsync(caller.Tenant, request.Target, request.Id ?? caller.Tenant, request.Why, caller.By, context.RequestAborted));
        await catalogue.FreshAsync(context.RequestAborted);
        if (changed) await WakeAsync(host, caller, context.RequestAborted);
        return new ChangedView(changed);
    }

    // They would ask again within a minute by themselves; nobody who has just released a switch wants to wait for that.
    private static async Task WakeAsync(WorkflowHost host, Caller caller, CancellationToken cancellation)
    {
        const int page = 200;
        RunCursor? after = null;
        while (true)
        {
            var rows = await host.Store.ListAsync(new RunQuery(caller.Tenant, RunStatus.Running, Sort: RunSort.OldestFirst, After: after, Limit: page), cancellation);
            foreach (var row in rows)
                foreach (var wait in row.Waits.Where(wait => wait is { Kind: "activity", Step: not null } && wait.Why?.Contains("kill switch", StringComparison.Ordinal) is true))
                    try
                    {
                        await host.RetryNowAsync(row.Run, wait.Step!.Value, caller.By);
                    }
                    catch (CommandRefusedException)
                    {
                        // It has gone on meanwhile.
                    }
            if (rows.Count < page) return;
            after = new RunCursor(rows[^1].StartedAt, rows[^1].Run.Id);
        }
    }

    private static async Task<bool> Checked(Func<Task<bool>> change)
    {
        try
        {
            return await change();
        }
        catch (ArgumentException e)
        {
            throw new ProblemException(400, "Bad kill switch", e.Message);
        }
    }
}

internal sealed record KillSwitchRequest(KillTarget Target, string Why, string? Id = null);

internal sealed record ThrownView(KillTarget Target, string Id, string Why, string? By, DateTimeOffset Since);

internal sealed record ChangedView(bool Changed);
