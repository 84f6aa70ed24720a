using System.Data;
using System.Data.Common;
using Microsoft.Extensions.Logging;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>
/// Folds what the appends said of their events into blocks, signs for all of it at most a minute after it was appended, and hands the
/// signed lines to the places outside. Nothing runs while nothing is appended.
///
/// Order, and what a crash leaves, between any two lines of it:
/// <code>
/// 1  a batch commits with its events         (Appending/AppendStatement.cs, Streams/EventStreams.cs)
/// 2  batches become a block, in one transaction: block in, batches out, the log's row moved on. A crash leaves them batches.
/// 3  the checkpoint commits: line signed over the root. A crash before leaves blocks unsigned; the next checkpoint signs for them.
/// 4  the line goes to each outlet, in order, from the one behind its last. A crash leaves it in the database; the next start sends it.
/// </code>
/// Several hosts may do this on one database: a lock lets one at a time, whoever comes next finds what is left. So none has to be the
/// leader, and what a host that died had appended is folded by the next one that appends, or looks (shared hosts look once a minute).
/// </summary>
public sealed partial class Auditor : IAsyncDisposable
{
    private readonly DbDataSource source;
    private readonly AuditKey key;
    private readonly IReadOnlyList<ICheckpointOutlet> outlets;
    private readonly AuditorOptions options;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly SemaphoreSlim one = new(1);
    private readonly SemaphoreSlim delivering = new(1);
    private readonly Lock sync = new();
    private readonly CancellationTokenSource ending = new();
    private readonly Dictionary<string, OutletState> delivered = [];
    private ITimer? next;
    private ITimer? look;
    private Task running = Task.CompletedTask;
    private bool due;
    private DateTimeOffset? failing;

    /// <param name="source">The database.</param>
    /// <param name="key">What this host signs with.</param>
    /// <param name="outlets">Where lines go; at least one, or a full rewrite by whoever has the key cannot be told.</param>
    public Auditor(DbDataSource source, AuditKey key, IReadOnlyList<ICheckpointOutlet> outlets, AuditorOptions options, TimeProvider time, ILogger log) =>
        (this.source, this.key, this.outlets, this.options, this.time, this.log) = (source, key, outlets, options, time, log);

    /// <summary>The public half of the key it signs with.</summary>
    public string PublicKey => key.Public;

    /// <summary>Why nothing is signed at present; null if all is well.</summary>
    public string? Stopped { get; private set; }

    public void Start()
    {
        // Left by a former incarnation, or another host that died; and lines that did not get out.
        Due(TimeSpan.Zero);
        if (options.Shared) look = time.CreateTimer(_ => Due(TimeSpan.Zero), null, options.Every, options.Every);
    }

    /// <summary>Something was appended: it is signed for within <see cref="AuditorOptions.Every"/>. Costs nothing when that is known already.</summary>
    public void Touch()
    {
        if (!Volatile.Read(ref due)) Due(options.Every);
    }

    private void Due(TimeSpan after)
    {
        lock (sync)
        {
            if (ending.IsCancellationRequested || due && after > TimeSpan.Zero) return;
            due = true;
            next?.Dispose();
            next = time.CreateTimer(_ => Run(), null, after, Timeout.InfiniteTimeSpan);
        }
    }

    private void Run()
    {
        lock (sync)
        {
            if (ending.IsCancellationRequested) return;
            running = Task.Run(async () =>
            {
                Volatile.Write(ref due, false);
                try
                {
                    await CheckpointAsync(null, ending.Token);
                    await DeliverAsync(ending.Token);
                }
                catch (Exception e) when (!ending.IsCancellationRequested)
                {
                    AuditorLog.Failed(log, e);
                    Due(options.Every);
                }
                catch (Exception)
                {
                    // The host stops; what is left is signed for at the end, or by the next one.
                }
            });
        }
    }

