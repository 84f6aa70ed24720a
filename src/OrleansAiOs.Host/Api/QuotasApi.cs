using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Governance.Quotas;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Host.Api;

/// <summary>Quotas: how much there may be of something at one time. Behind the rights of budgets.</summary>
internal static class QuotasApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/quotas", ListAsync).Needs("budget.read").WithSummary("The quotas, and how each stands").Produces<PageView<QuotaEntry>>();
        api.MapGet("/quotas/{name}", GetAsync).Needs("budget.read").WithSummary("One quota, and which hosts may have how many calls under way").Produces<QuotaEntry>().ProducesProblem(404);
        api.MapPut("/quotas/{name}", SetAsync).Needs("budget.write").WithSummary("Make or change a quota").Produces<ChangedView>().ProducesProblem(409).ProducesProblem(422);
        api.MapDelete("/quotas/{name}", RemoveAsync).Needs("budget.write").WithSummary("Take a quota away: nothing is limited by it any more").Produces<ChangedView>().ProducesProblem(404);
    }

    private static async Task<PageView<QuotaEntry>> ListAsync(Caller caller, QuotaView quotas, QuotaParts parts, Catalogue catalogue, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        var items = new List<QuotaEntry>();
        foreach (var quota in quotas.List(caller.Tenant)) items.Add(await EntryAsync(quota, parts, context.RequestAborted));
        return new PageView<QuotaEntry>(items);
    }

    private static async Task<QuotaEntry> GetAsync(string name, Caller caller, QuotaView quotas, QuotaParts parts, Catalogue catalogue, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        return await EntryAsync(quotas.Find(caller.Tenant, name) ?? throw NotThere(name), parts, context.RequestAborted);
    }

    private static async Task<ChangedView> SetAsync(string name, QuotaRequest request, Caller caller, Quotas quotas, QuotaView view, QuotaParts parts, IdentityView identity, Catalogue catalogue, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        var set = new QuotaSet(name, request.Calls, request.Runs, request.Principal, request.Bytes);
        if (Quotas.Objection(set) is null && set.Principal is { } principal && identity.Find(caller.Tenant, principal) is null)
            throw new CommandRefusedException(Refusal.Invalid, $"principal: there is no {principal}, so it would never limit anything. Add it first, or mend the name.");
        if (view.Find(caller.Tenant, name) is null && view.List(caller.Tenant).Count >= Quotas.PerTenantMax)
            throw new CommandRefusedException(Refusal.Conflict, $"There are {Quotas.PerTenantMax} quotas, the most a tenant has: every call asks all of them. Remove one that nobody needs.");
        var changed = await quotas.SetAsync(caller.Tenant, set, caller.By, context.RequestAborted);
        await catalogue.FreshAsync(context.RequestAborted);
        if (view.Find(caller.Tenant, name) is not { } now) return new ChangedView(changed); // somebody has removed it since
        if (now.Runs is not null) await parts.Runs.BeginAsync(now);
        if (now.Bytes is not null) await parts.Bytes.BeginAsync(now);
        return new ChangedView(changed);
    }

    private static async Task<ChangedView> RemoveAsync(string name, Caller caller, Quotas quotas, QuotaView view, Catalogue catalogue, HttpContext context)
    {
        await catalogue.NowAsync(context.RequestAborted);
        if (view.Find(caller.Tenant, name) is null) throw NotThere(name);
        var changed = await quotas.RemoveAsync(caller.Tenant, name, caller.By, context.RequestAborted);
        await catalogue.FreshAsync(context.RequestAborted);
        return new ChangedView(changed);
    }

    private static CommandRefusedException NotThere(string name) => new(Refusal.NotFound, $"There is no quota '{ChargeRules.Cut(name)}'.");

    private static async Task<QuotaEntry> EntryAsync(Quota quota, QuotaParts parts, CancellationToken cancellation) => new(quota.Id, quota.Principal,
        quota.Calls is null ? null : await parts.Calls.StandingAsync(quota, cancellation), quota.Runs is null ? null : await parts.Runs.StandingAsync(quota, cancellation),
        quota.Bytes is null ? null : await parts.Bytes.StandingAsync(quota));
}

/// <param name="Calls">At most so many calls under way at once, on all hosts; null for no limit.</param>
/// <param name="Runs">At most so many open runs; null for no limit.</param>
/// <param name="Principal">Only what is done by or for this principal; null for all of the tenant.</param>
/// <param name="Bytes">At most so many bytes of events and documents stored, of the tenant; null for no limit.</param>
internal sealed record QuotaRequest(int? Calls = null, int? Runs = null, string? Principal = null, long? Bytes = null);

internal sealed record QuotaEntry(string Id, string? Principal, CallStanding? Calls, RunsStanding? Runs, BytesStanding? Bytes);
