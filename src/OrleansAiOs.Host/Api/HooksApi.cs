using OrleansAiOs.Kernel.Webhooks.Inbound;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

/// <summary>Where sources of webhooks send to. Its callers have no key: who they are, and what they may, is the source's whose secret signs.</summary>
internal static class HooksApi
{
    public static void Map(WebApplication web) => web.MapPost("/hooks/{tenant}/{source}", ReceiveAsync).NeedsSignature().WithSummary("Deliver a webhook as application/json, signed as its source says")
        .Produces<HookTaken>().ProducesProblem(401).ProducesProblem(403).ProducesProblem(404).ProducesProblem(409).ProducesProblem(413).ProducesProblem(422);

    private static async Task<HookTaken> ReceiveAsync(string tenant, string source, Hooks hooks, WorkflowHost host, HttpContext context)
    {
        var body = await JsonBody.ReadBytesAsync(context.Request, Hooks.BodyBytesMax);
        if (await hooks.ReceiveAsync(host, tenant, source, name => context.Request.Headers[name] is [{ } only] ? only : null, body, context.RequestAborted) is { } taken) return taken;
        context.Response.Headers.WWWAuthenticate = "Signature";
        throw new ProblemException(401, "Not proved", "This is no delivery of a source that is known here: the address, the signature or its time (5 minutes either way) is wrong. `aios webhooks sources` lists the sources; the host's log says more.");
    }
}
