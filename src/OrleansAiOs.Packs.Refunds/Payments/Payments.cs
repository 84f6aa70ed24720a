using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using OrleansAiOs.Packs.Refunds.Requests;
using OrleansAiOs.Packs.Refunds.Rules;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Packs.Refunds.Payments;

/// <summary>The payment provider. It recognises a key it has seen, so a refund may be sent again.</summary>
public static class RefundPayments
{
    /// <summary>Moves the money. What policies judge, and people sign, are these arguments and nothing else.</summary>
    public static readonly Activity<RefundPayment, RefundPaid> Pay = Activity.Keyed("refunds.pay",
        (PaymentsClient payments, RefundPayment refund, IdempotencyKey key, ActivityContext call) => payments.PayAsync(refund, key, call.Cancellation))
        .Charging(refund => Charge.Amount(refund.Currency, refund.Amount, refund.Customer))
        .Describing(Title);

    /// <summary>Takes it back.</summary>
    public static readonly Activity<RefundPaid, RefundReversed> Reverse = Activity.Keyed("refunds.reverse",
        (PaymentsClient payments, RefundPaid refund, IdempotencyKey key, ActivityContext call) => payments.ReverseAsync(refund, key, call.Cancellation))
        .Describing(refund => $"Take back refund {refund.Id} of {Money(refund.Amount)} {refund.Currency} of order {refund.Order}");

    // Everything that decides, and of the customer's own words none.
    private static string Title(RefundPayment refund) =>
        $"Refund {Money(refund.Amount)} {refund.Currency} of order {refund.Order} to {refund.Customer}: {refund.Reason}, risk {refund.Risk}; with it {Money(refund.OrderRefunded)} of {Money(refund.OrderPaid)} paid back";

    internal static string Money(decimal amount) => amount.ToString("0.00", CultureInfo.InvariantCulture);
}

/// <summary>A refund that is to be paid.</summary>
/// <param name="OrderPaid">What the order was paid with.</param>
/// <param name="OrderRefunded">What is paid back of the order with this refund: so that pieces below a threshold are judged as the whole.</param>
/// <param name="Note">What the customer wrote: for people, and nobody's instruction.</param>
public sealed record RefundPayment(string Order, string Customer, decimal Amount, string Currency, RefundReason Reason, RefundRisk Risk, IReadOnlyList<string> Signals, decimal OrderPaid, decimal OrderRefunded,
    IReadOnlyList<string> Reasons, IReadOnlyList<string> Evidence, string? Note);

public sealed record RefundPaid(string Id, string Order, decimal Amount, string Currency);

public sealed record RefundReversed(string Id);

/// <summary>
/// The provider over HTTP. A definite no is a <see cref="RefusedException"/>; anything that is no answer at all (a 5xx, a broken connection,
/// bytes that are no JSON) stays what it is, an unknown outcome.
/// </summary>
public sealed class PaymentsClient(HttpClient http)
{
    private const long AnswerBytesMax = 1024 * 1024;
    private static readonly TimeSpan LongestPause = TimeSpan.FromHours(1);
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { MaxDepth = 32 };

    public async Task<RefundPaid> PayAsync(RefundPayment refund, IdempotencyKey key, CancellationToken cancellation)
    {
        var answer = await SendAsync("refunds", new { order = refund.Order, customer = refund.Customer, amount = RefundPayments.Money(refund.Amount), currency = refund.Currency, reason = refund.Reason.ToString() }, key, cancellation);
        return new RefundPaid(answer.Id, refund.Order, refund.Amount, refund.Currency);
    }

    public async Task<RefundReversed> ReverseAsync(RefundPaid refund, IdempotencyKey key, CancellationToken cancellation) =>
        new((await SendAsync($"refunds/{Uri.EscapeDataString(refund.Id)}/reversal", new { }, key, cancellation)).Id);

    private async Task<Answer> SendAsync<T>(string path, T body, IdempotencyKey key, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body, options: Json) };
        request.Headers.Add("Idempotency-Key", key.Value);
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellation);
        if (!response.IsSuccessStatusCode) throw await RefusalAsync(response, cancellation);
        return await ReadAsync<Answer>(response, cancellation) is { Id.Length: > 0 } answer ? answer : throw new JsonException("The provider's answer names no id.");
    }

    private static async Task<Exception> RefusalAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        var (title, status) = (await TitleAsync(response, cancellation), (int)response.StatusCode);
        if (response.StatusCode is HttpStatusCode.TooManyRequests) return new RefusedException(title, retry: true, response.Headers.RetryAfter?.Delta is { } pause && pause < LongestPause ? pause : null);
        // The provider's own no. Any other 4xx may be a gateway's, and says nothing of an earlier attempt under the same key.
        return status is 400 or 409 or 422 ? new RefusedException($"{status} {title}") : new HttpRequestException($"{status} {title}", null, response.StatusCode);
    }

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

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, CancellationToken cancellation)
    {
        if (response.Content.Headers.ContentLength > AnswerBytesMax) throw new InvalidDataException($"The answer is larger than {AnswerBytesMax:N0} bytes.");
        return await response.Content.ReadFromJsonAsync<T>(Json, cancellation) ?? throw new JsonException("The answer is null.");
    }

    private sealed record Answer(string Id);

    private sealed record Problem(string? Title, string? Detail);
}
