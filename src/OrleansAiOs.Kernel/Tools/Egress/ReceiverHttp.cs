using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools.Egress;

/// <summary>
/// For code that is told one address by the host's settings (packs, mostly): an <see cref="HttpClient"/> to one receiver, whose calls take the one way out (<see cref="EgressClient"/>).
/// Whoever set the receiver's address named it, so it may be on a private network and speak http; no other address is reached through
/// it, and a redirect is an answer like any other.
/// </summary>
public static class ReceiverHttp
{
    private const int AnswerBytesMax = 1024 * 1024;

    /// <param name="services">The host's; where there is none, or it has no kernel (AddAios alone), the receiver gets a way out of its own.</param>
    /// <param name="name">As a person would name it in an error: "the bank".</param>
    /// <param name="address">Its base address, http or https, with a slash at its end or without. What is asked for relative to it stays below it.</param>
    /// <returns>It has no time limit of its own: the engine times every attempt. Answers above 1 MiB fail.</returns>
    /// <exception cref="FormatException">This is no such address.</exception>
    public static HttpClient Connect(IServiceProvider? services, string name, string address)
    {
        if (!Uri.TryCreate(address, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.UserInfo.Length > 0)
            throw new FormatException($"The address of {name} is one of http or https, without a user, such as https://bank.example.com/, not '{address}'.");
        var egress = services?.GetService<EgressClient>() ?? new EgressClient(new EgressOptions(), null, TimeProvider.System);
        // Without it "payments" below https://bank.example.com/v1 would be https://bank.example.com/payments (RFC 3986, 5.2.3), which may be somebody else's.
        if (!url.AbsolutePath.EndsWith('/')) url = new UriBuilder(url) { Path = url.AbsolutePath + "/" }.Uri;
        return new HttpClient(new Handler(egress, name, Reach.Of([Reach.EndpointOf(url)]))) { BaseAddress = url, Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = AnswerBytesMax };
    }

    private sealed class Handler(EgressClient egress, string name, Reach reach) : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage message, CancellationToken cancellation)
        {
            if (!reach.Names(message.RequestUri!)) throw new WithheldException($"{name} is not at {message.RequestUri!.GetLeftPart(UriPartial.Authority)}.");
            var request = new EgressRequest
            {
                Tenant = RunKey.DefaultTenant,
                For = name,
                Method = message.Method,
                Url = message.RequestUri!,
                Headers = [.. message.Headers.SelectMany(header => header.Value.Select(value => KeyValuePair.Create(header.Key, value)))],
                Body = message.Content is { } content ? await content.ReadAsByteArrayAsync(cancellation) : null,
                ContentType = message.Content?.Headers.ContentType?.ToString(),
                Reach = reach,
                FollowsRedirects = false,
            };
            try
            {
                return (await egress.OpenAsync(request, cancellation)).Response;
            }
            catch (EgressRefusedException refused)
            {
                throw new WithheldException(refused.Message);
            }
            catch (EgressFailedException failed) when (failed.NeverArrived)
            {
                throw new WithheldException(failed.Message, retry: true);
            }
            catch (EgressFailedException failed)
            {
                throw new HttpRequestException(failed.Message, failed);
            }
        }
    }
}
