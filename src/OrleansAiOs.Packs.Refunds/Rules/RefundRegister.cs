using System.Data.Common;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Packs.Refunds.Rules;

/// <summary>A share of what an order was paid with, which a run wants to pay back.</summary>
/// <param name="Paid">What all shares of the order together never exceed.</param>
public sealed record RefundClaim(string Order, string Run, string Customer, decimal Amount, decimal Paid, DateTimeOffset At);

/// <summary>What of it was granted.</summary>
/// <param name="Amount">0 if nothing of the order is left.</param>
/// <param name="OthersAmount">What other runs hold of the order.</param>
/// <param name="Others">These runs.</param>
/// <param name="OfCustomer">The customer's other refunds of the last 90 days, of whatever order.</param>
public sealed record RefundShare(string Order, decimal Amount, decimal OthersAmount, IReadOnlyList<string> Others, int OfCustomer);

/// <summary>Which run pays back how much of which order. Written in the transaction that also records the activity's outcome.</summary>
public interface IRefundRegister
{
    /// <summary>Grants what is left of the order, at most what is asked for. Asked again by the same run, it answers the same amount.</summary>
    Task<RefundShare> ClaimAsync(DbTransaction transaction, string tenant, RefundClaim claim);

    /// <summary>Gives the share up, if the run has one.</summary>
    Task ReleaseAsync(DbTransaction transaction, string tenant, string order, string run);
}

/// <summary>In a table of the engine's database.</summary>
internal sealed class RefundTable : IRefundRegister
{
    public async Task<RefundShare> ClaimAsync(DbTransaction transaction, string tenant, RefundClaim claim)
    {
        await EnsureAsync(transaction);
        // One at a time for an order: each sees what the one before it was granted.
        await transaction.ExecuteAsync("select pg_advisory_xact_lock(hashtextextended('refunds ' || $1 || ' ' || $2, 0))", tenant, claim.Order);
        await transaction.ExecuteAsync("""
            insert into refunds.claims (tenant_id, order_id, run_id, customer, amount, at)
            select $1, $2, $3, $4, least($5, $6 - held), $7 from (select coalesce(sum(amount), 0) as held from refunds.claims where tenant_id = $1 and order_id = $2 and run_id <> $3) others where held < $6
            on conflict do nothing
            """, tenant, claim.Order, claim.Run, claim.Customer, claim.Amount, claim.Paid, claim.At);
        var (mine, others, othersAmount) = (0m, new List<string>(), 0m);
        await using (var command = transaction.Command("select run_id, amount from refunds.claims where tenant_id = $1 and order_id = $2 order by at, run_id", tenant, claim.Order))
        await using (var reader = await command.ExecuteReaderAsync())
            while (await reader.ReadAsync())
            {
                if (reader.GetString(0) == claim.Run) mine = reader.GetDecimal(1);
                else
                {
                    others.Add(reader.GetString(0));
                    othersAmount += reader.GetDecimal(1);
                }
            }
        await using var count = transaction.Command("select count(*)::int from refunds.claims where tenant_id = $1 and customer = $2 and run_id <> $3 and at > $4", tenant, claim.Customer, claim.Run, claim.At - RefundRules.Lookback);
        return new RefundShare(claim.Order, mine, othersAmount, others, (int)(await count.ExecuteScalarAsync())!);
    }

    public async Task ReleaseAsync(DbTransaction transaction, string tenant, string order, string run)
    {
        await EnsureAsync(transaction);
        await transaction.ExecuteAsync("delete from refunds.claims where tenant_id = $1 and order_id = $2 and run_id = $3", tenant, order, run);
    }

    private static Task EnsureAsync(DbTransaction transaction) => transaction.EnsureAsync("refunds.claims_by_customer", """
        create schema if not exists refunds;
        create table if not exists refunds.claims (
            tenant_id varchar not null, order_id varchar not null, run_id varchar not null, customer varchar not null, amount numeric not null check (amount > 0), at timestamptz not null,
            primary key (tenant_id, order_id, run_id));
        create index if not exists claims_by_customer on refunds.claims (tenant_id, customer, at);
        """);
}

/// <summary>For tests over a store without a database.</summary>
internal sealed class RefundsInMemory : IRefundRegister
{
    private readonly List<(string Tenant, RefundClaim Claim)> claims = [];

    public Task<RefundShare> ClaimAsync(DbTransaction transaction, string tenant, RefundClaim claim)
    {
        lock (claims)
        {
            var others = claims.Where(held => held.Tenant == tenant && held.Claim.Order == claim.Order && held.Claim.Run != claim.Run).Select(held => held.Claim).ToList();
            var (held, mine) = (others.Sum(other => other.Amount), claims.Find(held => held.Tenant == tenant && held.Claim.Order == claim.Order && held.Claim.Run == claim.Run).Claim);
            if (mine is null && held < claim.Paid) claims.Add((tenant, mine = claim with { Amount = Math.Min(claim.Amount, claim.Paid - held) }));
            return Task.FromResult(new RefundShare(claim.Order, mine?.Amount ?? 0, held, [.. others.Select(other => other.Run)],
                claims.Count(other => other.Tenant == tenant && other.Claim.Customer == claim.Customer && other.Claim.Run != claim.Run && other.Claim.At > claim.At - RefundRules.Lookback)));
        }
    }

    public Task ReleaseAsync(DbTransaction transaction, string tenant, string order, string run)
    {
        lock (claims) claims.RemoveAll(held => held.Tenant == tenant && held.Claim.Order == order && held.Claim.Run == run);
        return Task.CompletedTask;
    }
}
