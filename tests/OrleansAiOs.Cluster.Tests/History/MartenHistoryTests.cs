using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Cluster.History;
using OrleansAiOs.Postgres;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Tests.Engine;

namespace OrleansAiOs.Cluster.Tests.History;

/// <summary>One database, and both ways to append to it.</summary>
public sealed class BothStores : IStoreFixture, IAsyncLifetime
{
    private readonly OnPostgres postgres = new();

    public PostgresStore Native { get; private set; } = null!;

    public MartenHistory Marten { get; private set; } = null!;

    public string ConnectionString => postgres.ConnectionString;

    public async Task InitializeAsync()
    {
        await postgres.InitializeAsync();
        Native = await PostgresStore.OpenAsync(postgres.ConnectionString, NullLogger.Instance);
        Marten = new MartenHistory(Native, postgres.ConnectionString, NullLogger.Instance);
    }

    public async Task DisposeAsync()
    {
        await Marten.DisposeAsync();
        await Native.DisposeAsync();
        await postgres.DisposeAsync();
    }

    public async Task<IRunStore> Fresh(TimeProvider time)
    {
        await postgres.Fresh(time);
        return Marten;
    }

    public async Task<long> NumberAsync(string sql)
    {
        await using var command = postgres.Source.CreateCommand(sql);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), null);
    }
}

// The same contract as the native store.

public sealed class MartenAppends(BothStores stores) : AppendConformance, IClassFixture<BothStores>
{
    protected override IRunStore Store => stores.Marten;
}

public sealed class MartenLists(BothStores stores) : ListConformance, IClassFixture<BothStores>
{
    protected override IRunStore Store => stores.Marten;
}

public sealed class MartenWakeUps(BothStores stores) : WakeUpConformance, IClassFixture<BothStores>
{
    protected override IRunStore Store => stores.Marten;
}

public sealed class MartenHosts(BothStores stores) : HostConformance, IClassFixture<BothStores>
{
    protected override IRunStore Store => stores.Marten;
}

public sealed class MartenTransactions(BothStores stores) : TransactConformance, IClassFixture<BothStores>
{
    protected override IRunStore Store => stores.Marten;
}

// And of the engine's own suites those that append most.

public sealed class EffectsThroughMarten(BothStores stores) : EffectConformance(stores), IClassFixture<BothStores>;

public sealed class ResetsThroughMarten(BothStores stores) : ResetConformance(stores), IClassFixture<BothStores>;

public sealed class TreesThroughMarten(BothStores stores) : TreeConformance(stores), IClassFixture<BothStores>;

public sealed class BothHistoriesTests(BothStores stores) : RunStoreConformance, IClassFixture<BothStores>
{
    protected override IRunStore Store => stores.Marten;

    [Fact]
    public async Task A_run_goes_on_through_the_other_store_in_turn_and_a_stale_writer_loses_in_either()
    {
        for (var version = 0L; version < 10; version++)
        {
            (IRunStore one, IRunStore other) = version % 2 == 0 ? ((IRunStore)stores.Marten, (IRunStore)stores.Native) : (stores.Native, stores.Marten);
            (await one.AppendAsync(new RunAppend(Run(), version, [Event()], Row(Run()), new WakeUpChange(Moment)))).Should().Be(AppendResult.Appended);
            (await other.AppendAsync(new RunAppend(Run(), version, [Event()], Row(Run(), RunStatus.Failed), null))).Should().Be(AppendResult.Conflict);
        }
        (await History(Run())).Select(e => e.Version).Should().Equal(Enumerable.Range(1, 10).Select(v => (long)v));
        (await stores.Native.FindAsync(Run(), default))!.Status.Should().Be(RunStatus.Running);
    }

    [Fact]
    public async Task Writers_through_both_on_the_same_runs_at_once_lose_to_each_other_and_nothing_else_happens()
    {
        const int runs = 5, tries = 40;
        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(writer => Task.Run(async () =>
        {
            var appended = 0;
            IRunStore store = writer % 2 == 0 ? stores.Marten : stores.Native;
            for (var i = 0; i < tries; i++)
            {
                var run = Run($"r{i % runs}");
                var version = (await store.ReadAsync(run, 1, default)).Count;
                var result = await store.AppendAsync(new RunAppend(run, version, [Event(), Event()], Row(run), null));
                result.Should().NotBe(AppendResult.Unknown, "nobody waits for another in a circle");
                if (result is AppendResult.Appended) appended++;
            }
            return appended;
        })));
        results.Should().OnlyContain(appended => appended > 0);
        var total = 0;
        for (var i = 0; i < runs; i++)
        {
            var history = await History(Run($"r{i}"));
            history.Select(e => e.Version).Should().Equal(Enumerable.Range(1, history.Count).Select(v => (long)v));
            total += history.Count;
        }
        total.Should().Be(2 * results.Sum());
    }

    [Fact]
    public async Task Each_append_is_told_to_the_audit_trail_by_the_numbers_of_its_events()
    {
        await Append(Run(), 0, 3, Row(Run()));
        var events = await stores.NumberAsync($"select coalesce(events, cardinality(numbers)) from aios.audit_batches where first = (select min(seq_id) from aios.mt_events where tenant_id = '{Tenant}')");
        events.Should().Be(3);
    }
}
