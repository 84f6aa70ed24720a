namespace OrleansAiOs.Workflows.History;

/// <summary>
/// Where histories live. One append is one transaction: events, summary row and wake-up commit together or not at all.
/// An implementation never repeats an append on its own: when it cannot tell whether one was committed, it says so, and the run
/// reads back.
/// </summary>
public interface IRunStore
{
    /// <summary>Appends at the expected version. Many runs' appends may share one transaction; one's conflict never fails another's.</summary>
    /// <exception cref="Exception">It holds what the store cannot take: nothing was appended, and never will be.</exception>
    ValueTask<AppendResult> AppendAsync(RunAppend append);

    /// <summary>The run's events from a version on, in order; empty if there is none.</summary>
    ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation);

    /// <summary>The run's events from a version to another, both among them, in order.</summary>
    async ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, long toVersion, CancellationToken cancellation) =>
        [.. (await ReadAsync(run, fromVersion, cancellation)).TakeWhile(e => e.Version <= toVersion)];

    /// <summary>
    /// What it takes to rebuild the run: its history, without the events that its last checkpoint stands for. All of the history does as well.
    /// </summary>
    ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation) => ReadAsync(run, 1, cancellation);

    /// <summary>The summary rows that match; decides nothing, but never lags behind the histories.</summary>
    ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation);

    /// <summary>Deletes those of the runs that are over, with all that is kept of them, in one transaction. Open ones stay.</summary>
    /// <param name="runs">Which.</param>
    /// <param name="why">The rule or the command they are deleted by; kept.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The runs that are gone by it.</returns>
    ValueTask<IReadOnlyCollection<RunKey>> PurgeAsync(IReadOnlyList<RunKey> runs, string why, CancellationToken cancellation) => throw new NotSupportedException("This store deletes nothing.");

    ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation);

    /// <summary>Wake-ups due before a moment, earliest first.</summary>
    ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, CancellationToken cancellation) => WakeUpsAsync(before, limit, null, cancellation);

    /// <summary>Wake-ups due before a moment, earliest first.</summary>
    /// <param name="before">The moment.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="buckets">Of runs in these buckets (<see cref="Timers.WakeUpBuckets"/>); null for all.</param>
    /// <param name="cancellation">Gives up.</param>
    ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation);

    /// <summary>The earliest wake-up at or after a moment.</summary>
    ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, CancellationToken cancellation) => NextWakeUpAsync(from, null, cancellation);

    /// <summary>The earliest wake-up at or after a moment, of runs in some buckets; null for all.</summary>
    ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, IReadOnlyCollection<int>? buckets, CancellationToken cancellation);

    /// <summary>The summary rows of runs that are parked for one of these reasons, of all tenants, in the order of tenant and id.</summary>
    /// <param name="reasons">As <see cref="RunParked"/> names them.</param>
    /// <param name="after">The last of those seen before; null for the first.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cancellation">Gives up.</param>
    ValueTask<IReadOnlyList<RunRow>> ParkedAsync(IReadOnlyCollection<string> reasons, RunKey? after, int limit, CancellationToken cancellation);

    /// <summary>Open runs with an effect under way on a host incarnation other than the living ones.</summary>
    ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation);

    /// <summary>Registers the incarnation, or says that it still lives. The living ones are answered, this one among them.</summary>
    /// <param name="host">The incarnation.</param>
    /// <param name="alone">No other host may live on this store: all others are declared dead.</param>
    /// <param name="deadAfter">
    /// One not heard of for so long is declared dead, for good; by a host that has itself been heard for as long without a gap of half of it.
    /// Behind a time in which nobody could beat, everybody's last beat is old.
    /// </param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="HostFencedException">This incarnation was itself declared dead.</exception>
    ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation);

    ValueTask RetireAsync(string host, CancellationToken cancellation);

    /// <summary>Runs an activity's writes and records its outcome under the key in one transaction; a second time finds the outcome.</summary>
    ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<System.Data.Common.DbTransaction, Task<JsonText>> work, CancellationToken cancellation);
}

