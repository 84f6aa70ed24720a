using System.Data.Common;
using JasperFx;
using JasperFx.Events;
using Marten;
using Marten.Services;
using Microsoft.Extensions.Logging;
using Npgsql;
using OrleansAiOs.Postgres;
using OrleansAiOs.Postgres.Appending;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Cluster.History;

/// <summary>
/// Histories in PostgreSQL, appended by Marten. The tables are those of <see cref="PostgresStore"/>, so a run begun through one goes on through
/// the other, in turn if need be. Marten writes stream and events; the summary row, the wake-up and what the audit trail is told follow in the same
/// transaction, which is ours: Marten is never left to say whether it committed.
/// </summary>
public sealed class MartenHistory : IRunStore, IAsyncDisposable
{
    private const int ConnectionsMax = 32;

    private readonly PostgresStore native;
    private readonly NpgsqlDataSource source;
    private readonly DocumentStore marten;
    private readonly ILogger log;

    /// <param name="native">What reads, lists and looks after hosts. It stays the caller's.</param>
    /// <param name="connectionString">Its database.</param>
    /// <param name="log">Where trouble with appends is written.</param>
    public MartenHistory(PostgresStore native, string connectionString, ILogger log)
    {
        (this.native, this.log) = (native, log);
        source = DataSources.ForAppends(new NpgsqlConnectionStringBuilder(connectionString), ConnectionsMax);
        marten = DocumentStore.For(options =>
        {
            options.Connection(source);
            options.OverEngineEvents();
            // What the server says of time and version is written by the engine: only here Marten takes both from us.
            options.Events.AppendMode = EventAppendMode.Rich;
            options.Events.MapEventType<EngineEvent>("engine-event");
        });
    }

    public async ValueTask<AppendResult> AppendAsync(RunAppend append)
    {
        if (await native.PendAsync(append) is not { } pending) return AppendResult.Unknown;
        try
        {
            await using var connection = await source.OpenConnectionAsync();
            var isUnsure = false;
            connection.Notice += (_, notice) => isUnsure |= AppendPump.SaysUnreplicated(notice.Notice);
            await using var transaction = await connection.BeginTransactionAsync();
            if (append.Events.Count > 0) await AppendEventsAsync(pending, transaction);
            var loses = false;
            await new AppendStatement(connection, new AuditFlush(), append.Row is not null, append.WakeUp is not null, append.Outbox is { Count: > 0 }, behindEvents: true).ExecuteAsync([pending], _ => loses = true);
            if (loses) return AppendResult.Conflict;
            await transaction.CommitAsync();
            if (isUnsure) return AppendResult.Unknown;
        }
        catch (Exception e) when (Lost(e))
        {
            return AppendResult.Conflict;
        }
        catch (Exception e) when (!AppendPump.IsAboutTheData(e.InnerException ?? e))
        {
            // Whatever Marten makes of it: whether it was committed, only the history can tell.
            log.FlushUnsure(e, 1);
            return AppendResult.Unknown;
        }
        native.HasAppended(append);
        return AppendResult.Appended;
    }

    private async Task AppendEventsAsync(PendingAppend pending, NpgsqlTransaction transaction)
    {
        var append = pending.Append;
        var options = SessionOptions.ForTransaction(transaction);
        options.TenantId = append.Run.Tenant;
        options.Tracking = DocumentTracking.None;
        await using var session = marten.OpenSession(options);
        var events = new object[append.Events.Count];
        for (var i = 0; i < events.Length; i++) events[i] = new Event<EngineEvent>(new EngineEvent(pending.BodyOf(i))) { Id = append.Events[i].Id, Timestamp = append.Events[i].At };
        var stream = session.Events.Append(append.Run.Stream, append.Expected + events.Length, events);
        // Marten names an event after its class when it takes it; ours have names of their own.
        for (var i = 0; i < events.Length; i++) (stream.Events[i].EventTypeName, stream.Events[i].DotNetTypeName) = (append.Events[i].Type, "");
        await session.SaveChangesAsync();
    }

    // At another version, there already, or met by another at this very moment.
    private static bool Lost(Exception e) => e is ConcurrencyException or JasperFx.Events.ExistingStreamIdCollisionException or Marten.Exceptions.ExistingStreamIdCollisionException
        || (e as PostgresException ?? e.InnerException as PostgresException) is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "pk_mt_events_stream_and_version" or "pkey_mt_streams_tenant_id_id" };

    public ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation) => native.ReadAsync(run, fromVersion, cancellation);

    public ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, long toVersion, CancellationToken cancellation) => native.ReadAsync(run, fromVersion, toVersion, cancellation);

    public ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation) => native.LoadAsync(run, cancellation);

    public ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation) => native.ListAsync(query, cancellation);

    public ValueTask<IReadOnlyCollection<RunKey>> PurgeAsync(IReadOnlyList<RunKey> runs, string why, CancellationToken cancellation) => native.PurgeAsync(runs, why, cancellation);

    public ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation) => native.FindAsync(run, cancellation);

    public ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => native.WakeUpsAsync(before, limit, buckets, cancellation);

    public ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => native.NextWakeUpAsync(from, buckets, cancellation);

    public ValueTask<IReadOnlyList<RunRow>> ParkedAsync(IReadOnlyCollection<string> reasons, RunKey? after, int limit, CancellationToken cancellation) => native.ParkedAsync(reasons, after, limit, cancellation);

    public ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation) => native.OrphansAsync(livingHosts, cancellation);

    public ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation) => native.BeatAsync(host, alone, deadAfter, cancellation);

    public ValueTask RetireAsync(string host, CancellationToken cancellation) => native.RetireAsync(host, cancellation);

    public ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<DbTransaction, Task<JsonText>> work, CancellationToken cancellation) => native.TransactAsync(run, key, work, cancellation);

    public async ValueTask DisposeAsync()
    {
        await marten.DisposeAsync();
        await source.DisposeAsync();
    }
}
