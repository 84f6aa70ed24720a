namespace OrleansAiOs.Workflows;

/// <summary>What an activity may know of the attempt it serves.</summary>
public sealed class ActivityContext
{
    private readonly Action heartbeat;

    internal ActivityContext(string tenant, string run, int step, int attempt, IdempotencyKey key, Action heartbeat, CancellationToken cancellation)
    {
        (Tenant, Run, Step, Attempt, Key, Cancellation) = (tenant, run, step, attempt, key, cancellation);
        this.heartbeat = heartbeat;
    }

    /// <summary>The host the attempt runs on, for the engine's own activities.</summary>
    internal Hosting.WorkflowHost? Host { get; init; }

    /// <summary>The tenant the run belongs to.</summary>
    public string Tenant { get; }

    /// <summary>The run's id.</summary>
    public string Run { get; }

    /// <summary>The number of the step in its run, from 1.</summary>
    public int Step { get; }

    /// <summary>The number of this attempt, from 1.</summary>
    public int Attempt { get; }

    /// <summary>Names the effect; see <see cref="IdempotencyKey"/>.</summary>
    public IdempotencyKey Key { get; }

    /// <summary>Fires when the time is up, the run wants the attempt to stop, or the host goes down.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>Says the attempt still lives, for calls with <see cref="CallOptions.Heartbeat"/>.</summary>
    public void Heartbeat() => heartbeat();
}
