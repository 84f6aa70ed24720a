using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Governance.Quotas;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Governance.Budgets;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Governance.Quotas;

/// <summary>How many bytes a tenant stores: counted as they are written, by two hosts of which one is killed, and as they are deleted.</summary>
public sealed class StoredBytesTests(BudgetDatabase database) : IClassFixture<BudgetDatabase>, IAsyncLifetime
{
    // Written by itself after a few milliseconds; not measured again.
    private static readonly StoredPace Pace = StoredPace.Usual with { Every = TimeSpan.FromMilliseconds(20) };

    // What is counted is written when the host stops, and not before.
    private static readonly StoredPace Never = StoredPace.Usual with { Every = TimeSpan.FromDays(1) };

    private readonly QuotaBench bench = new(database);
    private readonly List<IAsyncDisposable> open = [];
    private int runs;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var each in open) await each.DisposeAsync();
        await bench.DisposeAsync();
    }

    private async Task<(PostgresStore Store, StoredBytes Bytes, QuotaView View)> HostAsync(StoredPace? pace = null)
    {
        var store = await PostgresStore.OpenAsync(database.ConnectionString, NullLogger.Instance);
        var view = new QuotaView();
        var catalogue = new Catalogue(bench.Streams, [view], TimeProvider.System);
        await catalogue.FreshAsync();
        var bytes = new StoredBytes(bench.Streams, database.Source, view, catalogue.FreshAsync, TimeProvider.System, pace ?? Pace);
        store.Stored += bytes.Count;
        open.AddRange([bytes, store]);
        return (store, bytes, view);
    }

    private async Task<long> UsedAsync((PostgresStore Store, StoredBytes Bytes, QuotaView View) host) => (await host.Bytes.StandingAsync(host.View.Find(bench.Tenant, "all")!)).Used;

    private Task SetAsync(long bytes) => new Kernel.Governance.Quotas.Quotas(bench.Streams).SetAsync(bench.Tenant, new QuotaSet("all", Bytes: bytes), "user/olga");

    // A run that is over, with a history of about so many bytes.
    private async Task<RunKey> WriteAsync(PostgresStore store, int bytes, string text = "x")
    {
        var run = bench.Key($"r{Interlocked.Increment(ref runs)}");
        var now = DateTimeOffset.UtcNow;
        var (started, start) = EventNames.Write(new RunStarted("w", JsonText.From(string.Concat(Enumerable.Repeat(text, bytes))), "h", By: "ana"));
        var (completed, end) = EventNames.Write(new RunCompleted(JsonText.From(1)));
        var row = new RunRow(run, "w", null, RunStatus.Completed, "h", false, null, null, [], now, now, now);
        (await store.AppendAsync(new RunAppend(run, 0, [new NewEvent(Guid.CreateVersion7(), started, start, now), new NewEvent(Guid.CreateVersion7(), completed, end, now)], row, null))).Should().Be(AppendResult.Appended);
        return run;
    }

    private async Task<long> MeasuredAsync()
    {
        await using var command = database.Source.CreateCommand("select ((select coalesce(sum(octet_length(data::text)), 0) from aios.mt_events where tenant_id = $1 and stream_id like 'run/%') + (select coalesce(sum(octet_length(bytes)), 0) from aios.payload_parts where tenant_id = $1))::bigint");
        command.Parameters.AddWithValue(bench.Tenant);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    [Fact]
    public async Task What_is_there_is_measured_what_comes_is_counted_and_what_is_deleted_makes_room()
    {
        var before = await HostAsync();
        await WriteAsync(before.Store, 1000);
        await SetAsync(60_000);
        var host = await HostAsync();
        await host.Bytes.AdmitAsync(bench.Tenant);
        (await UsedAsync(host)).Should().Be(await MeasuredAsync()).And.BeGreaterThan(1000);
        var runs = new List<RunKey>();
        for (var i = 0; i < 10; i++) runs.Add(await WriteAsync(host.Store, 5000));
        runs.Add(await WriteAsync(host.Store, 20_000, "y")); // as a document
        var content = new byte[7000];
        for (var i = 0; i < 3; i++) await host.Store.Payloads.PutAsync(bench.Tenant, new MemoryStream(content), 10_000, default); // stored once
        var used = await UsedAsync(host);
        // As JSON is written, with a blank here and there that is not sent.
        used.Should().BeInRange((long)(0.98 * await MeasuredAsync()), await MeasuredAsync()).And.BeGreaterThan(78_000);
        (await FluentActions.Awaiting(() => host.Bytes.AdmitAsync(bench.Tenant).AsTask()).Should().ThrowAsync<QuotaExceededException>()
            .WithMessage($"Quota 'all' allows 60,000 bytes of events and documents, and {used:N0} are stored. Delete runs that are over (aios purge), or have it raised: aios quota set all --bytes …")).Which.RetryAfter.Should().BePositive();

        (await host.Store.PurgeAsync(runs, "a test", default)).Should().HaveCount(11);
        await host.Bytes.AdmitAsync(bench.Tenant);
        (await UsedAsync(host)).Should().BeInRange(7000, (long)(1.02 * await MeasuredAsync()));
    }

    [Fact]
    public async Task What_one_host_writes_the_other_knows_and_what_a_killed_one_had_not_written_is_found_when_all_is_measured()
    {
        await SetAsync(1_000_000);
        var (a, b) = (await HostAsync(), await HostAsync());
        await a.Bytes.AdmitAsync(bench.Tenant);
        await b.Bytes.AdmitAsync(bench.Tenant);
        for (var i = 0; i < 5; i++) await WriteAsync(i % 2 == 0 ? a.Store : b.Store, 4000);
        await QuotaBench.Until(async () => await UsedAsync(a) > 20_000 && await UsedAsync(b) > 20_000, () => "one does not hear of the other");
        var killed = await HostAsync(Never);
        await WriteAsync(killed.Store, 6000);
        open.Remove(killed.Bytes); // it never stops, as one that is killed
        (await UsedAsync(a)).Should().BeLessThan(24_000);
        var next = await HostAsync(Pace with { Measured = TimeSpan.Zero });
        await WriteAsync(next.Store, 10);
        await QuotaBench.Until(async () => await UsedAsync(a) > 26_000, () => "it is not measured");
        (await UsedAsync(a)).Should().Be(await MeasuredAsync());
    }

    [Fact]
    public async Task A_host_that_stops_writes_what_it_has_counted_and_a_long_ledger_goes_on_in_its_next_stream()
    {
        await SetAsync(1_000_000);
        for (var i = 0; i < 5; i++)
        {
            var host = await HostAsync(Never with { FoldAfter = 3 });
            await host.Bytes.AdmitAsync(bench.Tenant);
            await WriteAsync(host.Store, 1000);
            await host.Bytes.DisposeAsync();
        }
        (await UsedAsync(await HostAsync())).Should().BeInRange(5000, await MeasuredAsync());
        (await bench.EventsAsync("escrow/stored/bytes/2")).Should().BeGreaterThan(0);
    }

    [Fact]
    public async Task Without_a_quota_of_bytes_nothing_is_counted_and_who_gets_one_again_is_measured_anew()
    {
        var host = await HostAsync();
        await WriteAsync(host.Store, 1000);
        await host.Bytes.AdmitAsync(bench.Tenant);
        (await bench.EventsAsync("escrow/stored/bytes/1")).Should().Be(0);
        await SetAsync(500);
        await bench.RemoveAsync("all");
        await WriteAsync(host.Store, 1000);
        await SetAsync(3000);
        var other = await HostAsync();
        await other.Bytes.AdmitAsync(bench.Tenant);
        (await UsedAsync(other)).Should().Be(await MeasuredAsync());
    }
}
