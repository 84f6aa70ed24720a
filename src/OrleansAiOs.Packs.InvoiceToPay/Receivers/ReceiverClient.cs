using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Packs.InvoiceToPay.Receivers;

/// <summary>
/// Talks to a receiver, and says of each answer what it means for the effect: a definite no is a <see cref="RefusedException"/>; anything
/// that is not an answer at all (a 5xx, a broken connection, bytes that are no JSON) stays what it is, an unknown outcome.
/// </summary>
public abstract class ReceiverClient(HttpClient http)
{
    private const long AnswerBytesMax = 1024 * 1024;

    private protected static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowReadingFromString,
        MaxDepth = 32,
        // An answer that lacks what it is an answer by is none: {} under 200 has paid nobody.
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
    };

    private protected async Task<T> SendAsync<T>(HttpMethod method, string path, object? body, IdempotencyKey? key, CancellationToken cancellation)
    {
        using var response = await AskAsync(method, path, body, key, cancellation);
        await RefuseAsync(response, cancellation);
        return await ReadAsync<T>(response, cancellation);
    }

    private protected async Task<HttpResponseMessage> AskAsync(HttpMethod method, string path, object? body, IdempotencyKey? key, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null) request.Content = JsonContent.Create(body, body.GetType(), options: Json);
        if (key is { } given) request.Headers.Add("Idempotency-Key", given.Value);
        return await http.SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellation);
    }

    private protected static async Task<T> ReadAsync<T>(HttpResponseMessage response, CancellationToken cancellation)
    {
        if (response.Content.Headers.ContentLength > AnswerBytesMax) throw new InvalidDataException($"The answer is larger than {AnswerBytesMax:N0} bytes.");
        return await response.Content.ReadFromJsonAsync<T>(Json, cancellation) ?? throw new JsonException("The answer is null.");
    }

    private static async Task RefuseAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        if (response.IsSuccessStatusCode) return;
        var (title, status) = (await TitleAsync(response, cancellation), (int)response.StatusCode);
        if (response.StatusCode is HttpStatusCode.TooManyRequests) throw new RefusedException(title, retry: true, RetryAfter(response));
        // The receiver's own no. Any other 4xx may be a gateway's, and says nothing of an earlier attempt under the same key.
        if (status is 400 or 409 or 422) throw new RefusedException($"{status} {title}");
        throw new HttpRequestException($"{status} {title}", null, response.StatusCode);
    }

    private static TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter?.Delta is { } delta && delta < TimeSpan.FromHours(1) ? delta : null;

    private static async Task<string> TitleAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        try
        {
            var problem = await ReadAsync<Problem>(response, cancellation);
            return problem.Detail ?? problem.Title ?? response.ReasonPhrase ?? "";
        }
        catch (Exception e) when (e is JsonException or InvalidDataException or NotSupportedException)
        {
            return response.ReasonPhrase ?? "";
        }
    }

    /// <summary>Receivers take texts of two hundred characters; what is beyond would only be learnt behind all approvals.</summary>
    private protected static string Text(string text) => XsdText.Excerpt(text, 200);

    private protected static string Amount(decimal amount) => amount.ToString("0.00", CultureInfo.InvariantCulture);

    private sealed record Problem(string? Title = null, string? Detail = null);
}
