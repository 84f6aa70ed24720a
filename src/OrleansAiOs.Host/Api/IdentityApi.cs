using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Schedules;

namespace OrleansAiOs.Host.Api;

internal sealed record MeView(string Tenant, string Principal, IReadOnlyList<string> Chain, IReadOnlyList<string> Roles, string Key);

internal sealed record PrincipalView(string Id, IReadOnlyList<string> Roles, string? Disabled, IReadOnlyList<GrantView> Grants, IReadOnlyList<IssuedKeyView> Keys, DateTimeOffset AddedAt)
{
    public static PrincipalView Of(Principal principal, GrantUseReport uses) => new(principal.Id, principal.Roles, principal.Disabled, [.. principal.Grants.Select(grant => GrantView.Of(grant, uses))],
        [.. principal.Keys.Select(key => new IssuedKeyView(key.Name, key.Hash, key.Expires, key.By, key.At))], principal.AddedAt);
}

internal sealed record IssuedKeyView(string Name, string Hash, DateTimeOffset? ExpiresAt, string? By, DateTimeOffset At);

/// <param name="LastUsedAt">When it was last what let somebody do something, on any host; null if it never was since <paramref name="UsesKnownSince"/>. Another host's last minute may not be in it.</param>
/// <param name="UsedFor">The same by what was done.</param>
/// <param name="Unused">Those of its actions that nobody has used: in the span that was asked for, else since uses are known.</param>
internal sealed record GrantView(string Id, string To, IReadOnlyList<string> Actions, string Resource, DateTimeOffset? ExpiresAt, string? By, DateTimeOffset At, string? Why, DateTimeOffset? LastUsedAt,
    IReadOnlyDictionary<string, DateTimeOffset> UsedFor, IReadOnlyList<string> Unused, DateTimeOffset UsesKnownSince)
{
    public static GrantView Of(Grant grant, GrantUseReport uses, DateTimeOffset? since = null)
    {
        var usedFor = uses.Of(grant);
        return new(grant.Id, grant.To, grant.Actions, grant.Resource, grant.Expires, grant.By, grant.At, grant.Why, usedFor.Count == 0 ? null : usedFor.Values.Max(), usedFor,
            uses.Unused(grant, since), uses.KnownSince(grant));
    }
}

internal sealed record RolesRequest(List<string> Roles);

internal sealed record WhyRequest(string Why);

internal sealed record GrantRequest(string To, List<string> Actions, string Resource, string? Expires = null, string? Why = null);

internal sealed record GrantedView(string Id);

/// <param name="Owner">The name of the tenant's first user, who owns it.</param>
internal sealed record TenantRequest(string Id, string Owner = BuiltInRole.Owner);

/// <param name="Key">The owner's; shown once.</param>
internal sealed record TenantView(string Id, string? Disabled, DateTimeOffset? AddedAt, string? Owner = null, string? Key = null);

