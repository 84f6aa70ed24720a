using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Cluster.Tests.Runs;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Tests.Engine;

namespace OrleansAiOs.Cluster.Tests.Members;

/// <summary>Three members whose clocks are minutes apart, in the time that really passes.</summary>
public sealed class ClockTests(OnPostgres postgres) : IClassFixture<OnPostgres>
{
    private const int Naps = 3;
    private static readonly TimeSpan Nap = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan[] Ahead = [TimeSpan.Zero, TimeSpan.FromMinutes(7), TimeSpan.FromMinutes(-5)];

    [Workflow("sleeper")]
    private sealed class Sleeper : Workflow<int, DateTimeOffset[]>
    {
        protected override async Task<DateTimeOffset[]> RunAsync(int naps)
        {
            var woken = new List<DateTimeOffset> { Now };
            while (woken.Count <= naps)
            {
                await Sleep(Nap);
                woken.Add(Now);
            }
            return [.. woken];
        }
    }

    [Fact]
    public async Task Timers_ring_by_the_stores_clock_and_nobody_is_taken_for_dead()
    {
        await using var store = await PostgresStore.OpenAsync(postgres.ConnectionString, NullLogger.Instance);
        var (engines, members, fenced) = (new List<WorkflowHost>(), new List<ClusterMember>(), 0);
        try
        {
            foreach (var ahead in Ahead)
            {
                var engine = new WorkflowHost(store, new WorkflowRegistry().Add<Sleeper>(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions
                {
                    Time = new WrongClock(TimeProvider.System, ahead),
                    HostId = $"clocks-{engines.Count}-{Guid.NewGuid():N}",
                    Seed = (ulong)engines.Count + 1,
                    Shared = true,
                    HeartbeatEvery = TimeSpan.FromMilliseconds(300),
                    DeadAfter = TimeSpan.FromMinutes(1), // by any clock but the store's, everybody would be
                });
                engine.Fenced += () => Interlocked.Increment(ref fenced);
                engines.Add(engine);
                members.Add(await ClusterMember.JoinAsync(engine, new ClusterOptions { Database = store.Queries, Secret = new byte[32], Log = NullLoggerFactory.Instance, Name = "clocks", Spread = true }));
                await engine.StartAsync(default);
            }
            var before = await StoreTimeAsync();
            var runs = await Task.WhenAll(Enumerable.Range(0, 9).Select(i => engines[i % engines.Count].StartRunAsync(new StartRun("sleeper", JsonText.From(Naps), $"clocks-{i}"), "paula")));
            foreach (var run in runs.Select(started => started.Run))
            {
                var end = (await engines[0].WaitAsync(run, default)).Should().BeOfType<RunCompleted>().Subject.Result.To<DateTimeOffset[]>()!;
                var after = await StoreTimeAsync();
                // A clock is corrected by what the store answers, which takes a while to arrive.
                end[0].Should().BeOnOrAfter(before - TimeSpan.FromSeconds(1));
                end[^1].Should().BeOnOrBefore(after + TimeSpan.FromSeconds(1));
                end.Zip(end.Skip(1), (slept, woke) => woke - slept).Should().OnlyContain(slept => slept >= Nap);
                (await store.ReadAsync(run, 1, default)).Select(e => e.Read()).OfType<TimerFired>().Should().HaveCount(Naps);
            }
            fenced.Should().Be(0);
            (await AnswerAsync<long>("select count(*) from aios.hosts where dead")).Should().Be(0);
        }
        finally
        {
            foreach (var member in members) await member.DisposeAsync();
            foreach (var engine in engines) await engine.DisposeAsync();
        }
    }

    private async Task<DateTimeOffset> StoreTimeAsync() => await AnswerAsync<DateTime>("select clock_timestamp()");

    private async Task<T> AnswerAsync<T>(string sql)
    {
        await using var command = postgres.Source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }
}
