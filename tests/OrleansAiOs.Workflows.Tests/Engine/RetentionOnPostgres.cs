using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

public sealed class RetentionOnPostgres(OnPostgres store) : RetentionConformance(store), IClassFixture<OnPostgres>
{
    private readonly OnPostgres database = store;

    [Fact]
    public async Task Nothing_of_a_run_is_left_in_the_database()
    {
        var run = await Start("ends", new string('y', 20_000), "whole");
        await End(run);
        foreach (var table in new[] { "payload_uses", "payloads", "payload_parts" }) (await database.Count(table)).Should().BePositive();
        var others = (await Store.ListAsync(new RunQuery(RunKey.DefaultTenant), default)).Count(row => row.Run != run);
        (await Store.PurgeAsync([run], "by a test", default)).Should().HaveCount(1);
        foreach (var table in new[] { "payload_uses", "payloads", "payload_parts", "outcomes" }) (await database.Count(table)).Should().Be(0, table);
        (await database.Count("runs")).Should().Be(others);
        (await database.Count("mt_streams")).Should().Be(others);
    }
}
