using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Governance.RunLimits;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

/// <summary>Budgets, which many runs spend together, and limits, which each run has for itself.</summary>
internal static class BudgetsApi
{
    private const int RunsShown = 50;
    private const int LimitsMax = 1000;

    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/budgets", ListAsync).Needs("budget.read").WithSummary("The budgets, and how each stands").Produces<PageView<BudgetEntry>>();
        api.MapGet("/budgets/{name}", GetAsync).Needs("budget.read").WithSummary("One budget, and which runs hold the most of it").Produces<BudgetEntry>().ProducesProblem(404);
        api.MapPut("/budgets/{name}", SetAsync).Needs("budget.write").WithSummary("Make or change a budget").Produces<ChangedView>().ProducesProblem(409).ProducesProblem(422);
        api.MapDelete("/budgets/{name}", RemoveAsync).Needs("budget.write").WithSummary("Take a budget away: nothing is limited by it any more").Produces<ChangedView>().ProducesProblem(404);
        api.MapGet("/run-limits", LimitsAsync).Needs("budget.read").WithSummary("How far one run may go").Produces<PageView<RunLimitEntry>>();
        api.MapPut("/run-limits", SetLimitAsync).Needs("budget.write").WithSummary("Limit what one run may do with a tool, or with all together").Produces<ChangedView>().ProducesProblem(422);
        api.MapDelete("/run-limits/{tool}", RemoveLimitAsync).Needs("budget.write").WithSummary("Take a limit away").Produces<ChangedView>().ProducesProblem(404);
    }

    private static async Task<PageView<BudgetEntry>> ListAsync(Caller caller, BudgetView budgets, Escrow escrow, Catalogue catalogue, WorkflowHost host, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        var items = new List<BudgetEntry>();
        foreach (var budget in budgets.List(caller.Tenant)) items.Add(Entry(await escrow.StandingAsync(budget, host.Now, context.RequestAborted), host.Now, withRuns: false));
        return new PageView<BudgetEntry>(items);
    }

    private static async Task<BudgetEntry> GetAsync(string name, Caller caller, BudgetView budgets, Escrow escrow, Catalogue catalogue, WorkflowHost host, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        var budget = budgets.Find(caller.Tenant, name) ?? throw NotThere(name);
        return Entry(await escrow.StandingAsync(budget, host.Now, context.RequestAborted), host.Now, withRuns: true);
    }

    private static async Task<ChangedView> SetAsync(string name, BudgetRequest request, Caller caller, Budgets budgets, BudgetView view, IdentityView identity, Catalogue catalogue, WorkflowHost host, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        var set = new BudgetSet(name, request.Limits, request.Period, request.Principal, request.Tool, request.WhenSpent, request.Roles is { Count: 0 } ? null : request.Roles);
        if (Budgets.Objection(set) is null && set.Principal is { } principal && identity.Find(caller.Tenant, principal) is null)
            throw new CommandRefusedException(Refusal.Invalid, $"principal: there is no {principal}, so it would never spend anything. Add it first, or mend the name.");
        if (view.Find(caller.Tenant, name) is null && view.List(caller.Tenant).Count >= Budgets.PerTenantMax)
            throw new CommandRefusedException(Refusal.Conflict, $"There are {Budgets.PerTenantMax} budgets, the most a tenant has: every call asks all of them. Remove one that nobody needs.");
        var changed = await budgets.SetAsync(caller.Tenant, set, caller.By, context.RequestAborted);
        await catalogue.FreshAsync(context.RequestAborted);
        if (changed) await GateWaits.WakeAsync(host, caller, $"Budget '{name}'", context.RequestAborted);
        return new ChangedView(changed);
    }

    private static async Task<ChangedView> RemoveAsync(string name, Caller caller, Budgets budgets, BudgetView view, Catalogue catalogue, WorkflowHost host, HttpContext context)
    {
        await catalogue.NowAsync(context.RequestAborted);
        if (view.Find(caller.Tenant, name) is null) throw NotThere(name);
        var changed = await budgets.RemoveAsync(caller.Tenant, name, caller.By, context.RequestAborted);
        await catalogue.FreshAsync(context.RequestAborted);
        if (changed) await GateWaits.WakeAsync(host, caller, $"Budget '{name}'", context.RequestAborted);
        return new ChangedView(changed);
    }

    private static async Task<PageView<RunLimitEntry>> LimitsAsync(Caller caller, RunLimitView limits, Catalogue catalogue, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        var set = limits.List(caller.Tenant).Select(limit => Entry(limit, builtIn: false));
        return new PageView<RunLimitEntry>([.. limits.Find(caller.Tenant, RunLimits.All) is null ? set.Prepend(Entry(RunLimits.Default, builtIn: true)) : set]);
    }

    private static async Task<ChangedView> SetLimitAsync(RunLimitRequest request, Caller caller, RunLimits limits, RunLimitView view, Catalogue catalogue, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        if (view.Find(caller.Tenant, request.Tool) is null && view.List(caller.Tenant).Count >= LimitsMax) throw new CommandRefusedException(Refusal.Conflict, $"There are {LimitsMax} limits, the most a tenant has. Remove one that nobody needs.");
        var changed = await limits.SetAsync(caller.Tenant, new RunLimitSet(request.Tool, request.Units ?? new Dictionary<string, decimal>(), request.Targets, request.OnHit, request.Roles is { Count: 0 } ? null : request.Roles), caller.By, context.RequestAborted);
        await catalogue.FreshAsync(context.RequestAborted);
        return new ChangedView(changed);
    }

    private static async Task<ChangedView> RemoveLimitAsync(string tool, Caller caller, RunLimits limits, RunLimitView view, Catalogue catalogue, HttpContext context)
    {
        tool = Uri.UnescapeDataString(tool); // a tool's name holds a slash, which comes encoded
        await catalogue.NowAsync(context.RequestAborted);
        if (view.Find(caller.Tenant, tool) is null) throw new CommandRefusedException(Refusal.NotFound, $"No limit is set for '{ChargeRules.Cut(tool)}'.");
        var changed = await limits.RemoveAsync(caller.Tenant, tool, caller.By, context.RequestAborted);
        await catalogue.FreshAsync(context.RequestAborted);
        return new ChangedView(changed);
    }

    private static CommandRefusedException NotThere(string name) => new(Refusal.NotFound, $"There is no budget '{ChargeRules.Cut(name)}'.");

    private static BudgetEntry Entry(BudgetStanding standing, DateTimeOffset now, bool withRuns) => new(standing.Budget.Id, standing.Budget.Period, standing.Period, standing.Budget.EndAt(now), standing.Budget.Principal, standing.Budget.Tool,
        standing.Budget.WhenSpent, standing.Budget.Roles, standing.Units, withRuns ? [.. standing.Runs.Take(RunsShown)] : null);

    private static RunLimitEntry Entry(RunLimitSet limit, bool builtIn) => new(limit.Tool, limit.Units, limit.Targets, limit.OnHit, limit.Roles ?? [], builtIn);
}

