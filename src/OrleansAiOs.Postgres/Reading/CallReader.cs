using System.Diagnostics;
using Npgsql;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Reading;

/// <summary>
/// Lists calls over all runs of a tenant from the events that are there anyway.
///
/// The statement finds events that begin a call, by time (a BRIN index), and passes over what certainly does not fit: it never leaves out one
/// that does, also where a body lies among the payloads. What a call is, and how it ended, is then folded from its run's history, and held against
/// the query as a whole. Time is gone through backwards in slices that double until they hold enough: a window in which little fits is not read
/// at once, and a page that has taken its time ends where it is, with the place to go on from.
/// </summary>
internal sealed class CallReader(TenantStatements tenants, Func<RunKey, CancellationToken, ValueTask<IReadOnlyList<StoredEvent>>> history)
{
    private const int Take = 200;
    private const int RunsAtOnce = 50;
    private const int EventsMax = 200_000;

    private static readonly TimeSpan FirstSlice = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    internal const string Sql = """
        select e.seq_id, e.stream_id, e.version, e.timestamp from aios.mt_events e
        where e.tenant_id = $1 and e.timestamp >= $2 and e.timestamp <= $3 and (e.timestamp < $3 or e.seq_id < $4) and e.type in ('step-scheduled', 'attempt-started')
            and ($5 = '' and e.stream_id like 'run/%' or e.stream_id = $5)
            and ($6::text[] = '{}' or e.data ? '$payload' or e.data ->> 'activity' = any($6) or e.type = 'attempt-started' and ((e.data ->> 'step')::int < 0
                or exists (select from aios.mt_events s where s.tenant_id = e.tenant_id and s.stream_id = e.stream_id and s.version < e.version and s.type = 'step-scheduled'
                    and (s.data ? '$payload' or s.data -> 'step' = e.data -> 'step' and s.data ->> 'activity' = any($6)))))
            and ($7::text[] = '{}' or e.data ? '$payload' or not coalesce(e.data -> 'gate' ? 'chain', false) or e.data -> 'gate' -> 'chain' ?| $7)
            and ($8 = '' or e.data ? '$payload' or e.data -> 'gate' -> 'charge' ->> 'target' = $8)
            and ($9::text[] = '{}' or e.data ? '$payload' or e.data -> 'gate' ->> 'answer' = any($9))
            and ($10::text[] = '{}' or exists (select from aios.mt_events f where f.tenant_id = e.tenant_id and f.stream_id = e.stream_id and f.version > e.version and f.type = any($10)))
        order by e.timestamp desc, e.seq_id desc limit $11
        """;

    public async Task<CallPage> ReadAsync(CallQuery query, CancellationToken cancellation)
    {
        var (calls, known, read) = (new List<RecordedCall>(), new Dictionary<string, IReadOnlyDictionary<long, RecordedCall>>(StringComparer.Ordinal), 0);
        var began = Stopwatch.GetTimestamp();
        var at = query.After is { } after && after.At < query.To ? after : new CallPlace(query.To, 0);
        // Of one run everything is found by its id.
        var width = query.Run is null ? FirstSlice : TimeSpan.MaxValue;
        while (at.At >= query.From)
        {
            var (upper, floor) = (at.At, width < at.At - query.From ? at.At - width : query.From);
            var candidates = await CandidatesAsync(query, floor, at, cancellation);
            foreach (var some in candidates.Chunk(RunsAtOnce))
            {
                var runs = some.Select(candidate => candidate.Run).Distinct(StringComparer.Ordinal).Where(run => !known.ContainsKey(run)).ToList();
                var histories = await Task.WhenAll(runs.Select(run => history(new RunKey(query.Tenant, run), cancellation).AsTask()));
                for (var i = 0; i < runs.Count; i++) known.Add(runs[i], ReadableCalls(new RunKey(query.Tenant, runs[i]), histories[i]));
                read += histories.Sum(events => events.Count);
                foreach (var (place, run, version) in some)
                {
                    at = place;
                    if (known[run].TryGetValue(version, out var call) && query.Fits(call)) calls.Add(call);
                    if (calls.Count == query.Limit) return new CallPage(calls, at);
                }
                if (read > EventsMax) return new CallPage(calls, at);
            }
            if (candidates.Count == Take)
            {
                // As wide as what was needed for so many.
                if (query.Run is null) width = upper - at.At > FirstSlice ? upper - at.At : FirstSlice;
            }
            else if (floor == query.From)
            {
                break;
            }
            else
            {
                (at, width) = (new CallPlace(floor, 0), 2 * width);
            }
            if (Stopwatch.GetElapsedTime(began) > Patience) return new CallPage(calls, at);
        }
        return new CallPage(calls, null);
    }

    // What this build cannot read stands in no list; whoever looks at the run is told.
    private static IReadOnlyDictionary<long, RecordedCall> ReadableCalls(RunKey run, IReadOnlyList<StoredEvent> events)
    {
        try
        {
            return CallHistory.Of(run, events).ToDictionary(call => call.Version);
        }
        catch (UnreadableHistoryException)
        {
            return new Dictionary<long, RecordedCall>();
        }
    }

    private async Task<List<(CallPlace Place, string Run, long Version)>> CandidatesAsync(CallQuery query, DateTimeOffset from, CallPlace before, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(Sql);
        foreach (var value in new object[]
        {
            query.Tenant, from.UtcDateTime, before.At.UtcDateTime, before.Seq, query.Run is { } run ? $"run/{run}" : "", query.Tools?.ToArray() ?? [], query.Links?.ToArray() ?? [], query.Target ?? "",
            Answers(query.Outcome), Ends(query.Outcome), Take,
        }) command.Parameters.AddWithValue(value);
        return await tenants.ReadAsync(query.Tenant, command, async reader =>
        {
            var found = new List<(CallPlace, string, long)>();
            while (await reader.ReadAsync(cancellation))
                found.Add((new CallPlace(new DateTimeOffset(reader.GetDateTime(3), TimeSpan.Zero), reader.GetInt64(0)), reader.GetString(1)["run/".Length..], reader.GetInt64(2)));
            return found;
        }, cancellation);
    }

    // What the gate must have answered for such an end; none: anything.
    private static string[] Answers(CallOutcome? outcome) => outcome switch
    {
        CallOutcome.Denied => [nameof(GateAnswer.Deny), nameof(GateAnswer.Hold)],
        CallOutcome.Held => [nameof(GateAnswer.Hold)],
        CallOutcome.Waiting => [nameof(GateAnswer.Wait)],
        _ => [],
    };

    // Of which one must stand behind it for such an end; none: anything, or nothing.
    private static string[] Ends(CallOutcome? outcome) => outcome switch
    {
        CallOutcome.Completed => ["step-completed", "outcome-happened"],
        CallOutcome.Failed => ["attempt-failed", "step-failed", "outcome-never-will"],
        CallOutcome.Unknown => ["outcome-unknown"],
        CallOutcome.Reused => ["outcome-reused"],
        CallOutcome.Abandoned => ["run-completed", "run-failed", "run-cancelled", "run-terminated", "run-reset"],
        _ => [],
    };
}
