using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Host.Api;

/// <param name="Roles">Of its principal from now on; left out with <paramref name="For"/>.</param>
/// <param name="Kind">user (the default), service or agent: what the principal of the key's name is.</param>
/// <param name="For">A principal that is there, for a further key of it.</param>
/// <param name="Expires">A span such as 90d, from now.</param>
internal sealed record NewKeyRequest(string Name, List<string>? Roles = null, string? Kind = null, string? For = null, string? Expires = null);

internal sealed record KeyView(string Name, IReadOnlyList<string> Roles, string? Key, string Principal, DateTimeOffset? CreatedAt = null, DateTimeOffset? ExpiresAt = null, DateTimeOffset? RevokedAt = null);

/// <summary>Keys over HTTP: the credentials of principals.</summary>
internal static class KeysApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/keys", ListAsync).Needs("identity.read").WithSummary("Who holds a key").Produces<PageView<KeyView>>();
        api.MapPost("/keys", AddAsync).Needs("identity.write").WithSummary("Make a key; it is shown once").Produces<KeyView>(201).ProducesProblem(409).ProducesProblem(422);
        api.MapDelete("/keys/{name}", RevokeAsync).Needs("identity.write").WithSummary("Revoke a key").Produces(204).ProducesProblem(404);
    }

    private static async Task<PageView<KeyView>> ListAsync(Keys keys, IdentityView identity, Caller caller, HttpContext context) => new([.. (await keys.ListAsync(caller.Tenant, context.RequestAborted))
        .Select(key => new KeyView(key.Name, identity.Find(caller.Tenant, key.Principal)?.Roles ?? [], null, key.Principal, key.CreatedAt, key.ExpiresAt, key.RevokedAt))]);

    private static async Task<IResult> AddAsync(NewKeyRequest request, Keys keys, Principals principals, Caller caller, HttpContext context, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        if (!PrincipalId.IsName(request.Name)) throw new ProblemException(422, "Bad name", $"name: {PrincipalId.NameRule}.");
        var principal = request.For ?? PrincipalId.Of(IdentityApi.KindOf(request.Kind), request.Name);
        var expires = IdentityApi.EndOf(request.Expires);
        if (request.For is not null && (request.Roles ?? (object?)request.Kind) is not null)
            throw new ProblemException(422, "Not part of it", $"for: {request.For} is there, and keeps its kind and its roles. Leave out kind and roles.");
        if (request.For is null && request.Roles is null) throw new ProblemException(400, "No roles", "roles: name the roles its principal holds; [] for none, where grants say what it may.");
        var cancellation = context.RequestAborted;
        var holder = await principals.FindAsync(caller.Tenant, principal, cancellation);
        if (request.Roles is not null) Principals.CheckRoles(request.Roles);
        // A key is everything its principal may: nobody gets more by making one.
        caller.DemandGiving(holder?.Roles ?? [], holder?.Grants ?? []);
        caller.DemandGiving(request.Roles ?? [], []);
        if (holder is null && request.For is null)
        {
            await AddIfNewAsync(principals, caller, principal, request.Roles!, cancellation);
            holder = await principals.FindAsync(caller.Tenant, principal, cancellation);
            caller.DemandGiving(holder!.Roles, holder.Grants); // somebody else may have been quicker, and given it more
        }
        var made = await keys.IssueAsync(caller.Tenant, principal, request.Name, expires, caller.By, key, cancellation);
        if (request.Roles is not null) await principals.SetRolesAsync(caller.Tenant, principal, request.Roles, caller.By, cancellation);
        return Results.Created($"/api/v1/keys/{Uri.EscapeDataString(request.Name)}", new KeyView(request.Name, request.Roles ?? holder!.Roles, made, principal, ExpiresAt: expires));
    }

    // Whoever sends it a second time, after the first was cut off in between, goes on from there.
    private static async Task AddIfNewAsync(Principals principals, Caller caller, string principal, List<string> roles, CancellationToken cancellation)
    {
        try
        {
            await principals.AddAsync(caller.Tenant, principal, roles, caller.By, cancellation);
        }
        catch (CommandRefusedException e) when (e.Refusal is Refusal.Conflict)
        {
        }
    }

    private static async Task<IResult> RevokeAsync(string name, Keys keys, Caller caller, HttpContext context, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return await keys.RevokeAsync(caller.Tenant, name, caller.By, key, context.RequestAborted) ? Results.NoContent() : throw new ProblemException(404, "Not found", $"There is no key named '{name}'.");
    }
}
