using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>The clocks of one attempt: start-to-close and heartbeat. Whichever runs out first fires the token and ends the wait.</summary>
internal sealed class AttemptWatch : IDisposable
{
    private readonly TaskCompletionSource expired = new();
    private readonly CancellationTokenRegistration onHalt;
    private readonly Attempt attempt;
    private readonly ITimer close;
    private readonly ITimer? heartbeat;

    private readonly HeartbeatDetails? progress;

    public AttemptWatch(Attempt attempt, TimeProvider time, CancellationToken halt, HeartbeatDetails? progress = null)
    {
        this.progress = progress;
        this.attempt = attempt;
        onHalt = halt.UnsafeRegister(static watch => ((AttemptWatch)watch!).Halted(), this);
        Limit = attempt.Options.StartToClose ?? CallOptions.StartToCloseDefault;
        close = time.CreateTimer(_ => Expire("NoAnswerInTime", $"{attempt.Activity.Name} did not answer within {Limit}.", FailureKind.NoAnswerInTime),
            null, Limit, Timeout.InfiniteTimeSpan);
        if (attempt.Options.Heartbeat is { } silence)
            heartbeat = time.CreateTimer(_ => Expire("NoHeartbeat", $"{attempt.Activity.Name} gave no sign of life for {silence}.", FailureKind.NoHeartbeat),
                null, silence, Timeout.InfiniteTimeSpan);
    }

    public TimeSpan Limit { get; }

    public CancellationToken Token => attempt.Stop.Token;

    public Task Expired => expired.Task;

    public AttemptOutcome Expiry { get; private set; } = new AttemptOutcome.NotSent();

    public void Heartbeat(JsonText? details)
    {
        if (details is { } given) progress?.Note(given);
        if (attempt.Options.Heartbeat is { } silence) heartbeat!.Change(silence, Timeout.InfiniteTimeSpan);
    }

    public void Dispose()
    {
        close.Dispose();
        heartbeat?.Dispose();
        progress?.End();
        onHalt.Dispose(); // the halt's token lives as long as the host: what stays registered on it would too
        // The attempt's own source is left to the activity, which may still hold its token, and to a stop that comes this very moment.
    }

    private void Halted()
    {
        expired.TrySetResult();
        attempt.FireStop();
    }

    private void Expire(string type, string message, FailureKind kind)
    {
        if (expired.Task.IsCompleted) return;
        Expiry = new AttemptOutcome.Failed(new Failure(type, message, kind), null, Definite: false, Final: false, null);
        expired.TrySetResult();
        attempt.FireStop();
    }
}
