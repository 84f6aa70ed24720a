using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows;

/// <summary>What an activity may know of the attempt it serves.</summary>
public sealed class ActivityContext
{
    private const int DetailsBytesMax = 64 * 1024;

    private readonly Action<JsonText?> heartbeat;

    internal ActivityContext(string tenant, string run, int step, int attempt, IdempotencyKey key, Action<JsonText?> heartbeat, CancellationToken cancellation)
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

    /// <summary>The effect class that was recorded when the step was scheduled.</summary>
    public Effect Effect { get; internal init; }

    /// <summary>The number of the step in its run, from 1.</summary>
    public int Step { get; }

    /// <summary>The number of this attempt, from 1.</summary>
    public int Attempt { get; }

    /// <summary>Names the effect; see <see cref="IdempotencyKey"/>.</summary>
    public IdempotencyKey Key { get; }

    /// <summary>Fires when the time is up, the run wants the attempt to stop, or the host goes down.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>Says the attempt still lives, for calls with <see cref="CallOptions.Heartbeat"/>.</summary>
    public void Heartbeat() => heartbeat(null);

    /// <summary>
    /// Says the attempt still lives, and how far it has come. The next attempt is handed the last details of one that failed; of one whose
    /// host died, details that were kept a few seconds before. So it must not mind doing the last stretch again.
    /// </summary>
    /// <param name="details">At most 64 KiB as JSON.</param>
    public void Heartbeat<T>(T details)
    {
        var text = JsonText.From(details);
        if (text.Utf8.Length > DetailsBytesMax)
            throw new ArgumentException($"Heartbeat details have at most {DetailsBytesMax:N0} bytes as JSON; these have {text.Utf8.Length:N0}. Store them elsewhere and pass a reference.", nameof(details));
        heartbeat(text);
    }

    /// <summary>The details of an earlier attempt's last heartbeat; the default if none gave any.</summary>
    public T? HeartbeatDetails<T>() => Details is { } details ? details.To<T>() : default;

    internal JsonText? Details { get; init; }

    /// <summary>Who started the run, as the host knows them.</summary>
    internal string? StartedBy { get; init; }

    /// <summary>What was found before the call left; see <see cref="Activity{TIn, TOut}.Preparing"/>.</summary>
    internal JsonText? Found { get; init; }

    /// <summary>An earlier attempt under the same key may have had its effect.</summary>
    internal bool MayHaveHappened { get; init; }

    /// <summary>When the code asked for the call; after a reset, when that was.</summary>
    internal DateTimeOffset ScheduledAt { get; init; }

    /// <summary>Asks the gate whether another tool may be read beside this call; null where there is no gate.</summary>
    internal Func<string, JsonText, ValueTask<Gating.GateRecord?>> MayReadAsync { get; init; } = static (_, _) => default;

    internal Action<string, decimal>? OnSpent { get; init; }

    /// <summary>Who acts, on whose behalf: first the one it is done for, last the one who does it. Empty on a host without a gate.</summary>
    public IReadOnlyList<string> Chain { get; init; } = [];

    /// <summary>
    /// Says what this attempt really came to, where only its answer tells: tokens used, a price. It is recorded with the result and takes the
    /// place of what the gate had set aside in that unit.
    /// </summary>
    /// <param name="unit">A unit of the charge, such as "tokens" or "cost:USD"; 1 to 64 characters.</param>
    /// <param name="amount">0 or more; at most 10^18, and rounded up to 9 decimal places, which is what can be counted without loss.</param>
    public void Spend(string unit, decimal amount)
    {
        if (unit.Length is 0 or > 64) throw new ArgumentException($"A unit has 1 to 64 characters; this one has {unit.Length}.", nameof(unit));
        ArgumentOutOfRangeException.ThrowIfNegative(amount);
        // A call that was made is not failed for what it says it came to.
        var counted = Math.Min(amount, Gating.Charge.AmountMax);
        OnSpent?.Invoke(unit, decimal.Round(counted, Gating.Charge.DecimalsMax, MidpointRounding.ToPositiveInfinity));
    }
}
