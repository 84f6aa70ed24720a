using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Host.Api;

/// <summary>
/// Who a request is from. The key says which principal of which tenant; the header X-Aios-On-Behalf-Of says for whom it acts, if for
/// somebody, and is believed as far as grants go. A key is looked up once a second, what its principal is and may is at most half a
/// second old: whatever is taken away is refused on every host within a second.
/// </summary>
internal sealed class Identification(Keys keys, Catalogue catalogue, IdentityView view, Rights rights)
{
    public const string OnBehalfOf = "X-Aios-On-Behalf-Of";

    /// <exception cref="ProblemException">By no valid key, or for somebody the key's holder may not act for.</exception>
    public async ValueTask<Caller> IdentifyAsync(HttpContext context)
    {
        if (context.Request.Headers.Authorization is not [{ } header] || !header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            || await keys.FindAsync(header["Bearer ".Length..].Trim(), context.RequestAborted) is not { } credential) throw NoKey(context);
        await catalogue.FreshAsync(context.RequestAborted);
        // Another host may have made it a moment ago; a key that no event of its principal stands behind is none.
        if (view.Find(credential.Tenant, credential.Principal)?.Holds(credential.Hash) is not true) await catalogue.NowAsync(context.RequestAborted);
        if (view.Find(credential.Tenant, credential.Principal) is not { } principal || !principal.Holds(credential.Hash)) throw NoKey(context);
        var chain = Chain(context.Request.Headers[OnBehalfOf], credential);
        if (rights.Broken(credential.Tenant, chain) is { } broken) throw Caller.NotAllowed(broken);
        return new Caller(credential.Tenant, chain, principal.Roles, credential.Name, rights);
    }

    /// <summary>Whether who began a request that lasts may still have what it gives.</summary>
    public async ValueTask<bool> StillMayAsync(HttpContext context)
    {
        try
        {
            context.Features.Set(await IdentifyAsync(context));
            DemandRight(context);
            return true;
        }
        catch (ProblemException)
        {
            return false;
        }
    }

    /// <exception cref="ProblemException">The caller may not do what the endpoint does.</exception>
    public static void DemandRight(HttpContext context)
    {
        if (context.GetEndpoint() is not RouteEndpoint endpoint) return; // there is nothing here: 404 or 405
        var needed = endpoint.Metadata.GetMetadata<Needed>() ?? throw new InvalidOperationException($"{endpoint.RoutePattern.RawText} does not say which right it needs (NeedsExtensions).");
        if (needed.Objection(context, Caller.Of(context)) is { } objection) throw Caller.NotAllowed(objection);
    }

    private static string[] Chain(Microsoft.Extensions.Primitives.StringValues header, Credential credential)
    {
        if (header.Count == 0) return [credential.Principal];
        if (header is not [{ } text]) throw Bad("it came more than once");
        string[] chain = [.. text.Split(',', StringSplitOptions.TrimEntries), credential.Principal];
        if (chain.Length > Rights.HopsMax) throw Bad($"a chain has at most {Rights.HopsMax} principals");
        if (chain.FirstOrDefault(id => !PrincipalId.TryParse(id, out _)) is not null) throw Bad("one of them is no principal");
        return chain;

        static ProblemException Bad(string why) => new(400, $"Bad {OnBehalfOf}", $"{OnBehalfOf} is a principal such as user/ana, or several, the one it is all for first: {why}.");
    }

    private static ProblemException NoKey(HttpContext context)
    {
        if (!context.Response.HasStarted) context.Response.Headers.WWWAuthenticate = "Bearer";
        return new ProblemException(401, "No valid key", "Send 'Authorization: Bearer KEY'. The owner's key is in the file owner.key of the host's data folder; `aios keys add NAME --role R` makes others.");
    }
}
