using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Cluster.Tests.Runs;
using OrleansAiOs.Postgres;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Tests.Engine;
using OrleansAiOs.Workflows.Timers;

namespace OrleansAiOs.Cluster.Tests.Members;

/// <summary>Due work is divided among the members, and none of it is left lying.</summary>
public sealed class WakeUpTests(OnPostgres postgres) : IClassFixture<OnPostgres>, IAsyncLifetime
{
    private const int Runs = 96;

    private static readonly TimeSpan Far = TimeSpan.FromHours(3);

    private readonly ManualTime time = new();
    private readonly List<(ClusterMember Member, WorkflowHost Engine, Asked Store)> members = [];
    private PostgresStore store = null!;

    [Workflow("sleeps")]
    private sealed class Sleeps : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input)
        {
            await Sleep(Far);
            return input;
        }
    }

    public async Task InitializeAsync()
    {
        await postgres.Fresh(TimeProvider.System);
        store = await PostgresStore.OpenAsync(postgres.ConnectionString, NullLogger.Instance);
    }

    public async Task DisposeAsync()
    {
        foreach (var (member, engine, _) in members)
        {
            await member.DisposeAsync();
            await engine.DisposeAsync();
        }
        await store.DisposeAsync();
    }

    [Fact]
    public async Task Each_wake_up_is_loaded_by_the_one_member_that_serves_its_bucket_and_while_nothing_is_due_nobody_asks()
    {
        await JoinAsync();
        await JoinAsync();
        await JoinAsync();
        await AllServedAsync();

        for (var i = 0; i < Runs; i++) await members[i % 3].Engine.StartRunAsync(new StartRun("sleeps", JsonText.From(i), $"far-{i}"), "paula");
        await UntilAsync(() => Task.FromResult(members.All(each => each.Engine.ActiveRuns == 0)), () => time.Advance(TimeSpan.FromSeconds(10)));
        foreach (var each in members) each.Store.Forget();

        // An hour in which nothing is due, in steps as long as the longest sleep of a timer.
        for (var i = 0; i < 12; i++) time.Advance(TimeSpan.FromMinutes(5));
        members.Sum(each => each.Store.Questions).Should().Be(0, "nothing is due");

        await UntilAsync(async () => (await store.ListAsync(new RunQuery(RunKey.DefaultTenant, Limit: 1000), default)).All(row => row.ClosedAt is not null), () => time.Advance(TimeSpan.FromMinutes(5)));
        var loaded = members.SelectMany(each => each.Store.Loaded).ToList();
        loaded.Should().OnlyHaveUniqueItems("no wake-up is loaded twice").And.HaveCount(Runs);
        foreach (var each in members) each.Store.Loaded.Should().NotBeEmpty("the work is divided");
    }

    [Fact]
    public async Task What_a_member_served_is_served_by_the_others_when_it_has_gone_and_divided_anew_when_another_comes()
    {
        await JoinAsync();
        await JoinAsync();
        await AllServedAsync();
        for (var i = 0; i < Runs; i++) await members[0].Engine.StartRunAsync(new StartRun("sleeps", JsonText.From(i), $"left-{i}"), "paula");

        var (gone, engine, _) = members[0];
        members.RemoveAt(0);
        await gone.DisposeAsync();
        await engine.DisposeAsync();
        await AllServedAsync();
        members[0].Member.Seats.Buckets.Should().HaveCount(WakeUpBuckets.Count);

        await JoinAsync();
        await AllServedAsync();
        await UntilAsync(async () => (await store.ListAsync(new RunQuery(RunKey.DefaultTenant, Limit: 1000), default)).All(row => row.ClosedAt is not null), () => time.Advance(TimeSpan.FromMinutes(5)));
    }

    [Fact]
    public async Task Every_bucket_has_a_reminder_by_which_it_would_be_found_again()
    {
        await JoinAsync();
        await AllServedAsync();
        await UntilAsync(async () =>
        {
            await using var command = store.Queries.CreateCommand("select count(*) from aios.cluster_reminders where name = 'sweep' and period_ms = 60000");
            return (long)(await command.ExecuteScalarAsync())! == WakeUpBuckets.Count;
        });
    }

    private async Task JoinAsync()
    {
        var asked = new Asked(store, time);
        var engine = new WorkflowHost(asked, new WorkflowRegistry().Add<Sleeps>(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
            new WorkflowHostOptions { Time = new BetweenHostsTime(time), HostId = $"wake-{Guid.NewGuid():N}", Seed = (ulong)members.Count + 1, Shared = true, HeartbeatEvery = BetweenHostsTime.Heartbeat, LateAppendsFor = TimeSpan.FromDays(1) }); // a second look behind the start would be a question
        var member = await ClusterMember.JoinAsync(engine, new ClusterOptions { Database = store.Queries, Secret = new byte[32], Log = NullLoggerFactory.Instance, Name = "wake-ups" });
        members.Add((member, engine, asked));
        await engine.StartAsync(default);
    }

    // Each by one member, and evenly: who came last gets its own from the others.
    private Task AllServedAsync() => UntilAsync(() =>
    {
        var shares = members.Select(each => each.Member.Seats.Buckets).ToList();
        return Task.FromResult(shares.Max(share => share.Count) - shares.Min(share => share.Count) <= 1 && shares.SelectMany(share => share).Order().SequenceEqual(Enumerable.Range(0, WakeUpBuckets.Count)));
    });

    private async Task UntilAsync(Func<Task<bool>> holds, Action? meanwhile = null)
    {
        using var giveUp = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while (!await holds())
        {
            if (giveUp.IsCancellationRequested) throw new TimeoutException($"The members serve: {string.Join("; ", members.Select(each => string.Join(' ', each.Member.Seats.Buckets.Order())))}");
            meanwhile?.Invoke();
            await Task.Delay(20);
        }
    }

    /// <summary>Counts what is asked about wake-ups.</summary>
    private sealed class Asked(IRunStore inner, TimeProvider time) : ByTestsTime(inner, time)
    {
        private int questions;

        public int Questions => Volatile.Read(ref questions);

        public ConcurrentBag<RunKey> Loaded { get; } = [];

        public void Forget()
        {
            Volatile.Write(ref questions, 0);
            Loaded.Clear();
        }

        public override async ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation)
        {
            Interlocked.Increment(ref questions);
            var rows = await base.WakeUpsAsync(before, limit, buckets, cancellation);
            foreach (var row in rows) Loaded.Add(row.Run);
            return rows;
        }
    }
}
