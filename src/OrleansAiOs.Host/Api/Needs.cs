namespace OrleansAiOs.Host.Api;

/// <summary>What an endpoint does, in the words of rights: the door lets nobody through who may not, and nobody at all where nothing is said.</summary>
/// <param name="Action">"run.read": what is done, to what kind of thing.</param>
/// <param name="Resource">To which one; null if only the handler can tell, and asks itself.</param>
internal sealed record Needed(string Action, Func<HttpContext, string>? Resource)
{
    public string? Objection(HttpContext context, Caller caller) => Resource is null
        ? caller.Rights.ObjectionToAny(caller.Tenant, caller.Chain, Action)
        : caller.Rights.Objection(caller.Tenant, caller.Chain, Action, Resource(context));
}

/// <summary>The endpoint is for senders without a key, whose signature its handler demands before anything else.</summary>
internal sealed record SignedBySender;

internal static class NeedsExtensions
{
    /// <summary>Demands no right, since nobody is known yet: the handler finds out by the signature of what is sent.</summary>
    public static TBuilder NeedsSignature<TBuilder>(this TBuilder endpoint) where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new SignedBySender(), new Needed("api.read", null));

    /// <summary>Demands the action on the thing the address names (its "id", else its "name"), or on all of its kind.</summary>
    public static TBuilder Needs<TBuilder>(this TBuilder endpoint, string action) where TBuilder : IEndpointConventionBuilder
    {
        var kind = action[..action.IndexOf('.')];
        // A tool's id holds a slash, which comes encoded.
        return endpoint.WithMetadata(new Needed(action, context => $"{kind}/{Uri.UnescapeDataString($"{context.GetRouteValue("id") ?? context.GetRouteValue("name") ?? "*"}")}"));
    }

    /// <summary>Demands the action on something; the handler knows on what, and calls <see cref="Caller.Demand"/>.</summary>
    public static TBuilder NeedsInHandler<TBuilder>(this TBuilder endpoint, string action) where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new Needed(action, null));
}
