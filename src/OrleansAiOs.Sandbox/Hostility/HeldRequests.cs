namespace OrleansAiOs.Sandbox;

/// <summary>Requests whose caller has given up on them and which arrive all the same.</summary>
internal sealed class HeldRequests(TimeProvider time, Lock gate, Action<Call> deliver) : IDisposable
{
    private readonly List<Waiting> waiting = [];

    public int Count => waiting.Count;

    public IReadOnlyList<HeldRequest> List() =>
        [.. waiting.Select(w => new HeldRequest(w.Call.Operation!.Value, w.Call.Key, w.DeliveredAt))];

    public void Add(Call call, Hold hold)
    {
        var held = new Waiting(call, time.GetUtcNow() + hold.For);
        waiting.Add(held);
        if (hold.For is { } late)
        {
            held.Timer = time.CreateTimer(Due, held, late, Timeout.InfiniteTimeSpan);
        }
    }

    public int Release(string? key)
    {
        var due = waiting.Where(w => key is null || w.Call.Key == key).ToList();
        due.ForEach(Deliver);
        return due.Count;
    }

    public void Dispose()
    {
        waiting.ForEach(w => w.Timer?.Dispose());
        waiting.Clear();
    }

    private void Due(object? held)
    {
        lock (gate)
        {
            Deliver((Waiting)held!);
        }
    }

    private void Deliver(Waiting held)
    {
        // Released and due may race; whoever removes it delivers it.
        if (waiting.Remove(held))
        {
            held.Timer?.Dispose();
            deliver(held.Call);
        }
    }

    private sealed class Waiting(Call call, DateTimeOffset? deliveredAt)
    {
        public Call Call => call;

        public DateTimeOffset? DeliveredAt => deliveredAt;

        public ITimer? Timer { get; set; }
    }
}
