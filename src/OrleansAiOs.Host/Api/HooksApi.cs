using System.Threading.RateLimiting;
using OrleansAiOs.Kernel.Webhooks.Inbound;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

/// <summary>Where sources of webhooks send to. Its callers have no key: who they are, and what they may, is the source's whose secret signs.</summary>
internal static class HooksApi
{
    public static void Map(WebApplication web) => web.MapPost("/hooks/{tenant}/{source}", ReceiveAsync).NeedsSignature().WithSummary("Deliver a webhook as application/json, signed as its source says")
        .Produces<HookTaken>().ProducesProblem(401).ProducesProblem(403).ProducesProblem(404).ProducesProblem(409).ProducesProblem(413).ProducesProblem(422).ProducesProblem(429);

    private static async Task<HookTaken> ReceiveAsync(string tenant, string source, Hooks hooks, UnprovedHooks unproved, WorkflowHost host, HttpContext context)
    {
        if (!hooks.Claims(tenant, source, Header)) throw NotProved(context);
        var body = await JsonBody.ReadBytesAsync(context.Request, Hooks.BodyBytesMax);
        return await hooks.TakeAsync(host, await ProveAsync() ?? throw NotProved(context), context.RequestAborted);

        async Task<ProvedHook?> ProveAsync()
        {
            using var place = await unproved.EnterAsync(context);
            return await hooks.ProveAsync(tenant, source, Header, body, context.RequestAborted);
        }

        string? Header(string name) => context.Request.Headers[name] is [{ } only] ? only : null;
    }

    private static ProblemException NotProved(HttpContext context)
    {
        context.Response.Headers.WWWAuthenticate = "Signature";
        return new ProblemException(401, "Not proved", "This is no delivery of a source that is known here: the address, the signature or its time (5 minutes either way) is wrong. `aios webhooks sources` lists the sources; of one that is there, the host's log says more.");
    }
}

/// <summary>Places for deliveries that nobody vouches for yet: whoever sends them, the database is asked for few at once, and the others wait or go.</summary>
internal sealed class UnprovedHooks : IDisposable
{
    public const int AtOnce = 16;
    public const int WaitingMax = 64;

    private const int RetryAfterSeconds = 2;

    private readonly ConcurrencyLimiter limiter = new(new ConcurrencyLimiterOptions { PermitLimit = AtOnce, QueueLimit = WaitingMax, QueueProcessingOrder = QueueProcessingOrder.OldestFirst });

    /// <returns>A place, until it is disposed of.</returns>
    /// <exception cref="ProblemException">All are taken, and as many wait as may.</exception>
    public async ValueTask<IDisposable> EnterAsync(HttpContext context)
    {
        var lease = await limiter.AcquireAsync(1, context.RequestAborted);
        if (lease.IsAcquired) return lease;
        lease.Dispose();
        context.Response.Headers.RetryAfter = RetryAfterSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        throw new ProblemException(429, "Too many at once", $"{AtOnce} deliveries are being checked on this host and {WaitingMax} wait. Send it again in {RetryAfterSeconds} seconds.");
    }

    public void Dispose() => limiter.Dispose();
}
