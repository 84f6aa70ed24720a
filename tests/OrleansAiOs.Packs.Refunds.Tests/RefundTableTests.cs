using OrleansAiOs.Packs.Refunds.Rules;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Packs.Refunds.Tests;

/// <summary>The register over a real database.</summary>
public sealed class RefundTableTests(PostgresFixture database) : IClassFixture<PostgresFixture>
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly RefundTable table = new();

    [Fact]
    public async Task Fifty_who_claim_at_once_are_granted_no_more_than_was_paid()
    {
        var shares = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => ClaimAsync("t1", "S-1", $"run-{i}", 3m, paid: 40m)));
        shares.Sum(share => share.Amount).Should().Be(40m);
        shares.Count(share => share.Amount == 3m).Should().Be(13);
        shares.Count(share => share.Amount == 1m).Should().Be(1);
        shares.Count(share => share.Amount == 0m).Should().Be(36);
    }

    [Fact]
    public async Task The_same_run_is_answered_the_same_again_and_what_is_released_is_there_for_others()
    {
        (await ClaimAsync("t2", "S-1", "a", 30m, 40m)).Should().BeEquivalentTo(new RefundShare("S-1", 30m, 0m, [], 0));
        (await ClaimAsync("t2", "S-1", "a", 30m, 40m)).Amount.Should().Be(30m);
        (await ClaimAsync("t2", "S-1", "b", 30m, 40m)).Should().BeEquivalentTo(new RefundShare("S-1", 10m, 30m, ["a"], 1));
        (await ClaimAsync("t3", "S-1", "c", 30m, 40m)).Amount.Should().Be(30m, "another tenant's order is another order");
        await database.InTransaction(async transaction =>
        {
            await table.ReleaseAsync(transaction, "t2", "S-1", "a");
            return 0;
        });
        (await ClaimAsync("t2", "S-1", "d", 50m, 40m)).Should().BeEquivalentTo(new RefundShare("S-1", 30m, 10m, ["b"], 1));
    }

    [Fact]
    public async Task A_customers_refunds_count_for_ninety_days()
    {
        await ClaimAsync("t4", "S-1", "a", 5m, 40m, Now.AddDays(-91));
        await ClaimAsync("t4", "S-2", "b", 5m, 40m, Now.AddDays(-89));
        (await ClaimAsync("t4", "S-3", "c", 5m, 40m)).OfCustomer.Should().Be(1);
    }

    private Task<RefundShare> ClaimAsync(string tenant, string order, string run, decimal amount, decimal paid, DateTimeOffset? at = null) =>
        database.InTransaction(transaction => table.ClaimAsync(transaction, tenant, new RefundClaim(order, run, "Anna", amount, paid, at ?? Now)));
}
