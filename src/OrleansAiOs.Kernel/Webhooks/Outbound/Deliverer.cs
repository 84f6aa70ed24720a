using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Webhooks.Outbound;

/// <summary>How an attempt ended.</summary>
/// <param name="Trouble">Null: the receiver has it.</param>
/// <param name="Hopeless">No further attempt will do better.</param>
internal sealed record Outcome(int? Status, string? Trouble, TimeSpan? RetryAfter = null, bool Hopeless = false);

/// <summary>One attempt to tell a receiver something: signed, by the one way out.</summary>
internal sealed class Deliverer(EgressClient egress, RunNews news)
{
    public static readonly TimeSpan Within = TimeSpan.FromSeconds(20);

    public async Task<Outcome> SendAsync(Webhook hook, Message message, DateTimeOffset at, CancellationToken cancellation)
    {
        try
        {
            if (await news.WriteAsync(message, hook.Full, cancellation) is not { } body) return new Outcome(null, "The run was deleted before it could be told of.", Hopeless: true);
            var answer = await egress.SendAsync(new EgressRequest
            {
                Tenant = message.Tenant,
                For = $"webhook {hook.Name}",
                Method = HttpMethod.Post,
                Url = new Uri(hook.Url),
                Headers = [new("User-Agent", "aios")],
                Body = body,
                Signature = new EgressSignature(hook.Secrets, secrets => HookSignature.Headers(message.Id, at, body, secrets)),
                Reach = Reach.Of(hook.Reach),
                FollowsRedirects = false, // what answers at the end of them is not who was to be told
                Within = Within,
            }, cancellation);
            return answer.IsSuccess ? new Outcome(answer.Status, null)
                : new Outcome(answer.Status, answer.Status is >= 300 and < 400 ? $"It answered {answer.Status}: it is elsewhere. Add the webhook with its new address; nothing is sent on." : $"It answered {answer.Status}.", answer.RetryAfter);
        }
        catch (Exception e) when (e is EgressRefusedException or EgressFailedException or SecretDeniedException or UnreadableHistoryException)
        {
            return new Outcome(null, e.Message);
        }
    }
}