    /// <summary>Signs now for all that was appended before.</summary>
    /// <param name="acceptRestore">Why the database is behind the checkpoints outside, said by a person: it was put back on purpose. Else null.</param>
    /// <returns>The number of the last checkpoint; 0 if there has never been anything to sign for.</returns>
    /// <exception cref="AuditStoppedException">The database is not what was signed for; nothing is signed.</exception>
    public async Task<long> CheckpointAsync(string? acceptRestore = null, CancellationToken cancellation = default)
    {
        await one.WaitAsync(cancellation);
        try
        {
            await using var connection = await source.OpenConnectionAsync(cancellation);
            await Sql.ExecuteAsync(connection, $"select pg_advisory_lock({Lock})", cancellation);
            try
            {
                var restored = await CompareAsync(connection, acceptRestore, cancellation);
                while (await FoldAsync(connection, cancellation))
                {
                }
                var number = await SignAsync(connection, restored, cancellation);
                (Stopped, failing) = (null, null);
                return number;
            }
            finally
            {
                if (connection.State is ConnectionState.Open) await Sql.ExecuteAsync(connection, $"select pg_advisory_unlock({Lock})", CancellationToken.None);
            }
        }
        catch (AuditStoppedException e)
        {
            if (Stopped != e.Message) AuditorLog.Stopped(log, e.Message);
            Stopped = e.Message;
            throw;
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            failing ??= time.GetUtcNow();
            if (Stopped is null && time.GetUtcNow() - failing > PatienceWithFailures * options.Every)
            {
                Stopped = $"It has failed each time since {failing:u}: {e.Message}";
                AuditorLog.Stopped(log, Stopped);
            }
            throw;
        }
        finally
        {
            one.Release();
        }
    }

    private const int PatienceWithFailures = 3; // tries: a database that restarts is back by then

    private const long Lock = 0x41_49_4F_53_0004;

    /// <summary>Sends to each outlet the lines it has not got yet. One that has missed a year of them takes hours, and meanwhile what is appended is signed for.</summary>
    public async Task DeliverAsync(CancellationToken cancellation = default)
    {
        await delivering.WaitAsync(cancellation);
        try
        {
            foreach (var outlet in outlets)
            {
                var state = new OutletState(outlet.Name, 0, null);
                try
                {
                    for (var more = true; more;) (state, more) = await DeliverOneAsync(outlet, state, cancellation);
                }
                catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
                {
                    state = state with { Error = e.Message };
                    AuditorLog.Undelivered(log, e, outlet.Name);
                    Due(options.Every);
                }
                lock (sync) delivered[outlet.Name] = state;
            }
        }
        finally
        {
            delivering.Release();
        }
    }

    private async Task<(OutletState State, bool More)> DeliverOneAsync(ICheckpointOutlet outlet, OutletState state, CancellationToken cancellation)
    {
        await one.WaitAsync(cancellation);
        try
        {
            var (last, _) = await outlet.LastAsync(cancellation);
            if (await NextLineAsync(last, cancellation) is not { } line) return (state with { Number = last }, false);
            await outlet.AddAsync(line.Number, line.Line, cancellation);
            return (state with { Number = line.Number }, true);
        }
        finally
        {
            one.Release();
        }
    }

    private async Task<(long Number, string Line)?> NextLineAsync(long after, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return (await Sql.ListAsync(connection, "select number, line from aios.audit_checkpoints where number > $1 order by number limit 1", row => (row.GetInt64(0), row.GetString(1)), cancellation, after)) is [var line] ? line : null;
    }

