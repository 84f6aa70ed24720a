using System.Net;
using Orleans;
using Orleans.Runtime;
using OrleansAiOs.Cluster.Membership;
using OrleansAiOs.Workflows.Tests.Engine;

namespace OrleansAiOs.Cluster.Tests.Members;

/// <summary>Who is struck off without a vote.</summary>
public sealed class MembershipTests(OnPostgres postgres) : IClassFixture<OnPostgres>
{
    private const string Cluster = "struck";
    private static readonly SiloAddress Silo = SiloAddress.New(IPAddress.Loopback, 11111, 1);

    [Fact]
    public async Task Who_is_slow_to_join_is_not_struck_off_and_who_falls_silent_as_a_member_is_by_one_that_was_answered_as_long()
    {
        var table = new PostgresMembership(postgres.Source, Cluster);
        await table.InitializeMembershipTable(true);
        await JudgesAsync(table);
        var entry = new MembershipEntry { SiloAddress = Silo, SiloName = "slow", HostName = "here", Status = SiloStatus.Joining, StartTime = DateTime.UtcNow, IAmAliveTime = DateTime.UtcNow };
        (await table.InsertRow(entry, (await table.ReadAll()).Version.Next())).Should().BeTrue();

        await SilentForAsync(seconds: 30);
        (await MemberAsync(table, Silo)).Status.Should().Be(SiloStatus.Joining, "it says nothing until it is active");
        var before = await table.ReadAll();
        entry.Status = SiloStatus.Active;
        (await table.UpdateRow(entry, before.Members.Single(member => member.Item1.SiloAddress.Equals(Silo)).Item2, before.Version.Next())).Should().BeTrue();
        (await MemberAsync(table, Silo)).Status.Should().Be(SiloStatus.Active, "that was a sign of life");
        await SilentForAsync(seconds: 11);
        (await MemberAsync(table, Silo)).Status.Should().Be(SiloStatus.Dead);
        (entry.SiloAddress, entry.Status) = (SiloAddress.New(IPAddress.Loopback, 22222, 1), SiloStatus.Joining);
        (await table.InsertRow(entry, (await table.ReadAll()).Version.Next())).Should().BeTrue();
        await SilentForAsync(seconds: 61);
        (await table.ReadAll()).Members.Should().OnlyContain(member => member.Item1.Status == SiloStatus.Dead, "and who never gets on with joining is");
    }

    private async Task JudgesAsync(PostgresMembership table)
    {
        var silent = new MembershipEntry { SiloAddress = SiloAddress.New(IPAddress.Loopback, 33333, 1), SiloName = "silent", HostName = "here", Status = SiloStatus.Active, StartTime = DateTime.UtcNow, IAmAliveTime = DateTime.UtcNow };
        (await table.InsertRow(silent, (await table.ReadAll()).Version.Next())).Should().BeTrue();
        await SilentForAsync(seconds: 15);
        (await MemberAsync(table, silent.SiloAddress)).Status.Should().Be(SiloStatus.Active, "what kept it silent may have been that nobody was answered");
        while ((await MemberAsync(table, silent.SiloAddress)).Status is not SiloStatus.Dead) await Task.Delay(200);
    }

    private static async Task<MembershipEntry> MemberAsync(PostgresMembership table, SiloAddress silo) => (await table.ReadAll()).Members.Single(member => member.Item1.SiloAddress.Equals(silo)).Item1;

    private async Task SilentForAsync(int seconds)
    {
        await using var command = postgres.Source.CreateCommand($"update aios.cluster_members set seen_at = clock_timestamp() - interval '{seconds} seconds' where cluster = '{Cluster}'");
        await command.ExecuteNonQueryAsync();
    }
}
