using Microsoft.AspNetCore.Http.Features;

namespace OrleansAiOs.Host.Api;

/// <summary>
/// What every request must pass: the right host name (a page that rebinds its DNS name to 127.0.0.1 still says its own), no foreign
/// origin, a key — on the loopback too —, the right to what the endpoint does, and, for what changes something, a content type that no
/// HTML form can send.
/// </summary>
internal sealed class Door(RequestDelegate next, Identification identification, DoorOptions options)
{
    private static readonly HashSet<string> LoopbackNames = new(StringComparer.OrdinalIgnoreCase) { "localhost", "127.0.0.1", "[::1]" };

    public async Task InvokeAsync(HttpContext context)
    {
        var request = context.Request;
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
        // Asked by whoever watches over the host, at its address (a kubelet, a load balancer): they say nothing that a rebound name could use.
        var isProbe = request.Path == "/live" || request.Path == "/ready";
        if (!isProbe && !LoopbackNames.Contains(request.Host.Host) && !options.HostNames.Contains(request.Host.Host, StringComparer.OrdinalIgnoreCase))
            throw new ProblemException(403, "Unknown host name", $"This host does not answer to '{request.Host.Host}'. Call it as localhost, or start it with --host-name {request.Host.Host}.");
        if (request.Headers.Origin is [{ } origin] && !string.Equals(origin, $"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase) || request.Headers.Origin.Count > 1)
            throw new ProblemException(403, "Foreign origin", "A page of another origin may not call this host.");
        if (isProbe)
        {
            await next(context);
            return;
        }
        // Whoever sends there has no key; the handler lets nobody in whose signature is not good.
        var isSigned = context.GetEndpoint()?.Metadata.GetMetadata<SignedBySender>() is not null;
        if (!isSigned) context.Features.Set(await identification.IdentifyAsync(context));
        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method)) DemandContentType(request);
        if (!isSigned) Identification.DemandRight(context);
        await next(context);
    }

    private static void DemandContentType(HttpRequest request)
    {
        if (request.Headers.ContentEncoding.Count > 0)
            throw new ProblemException(415, "Encoded body", "Send the body as it is, without Content-Encoding.");
        var hasBody = request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody is true && request.ContentLength != 0;
        if (!hasBody && HttpMethods.IsDelete(request.Method)) return;
        var isPayload = request.Path.StartsWithSegments("/api/v1/payloads");
        var type = request.ContentType?.Split(';')[0].Trim();
        if (isPayload ? type is not ("application/octet-stream" or "application/xml") : type is not "application/json")
            throw new ProblemException(415, "Wrong content type", isPayload
                ? "Send a payload as application/octet-stream or application/xml."
                : $"Send application/json; this was {(type is null ? "without a content type" : "something else")}.");
    }
}

internal sealed record DoorOptions(IReadOnlyList<string> HostNames);
