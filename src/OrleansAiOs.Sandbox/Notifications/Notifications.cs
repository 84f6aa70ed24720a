namespace OrleansAiOs.Sandbox;

/// <summary>The third receiver: accepts a message once per key.</summary>
internal sealed class Notifications(Action<BookEntry> record, TimeProvider time)
{
    private readonly Dictionary<string, Message> byKey = [];
    private readonly Dictionary<string, NotificationKeyBooks> keys = [];
    private long unreadable;

    public SandboxReply Accept(string key, MessageOrder order)
    {
        if (byKey.TryGetValue(key, out var first))
        {
            return first.Order == order ? Answer(first).With("Idempotent-Replayed", "true") : throw Require.KeyReused(key);
        }

        var message = new Message($"N-{byKey.Count + 1:D6}", key, order, time.GetUtcNow());
        record(new MessageAccepted(message));
        return Answer(message);
    }

    public NotificationBooks Books() => new(unreadable, [.. keys.Values]);

    public void Apply(BookEntry entry)
    {
        switch (entry)
        {
            case RequestReached reached:
                var row = Row(reached.Key);
                keys[reached.Key] = row with { Reached = row.Reached + 1 };
                break;
            case MessageAccepted { Message: var message }:
                byKey.Add(message.IdempotencyKey, message);
                var accepted = Row(message.IdempotencyKey);
                keys[message.IdempotencyKey] = accepted with { Messages = accepted.Messages + 1 };
                break;
            default:
                unreadable++;
                break;
        }
    }

    private NotificationKeyBooks Row(string key) => keys.GetValueOrDefault(key) ?? new NotificationKeyBooks(key, 0, 0);

    private static SandboxReply Answer(Message message) => SandboxReply.Json(202, new Dictionary<string, string> { ["id"] = message.Id });
}
