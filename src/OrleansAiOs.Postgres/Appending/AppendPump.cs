using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;
using OrleansAiOs.Workflows.Audit;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Appending;

/// <summary>
/// Group commit: takes whatever appends wait, flushes them in one transaction, and takes again as soon as that returns. No timer: under
/// load the batches grow by themselves, idle an append leaves at once. Several pumps share one queue, so that one binds its next batch
/// while another's is being written.
///
/// A flush whose answer is lost answers Unknown to every append in it: the runs read back. A flush that the server refused for its
/// data falls apart into single appends, so that one bad value fails only its own run.
/// </summary>
internal sealed class AppendPump : IAsyncDisposable
{
    private const int AppendsMax = 400;

    private readonly ChannelReader<PendingAppend> queue;
    private readonly NpgsqlDataSource source;
    private readonly Action appended;
    private readonly ILogger log;
    private readonly AppendStatement?[] statements = new AppendStatement?[8];
    private readonly AuditFlush audit = new();
    private readonly List<PendingAppend> batch = new(AppendsMax);
    private readonly HashSet<(string, string)> streams = [];
    private readonly Task pumping;
    private NpgsqlConnection? connection;
    private PendingAppend? putAside;
    private bool replicationUnsure;

    public AppendPump(ChannelReader<PendingAppend> queue, NpgsqlDataSource source, Action appended, ILogger log)
    {
        (this.queue, this.source, this.appended, this.log) = (queue, source, appended, log);
        pumping = Task.Run(PumpAsync);
    }

    public async ValueTask DisposeAsync()
    {
        await pumping;
        if (connection is not null) await connection.DisposeAsync();
    }

    private async Task PumpAsync()
    {
        while (putAside is not null || await queue.WaitToReadAsync())
        {
            Gather();
            if (batch.Count == 0) continue;
            try
            {
                await FlushAsync(batch);
            }
            catch (Exception e) when (IsAboutTheData(e) && batch.Count > 1)
            {
                foreach (var append in batch.ToList()) await FlushAloneAsync(append);
            }
            catch (Exception e)
            {
                await FailAsync(batch, e);
            }
        }
    }

    private void Gather()
    {
        batch.Clear();
        streams.Clear();
        if (putAside is not null) Add(putAside);
        putAside = null;
        while (batch.Count < AppendsMax && queue.TryRead(out var append))
        {
            // Two activations of one run: the second must find the first one's version, so it takes the next flush.
            if (Add(append)) continue;
            putAside = append;
            break;
        }

        bool Add(PendingAppend append)
        {
            if (!streams.Add((append.Append.Run.Tenant, append.Append.Run.Id))) return false;
            batch.Add(append);
            return true;
        }
    }

    private async Task FlushAsync(List<PendingAppend> appends)
    {
        connection ??= await ConnectAsync();
        var rows = appends.Exists(append => append.Append.Row is not null);
        var wakeUps = appends.Exists(append => append.Append.WakeUp is not null);
        var outbox = appends.Exists(append => append.Append.Outbox is { Count: > 0 });
        var statement = statements[(rows ? 1 : 0) + (wakeUps ? 2 : 0) + (outbox ? 4 : 0)] ??= new AppendStatement(connection, audit, rows, wakeUps, outbox);
        replicationUnsure = false;
        List<int>? losers = null;
        await statement.ExecuteAsync(appends, loser => (losers ??= []).Add(loser));
        appended();
        for (var i = 0; i < appends.Count; i++)
            appends[i].Answer(replicationUnsure ? AppendResult.Unknown : losers?.Contains(i) is true ? AppendResult.Conflict : AppendResult.Appended);
    }

    private async Task FlushAloneAsync(PendingAppend append)
    {
        try
        {
            await FlushAsync([append]);
        }
        catch (Exception e) when (IsAboutTheData(e))
        {
            append.Fail(e);
        }
        catch (Exception e)
        {
            await FailAsync([append], e);
        }
    }

    private async Task FailAsync(List<PendingAppend> appends, Exception exception)
    {
        if (IsAboutTheData(exception))
        {
            foreach (var append in appends) append.Fail(exception);
            return;
        }
        log.FlushUnsure(exception, appends.Count);
        // Whatever the connection still does, its answer will never be read: a new one for the next flush.
        Array.Clear(statements);
        if (connection is { } broken)
        {
            connection = null;
            try
            {
                await broken.DisposeAsync();
            }
            catch (Exception e)
            {
                log.FlushUnsure(e, 0);
            }
        }
        foreach (var append in appends) append.Answer(AppendResult.Unknown);
    }

    private async Task<NpgsqlConnection> ConnectAsync()
    {
        var opened = await source.OpenConnectionAsync();
        try
        {
            await using var keep = new NpgsqlCommand(KeepMemory, opened);
            await keep.ExecuteNonQueryAsync();
        }
        catch (Exception)
        {
            await opened.DisposeAsync();
            throw;
        }
        opened.Notice += (_, notice) => replicationUnsure |= SaysUnreplicated(notice.Notice);
        return opened;
    }

    // A backend gives the memory of each flush back to the system and gets it again, zeroed, page by page, with the next: 4 % of all that the
    // server does in w1. glibc stops that for sizes of which it has seen one freed (mallopt(3), M_MMAP_THRESHOLD: "dynamic"); other
    // allocators do not care. So it is shown one.
    private const string KeepMemory = "select length(repeat(' ', 4 * 1024 * 1024))";

    /// <summary>"canceling wait for synchronous replication …": the server says COMMIT, but a standby does not have it.</summary>
    public static bool SaysUnreplicated(PostgresNotice notice) => notice.MessageText.Contains("synchronous replication", StringComparison.Ordinal);

    // Class 22 data exception, 23 integrity violation, 54 a limit of the server: the transaction is rolled back, and would be again.
    // An ArgumentException is what cannot be put on the wire (half a character), a FormatException what is no JSON; nothing was sent. Not class 42: a right or a table that
    // is missing is no fault of the data, and an outcome given up for it would be lost.
    public static bool IsAboutTheData(Exception e) => e is PostgresException { SqlState: ['2', '2' or '3', ..] or ['5', '4', ..] } or ArgumentException or FormatException;
}

internal static partial class AppendLog
{
    [LoggerMessage(1, LogLevel.Warning, "A flush of {Appends} appends has no known outcome; they are read back")]
    public static partial void FlushUnsure(this ILogger log, Exception exception, int appends);
}
