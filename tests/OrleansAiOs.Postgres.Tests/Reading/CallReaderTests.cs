using Npgsql;
using OrleansAiOs.Postgres.Reading;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Tests.Reading;

/// <summary>Calls of all runs of a tenant, found by time and folded from histories: every page, filter and order, without a write for any of it.</summary>
public sealed class CallReaderTests(PostgresStoreFixture fixture) : IClassFixture<PostgresStoreFixture>
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 31, 12, 0, 0, TimeSpan.Zero);

    private readonly string tenant = $"t-{Guid.NewGuid():N}"[..20];

    private static string Scheduled(int step, string activity, string answer = "Allow", string chain = "\"user/ana\"", string? target = null, string input = "1")
    {
        var aim = target is null ? "" : $",\"target\":\"{target}\"";
        return $$$"""{"step":{{{step}}},"activity":"{{{activity}}}","effect":"Keyed","input":{{{input}}},"gate":{"charge":{"units":{"calls":1}{{{aim}}} },"answer":"{{{answer}}}","policy":"base#3","chain":[{{{chain}}}] } }""";
    }

    private async Task Append(string run, params (string Type, string Body, DateTimeOffset At)[] events)
    {
        var key = new RunKey(tenant, run);
        List<NewEvent> all = [new(Guid.NewGuid(), "run-started", """{"workflow":"w","input":1,"host":"h","by":"ana"}"""u8.ToArray(), events[0].At), .. events.Select(e => new NewEvent(Guid.NewGuid(), e.Type, System.Text.Encoding.UTF8.GetBytes(e.Body), e.At))];
        (await fixture.Store.AppendAsync(new RunAppend(key, 0, all, new RunRow(key, "w", null, RunStatus.Running, "h", false, null, null, [], Noon, Noon, null), null))).Should().Be(AppendResult.Appended);
    }

    private CallQuery Query => new(tenant, Noon.AddDays(-1), Noon.AddDays(1), 100);

    private async Task<List<RecordedCall>> All(CallQuery query)
    {
        var (calls, pages) = (new List<RecordedCall>(), 0);
        while (true)
        {
            var page = await fixture.Store.CallsAsync(query, default);
            page.Calls.Count.Should().BeLessThanOrEqualTo(query.Limit);
            calls.AddRange(page.Calls);
            (++pages).Should().BeLessThan(1000, "it ends");
            if (page.Next is not { } next) return calls;
            query = query with { After = next };
        }
    }

    private async Task<List<string>> Runs(CallQuery query) => [.. (await All(query)).Select(call => call.Run.Id)];

    [Fact]
    public async Task They_are_listed_the_newest_first_from_one_moment_to_another()
    {
        foreach (var hour in new[] { 3, 1, 2, -30, 30 }) await Append($"h{hour}", ("step-scheduled", Scheduled(1, "a.b"), Noon.AddHours(hour)));
        (await Runs(Query)).Should().Equal("h3", "h2", "h1");
        (await Runs(Query with { From = Noon.AddHours(1), To = Noon.AddHours(3) })).Should().Equal(["h2", "h1"], "from is in it, to is not");
        (await Runs(Query with { From = DateTimeOffset.UnixEpoch })).Should().Equal("h3", "h2", "h1", "h-30");
    }

    [Fact]
    public async Task Pages_of_any_size_come_to_the_same_list_also_of_many_at_one_moment()
    {
        for (var i = 0; i < 23; i++)
            await Append($"r{i}", [.. Enumerable.Range(1, 20).Select(step => ("step-scheduled", Scheduled(step, "a.b"), Noon.AddMinutes(i / 2)))]);
        var whole = (await All(Query with { Limit = 500 })).Select(call => (call.Run.Id, call.Step)).ToList();
        whole.Should().HaveCount(460).And.OnlyHaveUniqueItems();
        foreach (var limit in new[] { 1, 7, 200, 459, 460, 461 }) (await All(Query with { Limit = limit })).Select(call => (call.Run.Id, call.Step)).Should().Equal(whole, $"{limit} a page");
    }

    [Fact]
    public async Task Each_filter_finds_what_fits_it_and_nothing_else_also_among_bodies_that_lie_elsewhere()
    {
        var large = $"\"{new string('x', 20_000)}\"";
        await Append("plain", ("step-scheduled", Scheduled(1, "tool:crm/find", target: "ACME"), Noon), ("step-completed", $$"""{"step":1,"attempt":1,"result":{{large}}}""", Noon.AddSeconds(1)));
        await Append("large", ("step-scheduled", Scheduled(1, "tool:crm/find", chain: "\"user/ben\",\"service/crm\"", target: "ACME", input: large), Noon.AddSeconds(1)));
        await Append("denied", ("step-scheduled", Scheduled(1, "bank.pay", "Deny", "\"ana\",\"+user/ben\"", "B"), Noon.AddSeconds(2)));
        await Append("again", ("step-scheduled", Scheduled(1, "bank.pay"), Noon.AddSeconds(3)), ("attempt-failed", """{"step":1,"attempt":1,"failure":{"type":"E","message":"m"},"retryAt":"2026-01-31T12:00:04Z"}""", Noon.AddSeconds(4)),
            ("attempt-started", """{"step":1,"attempt":2,"gate":{"answer":"Allow","chain":["user/ana"]}}""", Noon.AddSeconds(5)));
        await Append("waits", ("step-scheduled", """{"step":1,"activity":"bank.pay","effect":"Keyed","input":1,"gate":{"answer":"Wait","why":"The gate could not judge"}}""", Noon.AddSeconds(6)));

        (await Runs(Query with { Tools = ["tool:crm/find"] })).Should().Equal("large", "plain");
        (await Runs(Query with { Tools = ["bank.pay"] })).Should().Equal("waits", "again", "again", "denied");
        (await Runs(Query with { Links = ["user/ben", "+user/ben"] })).Should().Equal("denied", "large");
        (await Runs(Query with { Links = ["service/crm"] })).Should().Equal("large");
        (await Runs(Query with { Links = ["ana"] })).Should().Equal(["waits", "denied"], "where the gate did not say who acts, the run does");
        (await Runs(Query with { Target = "ACME" })).Should().Equal("large", "plain");
        (await Runs(Query with { Run = "again", From = DateTimeOffset.UnixEpoch })).Should().Equal("again", "again");
        foreach (var (outcome, runs) in new (CallOutcome, string[])[] { (CallOutcome.Completed, ["plain"]), (CallOutcome.UnderWay, ["again", "large"]), (CallOutcome.Denied, ["denied"]), (CallOutcome.Failed, ["again"]), (CallOutcome.Waiting, ["waits"]),
            (CallOutcome.Held, []), (CallOutcome.Unknown, []), (CallOutcome.Lost, []), (CallOutcome.NotSent, []), (CallOutcome.Reused, []), (CallOutcome.Abandoned, []) })
            (await Runs(Query with { Outcome = outcome })).Should().Equal(runs, $"{outcome}");
        (await All(Query with { Run = "large" })).Single().Input.To<string>().Should().HaveLength(20_000);
    }

    [Fact]
    public async Task Another_tenants_are_not_there_by_any_filter()
    {
        await Append("theirs", ("step-scheduled", Scheduled(1, "a.b", target: "ACME"), Noon));
        var other = Query with { Tenant = "somebody-else" };
        foreach (var query in new[] { other, other with { Run = "theirs" }, other with { Target = "ACME" }, other with { Tools = ["a.b"] }, other with { After = new CallPlace(Noon.AddSeconds(1), long.MaxValue) } }) (await All(query)).Should().BeEmpty();
        (await All(Query)).Should().ContainSingle();
    }

    [Fact]
    public async Task What_this_build_cannot_read_hides_nobody_elses()
    {
        await Append("strange", ("step-scheduled", Scheduled(1, "a.b"), Noon), ("from-the-future", "{}", Noon));
        await Append("known", ("step-scheduled", Scheduled(1, "a.b"), Noon.AddSeconds(1)));
        (await Runs(Query)).Should().Equal("known");
    }

    [Fact]
    public async Task In_three_hundred_thousand_events_only_the_hour_that_is_asked_for_is_looked_at()
    {
        await using (var fill = fixture.Database.DataSource.CreateCommand($$"""
            insert into aios.mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id, is_archived)
            select nextval('aios.mt_events_sequence'), gen_random_uuid(), 'run/fill-' || r, v, case v when 1 then '{"workflow":"w","input":1,"host":"h"}' when 2 then '{{Scheduled(1, "a.b")}}' else '{"step":1,"attempt":1,"result":1}' end::jsonb,
                (array['run-started', 'step-scheduled', 'step-completed'])[v], '2025-03-01Z'::timestamptz + r * interval '20 seconds', '{{tenant}}', false
            from generate_series(1, 100000) r, generate_series(1, 3) v order by r, v
            """)) await fill.ExecuteNonQueryAsync();
        await using (var settle = fixture.Database.DataSource.CreateCommand("vacuum analyze aios.mt_events")) await settle.ExecuteNonQueryAsync();

        var from = new DateTimeOffset(2025, 3, 10, 0, 0, 0, TimeSpan.Zero);
        var tenants = new TenantStatements(fixture.Database.DataSource, restricted: true);
        await using var explain = new NpgsqlCommand($"explain (analyze, format text) {CallReader.Sql}");
        foreach (var value in new object[] { tenant, from.UtcDateTime, from.AddHours(1).UtcDateTime, 0L, "", Array.Empty<string>(), Array.Empty<string>(), "", Array.Empty<string>(), Array.Empty<string>(), 200 }) explain.Parameters.AddWithValue(value);
        var plan = await tenants.ReadAsync(tenant, explain, async reader =>
        {
            var lines = new List<string>();
            while (await reader.ReadAsync()) lines.Add(reader.GetString(0));
            return string.Join('\n', lines);
        }, default);
        plan.Should().Contain("mt_events_time").And.NotContain("Seq Scan");
        // A range of a BRIN index is 128 pages, of some thousand events.
        System.Text.RegularExpressions.Regex.Matches(plan, @"Rows Removed by Index Recheck: (\d+)").Sum(match => int.Parse(match.Groups[1].Value)).Should().BeLessThan(20_000, plan);

        (await All(Query with { From = from, To = from.AddHours(1), Limit = 500 })).Should().HaveCount(180);
        (await All(Query with { From = from, To = from.AddDays(20), Outcome = CallOutcome.Denied })).Should().BeEmpty();
    }
}
