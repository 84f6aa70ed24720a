using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Host.Api;

/// <param name="Cases">A file of cases, as text; it comes into force only if they hold.</param>
internal sealed record PutPolicyRequest(string Text, string? Cases = null, string? Note = null);

/// <param name="Replaces">What has to be in force now, 0 for nothing; if it is not, nothing is changed.</param>
internal sealed record ActivatePolicyRequest(long Number, long? Replaces = null);

internal sealed record RetirePolicyRequest(string Why);

/// <param name="Version">Of all that is in force, as it stands on every verdict: "NUMBER:HASH".</param>
/// <param name="Trouble">Why nothing can be judged by it, so that all is denied.</param>
internal sealed record PoliciesView(string Version, string? Trouble, IReadOnlyList<PolicyStanding> Items);

internal sealed record PolicyNumberView(long Number, string Hash, string? Note, string? By, DateTimeOffset At, bool HasCases);

internal sealed record PolicyHistoryView(string Name, long? Active, IReadOnlyList<PolicyNumberView> Items);

internal sealed record PolicyTextView(string Name, long Number, string Hash, string Text, string? Cases, string? Note, string? By, DateTimeOffset? At);

internal sealed record PutPolicyView(string Name, long Number, string Hash);

internal sealed record PolicyChangeView(bool Changed, string Version);

/// <summary>Policies over HTTP: put a text, bring it into force, take it out. Whoever holds a key may read them.</summary>
internal static class PoliciesApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/policies", ListAsync).Needs("policy.read").WithSummary("The policies, and which of them are in force").Produces<PoliciesView>();
        api.MapGet("/policies/{name}", GetAsync).Needs("policy.read").WithSummary("The texts put under a name, oldest first").Produces<PolicyHistoryView>().ProducesProblem(404);
        api.MapGet("/policies/{name}/versions/{number:int}", TextAsync).Needs("policy.read").WithSummary("One text with its cases; number 0 of \"base\" is the built-in one").Produces<PolicyTextView>().ProducesProblem(404);
        api.MapPost("/policies/{name}/versions", PutAsync).Needs("policy.write").WithSummary("Put a text; it is not in force yet").Produces<PutPolicyView>(201).ProducesProblem(403).ProducesProblem(422);
        api.MapPost("/policies/{name}/activate", ActivateAsync).Needs("policy.write").WithSummary("Bring a text into force, if its cases hold").Produces<PolicyChangeView>().ProducesProblem(403).ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/policies/{name}/retire", RetireAsync).Needs("policy.write").WithSummary("Take what is in force under a name out of force").Produces<PolicyChangeView>().ProducesProblem(403).ProducesProblem(404).ProducesProblem(422);
    }

    private static async Task<PoliciesView> ListAsync(PolicyView view, Catalogue catalogue, Caller caller, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        var active = view.ActiveFor(caller.Tenant);
        return new PoliciesView(active.Version.ToString(), active.Trouble, view.List(caller.Tenant));
    }

    private static async Task<PolicyHistoryView> GetAsync(string name, PolicyVersions policies, Caller caller, HttpContext context)
    {
        var history = await policies.GetAsync(caller.Tenant, name, context.RequestAborted);
        return new PolicyHistoryView(name, history.Active, [.. history.Put.Select(put => new PolicyNumberView(put.Number, put.Hash, put.Note, put.By, put.At, put.Cases is not null))]);
    }

    private static async Task<PolicyTextView> TextAsync(string name, int number, PolicyVersions policies, Caller caller, HttpContext context)
    {
        if (number == 0 && name == BasePolicy.Name) return new PolicyTextView(name, 0, BasePolicy.Text.Hash, BasePolicy.Text.Text, null, "built in", null, null);
        var history = await policies.GetAsync(caller.Tenant, name, context.RequestAborted);
        var put = history.Put.FirstOrDefault(put => put.Number == number) ?? throw new ProblemException(404, "Not found", $"Policy '{name}' has no number {number}; its last is {history.Put.Count}.");
        return new PolicyTextView(name, put.Number, put.Hash, put.Text, put.Cases, put.Note, put.By, put.At);
    }

    private static async Task<IResult> PutAsync(string name, PutPolicyRequest request, PolicyVersions policies, Caller caller, HttpContext context)
    {
        var number = await policies.PutAsync(caller.Tenant, name, request.Text, request.Cases, request.Note, caller.By, context.RequestAborted);
        return Results.Created($"/api/v1/policies/{name}/versions/{number}", new PutPolicyView(name, number, PolicyText.HashOf(request.Text)));
    }

    private static Task<PolicyChangeView> ActivateAsync(string name, ActivatePolicyRequest request, PolicyVersions policies, PolicyView view, Catalogue catalogue, Caller caller, HttpContext context) =>
        ChangedAsync(policies.ActivateAsync(caller.Tenant, name, request.Number, request.Replaces, caller.By, context.RequestAborted), view, catalogue, caller, context);

    private static Task<PolicyChangeView> RetireAsync(string name, RetirePolicyRequest request, PolicyVersions policies, PolicyView view, Catalogue catalogue, Caller caller, HttpContext context) =>
        ChangedAsync(policies.RetireAsync(caller.Tenant, name, request.Why, caller.By, context.RequestAborted), view, catalogue, caller, context);

    private static async Task<PolicyChangeView> ChangedAsync(Task<bool> change, PolicyView view, Catalogue catalogue, Caller caller, HttpContext context)
    {
        var changed = await change;
        await catalogue.FreshAsync(context.RequestAborted);
        return new PolicyChangeView(changed, view.ActiveFor(caller.Tenant).Version.ToString());
    }
}
