namespace OrleansAiOs.Workflows.Tests.Engine;

public sealed class EntityInMemory(InMemory store) : EntityConformance(store), IClassFixture<InMemory>
{
    [Fact]
    public async Task It_takes_ten_thousand_updates_in_thirty_days()
    {
        var account = Key("a");
        for (var i = 0; i < 50; i++) await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Tell(account, "deposit", 1)));
        await Refused(() => Tell(account, "deposit", 1), Refusal.Conflict, "*10000 updates in 30 days*");
        Time.Advance(TimeSpan.FromDays(31));
        (await Answer(account, "deposit", 1)).Should().Be(10_001);
        (await Answer(account, "deposit", 1)).Should().Be(10_002);
    }
}
