using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using OrleansAiOs.Kernel.Tools.Secrets;

namespace OrleansAiOs.Kernel.Tools.Egress;

/// <summary>
/// The one way out by HTTP: tools, MCP servers, webhooks and models all call through here, and an architecture test holds that nothing else
/// of the kernel or a pack opens a connection. In order:
///
/// <code>
/// 1 judge the URL         scheme and port: https on 443, or an endpoint that the tool's approver named
/// 2 resolve the secrets   handles in headers become values here, for a host that the secret is bound to, or the call is refused
/// 3 resolve the name      once; every address of the answer is judged, and one bad address refuses them all
/// 4 connect               to an address that was judged, not to the name again
/// 5 on a redirect         back to 1, with the headers dropped if the origin changed
/// 6 read the answer       decompressed, to a cap, and within the time; then the secrets are taken out of it
/// </code>
/// No proxy, no cookies, no credentials of the machine. A connection is kept for later calls: those to public addresses among themselves,
/// those to named endpoints among calls that name it, so none is reached by a call that may not make it.
/// </summary>
internal sealed class EgressClient : IDisposable
{
    private static readonly HttpRequestOptionsKey<bool> IsNamed = new("aios.named");

    // Headers that say nothing of who calls; the others stay with the origin they were meant for.
    private static readonly string[] Harmless = ["Accept", "Accept-Language", "User-Agent"];

    private readonly EgressOptions options;
    private readonly SecretStore? secrets;
    private readonly HttpMessageInvoker toPublic;
    private readonly HttpMessageInvoker toNamed;

    public EgressClient(EgressOptions options, SecretStore? secrets, TimeProvider time)
    {
        (this.options, this.secrets, Time) = (options, secrets, time);
        (toPublic, toNamed) = (new HttpMessageInvoker(Handler()), new HttpMessageInvoker(Handler()));
    }

    private TimeProvider Time { get; }

    /// <summary>Makes a call and reads its answer.</summary>
    /// <exception cref="EgressRefusedException">It may not be made.</exception>
    /// <exception cref="EgressFailedException">It has no answer.</exception>
    /// <exception cref="SecretDeniedException">A secret that it names may not go there.</exception>
    public async Task<EgressAnswer> SendAsync(EgressRequest request, CancellationToken cancellation)
    {
        using var limit = new CancellationTokenSource(request.Within ?? options.Within, Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, limit.Token);
        var call = new Call(request);
        try
        {
            using var response = await OpenAsync(call, either.Token);
            var (body, isCut) = await ReadAsync(response, either.Token);
            // The type, too, is the receiver's own text, and is told where an answer is not kept.
            var type = response.Content.Headers.ContentType is { } given ? call.Redactor.Clean(given.ToString()) : null;
            return new EgressAnswer((int)response.StatusCode, type, call.Redactor.Clean(body), isCut, RetryAfter(response), call.Redirects);
        }
        catch (Exception e) when (Failure(e, call, cancellation) is { } failure)
        {
            throw failure;
        }
    }

    /// <summary>Makes a call whose answer is read bit by bit, for a session that speaks a protocol of its own. Who asks has to cap what it reads.</summary>
    public async Task<(HttpResponseMessage Response, Redactor Redactor)> OpenAsync(EgressRequest request, CancellationToken cancellation)
    {
        var call = new Call(request);
        try
        {
            return (await OpenAsync(call, cancellation), call.Redactor);
        }
        catch (Exception e) when (Failure(e, call, cancellation) is { } failure)
        {
            throw failure;
        }
    }

    public void Dispose()
    {
        toPublic.Dispose();
        toNamed.Dispose();
    }

