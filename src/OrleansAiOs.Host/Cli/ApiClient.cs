using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansAiOs.Host.Cli;

/// <summary>A host's HTTP API as a client sees it. What the host refuses ends the verb with its own words.</summary>
internal sealed class ApiClient : IDisposable
{
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(100);

    private readonly HostAddress host;
    private readonly string idempotencyKey;
    private readonly HttpClient http;

    public ApiClient(HostAddress host, string? idempotencyKey = null)
    {
        this.host = host;
        this.idempotencyKey = idempotencyKey ?? Guid.NewGuid().ToString();
        if (!IsHeader(this.idempotencyKey)) throw CliException.Usage("An idempotency key has 1 to 200 visible ASCII characters.");
        http = new HttpClient(new SocketsHttpHandler
        {
            // A redirect would carry the key elsewhere, and a proxy has no business on this machine.
            AllowAutoRedirect = false,
            UseProxy = !host.Url.IsLoopback,
            ConnectTimeout = TimeSpan.FromSeconds(5),
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        if (host.OnBehalfOf is { } whom)
        {
            if (!IsHeader(whom)) throw CliException.Usage($"'{whom}' is no principal to act for: write user/NAME.");
            http.DefaultRequestHeaders.Add(Api.Identification.OnBehalfOf, whom);
        }
        if (host.Key is null) return;
        if (!IsHeader(host.Key)) throw CliException.Usage("The key holds characters that no key of a host has.");
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", host.Key);
    }

    public Task<string> GetAsync(string path, CancellationToken cancellation) => SendAsync(HttpMethod.Get, path, null, null, cancellation);

    public async Task<T> GetAsync<T>(string path, CancellationToken cancellation) => Read<T>(await GetAsync(path, cancellation));

    /// <summary>Asks with a body; nothing is changed by it.</summary>
    public Task<string> AskAsync(string path, object body, CancellationToken cancellation) => SendAsync(HttpMethod.Post, path, JsonContent(body), null, cancellation);

    /// <summary>Sends a command, under the invocation's idempotency key.</summary>
    public Task<string> CommandAsync(HttpMethod method, string path, object? body, CancellationToken cancellation) =>
        SendAsync(method, path, body is null ? null : JsonContent(body), idempotencyKey, cancellation);

    /// <summary>Uploads a document. It is known by its content, so its key need not outlive this call.</summary>
    public async Task<PayloadDocument> UploadAsync(Stream document, bool isXml, CancellationToken cancellation)
    {
        var content = new StreamContent(document);
        content.Headers.ContentType = new MediaTypeHeaderValue(isXml ? "application/xml" : "application/octet-stream");
        return Read<PayloadDocument>(await SendAsync(HttpMethod.Post, "/api/v1/payloads", content, Guid.NewGuid().ToString(), cancellation, patience: Timeout.InfiniteTimeSpan));
    }

    /// <summary>Takes down a file as it comes; asked for with a body, if there is one.</summary>
    public Task DownloadAsync(string path, Stream to, CancellationToken cancellation, object? body = null) =>
        SendAsync(body is null ? HttpMethod.Get : HttpMethod.Post, path, body is null ? null : JsonContent(body), null, cancellation, Timeout.InfiniteTimeSpan, to);

    public T Read<T>(string json)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(json, Json) ?? throw NotAios(null);
        }
        catch (JsonException e)
        {
            throw NotAios(e.Message);
        }
    }

    public void Dispose() => http.Dispose();