/// <param name="Limits">By unit: "calls", "tokens", "cost:USD", "amount:EUR", or any a tool charges.</param>
internal sealed record BudgetRequest(IReadOnlyDictionary<string, decimal> Limits, BudgetPeriod Period = BudgetPeriod.Total, string? Principal = null, string? Tool = null, WhenSpent WhenSpent = WhenSpent.Deny, IReadOnlyList<string>? Roles = null);

/// <param name="Current">The period it is in: "total", "2026-11", "2026-11-29".</param>
/// <param name="EndsAt">When that is over; null for never.</param>
/// <param name="Runs">Those that hold the most of it.</param>
internal sealed record BudgetEntry(string Id, BudgetPeriod Period, string Current, DateTimeOffset? EndsAt, string? Principal, string? Tool, WhenSpent WhenSpent, IReadOnlyList<string> Roles,
    IReadOnlyList<UnitStanding> Units, IReadOnlyList<RunStanding>? Runs);

/// <param name="Tool">An activity's or tool's name; "*" for all calls of a run together.</param>
/// <param name="Targets">So many different ones at most.</param>
internal sealed record RunLimitRequest(string Tool, IReadOnlyDictionary<string, decimal>? Units = null, int? Targets = null, OnHit OnHit = OnHit.Deny, IReadOnlyList<string>? Roles = null);

/// <param name="BuiltIn">Nobody has set one: it is what holds then.</param>
internal sealed record RunLimitEntry(string Tool, IReadOnlyDictionary<string, decimal> Units, int? Targets, OnHit OnHit, IReadOnlyList<string> Roles, bool BuiltIn);
