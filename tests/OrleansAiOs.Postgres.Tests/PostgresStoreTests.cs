using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Tests;

// The same contract as the in-memory store: both run the suites in tests/Shared.

public sealed class PostgresAppends(PostgresStoreFixture fixture) : AppendConformance, IClassFixture<PostgresStoreFixture>
{
    protected override IRunStore Store => fixture.Store;
}

public sealed class PostgresLists(PostgresStoreFixture fixture) : ListConformance, IClassFixture<PostgresStoreFixture>
{
    protected override IRunStore Store => fixture.Store;
}

public sealed class PostgresWakeUps(PostgresStoreFixture fixture) : WakeUpConformance, IClassFixture<PostgresStoreFixture>
{
    protected override IRunStore Store => fixture.Store;
}

public sealed class PostgresHosts(PostgresStoreFixture fixture) : HostConformance, IClassFixture<PostgresStoreFixture>
{
    protected override IRunStore Store => fixture.Store;
}

public sealed class PostgresTransactions(PostgresStoreFixture fixture) : TransactConformance, IClassFixture<PostgresStoreFixture>
{
    protected override IRunStore Store => fixture.Store;

    [Fact]
    public async Task What_the_work_wrote_commits_with_its_outcome_and_goes_with_it()
    {
        await fixture.ScalarAsync<object>("create table if not exists bookings (n int); select 1");
        var failing = () => Write(1, fail: true);
        await failing.Should().ThrowAsync<InvalidOperationException>();
        (await fixture.ScalarAsync<long>("select count(*) from bookings")).Should().Be(0);
        await Write(2, fail: false);
        await Write(3, fail: false);
        (await fixture.ScalarAsync<int[]>("select array_agg(n) from bookings")).Should().Equal(2);

        Task Write(int n, bool fail) => Store.TransactAsync(Run("writes"), "k", async transaction =>
        {
            await using var command = transaction.Connection!.CreateCommand();
            command.CommandText = $"insert into bookings values ({n})";
            await command.ExecuteNonQueryAsync();
            return fail ? throw new InvalidOperationException() : JsonText.From(n);
        }, default).AsTask();
    }

    [Fact]
    public async Task However_many_transactions_take_their_time_the_host_is_heard_of_and_hears_what_is_due()
    {
        var (began, mayEnd) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        using var giveUp = new CancellationTokenSource();
        var taking = Enumerable.Range(0, 100).Select(i => Store.TransactAsync(Run($"long-{i}"), "k", async _ =>
        {
            Interlocked.Increment(ref began);
            await mayEnd.Task;
            return JsonText.From(i);
        }, giveUp.Token).AsTask()).ToList();
        while (Volatile.Read(ref began) < 12) await Task.Delay(10); // as many as there are connections for them
        var patience = TimeSpan.FromSeconds(10); // less than any of them would wait for a connection
        await Store.BeatAsync("heard-of", alone: false, TimeSpan.FromDays(1), default).AsTask().WaitAsync(patience);
        await Store.NextWakeUpAsync(Moment, default).AsTask().WaitAsync(patience);
        await Store.OrphansAsync([], default).AsTask().WaitAsync(patience);
        await Store.FindAsync(Run("long-1"), default).AsTask().WaitAsync(patience);
        mayEnd.SetResult();
        await giveUp.CancelAsync();
        await Task.WhenAll(taking.Select(one => one.ContinueWith(_ => { }, TaskScheduler.Default)));
    }
}
