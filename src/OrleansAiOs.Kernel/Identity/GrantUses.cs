using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.Extensions.Logging;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Identity;

/// <summary>
/// When each grant was last what let somebody do something, by action, over all hosts. Grants nobody uses are rights nobody needs.
///
/// A use is noted in memory, and the table aios.grant_uses is told of what has changed a minute later, in one statement for each tenant: once a
/// minute at most, not at all while nothing is used, and at the end of a host at once. A later time is never written over by an earlier one, so
/// hosts may write in any order, and twice. A crash loses the uses of the last minute of that host, and nothing else; what is told of is by the
/// clock of the host that saw it.
/// </summary>
public sealed class GrantUses(DbDataSource source, TimeProvider time, ILogger<GrantUses> log) : IAsyncDisposable
{
    /// <summary>A use is in the table at most so long after it happened, if its host and the database live.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<(string Tenant, string Grant, string Action), DateTimeOffset> uses = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly SemaphoreSlim one = new(1);
    private Dictionary<(string Tenant, string Grant, string Action), DateTimeOffset> written = [];
    private Task flushing = Task.CompletedTask;
    private int armed;

    /// <summary>A grant has let somebody do something.</summary>
    internal void Note(string tenant, string grant, string action, DateTimeOffset at)
    {
        uses[(tenant, grant, action)] = at;
        if (Volatile.Read(ref armed) == 0 && Interlocked.Exchange(ref armed, 1) == 0) flushing = FlushLaterAsync();
    }

    /// <summary>What all hosts have written of a tenant's grants, and what this one has seen.</summary>
    public async Task<GrantUseReport> ReportAsync(string tenant, CancellationToken cancellation = default)
    {
        var last = new Dictionary<string, Dictionary<string, DateTimeOffset>>(StringComparer.Ordinal);
        await using (var command = source.Command("select grant_id, action, used_at from aios.grant_uses where tenant_id = $1", tenant))
        {
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation)) Add(reader.GetString(0), reader.GetString(1), await reader.GetFieldValueAsync<DateTimeOffset>(2, cancellation));
        }
        foreach (var ((of, grant, action), at) in uses)
            if (of == tenant) Add(grant, action, at);
        await using var since = source.Command("select at from aios.schema_steps where name = '023-grant-uses'");
        return new GrantUseReport(last, await since.ExecuteScalarAsync(cancellation) is DateTime kept ? new DateTimeOffset(kept, TimeSpan.Zero) : throw new InvalidOperationException("The schema has no step 023-grant-uses."));

        void Add(string grant, string action, DateTimeOffset at)
        {
            if (!last.TryGetValue(grant, out var actions)) last.Add(grant, actions = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal));
            if (!actions.TryGetValue(action, out var known) || known < at) actions[action] = at;
        }
    }

    /// <summary>Writes what was seen since the last time.</summary>
    /// <exception cref="DbException">The database does not answer. What was seen is kept, and written with the next.</exception>
    public async Task FlushAsync(CancellationToken cancellation = default)
    {
        await one.WaitAsync(cancellation);
        try
        {
            var now = uses.ToArray();
            foreach (var own in now.Where(use => !written.TryGetValue(use.Key, out var at) || at < use.Value).GroupBy(use => use.Key.Tenant, StringComparer.Ordinal))
            {
                await using var command = source.Command("""
                    insert into aios.grant_uses as u (tenant_id, grant_id, action, used_at)
                    select $1, n.grant_id, n.action, n.at from unnest($2::varchar[], $3::varchar[], $4::timestamptz[]) n(grant_id, action, at) order by 2, 3
                    on conflict (tenant_id, grant_id, action) do update set used_at = excluded.used_at where u.used_at < excluded.used_at
                    """, own.Key, own.Select(use => use.Key.Grant).ToArray(), own.Select(use => use.Key.Action).ToArray(), own.Select(use => use.Value.UtcDateTime).ToArray());
                await command.ExecuteNonQueryAsync(cancellation);
            }
            written = now.ToDictionary();
        }
        finally
        {
            one.Release();
        }
    }

    /// <summary>Writes what is left.</summary>
    public async ValueTask DisposeAsync()
    {
        Volatile.Write(ref armed, 1); // nobody asks for another
        await stopping.CancelAsync();
        await flushing;
        await TryFlushAsync();
        stopping.Dispose();
        one.Dispose();
    }

    private async Task FlushLaterAsync()
    {
        await Task.Delay(Every, time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        if (stopping.IsCancellationRequested) return; // the end of the host writes it
        // From here on a use asks for the next flush: one that comes while this one reads is in one of the two.
        Volatile.Write(ref armed, 0);
        if (!await TryFlushAsync() && Interlocked.Exchange(ref armed, 1) == 0) flushing = FlushLaterAsync();
    }

    private async Task<bool> TryFlushAsync()
    {
        try
        {
            await FlushAsync();
            return true;
        }
        catch (DbException e)
        {
            log.NotWritten(e);
            return false;
        }
    }
}

/// <summary>What is known of the uses of a tenant's grants.</summary>
public sealed class GrantUseReport
{
    private static readonly Dictionary<string, DateTimeOffset> Never = [];

    private readonly Dictionary<string, Dictionary<string, DateTimeOffset>> last;
    private readonly DateTimeOffset keptSince;

    internal GrantUseReport(Dictionary<string, Dictionary<string, DateTimeOffset>> last, DateTimeOffset keptSince) => (this.last, this.keptSince) = (last, keptSince);

    /// <summary>What a grant was used for, and when last.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> Of(Grant grant) => last.GetValueOrDefault(grant.Id) ?? Never;

    /// <summary>Since when uses of a grant are kept: since it was given, or since this database keeps any.</summary>
    public DateTimeOffset KnownSince(Grant grant) => grant.At > keptSince ? grant.At : keptSince;

    /// <summary>Those of a grant's actions that nobody has used.</summary>
    /// <param name="grant">Which.</param>
    /// <param name="since">Since when; none of them if it is not known so far back. Null: as far as is known.</param>
    public IReadOnlyList<string> Unused(Grant grant, DateTimeOffset? since = null) => since is not null && KnownSince(grant) > since ? []
        : [.. grant.Actions.Where(pattern => !Of(grant).Any(use => !(use.Value < since) && Grant.Names(pattern, use.Key)))];
}

internal static partial class GrantUsesLog
{
    [LoggerMessage(70, LogLevel.Warning, "When grants were last of use could not be written; it is tried again in a minute, and lost if this host ends before.")]
    public static partial void NotWritten(this ILogger log, Exception exception);
}
