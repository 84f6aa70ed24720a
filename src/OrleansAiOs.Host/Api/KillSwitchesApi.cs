using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

/// <summary>Kill switches: what is stopped at once, everywhere, and goes on where it was when it is released.</summary>
internal static class KillSwitchesApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/kill-switches", ListAsync).Needs("kill.read").WithSummary("Which kill switches are thrown").Produces<PageView<ThrownView>>();
        api.MapPost("/kill-switches", ThrowAsync).Needs("kill.throw").WithSummary("Stop a principal, a tool or the tenant").Produces<StoppedView>();
        api.MapPost("/kill-switches/release", ReleaseAsync).Needs("kill.release").WithSummary("Let it go on").Produces<ChangedView>();
    }

    private static async Task<PageView<ThrownView>> ListAsync(Caller caller, KillSwitchView switches, Catalogue catalogue, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        return new PageView<ThrownView>([.. switches.List(caller.Tenant).Select(thrown => new ThrownView(thrown.Target, thrown.Id, thrown.Why, thrown.By, thrown.Since))]);
    }

    private static async Task<StoppedView> ThrowAsync(KillSwitchRequest request, Caller caller, KillSwitches switches, IdentityView identity, ToolView tools, Catalogue catalogue, HttpContext context)
    {
        var id = IdOf(request, caller);
        var changed = await Checked(() => switches.ThrowAsync(caller.Tenant, request.Target, id, request.Why, caller.By, context.RequestAborted));
        await catalogue.FreshAsync(context.RequestAborted);
        return new StoppedView(changed, Unknown(request.Target, id, caller.Tenant, identity, tools));
    }

    // It is thrown all the same: it may be meant for what is about to come. Activities are not asked for: another host may have code that this one lacks.
    private static string? Unknown(KillTarget target, string id, string tenant, IdentityView identity, ToolView tools)
    {
        if (target is KillTarget.Principal && PrincipalId.Of(id) is var name && name != PrincipalId.Engine && identity.Find(tenant, name) is null)
            return $"The switch is thrown, but there is no principal '{name}' so far: it stops nothing. `aios principals list` names those there are.";
        if (target is KillTarget.Tool && id.Contains('/') && tools.Find(tenant, id.StartsWith("tool:", StringComparison.Ordinal) ? id["tool:".Length..] : id) is null)
            return $"The switch is thrown, but there is no tool '{id}' so far: it stops nothing. `aios tools list` names those there are.";
        return null;
    }

    private static async Task<ChangedView> ReleaseAsync(KillSwitchRequest request, Caller caller, KillSwitches switches, Catalogue catalogue, WorkflowHost host, HttpContext context)
    {
        var changed = await Checked(() => switches.ReleaseAsync(caller.Tenant, request.Target, IdOf(request, caller), request.Why, caller.By, context.RequestAborted));
        await catalogue.FreshAsync(context.RequestAborted);
        if (changed) await GateWaits.WakeAsync(host, caller, "kill switch", context.RequestAborted);
        return new ChangedView(changed);
    }

    // Only the tenant needs no name: there is but one.
    private static string IdOf(KillSwitchRequest request, Caller caller) => request.Id ?? (request.Target is KillTarget.Tenant ? caller.Tenant : "");

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

/// <param name="Note">What whoever has thrown it ought to know: that nothing is stopped by it, since there is nothing of that name.</param>
internal sealed record StoppedView(bool Changed, string? Note);
