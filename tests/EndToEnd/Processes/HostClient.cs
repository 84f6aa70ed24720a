using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;

namespace OrleansAiOs.EndToEnd;

/// <summary>
/// A caller that does not give up: the host, or the database behind it, is killed again and again, and every command is sent again under
/// its key until it is acknowledged or refused for good.
/// </summary>
internal sealed class HostClient(Func<Uri> address, string key, CancellationToken giveUp) : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly HttpClient http = new() { Timeout = TimeSpan.FromSeconds(30) };

    /// <summary>Commands that had to be sent more than once.</summary>
    public int SentAgain { get; private set; }

    public static string OwnerKey(HostSetup setup) => File.ReadAllText(Path.Combine(setup.DataFolder, "owner.key")).Trim();

    public void Dispose() => http.Dispose();

    public async Task<string> MakeKeyAsync(string name, string role) =>
        (await CommandAsync(HttpMethod.Post, "/api/v1/keys", Json(new { name, roles = new[] { role } }), null)).GetProperty("key").GetString()!;

    /// <summary>Uploads a document and starts its run, as a person or a mail gateway would: the run's id is the document's hash.</summary>
    public async Task<string> StartInvoiceAsync(byte[] document)
    {
        var payload = await CommandAsync(HttpMethod.Post, "/api/v1/payloads", () => Content(document, "application/xml"), null);
        var sha256 = payload.GetProperty("sha256").GetString()!;
        var input = new { sha256, size = payload.GetProperty("size").GetInt64() };
        await CommandAsync(HttpMethod.Post, "/api/v1/runs", Json(new { workflow = "invoice-to-pay", id = sha256, input }), null);
        return sha256;
    }

    public Task SendAsync(HttpMethod method, string path, object body, string? commandKey = null) => CommandAsync(method, path, Json(body), commandKey);

    public Task SignalAsync(string run, string signal, object value, string commandKey) =>
        CommandAsync(HttpMethod.Post, $"/api/v1/runs/{run}/signals/{signal}", Json(value), commandKey);

    public Task CancelAsync(string run, string commandKey) => CommandAsync(HttpMethod.Post, $"/api/v1/runs/{run}/cancel", Json(new { reason = "no longer wanted" }), commandKey);

    public Task DecideAsync(string run, int step, bool granted, string commandKey) =>
        CommandAsync(HttpMethod.Post, $"/api/v1/runs/{run}/approvals/{step}", Json(new { granted }), commandKey);

    /// <summary>Run and step of everything that awaits a decision.</summary>
    public async Task<IReadOnlyList<(string Run, int Step)>> ApprovalsAsync()
    {
        var page = await CommandAsync(HttpMethod.Get, "/api/v1/approvals", null, null);
        return [.. page.GetProperty("items").EnumerateArray().Select(item => (item.GetProperty("run").GetString()!, item.GetProperty("step").GetInt32()))];
    }

    private async Task<JsonElement> CommandAsync(HttpMethod method, string path, Func<HttpContent>? content, string? commandKey)
    {
        for (var sent = 1; ; sent++)
        {
            giveUp.ThrowIfCancellationRequested();
            if (sent == 2) lock (http) SentAgain++;
            try
            {
                using var request = new HttpRequestMessage(method, new Uri(address(), path));
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
                if (commandKey is not null) request.Headers.Add("Idempotency-Key", commandKey);
                request.Content = content?.Invoke();
                using var response = await http.SendAsync(request, giveUp);
                var body = await response.Content.ReadAsStringAsync(giveUp);
                if (response.IsSuccessStatusCode) return body.Length == 0 ? default : JsonSerializer.Deserialize<JsonElement>(body);
                if (response.StatusCode < HttpStatusCode.InternalServerError) throw new InvalidOperationException($"{method} {path} was answered {(int)response.StatusCode}: {body}");
            }
            catch (Exception e) when (e is HttpRequestException or IOException or SocketException || (e is OperationCanceledException && !giveUp.IsCancellationRequested))
            {
                // Whether it was carried out is not known: again, under the same key.
            }
            await Task.Delay(Pause, giveUp);
        }
    }

    private static Func<HttpContent> Json(object body) => () => Content(JsonSerializer.SerializeToUtf8Bytes(body), "application/json");

    private static ByteArrayContent Content(byte[] bytes, string type) => new(bytes) { Headers = { ContentType = new MediaTypeHeaderValue(type) } };
}