    /// <summary>How the trail stands.</summary>
    public async Task<AuditStatus> StatusAsync(CancellationToken cancellation = default)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        var (id, blocks, events, began) = (await Sql.ListAsync(connection, "select id, blocks, events, began from aios.audit_log", row => (row.GetGuid(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3)), cancellation))[0];
        var pending = (await Sql.ListAsync(connection, "select count(*) from aios.audit_batches", row => row.GetInt64(0), cancellation))[0];
        var last = (await Sql.ListAsync(connection, "select line from aios.audit_checkpoints order by number desc limit 1", row => row.GetString(0), cancellation)) is [var line] ? Checkpoint.Read(line) : null;
        lock (sync)
            return new AuditStatus(id, blocks, events, began, pending, last?.Number ?? 0, last?.At, last?.Root, key.Public, Stopped, [.. outlets.Select(outlet => delivered.GetValueOrDefault(outlet.Name) ?? new OutletState(outlet.Name, 0, null))]);
    }

    /// <summary>Signed lines behind a number, oldest first.</summary>
    public async Task<IReadOnlyList<(long Number, string Line)>> LinesAsync(long after, int limit, CancellationToken cancellation = default)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return await Sql.ListAsync(connection, "select number, line from aios.audit_checkpoints where number > $1 order by number limit $2", row => (row.GetInt64(0), row.GetString(1)), cancellation, after, limit);
    }

    /// <summary>Writes the evidence of a stream (docs/audit.md); what of it is under no checkpoint yet is signed for first.</summary>
    /// <returns>False if there is no such stream; then nothing was written.</returns>
    /// <exception cref="AuditStoppedException">The trail does not bear it out, or nothing can be signed.</exception>
    public async Task<bool> WriteEvidenceAsync(string tenant, string stream, string engine, Stream output, CancellationToken cancellation = default)
    {
        await CheckpointAsync(null, cancellation);
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return await new EvidenceWriter(connection, key).WriteAsync(tenant, stream, engine, time.GetUtcNow(), output, cancellation);
    }

    /// <summary>Signs for what is left, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (sync)
        {
            if (ending.IsCancellationRequested) return;
            ending.Cancel();
            next?.Dispose();
            look?.Dispose();
        }
        await running;
        try
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            await CheckpointAsync(null, patience.Token);
            await DeliverAsync(patience.Token);
        }
        catch (Exception e)
        {
            AuditorLog.Failed(log, e);
        }
        foreach (var outlet in outlets) (outlet as IDisposable)?.Dispose();
        ending.Dispose();
        one.Dispose();
        delivering.Dispose();
    }
}

/// <param name="Every">How long after an append it is signed for, at most.</param>
/// <param name="Shared">Other hosts write to the same database: what one of them leaves behind is looked for.</param>
public sealed record AuditorOptions(TimeSpan Every, bool Shared = false)
{
    /// <summary>Leaves time to fold within the minute that is promised.</summary>
    public static readonly TimeSpan DefaultEvery = TimeSpan.FromSeconds(45);
}

/// <summary>How far a place outside the database has come, and what last went wrong with it.</summary>
public sealed record OutletState(string Name, long Number, string? Error);

/// <param name="Events">How many events are in blocks.</param>
/// <param name="Began">The last event (by its number in the sequence) that was there before the trail began.</param>
/// <param name="Pending">Batches that are in no block yet.</param>
public sealed record AuditStatus(Guid Log, long Blocks, long Events, long Began, long Pending, long Checkpoint, DateTimeOffset? At, string? Root, string PublicKey, string? Stopped, IReadOnlyList<OutletState> Outlets);

/// <summary>The database is not what was signed for before: nothing more is signed until a person has looked.</summary>
public sealed class AuditStoppedException(string message) : Exception(message);

internal static partial class AuditorLog
{
    [LoggerMessage(1, LogLevel.Error, "The audit trail could not be signed; it is tried again")]
    public static partial void Failed(ILogger log, Exception exception);

    [LoggerMessage(2, LogLevel.Critical, "The audit trail is not signed any more: {Why}")]
    public static partial void Stopped(ILogger log, string why);

    [LoggerMessage(3, LogLevel.Error, "A checkpoint did not reach {Outlet}; it is sent again")]
    public static partial void Undelivered(ILogger log, Exception exception, string outlet);

    [LoggerMessage(4, LogLevel.Critical, "{Count} events are in the database that no host of aios appended, the first of them {First}: see aios audit verify")]
    public static partial void Foreign(ILogger log, int count, string first);
}