/// <summary>Who is who over HTTP: tenants, principals, grants.</summary>
internal static class IdentityApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/me", Me).Needs("api.read").WithSummary("Who the key makes you").Produces<MeView>();
        api.MapGet("/principals", ListPrincipalsAsync).Needs("identity.read").WithSummary("Users, services and agents of the tenant").Produces<PageView<PrincipalView>>();
        api.MapGet("/principals/{kind}/{name}", PrincipalAsync).Needs("identity.read").WithSummary("One of them").Produces<PrincipalView>().ProducesProblem(404);
        api.MapPut("/principals/{kind}/{name}", SetRolesAsync).Needs("identity.write").WithSummary("Add a principal, or change its roles").Produces<PrincipalView>().ProducesProblem(422);
        api.MapPost("/principals/{kind}/{name}/disable", DisableAsync).Needs("identity.write").WithSummary("Let a principal do nothing from now on, nor anybody for it").Produces<PrincipalView>().ProducesProblem(404);
        api.MapPost("/principals/{kind}/{name}/enable", EnableAsync).Needs("identity.write").WithSummary("Let it go on").Produces<PrincipalView>().ProducesProblem(404);
        api.MapGet("/grants", ListGrantsAsync).Needs("identity.read").WithSummary("Rights that were given, and when each was last of use; with unusedFor, those with actions nobody has used for so long").Produces<PageView<GrantView>>();
        api.MapPost("/grants", GrantAsync).Needs("identity.write").WithSummary("Give a right").Produces<GrantedView>(201).ProducesProblem(404).ProducesProblem(422);
        api.MapDelete("/grants/{id}", TakeAsync).Needs("identity.write").WithSummary("Take a right back").Produces(204).ProducesProblem(404);
        api.MapGet("/tenants", (IdentityView identity) => new PageView<TenantView>([.. identity.AllTenants.Select(tenant => new TenantView(tenant.Id, tenant.Disabled, tenant.AddedAt))]))
            .Needs("tenant.read").WithSummary("The platform's tenants").Produces<PageView<TenantView>>();
        api.MapPost("/tenants", AddTenantAsync).Needs("tenant.write").WithSummary("Make a tenant and its first owner, whose key is shown once").Produces<TenantView>(201).ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/tenants/{id}/disable", DisableTenantAsync).Needs("tenant.write").WithSummary("Let nobody of a tenant do anything from now on").Produces<TenantView>().ProducesProblem(404);
        api.MapPost("/tenants/{id}/enable", EnableTenantAsync).Needs("tenant.write").WithSummary("Let a tenant go on").Produces<TenantView>().ProducesProblem(404);
    }

    public static PrincipalKind KindOf(string? kind) => kind switch
    {
        null or "user" => PrincipalKind.User,
        "service" => PrincipalKind.Service,
        "agent" => PrincipalKind.Agent,
        _ => throw new ProblemException(422, "Unknown kind", $"kind: user, service or agent, not '{kind}'."),
    };

    /// <summary>The moment that lies a span such as 90d from now.</summary>
    public static DateTimeOffset? EndOf(string? expires) => expires is null ? null
        : SpanText.TryParse(expires, out var span) && span > TimeSpan.Zero ? TimeProvider.System.GetUtcNow() + span
        : throw new ProblemException(422, "Bad span", "expires: write a span such as 90d or 12h.");

    private static MeView Me(Caller caller) => new(caller.Tenant, caller.Chain[^1], caller.Chain, caller.Roles, caller.Key);

    private static async Task<PageView<PrincipalView>> ListPrincipalsAsync(IdentityView identity, GrantUses uses, Caller caller, HttpContext context)
    {
        var report = await uses.ReportAsync(caller.Tenant, context.RequestAborted);
        return new([.. identity.PrincipalsOf(caller.Tenant).Select(principal => PrincipalView.Of(principal, report))]);
    }

    private static async Task<PageView<GrantView>> ListGrantsAsync(IdentityView identity, GrantUses uses, Caller caller, HttpContext context, [FromQuery] string? unusedFor)
    {
        DateTimeOffset? since = unusedFor is null ? null : SpanText.TryParse(unusedFor, out var span) && span > TimeSpan.Zero && span < TimeSpan.FromDays(36_500) ? TimeProvider.System.GetUtcNow() - span
            : throw new ProblemException(400, "Bad span", "unusedFor: write a span such as 90d or 12h.");
        var report = await uses.ReportAsync(caller.Tenant, context.RequestAborted);
        return new([.. identity.GrantsOf(caller.Tenant).Select(grant => GrantView.Of(grant, report, since)).Where(grant => since is null || grant.Unused.Count > 0)]);
    }

    private static async Task<PrincipalView> PrincipalAsync(string kind, string name, Principals principals, GrantUses uses, Caller caller, HttpContext context) =>
        PrincipalView.Of(await FindAsync(IdOf(kind, name), principals, caller, context) ?? throw NotThere(IdOf(kind, name)), await uses.ReportAsync(caller.Tenant, context.RequestAborted));

    private static async Task<PrincipalView> SetRolesAsync(string kind, string name, RolesRequest request, Principals principals, GrantUses uses, Caller caller, HttpContext context)
    {
        var id = IdOf(kind, name);
        Principals.CheckRoles(request.Roles);
        caller.DemandGiving(request.Roles, []);
        if (await FindAsync(id, principals, caller, context) is null) await principals.AddAsync(caller.Tenant, id, request.Roles, caller.By, context.RequestAborted);
        else await principals.SetRolesAsync(caller.Tenant, id, request.Roles, caller.By, context.RequestAborted);
        return PrincipalView.Of((await FindAsync(id, principals, caller, context))!, await uses.ReportAsync(caller.Tenant, context.RequestAborted));
    }

    private static async Task<PrincipalView> DisableAsync(string kind, string name, WhyRequest request, Principals principals, GrantUses uses, Caller caller, HttpContext context)
    {
        var id = IdOf(kind, name);
        if (caller.Chain.Contains(id)) throw new ProblemException(409, "Yourself", $"{id} is who asks: let somebody else do it, who can undo it.");
        await principals.DisableAsync(caller.Tenant, id, request.Why, caller.By, context.RequestAborted);
        return PrincipalView.Of((await FindAsync(id, principals, caller, context))!, await uses.ReportAsync(caller.Tenant, context.RequestAborted));
    }

    private static async Task<PrincipalView> EnableAsync(string kind, string name, WhyRequest request, Principals principals, GrantUses uses, Caller caller, HttpContext context)
    {
        var id = IdOf(kind, name);
        var disabled = await FindAsync(id, principals, caller, context) ?? throw NotThere(id);
        caller.DemandGiving(disabled.Roles, disabled.Grants);
        await principals.EnableAsync(caller.Tenant, id, request.Why, caller.By, context.RequestAborted);
        return PrincipalView.Of((await FindAsync(id, principals, caller, context))!, await uses.ReportAsync(caller.Tenant, context.RequestAborted));
    }

    private static async Task<IResult> GrantAsync(GrantRequest request, Grants grants, Caller caller, HttpContext context, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        var grant = new NewGrant(request.To, request.Actions, request.Resource, EndOf(request.Expires), RunsApi.NoNul("why", request.Why));
        Grants.Check(grant);
        caller.DemandGiving([], [new Grant("", grant.To, grant.Actions, grant.Resource, null, null, default, null)]);
        var id = await grants.GiveAsync(caller.Tenant, grant, caller.By, key, context.RequestAborted);
        return Results.Created($"/api/v1/grants/{id}", new GrantedView(id));
    }

    private static async Task<IResult> TakeAsync(string id, Grants grants, Caller caller, HttpContext context)
    {
        await grants.TakeAsync(caller.Tenant, id, null, caller.By, context.RequestAborted);
        return Results.NoContent();
    }

    private static async Task<IResult> AddTenantAsync(TenantRequest request, Tenants tenants, Principals principals, Keys keys, WorkflowHost host, Caller caller, HttpContext context)
    {
        if (!PrincipalId.IsName(request.Owner)) throw new ProblemException(422, "Bad name", $"owner: {PrincipalId.NameRule}.");
        var (owner, cancellation) = (PrincipalId.Of(PrincipalKind.User, request.Owner), context.RequestAborted);
        // One that was begun, and to which nobody has a key, is gone on with. The key comes last: it is shown once, and a request that fails shows none.
        if (request.Id == Tenants.Platform || !await tenants.IsUnfinishedAsync(request.Id, cancellation)) await tenants.AddAsync(request.Id, caller.By, cancellation);
        if (await principals.FindAsync(request.Id, owner, cancellation) is null) await principals.AddAsync(request.Id, owner, [BuiltInRole.Owner], caller.By, cancellation);
        await host.KeepRetentionAsync(request.Id);
        var key = await keys.IssueAsync(request.Id, owner, request.Owner, null, caller.By, cancellation: cancellation);
        return Results.Created($"/api/v1/tenants/{request.Id}", new TenantView(request.Id, null, null, owner, key));
    }

    private static async Task<TenantView> DisableTenantAsync(string id, WhyRequest request, Tenants tenants, Caller caller, HttpContext context)
    {
        await tenants.DisableAsync(id, request.Why, caller.By, context.RequestAborted);
        return new TenantView(id, request.Why, null);
    }

    private static async Task<TenantView> EnableTenantAsync(string id, WhyRequest request, Tenants tenants, Caller caller, HttpContext context)
    {
        await tenants.EnableAsync(id, request.Why, caller.By, context.RequestAborted);
        return new TenantView(id, null, null);
    }

    private static string IdOf(string kind, string name) => $"{kind}/{name}";

    private static ProblemException NotThere(string id) => new(404, "Not found", $"There is no principal '{id}'.");

    private static Task<Principal?> FindAsync(string id, Principals principals, Caller caller, HttpContext context) => principals.FindAsync(caller.Tenant, id, context.RequestAborted);
}