/// <param name="Expected">The version the run had; 0 for a new one.</param>
/// <param name="Outbox">Who outside is to be told of which of the events; committed with them.</param>
public sealed record RunAppend(RunKey Run, long Expected, IReadOnlyList<NewEvent> Events, RunRow? Row, WakeUpChange? WakeUp, IReadOnlyList<OutboxEntry>? Outbox = null);

/// <summary>One event that is to be told to one receiver.</summary>
/// <param name="Event">Its place among the events of the append, from 0.</param>
/// <param name="Kind">What it is called outside.</param>
public readonly record struct OutboxEntry(string Receiver, int Event, string Kind);

public readonly record struct NewEvent(Guid Id, string Type, byte[] Body, DateTimeOffset At);

public sealed record StoredEvent(long Version, Guid Id, string Type, byte[] Body, DateTimeOffset At)
{
    /// <summary>The event itself.</summary>
    public WorkflowEvent Read() => EventNames.Read(Version, Type, Body);
}

public enum AppendResult
{
    Appended,

    /// <summary>The run is not at the expected version.</summary>
    Conflict,

    /// <summary>The store cannot tell whether it was committed.</summary>
    Unknown,
}

/// <summary>One line about a run, for lists. It is rewritten when a list would otherwise be wrong, not on every append.</summary>
/// <param name="Host">The host incarnation of the last append.</param>
/// <param name="Busy">It has effects under way on that host.</param>
/// <param name="Waits">What it waits for, as JSON; complete while it is not busy.</param>
/// <param name="Checkpoint">The version of its last checkpoint, from which it is loaded.</param>
public sealed record RunRow(RunKey Run, string Workflow, string? CodeVersion, RunStatus Status, string Host, bool Busy, string? BusinessKey,
    IReadOnlyDictionary<string, string>? Attributes, IReadOnlyList<RunWait> Waits, DateTimeOffset StartedAt, DateTimeOffset UpdatedAt, DateTimeOffset? ClosedAt,
    long? Checkpoint = null)
{
    /// <summary>Why it is parked, in the words of <see cref="RunParked"/>; null if it is not.</summary>
    public string? ParkedFor => Waits.FirstOrDefault(wait => wait.Kind == "unpark")?.Name;

    public bool AwaitsApproval => Waits.Any(wait => wait.Kind is "approval" or "signature");

    /// <summary>It is another installation's, and kept as evidence: it never goes on here, open or not.</summary>
    public bool IsImported => Host == RunImported.HostName;
}

/// <param name="Due">The moment; null takes the row away.</param>
public sealed record WakeUpChange(DateTimeOffset? Due);

public readonly record struct WakeUp(RunKey Run, DateTimeOffset Due);

/// <param name="StoreTime">The store's clock, against which timers are compared.</param>
/// <param name="Living">Host incarnations that live.</param>
public sealed record HostBeat(DateTimeOffset StoreTime, IReadOnlyCollection<string> Living);

/// <summary>Which runs to list. What is null does not narrow.</summary>
/// <param name="After">Go on behind this run (the last of the page before).</param>
/// <param name="IsOpen">Those that go on here: neither over, nor another installation's.</param>
public sealed record RunQuery(string Tenant, RunStatus? Status = null, string? Workflow = null, string? BusinessKey = null,
    IReadOnlyDictionary<string, string>? Attributes = null, DateTimeOffset? StartedFrom = null, DateTimeOffset? StartedBefore = null,
    bool? AwaitsApproval = null, RunSort Sort = RunSort.NewestFirst, RunCursor? After = null, int Limit = 50, DateTimeOffset? ClosedBefore = null, bool? IsOpen = null);

public enum RunSort
{
    NewestFirst,
    OldestFirst,
}

public sealed record RunCursor(DateTimeOffset StartedAt, string Id);

/// <summary>The store declared this host incarnation dead: others have taken over its runs. It must not start another effect.</summary>
public sealed class HostFencedException(string host) : Exception(
    $"Host {host} was declared dead by another host of this database, which took over its runs. It stops; start it anew.");
