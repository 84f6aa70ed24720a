using System.Collections.Concurrent;
using System.Data.Common;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Quotas;

/// <summary>A quota's count of open runs as one host keeps it: what stands in the store, and the queue of those that are to be started. <see cref="OpenRuns"/> tells the protocol.</summary>
internal sealed class OpenRunLedger(EventStreams streams, DbDataSource source, IRunStore store, QuotaView view, string host, TimeProvider time, string tenant, string quota, int foldAfter)
{
    private const int BatchMax = 1000;
    private const int SweepShare = 9; // where to look at all open runs takes long, a flood of starts that are refused does so for a tenth of the time at most
    private const int PageSize = 500;

    // How long the start of a run that a dead host has let in may still be on its way, and a reset not yet be in its row.
    private static readonly TimeSpan Late = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Lost = TimeSpan.FromHours(1);

    private readonly LedgerBook<OpenRunPage> book = new(streams, tenant, $"{EventStreams.Ledger}{quota}/runs/", number => new OpenRunPage(number));
    private readonly Batches<Message> waiting = new(BatchMax);
    private readonly ConcurrentDictionary<string, bool> ended = new(StringComparer.Ordinal);
    private OpenRunPage? state;
    private long? sweptAt;
    private TimeSpan sweepTook;

    /// <summary>Lets a run be open.</summary>
    /// <returns>Why it may not; null if it may.</returns>
    /// <exception cref="DbException">The store does not answer: nothing is started.</exception>
    public Task<string?> EnterAsync(string run, bool wasOver)
    {
        var message = new Message(run, wasOver, new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously));
        waiting.Add(message, HandleAsync);
        return message.Answer!.Task;
    }

    /// <summary>Counts what is open, if that was not done since there is the quota.</summary>
    public Task BeginAsync()
    {
        var message = new Message(null, false, new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously));
        waiting.Add(message, HandleAsync);
        return message.Answer!.Task;
    }

    /// <summary>A run is over. Nothing is written for that: whoever asks next counts it no more.</summary>
    public void Ended(string run)
    {
        if (Volatile.Read(ref state) is not { } on || on.Runs.ContainsKey(run)) ended[run] = true;
    }

    /// <summary>A run that was let in may not have begun: if it is not there, it is counted no more.</summary>
    public void Check(string run) => waiting.Add(new Message(run, false, null), HandleAsync);

    /// <summary>How many runs are open, by what is in the store.</summary>
    public async Task<int> CountAsync(CancellationToken cancellation)
    {
        var on = await book.LoadAsync(cancellation);
        return on.Runs.Count - (await OverAsync(on, on.Runs.Keys, [])).Count;
    }

    private async Task HandleAsync(List<Message> batch)
    {
        try
        {
            (int Number, long Version)? lost = null;
            while (true)
            {
                var on = state ??= await book.LoadAsync(default);
                var decision = await DecideAsync(on, batch);
                if (decision.Event is { } moved && !await AppendAsync(on, moved))
                {
                    // Whoever was faster has left something to read.
                    if (lost == (on.Number, on.Version)) throw await book.TornAsync(on);
                    lost = (on.Number, on.Version);
                    continue;
                }
                foreach (var (message, refusal) in decision.Answers) message.Answer?.TrySetResult(refusal);
                if (on.Version >= foldAfter && on.Version >= 2 * on.Runs.Count / PageSize && await AppendAsync(on, new EscrowClosed())) state = null;
                return;
            }
        }
        catch (Exception e)
        {
            state = null;
            foreach (var message in batch) message.Answer?.TrySetException(e);
        }
    }

    private async Task<bool> AppendAsync(OpenRunPage on, KernelEvent e)
    {
        if (await book.AppendAsync(on, [e], time.GetUtcNow())) return true;
        state = null;
        return false;
    }

    private async Task<(QuotaRunsMoved? Event, List<(Message, string?)> Answers)> DecideAsync(OpenRunPage on, List<Message> batch)
    {
        if (view.Find(tenant, quota) is not { Runs: { } limit } now) // nobody limits it any more
            return (null, [.. batch.Select(message => (message, (string?)null))]);
        var answers = new List<(Message, string?)>();
        var entered = new Dictionary<string, OpenRun>(StringComparer.Ordinal);
        var begins = on.Since < now.RunsSince;
        if (begins)
            foreach (var run in await OpenAsync(now))
                if (!on.Runs.ContainsKey(run)) entered.TryAdd(run, new OpenRun(run, host));
        var told = batch.Where(message => message.Answer is null).Select(message => message.Run!).ToHashSet(StringComparer.Ordinal);
        var left = await OverAsync(on, told.Concat(ended.Keys).Where(on.Runs.ContainsKey), told);
        List<(Message Message, string Run, bool WasOver)> asks = [.. batch.Where(message => message is { Answer: not null, Run: not null }).Select(message => (message, message.Run!, message.WasOver))];
        answers.AddRange(batch.Where(message => message.Run is null).Select(message => (message, (string?)null)));
        // One that was over is entered anew: whoever finds it here and its row closed would take it out.
        left.UnionWith(asks.Where(ask => ask.WasOver && on.Runs.ContainsKey(ask.Run)).Select(ask => ask.Run));
        if (asks.Count(ask => !IsIn(ask.Run)) > Free() && MaySweep()) left.UnionWith(await SweepAsync(on, told));
        foreach (var ask in asks)
        {
            var isIn = IsIn(ask.Run);
            if (!isIn && Free() <= 0)
            {
                answers.Add((ask.Message, $"Q{now.InWords[1..]} allows {limit} open runs, and {on.Runs.Count - left.Count + entered.Count} are open. Wait for one to end or cancel one (aios list --status running), or have it raised: aios quota set {quota} --runs …"));
                continue;
            }
            if (!isIn) entered[ask.Run] = new OpenRun(ask.Run, host, ask.WasOver ? true : null);
            answers.Add((ask.Message, null));
        }
        var changes = entered.Count > 0 || told.Overlaps(left) || begins;
        foreach (var run in ended.Keys)
            if (changes || !left.Contains(run)) ended.TryRemove(run, out _);
        return (changes ? new QuotaRunsMoved(entered.Count == 0 ? null : [.. entered.Values], left.Count == 0 ? null : [.. left], begins ? now.RunsSince : null) : null, answers);

        bool IsIn(string run) => on.Runs.ContainsKey(run) && !left.Contains(run) || entered.ContainsKey(run);

        int Free() => limit - on.Runs.Count + left.Count - entered.Count;
    }

    private bool MaySweep() => sweepTook < Quick || sweptAt is not { } at || time.GetElapsedTime(at) >= SweepShare * sweepTook;

    private async Task<HashSet<string>> SweepAsync(OpenRunPage on, HashSet<string> told)
    {
        sweptAt = time.GetTimestamp();
        var over = await OverAsync(on, on.Runs.Keys, told);
        sweepTook = time.GetElapsedTime(sweptAt.Value);
        return over;
    }

    /// <summary>Which of the runs that are counted are not open.</summary>
    /// <param name="told">Of these it is known that they do not begin any more, if they are not there.</param>
    private async Task<HashSet<string>> OverAsync(OpenRunPage on, IEnumerable<string> which, HashSet<string> told)
    {
        var ids = which.ToArray();
        var over = new HashSet<string>(StringComparer.Ordinal);
        if (ids.Length == 0) return over;
        var rows = (await source.ListAsync("select id, closed_at from aios.runs where tenant_id = $1 and id = any($2)", [tenant, ids], reader => (Id: reader.GetString(0), Closed: reader.TimeAt(1)), default))
            .ToDictionary(row => row.Id, row => row.Closed, StringComparer.Ordinal);
        HashSet<string>? dead = null;
        foreach (var id in ids)
        {
            var (run, isThere) = (on.Runs[id], rows.TryGetValue(id, out var closed));
            var age = time.GetUtcNow() - run.At!.Value;
            if (isThere ? closed is { } end && (run.WasOver is not true || told.Contains(id) || end > run.At || age > Late) : told.Contains(id) || age > Lost || age > Late && (dead ??= await DeadAsync(on)).Contains(run.Host)) over.Add(id);
        }
        return over;
    }

    private async Task<HashSet<string>> DeadAsync(OpenRunPage on)
    {
        var hosts = on.Runs.Values.Select(run => run.Host).Distinct(StringComparer.Ordinal).ToArray();
        return [.. hosts.Except(await source.ListAsync("select id from aios.hosts where not dead and id = any($1)", [hosts], reader => reader.GetString(0), default), StringComparer.Ordinal)];
    }

    // What was open before there was the quota; once, when the first asks. Children are no runs of their own here.
    private async Task<List<string>> OpenAsync(Quota now)
    {
        var open = new List<string>();
        RunCursor? after = null;
        while (true)
        {
            var rows = await store.ListAsync(new RunQuery(tenant, Sort: RunSort.OldestFirst, After: after, Limit: PageSize, IsOpen: true), default);
            foreach (var row in rows)
                if ((await store.ReadAsync(row.Run, 1, 1, default)) is [var first] && first.Read() is RunStarted { Parent: null } started && now.AppliesTo(Chain(started))) open.Add(row.Run.Id);
            if (rows.Count < PageSize) return open;
            after = new RunCursor(rows[^1].StartedAt, rows[^1].Run.Id);
        }
    }

    private static IReadOnlyList<string> Chain(RunStarted started) => started.Chain ?? (started.By is { } by ? [by] : []);

    /// <param name="Run">Null if only what is open is to be counted.</param>
    /// <param name="Answer">Null if the run is only to be looked at.</param>
    private sealed record Message(string? Run, bool WasOver, TaskCompletionSource<string?>? Answer);
}
