using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Kernel.Tests.Identity;

/// <summary>Which rights nobody needs: what a grant was last used for is known over all hosts and after restarts, at the price of one write a minute.</summary>
public sealed class GrantUsesTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);

    private readonly string tenant = $"t-{Guid.NewGuid():N}";
    private readonly ManualTime time = new();

    private GrantUses Host(ManualTime? clock = null, NpgsqlDataSource? source = null) => new(source ?? database.Source, clock ?? time, NullLogger<GrantUses>.Instance);

    private Grant Given(string id, params string[] actions) => new(id, "service/crm", actions, "*", null, "user/root", Noon, null);

    // What somebody finds who was not there.
    private async Task<IReadOnlyDictionary<string, DateTimeOffset>> Known(string grant) => (await Host().ReportAsync(tenant)).Of(Given(grant));

    private async Task<T> Value<T>(string sql, NpgsqlDataSource? source = null)
    {
        await using var command = (source ?? database.Source).CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    private async Task Execute(string sql)
    {
        await using var command = database.Source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task Until(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await condition()) await Task.Delay(5, limit.Token);
    }

    [Fact]
    public async Task A_use_is_known_at_once_here_and_within_a_minute_everywhere()
    {
        await using var host = Host();
        host.Note(tenant, "g", "run.start", Noon);
        (await host.ReportAsync(tenant)).Of(Given("g")).Should().Equal(new Dictionary<string, DateTimeOffset> { ["run.start"] = Noon });
        (await Known("g")).Should().BeEmpty("another host's last minute is not known yet");
        time.Advance(GrantUses.Every);
        await Until(async () => (await Known("g")).Count == 1);
        // And so again, for what was used since.
        host.Note(tenant, "g", "run.start", Noon.AddHours(1));
        time.Advance(GrantUses.Every);
        await Until(async () => (await Known("g"))["run.start"] == Noon.AddHours(1));
    }

    [Fact]
    public async Task Ten_thousand_uses_within_a_minute_are_one_write_and_an_idle_host_writes_nothing()
    {
        await using var host = Host();
        for (var i = 0; i < 10_000; i++) host.Note(tenant, "g", "run.start", Noon.AddTicks(10 * i));
        await host.FlushAsync();
        (await Value<long>($"select count(*) from aios.grant_uses where tenant_id = '{tenant}'")).Should().Be(1);
        var row = await Value<string>($"select xmin::text from aios.grant_uses where tenant_id = '{tenant}'");
        await host.FlushAsync();
        await host.FlushAsync();
        (await Value<string>($"select xmin::text from aios.grant_uses where tenant_id = '{tenant}'")).Should().Be(row, "nothing was used since");
    }

    [Fact]
    public async Task Two_hosts_tell_the_later_time_in_whatever_order_they_write()
    {
        await using var first = Host();
        await using var second = Host(new ManualTime());
        first.Note(tenant, "g", "run.start", Noon);
        first.Note(tenant, "g", "run.read", Noon.AddHours(2));
        second.Note(tenant, "g", "run.start", Noon.AddHours(1));
        second.Note(tenant, "g", "run.read", Noon);
        await second.FlushAsync();
        await first.FlushAsync();
        var expected = new Dictionary<string, DateTimeOffset> { ["run.start"] = Noon.AddHours(1), ["run.read"] = Noon.AddHours(2) };
        (await Known("g")).Should().Equal(expected);
        (await first.ReportAsync(tenant)).Of(Given("g")).Should().Equal(expected);
        (await second.ReportAsync(tenant)).Of(Given("g")).Should().Equal(expected);
    }

    [Fact]
    public async Task A_crash_loses_the_last_minute_and_nothing_else_and_a_host_that_ends_loses_nothing()
    {
        var crashed = Host(new ManualTime());
        crashed.Note(tenant, "g", "run.start", Noon);
        await crashed.FlushAsync();
        crashed.Note(tenant, "g", "run.start", Noon.AddSeconds(59));
        crashed.Note(tenant, "h", "run.start", Noon.AddSeconds(59));
        // Nothing of it is called any more.
        (await Known("g"))["run.start"].Should().Be(Noon);
        (await Known("h")).Should().BeEmpty();

        await using (var next = Host(new ManualTime())) next.Note(tenant, "g", "run.start", Noon.AddMinutes(5));
        (await Known("g"))["run.start"].Should().Be(Noon.AddMinutes(5));
    }

    [Fact]
    public async Task What_the_database_did_not_take_is_written_when_it_does()
    {
        var later = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Database = "not-there-yet", Pooling = false }.ConnectionString;
        var source = NpgsqlDataSource.Create(later);
        await using var host = Host(source: source);
        host.Note(tenant, "g", "run.start", Noon);
        var failing = () => host.FlushAsync();
        await failing.Should().ThrowAsync<NpgsqlException>();
        await Execute("create database \"not-there-yet\"");
        try
        {
            await OrleansAiOs.Postgres.Schema.SchemaMigration.ApplyAsync(later, default);
            time.Advance(GrantUses.Every);
            await Until(async () => await Value<long>("select count(*) from aios.grant_uses", source) == 1);
        }
        finally
        {
            await source.DisposeAsync();
            await Execute("drop database \"not-there-yet\" with (force)");
        }
    }

    [Fact]
    public async Task What_nobody_used_for_a_span_is_told_only_where_so_much_is_known()
    {
        var now = DateTimeOffset.UtcNow;
        await using var host = Host();
        host.Note(tenant, "g", "run.start", now.AddDays(100));
        host.Note(tenant, "g", "run.cancel", now.AddDays(10));
        var report = await host.ReportAsync(tenant);
        var grant = Given("g", "run.start", "run.cancel", "tool.*") with { At = now.AddYears(-1) };
        report.Unused(grant).Should().Equal("tool.*");
        report.KnownSince(grant).Should().BeAfter(grant.At, "of what was before this database kept uses, nothing is known");
        report.Unused(grant, report.KnownSince(grant).AddTicks(-1)).Should().BeEmpty("it is not known so far back");
        var young = grant with { At = now.AddDays(50) };
        report.Unused(young, now.AddDays(49)).Should().BeEmpty("it was not there yet");
        report.Unused(young, now.AddDays(50)).Should().Equal("run.cancel", "tool.*");
        report.Unused(grant with { Actions = ["run.*"] }).Should().BeEmpty("some of it was used");
    }
}
