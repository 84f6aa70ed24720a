using OrleansAiOs.Workflows;

namespace OrleansAiOs.Packs.InvoiceToPay.Receivers;

/// <summary>Tells people. The receiver recognises a key it has seen.</summary>
public static class Desk
{
    public static readonly Activity<Notice, Told> Notify = Activity.Keyed("desk.notify",
        (DeskClient desk, Notice notice, IdempotencyKey key, ActivityContext call) => desk.NotifyAsync(notice, key, call.Cancellation));
}

public sealed record Notice(string Subject, string Text);

public sealed record Told(string Subject);

/// <summary>The notification desk over HTTP.</summary>
public sealed class DeskClient(HttpClient http) : ReceiverClient(http)
{
    public async Task<Told> NotifyAsync(Notice notice, IdempotencyKey key, CancellationToken cancellation)
    {
        await SendAsync<Dictionary<string, object>>(HttpMethod.Post, "notify", new { to = "accounts-payable@example.com", subject = notice.Subject, text = notice.Text }, key, cancellation);
        return new Told(notice.Subject);
    }
}
