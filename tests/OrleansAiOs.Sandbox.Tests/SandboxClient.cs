using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace OrleansAiOs.Sandbox.Tests;

/// <summary>A caller of the sandbox, in process or over HTTP, with the orders the tests share.</summary>
internal sealed class SandboxClient(HttpClient http) : IDisposable
{
    public static SandboxClient InProcess(SandboxOptions? options = null) => Of(new Sandbox(options));

    public static SandboxClient Of(Sandbox sandbox) => new(new HttpClient(new SandboxHttpHandler(sandbox))
    {
        BaseAddress = new Uri("http://sandbox"),
        Timeout = Timeout.InfiniteTimeSpan,
    });

    public static SandboxClient Of(SandboxServer server) => new(new HttpClient { BaseAddress = server.BaseAddress });

    public static string Posting(string reference = "INV-1", string amount = "\"100.00\"") =>
        $$"""
        {"reference":{{JsonSerializer.Serialize(reference)}},"supplier":"Acme","currency":"EUR",
         "lines":[{"account":"4400","debit":{{amount}}},{"account":"1600","credit":{{amount}}}]}
        """;

    public static string Payment(string reference = "INV-1", string amount = "\"100.00\"", string iban = "NL57 RABO 0107307510") =>
        $$"""{"creditor":"Acme","iban":"{{iban}}","amount":{{amount}},"currency":"EUR","reference":{{JsonSerializer.Serialize(reference)}}}""";

    public Task<Answer> Post(string key, string posting) => Send(HttpMethod.Post, "/ledger/postings", posting, key);

    public Task<Answer> Reverse(string key, string id) => Send(HttpMethod.Post, $"/ledger/postings/{id}/reversal", null, key);

    public Task<Answer> Pay(string payment, CancellationToken ct = default) => Send(HttpMethod.Post, "/bank/payments", payment, ct: ct);

    public Task<Answer> Inquire(string reference) =>
        Send(HttpMethod.Get, "/bank/payments?reference=" + Uri.EscapeDataString(reference), null);

    public Task<Answer> Void(string reference) =>
        Send(HttpMethod.Post, $"/bank/references/{Uri.EscapeDataString(reference)}/void", null);

    public Task<Answer> Notify(string key, string text = "INV-1 was paid.") =>
        Send(HttpMethod.Post, "/notify", $$"""{"to":"ap@example.com","subject":"Paid","text":"{{text}}"}""", key);

    public Task<Answer> Get(string path) => Send(HttpMethod.Get, path, null);

    public Task<Answer> BeHostile(string json) => Send(HttpMethod.Put, "/hostility", json);

    public async Task<Answer> Send(HttpMethod method, string path, string? body, string? key = null, CancellationToken ct = default)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        return await Send(request, ct);
    }

    public async Task<Answer> Send(HttpRequestMessage request, CancellationToken ct = default)
    {
        using var response = await http.SendAsync(request, ct);
        return new Answer(response.StatusCode, response.Headers, response.Content.Headers.ContentType, await response.Content.ReadAsByteArrayAsync(ct));
    }

    public void Dispose() => http.Dispose();
}

internal sealed record Answer(HttpStatusCode Status, HttpResponseHeaders Headers, MediaTypeHeaderValue? ContentType, byte[] Body)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    public bool Replayed => Headers.TryGetValues("Idempotent-Replayed", out var values) && values.Single() == "true";

    public string Text(string member) => Json.GetProperty(member).ToString();

    public decimal Amount(string member) => decimal.Parse(Text(member), CultureInfo.InvariantCulture);
}
