extern alias processes;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrleansAiOs.Postgres;
using OrleansAiOs.Tests.Shared;
using processes::OrleansAiOs.EndToEnd;

namespace OrleansAiOs.Cluster.Tests.Processes;

/// <summary>Who is a member stands in tables that the hosts' own database user cannot write, where infra/postgres/members-role.sql was run.</summary>
public sealed class MembersRoleTests : IAsyncLifetime
{
    private readonly PostgresFixture postgres = new();
    private readonly string folder = Directory.CreateTempSubdirectory("aios-members-role-").FullName;
    private readonly string hosts = $"hosts_{Guid.NewGuid():N}", members = $"members_{Guid.NewGuid():N}";

    public async Task InitializeAsync()
    {
        await postgres.InitializeAsync();
        await AsAdministrator($"create role {hosts} login password 'h'; grant create on database {postgres.DatabaseName} to {hosts}");
        await using var made = await PostgresStore.OpenAsync(As(hosts, "h"), NullLogger.Instance); // as aios migrate-database does
        var script = Path.Combine(AppContext.BaseDirectory, "infra", "members-role.sql");
        await AsAdministrator((await File.ReadAllTextAsync(script)).Replace("aios_member", members, StringComparison.Ordinal).Replace(" to aios with", $" to {hosts} with", StringComparison.Ordinal).Replace(" to aios;", $" to {hosts};", StringComparison.Ordinal));
    }

    public async Task DisposeAsync()
    {
        Directory.Delete(folder, recursive: true);
        await AsAdministrator($"drop owned by {hosts} cascade; drop role {hosts}; drop owned by {members} cascade; drop role {members}");
        await postgres.DisposeAsync();
    }

    [Fact]
    public async Task Members_join_by_their_own_user_and_the_hosts_user_can_neither_write_who_is_one_nor_take_the_right_to()
    {
        var setup = new HostSetup(folder, As(hosts, "h")) { Clustered = true, Environment = new Dictionary<string, string> { ["AIOS_CLUSTER_CONNECTION"] = As(members, "change-me") } };
        await using var first = await HostProcess.StartAsync(setup);
        await using var second = await HostProcess.StartAsync(setup);
        (first.Said + second.Said).Should().NotContain("keeps nothing apart");
        await using var mine = NpgsqlDataSource.Create(As(hosts, "h"));
        await using (var count = mine.CreateCommand("select count(*) from aios.cluster_members where status = 3")) (await count.ExecuteScalarAsync()).Should().Be(2L, "both have joined");
        foreach (var sql in new[]
        {
            "insert into aios.clusters (name) values ('another')",
            "update aios.clusters set version = version + 1",
            "update aios.cluster_members set status = 6",
            "update aios.cluster_members set seen_at = clock_timestamp()",
            "delete from aios.cluster_members",
            "truncate aios.cluster_members",
            "update aios.cluster_reminders set period_ms = 1",
            "drop table aios.cluster_members",
            "alter table aios.cluster_members rename to gone",
            "alter table aios.cluster_members owner to current_user",
            "create trigger mine before insert on aios.cluster_members for each row execute function suppress_redundant_updates_trigger()",
            "create rule mine as on insert to aios.cluster_members do nothing",
            "drop schema aios cascade",
            $"set role {members}",
        })
        {
            var write = async () =>
            {
                await using var command = mine.CreateCommand(sql);
                await command.ExecuteNonQueryAsync();
            };
            (await write.Should().ThrowAsync<PostgresException>(sql)).Which.SqlState.Should().Be(PostgresErrorCodes.InsufficientPrivilege, sql);
        }
        await using (var grant = mine.CreateCommand("grant insert on aios.cluster_members to current_user; select has_table_privilege('aios.cluster_members', 'insert')"))
            (await AnswerAsync(grant)).Should().Be(false);
        await AsAdministrator("do $$ begin if not exists (select from pg_roles where rolname = 'aios_tenant') then create role aios_tenant nologin; end if; end $$");
        await using (var tenant = mine.CreateCommand("select has_table_privilege('aios_tenant', 'aios.cluster_members', 'select, insert, update, delete')")) (await tenant.ExecuteScalarAsync()).Should().Be(false);
        (await second.StopAsync()).Should().Be(0);
        (await first.StopAsync()).Should().Be(0);
    }

    [Fact]
    public async Task A_host_whose_members_user_may_not_write_them_or_is_of_another_database_does_not_start_and_one_that_keeps_nothing_apart_says_so()
    {
        (await RefusedAsync(As(hosts, "h"))).Should().Contain(hosts).And.Contain("may not write who is a member").And.Contain("members-role.sql");
        (await RefusedAsync(new NpgsqlConnectionStringBuilder(As(members, "change-me")) { Database = "postgres" }.ConnectionString)).Should().Contain("AIOS_CLUSTER_CONNECTION").And.NotContain("   at ");
        (await RefusedAsync("Host")).Should().Contain("AIOS_CLUSTER_CONNECTION is no connection string");
        await AsAdministrator($"grant update on aios.cluster_members to {hosts}");
        await using var host = await HostProcess.StartAsync(new HostSetup(folder, As(hosts, "h")) { Clustered = true, Environment = new Dictionary<string, string> { ["AIOS_CLUSTER_CONNECTION"] = As(members, "change-me") } });
        host.Said.Should().Contain("keeps nothing apart");
        (await host.StopAsync()).Should().Be(0);
    }

    private async Task<string> RefusedAsync(string connection)
    {
        var (code, said) = await HostProcess.RunToItsEndAsync(new HostSetup(folder, As(hosts, "h")) { Clustered = true, Environment = new Dictionary<string, string> { ["AIOS_CLUSTER_CONNECTION"] = connection } });
        code.Should().NotBe(0);
        return said;
    }

    private string As(string user, string password) => new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Username = user, Password = password }.ConnectionString;

    private async Task AsAdministrator(string sql)
    {
        await using var command = postgres.DataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<object?> AnswerAsync(NpgsqlCommand command)
    {
        await using var reader = await command.ExecuteReaderAsync();
        while (!reader.HasRows && await reader.NextResultAsync())
        {
        }
        await reader.ReadAsync();
        return reader.GetValue(0);
    }
}