    private async Task<string> SendAsync(HttpMethod method, string path, HttpContent? content, string? key, CancellationToken cancellation, TimeSpan? patience = null, Stream? to = null)
    {
        using var request = new HttpRequestMessage(method, host.Url.AbsoluteUri.TrimEnd('/') + path) { Content = content };
        if (key is not null) request.Headers.Add("Idempotency-Key", key);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(patience ?? AnswerWithin);
        try
        {
            using var response = await http.SendAsync(request, to is null ? HttpCompletionOption.ResponseContentRead : HttpCompletionOption.ResponseHeadersRead, limit.Token);
            if (to is not null && response.IsSuccessStatusCode)
            {
                await response.Content.CopyToAsync(to, limit.Token);
                return "";
            }
            var body = await response.Content.ReadAsStringAsync(limit.Token);
            return response.IsSuccessStatusCode ? body : throw Problem(response, body);
        }
        catch (HttpRequestException e) when (e.InnerException is SocketException || e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError)
        {
            throw NotThere(e, key);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new CliException(ExitCode.Unavailable, $"The connection to {host.Url} broke off: {e.Message}", Unsure(key));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new CliException(ExitCode.Unavailable, $"{host.Url} did not answer in {AnswerWithin.TotalSeconds:0} s.", Unsure(key));
        }
    }

    private CliException Problem(HttpResponseMessage response, string body)
    {
        var problem = ProblemDocument.TryRead(response, body);
        var code = ExitCode.OfStatus((int)response.StatusCode);
        if (problem is null)
            return new CliException(code, $"{host.Url} answered {(int)response.StatusCode} {response.ReasonPhrase}, without a reason.",
                response.StatusCode is HttpStatusCode.NotFound ? "Is that an aios host? It knows no such address." : null);

        var retryAfter = response.Headers.RetryAfter switch
        {
            { Delta: { } span } => $"Try again in {span.TotalSeconds:0} s.",
            { Date: { } date } => $"Try again at {date:u}.",
            _ => null,
        };
        return new CliException(code, problem.Title ?? response.ReasonPhrase ?? $"Refused ({(int)response.StatusCode})",
            string.Join('\n', new[] { problem.Detail, problem.Errors(), retryAfter, NoKey(response.StatusCode) }.OfType<string>()) is { Length: > 0 } detail ? detail : null);
    }

    private string? NoKey(HttpStatusCode status) => status is HttpStatusCode.Unauthorized && host.Key is null
        ? $"No key was sent: none was given by --key or AIOS_KEY, and {(host.Url.IsLoopback ? $"no owner.key can be read in {host.Folder}" : "the owner's key in the data folder is for this machine only")}."
        : null;

    private CliException NotThere(HttpRequestException e, string? key) => e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionReset }
        ? new CliException(ExitCode.Unavailable, $"The connection to {host.Url} broke off: {e.Message}", Unsure(key))
        : new CliException(ExitCode.Unavailable, $"No host answers at {host.Url}: {e.Message}",
            "Start one with `aios serve`, or say where it is with --url or AIOS_URL. `aios doctor` looks for what is wrong.");

    private static string? Unsure(string? key) =>
        key is null ? null : $"Whether the command was carried out is not known. To repeat it safely, add --idempotency-key {key}";

    private CliException NotAios(string? why) => new(ExitCode.Unavailable, $"{host.Url} answered with something that is not an aios host's answer{(why is null ? "" : $": {why}")}.");

    private static StringContent JsonContent(object body) => new(JsonSerializer.Serialize(body, Json), Encoding.UTF8, "application/json");

    private static bool IsHeader(string text) => text.Length is > 0 and <= 200 && text.All(c => c is > ' ' and < '\u007f');
}

/// <summary>What a host says of a request it does not carry out (RFC 9457).</summary>
internal sealed record ProblemDocument(string? Title, string? Detail)
{
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; init; }

    public static ProblemDocument? TryRead(HttpResponseMessage response, string body)
    {
        if (response.Content.Headers.ContentType?.MediaType is not ("application/problem+json" or "application/json")) return null;
        try
        {
            return JsonSerializer.Deserialize<ProblemDocument>(body, ApiClient.Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The members that ASP.NET names one by one.</summary>
    public string? Errors() => Others?.GetValueOrDefault("errors") is { ValueKind: JsonValueKind.Object } errors
        ? string.Join('\n', errors.EnumerateObject().Select(member => $"{member.Name}: {member.Value}"))
        : null;
}
