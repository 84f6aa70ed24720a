using System.Data.Common;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Packs.InvoiceToPay;

/// <summary>Which run holds a supplier's document number, and which has taken how much of a purchase order. Written in the transaction that also records the activity's outcome.</summary>
public interface IInvoiceRegister
{
    /// <returns>The run that holds the key: this one, or the one that came first.</returns>
    Task<string> ClaimAsync(DbTransaction transaction, string tenant, string key, string run);

    /// <summary>Gives the key up if this run holds it.</summary>
    Task ReleaseAsync(DbTransaction transaction, string tenant, string key, string run);

    /// <summary>Takes an amount of an order, if that much is left of what is listed or it may go beyond. Asked again by the same run, it answers the same.</summary>
    /// <returns>Whether it was taken, and what other runs have taken.</returns>
    Task<(bool Granted, decimal Others)> DrawAsync(DbTransaction transaction, string tenant, OrderDraw draw, string run);

    /// <summary>Gives back what the run has taken, if it has.</summary>
    Task PutBackAsync(DbTransaction transaction, string tenant, OrderDraw draw, string run);
}

/// <summary>In a table of the engine's database.</summary>
internal sealed class InvoiceTable : IInvoiceRegister
{
    public async Task<string> ClaimAsync(DbTransaction transaction, string tenant, string key, string run)
    {
        await EnsureAsync(transaction);
        // The second insert waits for the first one's transaction, and then finds its row.
        await transaction.ExecuteAsync("insert into invoice_to_pay.claims (tenant_id, key, run_id) values ($1, $2, $3) on conflict do nothing", tenant, key, run);
        await using var command = transaction.Command("select run_id from invoice_to_pay.claims where tenant_id = $1 and key = $2", tenant, key);
        return (string)(await command.ExecuteScalarAsync())!;
    }

    public async Task ReleaseAsync(DbTransaction transaction, string tenant, string key, string run)
    {
        await EnsureAsync(transaction);
        await transaction.ExecuteAsync("delete from invoice_to_pay.claims where tenant_id = $1 and key = $2 and run_id = $3", tenant, key, run);
    }

    public async Task<(bool Granted, decimal Others)> DrawAsync(DbTransaction transaction, string tenant, OrderDraw draw, string run)
    {
        await EnsureAsync(transaction);
        // One at a time for an order: each sees what the one before it has taken.
        await transaction.ExecuteAsync("select pg_advisory_xact_lock(hashtextextended('invoices ' || $1 || ' ' || $2, 0))", tenant, draw.Order);
        await transaction.ExecuteAsync("""
            insert into invoice_to_pay.draws (tenant_id, order_number, listed, run_id, amount)
            select $1, $2, $3, $4, $5 where $6 or $5 + coalesce((select sum(amount) from invoice_to_pay.draws where tenant_id = $1 and order_number = $2 and listed = $3 and run_id <> $4), 0) <= $3
            on conflict do nothing
            """, tenant, draw.Order, draw.Listed, run, draw.Amount, draw.Beyond);
        await using var command = transaction.Command("""
            select count(*) filter (where run_id = $4) > 0, coalesce(sum(amount) filter (where run_id <> $4), 0)
            from invoice_to_pay.draws where tenant_id = $1 and order_number = $2 and listed = $3
            """, tenant, draw.Order, draw.Listed, run);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return (reader.GetBoolean(0), reader.GetDecimal(1));
    }

    public async Task PutBackAsync(DbTransaction transaction, string tenant, OrderDraw draw, string run)
    {
        await EnsureAsync(transaction);
        await transaction.ExecuteAsync("delete from invoice_to_pay.draws where tenant_id = $1 and order_number = $2 and listed = $3 and run_id = $4", tenant, draw.Order, draw.Listed, run);
    }

    private static Task EnsureAsync(DbTransaction transaction) => transaction.EnsureAsync("invoice_to_pay.draws", """
        create schema if not exists invoice_to_pay;
        create table if not exists invoice_to_pay.claims (
            tenant_id varchar not null, key varchar not null, run_id varchar not null, at timestamptz not null default now(), primary key (tenant_id, key));
        create table if not exists invoice_to_pay.draws (
            tenant_id varchar not null, order_number varchar not null, listed numeric not null, run_id varchar not null, amount numeric not null check (amount > 0), at timestamptz not null default now(),
            primary key (tenant_id, order_number, listed, run_id));
        """);
}

/// <summary>For tests over a store without a database.</summary>
internal sealed class InvoicesInMemory : IInvoiceRegister
{
    private readonly Dictionary<(string, string), string> holders = [];
    private readonly Dictionary<(string Tenant, string Order, decimal Listed, string Run), decimal> draws = [];

    public Task<(bool Granted, decimal Others)> DrawAsync(DbTransaction transaction, string tenant, OrderDraw draw, string run)
    {
        lock (holders)
        {
            var others = draws.Where(drawn => drawn.Key.Tenant == tenant && drawn.Key.Order == draw.Order && drawn.Key.Listed == draw.Listed && drawn.Key.Run != run).Sum(drawn => drawn.Value);
            var key = (tenant, draw.Order, draw.Listed, run);
            if (draw.Beyond || others + draw.Amount <= draw.Listed) draws.TryAdd(key, draw.Amount);
            return Task.FromResult((draws.ContainsKey(key), others));
        }
    }

    public Task PutBackAsync(DbTransaction transaction, string tenant, OrderDraw draw, string run)
    {
        lock (holders) draws.Remove((tenant, draw.Order, draw.Listed, run));
        return Task.CompletedTask;
    }

    public Task<string> ClaimAsync(DbTransaction transaction, string tenant, string key, string run)
    {
        lock (holders) return Task.FromResult(holders.TryAdd((tenant, key), run) ? run : holders[(tenant, key)]);
    }

    public Task ReleaseAsync(DbTransaction transaction, string tenant, string key, string run)
    {
        lock (holders)
            if (holders.TryGetValue((tenant, key), out var holder) && holder == run) holders.Remove((tenant, key));
        return Task.CompletedTask;
    }
}
