using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Tests.Appending;

/// <summary>Several hosts append to the same runs as fast as they can.</summary>
public sealed class ContentionTests(PostgresStoreFixture fixture) : IClassFixture<PostgresStoreFixture>
{
    private const int Streams = 60;

    [Fact]
    public async Task Six_writers_on_the_same_runs_leave_no_gap_no_twin_no_deadlock_and_burn_no_number()
    {
        var stores = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => PostgresStore.OpenAsync(fixture.Database.ConnectionString, NullLogger.Instance)));
        try
        {
            var clock = Stopwatch.StartNew();
            var tallies = await Task.WhenAll(Enumerable.Range(0, 6).Select(writer => Task.Run(() => Hammer(stores[writer % 3], new Random(writer), clock))));
            var (won, lost) = (tallies.Sum(t => t.Won), tallies.Sum(t => t.Lost));
            won.Should().BeGreaterThan(Streams);
            lost.Should().BeGreaterThan(0, "else nothing was contended");

            (await fixture.ScalarAsync<long>("select count(*) from aios.mt_events")).Should().Be(won);
            (await fixture.ScalarAsync<long>("select count(*) from (select stream_id from aios.mt_events group by stream_id having min(version) <> 1 or max(version) <> count(*) or count(distinct version) <> count(*)) x"))
                .Should().Be(0, "versions are dense in every stream");
            (await fixture.ScalarAsync<long>("select count(*) from aios.mt_streams s where version <> (select count(*) from aios.mt_events e where e.tenant_id = s.tenant_id and e.stream_id = s.id)"))
                .Should().Be(0, "a stream's version is the number of its events");
            (await fixture.ScalarAsync<long>("select last_value from aios.mt_events_sequence")).Should().Be(won, "losers take no number");
            (await fixture.ScalarAsync<long>("select max(seq_id) from aios.mt_events")).Should().Be(won);
            (await fixture.ScalarAsync<long>("select deadlocks from pg_stat_database where datname = current_database()")).Should().Be(0);
        }
        finally
        {
            foreach (var store in stores) await store.DisposeAsync();
        }
    }

    private static async Task<(long Won, long Lost)> Hammer(PostgresStore store, Random random, Stopwatch clock)
    {
        var versions = new long[Streams];
        long won = 0, lost = 0;
        for (var round = 0; round < 5 || clock.Elapsed < TimeSpan.FromSeconds(2); round++)
        {
            var chosen = Enumerable.Range(0, Streams).OrderBy(_ => random.Next()).Take(30).ToArray();
            var results = await Task.WhenAll(chosen.Select(s => store.AppendAsync(new RunAppend(Key(s), versions[s],
                [new NewEvent(Guid.NewGuid(), "timer-fired", "{}"u8.ToArray(), DateTimeOffset.UtcNow)], null, null)).AsTask()));
            results.Should().NotContain(AppendResult.Unknown);
            for (var i = 0; i < chosen.Length; i++)
            {
                if (results[i] is AppendResult.Appended)
                {
                    won++;
                    versions[chosen[i]]++;
                    continue;
                }
                lost++;
                versions[chosen[i]] += (await store.ReadAsync(Key(chosen[i]), versions[chosen[i]] + 1, default)).Count;
            }
        }
        return (won, lost);
    }

    private static RunKey Key(int stream) => new("default", $"s{stream}");
}
