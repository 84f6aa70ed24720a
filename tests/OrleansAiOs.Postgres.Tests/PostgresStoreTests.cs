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
}
