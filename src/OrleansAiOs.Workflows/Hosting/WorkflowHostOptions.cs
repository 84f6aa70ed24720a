namespace OrleansAiOs.Workflows.Hosting;

/// <summary>How a host runs its workflows.</summary>
public sealed record WorkflowHostOptions
{
    public static readonly TimeSpan DeadAfterDefault = TimeSpan.FromSeconds(10);

    /// <summary>The host's clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>What names this incarnation of the host; never used twice.</summary>
    public required string HostId { get; init; }

    /// <summary>The seed of ids and of the spread of retries.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Where turns and activities run. A simulation puts its own here.</summary>
    public TaskScheduler Scheduler { get; init; } = TaskScheduler.Default;

    // Who completes what others wait for does not run what they do then. A scheduler of a test's own queues that anyway, and knows no other threads.
    internal TaskCreationOptions Continuations => Scheduler == TaskScheduler.Default ? TaskCreationOptions.RunContinuationsAsynchronously : TaskCreationOptions.None;

    /// <summary>In a test: what is called in an activity's place.</summary>
    internal Func<Activity, Activity> InPlaceOf { get; init; } = static activity => activity;

    /// <summary>What every call of a tool passes, in the turn and again before it is sent; null lets all through.</summary>
    public Gating.IEffectGate? Gate { get; init; }

    /// <summary>
    /// Who outside is to be told of events of a run (of a workflow) that are about to be appended; null if nobody ever is. Asked once for each
    /// append, and again as long as it throws.
    /// </summary>
    public Func<RunKey, string, IReadOnlyList<(History.WorkflowEvent Event, DateTimeOffset At)>, ValueTask<IReadOnlyList<History.OutboxEntry>>>? Outbox { get; init; }

    /// <summary>Declares the activities that code knows by name only: tools.</summary>
    public IActivityDirectory? Activities { get; init; }

    /// <summary>Other hosts may serve the same store. Then this one reports every <see cref="HeartbeatEvery"/>.</summary>
    public bool Shared { get; init; }

    /// <summary>Well below half of <see cref="DeadAfter"/>: a host that beats less often than that declares nobody dead.</summary>
    public TimeSpan HeartbeatEvery { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>A host not heard of for so long is declared dead, and its runs are taken over.</summary>
    public TimeSpan DeadAfter { get; init; } = DeadAfterDefault;

    /// <summary>The longest an append of a dead host can still be on its way to its commit; the store's statement time-out must be shorter.</summary>
    public TimeSpan LateAppendsFor { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>An attempt leaves the host only this long after its append; later it is appended again first.</summary>
    public TimeSpan DispatchWindow { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Details of an attempt's heartbeats are appended at most this often; the last are when it fails.</summary>
    public TimeSpan KeepHeartbeatsEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>An idle run leaves memory after this time; its next input brings it back.</summary>
    public TimeSpan PassivateAfter { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Runs in memory at once; past it a start is refused with a retry-after.</summary>
    public int ActiveRunsMax { get; init; } = 50_000;

    /// <summary>Inputs that wait for one run; past it a command is refused with a retry-after.</summary>
    public int MailboxMax { get; init; } = 10_000;

    /// <summary>A command that is not recorded by then is answered with a refusal that says so. It may be recorded later all the same: the run goes on trying.</summary>
    public TimeSpan AnswerWithin { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>How long runs are kept once they are over; for ever if no rule fits.</summary>
    public IReadOnlyList<Retention.RetentionRule> Retention { get; init; } = [];

    /// <summary>How long a stopping host waits for what is under way.</summary>
    public TimeSpan DrainFor { get; init; } = TimeSpan.FromSeconds(10);
}