    private async Task<HttpResponseMessage> OpenAsync(Call call, CancellationToken cancellation)
    {
        var request = call.Request;
        var (url, method, body, headers) = (request.Url, request.Method, request.Body, request.Headers);
        while (true)
        {
            var named = Judge(url, request, call.Redirects);
            using var message = new HttpRequestMessage(method, url);
            message.Options.Set(IsNamed, named);
            foreach (var (name, template) in headers) Add(message, name, await ResolveAsync(call, template, url, cancellation));
            if (request.Signature is { } signature && Origin(url) == Origin(request.Url))
            {
                var values = new List<string>();
                foreach (var secret in signature.Secrets) values.Add(await RevealAsync(call, secret, url, cancellation));
                foreach (var (name, value) in signature.Headers(values)) Add(message, name, value);
            }
            // A request with a body, if an empty one, is never sent again by itself on a connection that turns out to be dead.
            if (body is { } bytes) (message.Content = new ReadOnlyMemoryContent(bytes)).Headers.ContentType = MediaTypeHeaderValue.Parse(request.ContentType ?? "application/json");
            else if (method != HttpMethod.Get && method != HttpMethod.Head) message.Content = new ByteArrayContent([]);
            var response = await (named ? toNamed : toPublic).SendAsync(message, cancellation);
            if (!request.FollowsRedirects || response.StatusCode is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect)) return response;
            using (response)
            {
                if (++call.Redirects > options.RedirectsMax) throw new EgressRefusedException($"{request.For}: the call was sent on more than {options.RedirectsMax} times. See what is at {request.Url.GetLeftPart(UriPartial.Path)}.", call.Redirects);
                var to = Target(url, response, call);
                var isSameOrigin = Origin(url) == Origin(to);
                if (response.StatusCode is HttpStatusCode.SeeOther) (method, body) = (HttpMethod.Get, null);
                else if (method != HttpMethod.Get && method != HttpMethod.Head && !(isSameOrigin && response.StatusCode is HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect))
                    throw new EgressRefusedException($"{request.For}: {Origin(url)} sent the call on to {Origin(to)} ({(int)response.StatusCode}). What a {method} carries goes to no other origin: declare the new address, if it is the right one.", call.Redirects);
                if (!isSameOrigin) headers = [.. headers.Where(header => Harmless.Contains(header.Key, StringComparer.OrdinalIgnoreCase) && !SecretHandle.IsIn(header.Value))];
                url = to;
            }
        }
    }

    // True if the endpoint was named for this tool.
    private bool Judge(Uri url, EgressRequest request, int redirects)
    {
        if (!url.IsAbsoluteUri || url.Scheme is not ("http" or "https")) throw Refused("only http and https are spoken");
        if (url.UserInfo.Length > 0) throw Refused("a URL holds no user and no password");
        if (url.IdnHost.Length is 0 or > 253) throw Refused("its host is no name");
        // What answers at a private address, and what does not, would tell a tenant of a network that is not theirs.
        if (request.Reach.Names(url) && options.MayName(request.Tenant)) return true;
        if (!options.Schemes.Contains(url.Scheme)) throw Refused($"{url.Scheme} is spoken only with endpoints that the tool's approval names");
        if (!options.Ports.Contains(url.Port)) throw Refused($"port {url.Port} is called only where the tool's approval names it");
        return false;

        EgressRefusedException Refused(string why) => new($"{request.For}: {(url.IsAbsoluteUri ? $"{url.Scheme}://{Reach.EndpointOf(url)}" : "a relative address")} is not called: {why}. "
            + (options.MayName(request.Tenant) ? "An endpoint that is meant is named, as host:port, when the tool or its server is approved." : "Endpoints of other kinds are named in the first tenant, by those who own the platform."), redirects);
    }

    private async ValueTask<string> ResolveAsync(Call call, string template, Uri url, CancellationToken cancellation)
    {
        if (!SecretHandle.IsIn(template)) return template;
        return await SecretHandle.ReplaceAsync(template, name => RevealAsync(call, name, url, cancellation));
    }

    private async Task<string> RevealAsync(Call call, string name, Uri url, CancellationToken cancellation)
    {
        if (secrets is null) throw new EgressRefusedException($"{call.Request.For}: this host keeps no secrets.", call.Redirects);
        var value = await secrets.RevealAsync(call.Request.Tenant, name, Reach.HostOf(url), call.Request.For, cancellation);
        call.Redactor.Add(name, value);
        return value;
    }

    private static void Add(HttpRequestMessage message, string name, string value)
    {
        if (value.AsSpan().ContainsAny('\r', '\n', '\0') || !message.Headers.TryAddWithoutValidation(name, value))
            throw new EgressRefusedException($"Header '{name}' cannot be sent: its name or its value is not one of HTTP.");
    }

    private static Uri Target(Uri from, HttpResponseMessage response, Call call) => response.Headers.Location is { } to && Uri.TryCreate(from, to, out var target)
        ? target : throw new EgressRefusedException($"{call.Request.For}: {Origin(from)} sent the call on to nowhere.", call.Redirects);

    private static string Origin(Uri url) => $"{url.Scheme}://{Reach.EndpointOf(url)}";

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        var named = context.InitialRequestMessage.Options.TryGetValue(IsNamed, out var isNamed) && isNamed;
        var host = context.DnsEndPoint.Host;
        using var limit = new CancellationTokenSource(options.ConnectWithin, Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, limit.Token);
        try
        {
            var addresses = IPAddress.TryParse(host, out var literal) ? [literal] : await options.Resolve(host, either.Token);
            if (addresses.Length == 0) throw new NotConnected("it has no address");
            foreach (var address in addresses)
                if ((named ? AddressRules.ObjectionThoughNamed(address) : AddressRules.Objection(address)) is { } objection)
                    throw new Judged($"{host}:{context.DnsEndPoint.Port} is not called: {objection}.");
            return await DialAsync(addresses, context.DnsEndPoint.Port, either.Token);
        }
        catch (SocketException e)
        {
            throw new NotConnected($"{e.SocketErrorCode}");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new NotConnected($"no answer within {options.ConnectWithin.TotalSeconds:0} s");
        }
    }

    private async Task<Stream> DialAsync(IPAddress[] addresses, int port, CancellationToken cancellation)
    {
        for (var i = 0; ; i++)
        {
            try
            {
                return await options.Dial(new IPEndPoint(addresses[i], port), cancellation);
            }
            catch (SocketException) when (i < addresses.Length - 1)
            {
            }
        }
    }

    private async Task<(byte[] Body, bool IsCut)> ReadAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellation);
        using var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        int read;
        while ((read = await stream.ReadAsync(buffer, cancellation)) > 0)
        {
            if (body.Length + read > options.AnswerBytesMax) return ([], true);
            body.Write(buffer, 0, read);
        }
        return (body.ToArray(), false);
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        var after = response.Headers.RetryAfter is { } given ? given.Delta ?? given.Date - Time.GetUtcNow() : null;
        return after is { } span ? TimeSpan.FromSeconds(Math.Clamp(span.TotalSeconds, 0, 86_400)) : null;
    }

    // What goes wrong below is told in our own words: an exception of the library can carry a header.
    private static Exception? Failure(Exception e, Call call, CancellationToken caller)
    {
        var request = call.Request;
        if (e is EgressRefusedException or SecretDeniedException or OperationCanceledException && caller.IsCancellationRequested) return null;
        for (var inner = e; inner is not null; inner = inner.InnerException)
            if (inner is Judged judged) return new EgressRefusedException($"{request.For}: {judged.Message} If it is meant, it is named as host:port when the tool or its server is approved.", call.Redirects);
        var to = Origin(request.Url);
        for (var inner = e; inner is not null; inner = inner.InnerException)
            if (inner is NotConnected not) return new EgressFailedException($"{request.For}: no connection to {to}: {not.Message}.", never: call.Redirects == 0);
        if (e is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError }) return new EgressFailedException($"{request.For}: no secure connection to {to}: its certificate was refused, or it speaks no TLS.", never: call.Redirects == 0);
        if (e is OperationCanceledException) return new EgressFailedException($"{request.For}: {to} did not answer in time.");
        return e is HttpRequestException or IOException or InvalidDataException
            ? new EgressFailedException($"{request.For}: the call to {to} broke off ({(e as HttpRequestException)?.HttpRequestError ?? HttpRequestError.Unknown}).") : null;
    }

    private SocketsHttpHandler Handler() => new()
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        Credentials = null,
        PreAuthenticate = false,
        // The body is read to the cap, so what it unpacks to is capped too.
        AutomaticDecompression = DecompressionMethods.All,
        MaxResponseHeadersLength = 64,
        MaxResponseDrainSize = 0,
        // A name that means another host by now is asked again.
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        MaxConnectionsPerServer = 256,
        ConnectCallback = ConnectAsync,
        // Whoever is called has no business with our traces.
        ActivityHeadersPropagator = DistributedContextPropagator.CreateNoOutputPropagator(),
    };

    private sealed class Judged(string message) : Exception(message);

    private sealed class NotConnected(string message) : Exception(message);

    /// <summary>One call on its way through its redirects.</summary>
    private sealed class Call(EgressRequest request)
    {
        public EgressRequest Request => request;

        public Redactor Redactor { get; } = new();

        public int Redirects { get; set; }
    }
}
