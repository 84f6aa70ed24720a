using System.Data.Common;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Packs.InvoiceToPay;

/// <summary>Which run holds a supplier's document number, and which has taken how much of a purchase order. Written in the transaction that also records the activity's outcome.</summary>
public interface IInvoiceRegister
{
    /// <summary>Claims all of the keys, or none.</summary>
    /// <param name="endIsTold">The run will settle or release what it claims.</param>
    /// <returns>The run that holds them, this one or the one that came first, and whether its end is still to come.</returns>
    Task<(string Holder, bool IsOpen)> ClaimAsync(DbTransaction transaction, string tenant, IReadOnlyCollection<string> keys, string run, bool endIsTold);

    /// <summary>What the run has claimed stays its own.</summary>
    Task SettleAsync(DbTransaction transaction, string tenant, string run);

    /// <summary>Gives up those of the keys that this run holds.</summary>
    Task ReleaseAsync(DbTransaction transaction, string tenant, IReadOnlyCollection<string> keys, string run);

    /// <summary>Takes an amount of an order, if that much is left of what is listed or it may go beyond. Asked again by the same run, it answers the same.</summary>
    /// <returns>Whether it was taken, and what other runs have taken.</returns>
    Task<(bool Granted, decimal Others)> DrawAsync(DbTransaction transaction, string tenant, OrderDraw draw, string run);

    /// <summary>Gives back what the run has taken, if it has.</summary>
    Task PutBackAsync(DbTransaction transaction, string tenant, OrderDraw draw, string run);
}

/// <summary>In a table of the engine's database.</summary>
internal sealed class InvoiceTable : IInvoiceRegister
{
    public async Task<(string Holder, bool IsOpen)> ClaimAsync(DbTransaction transaction, string tenant, IReadOnlyCollection<string> keys, string run, bool endIsTold)
    {
        await EnsureAsync(transaction);
        // In one order, here and on release, so that no two wait for each other. The insert waits for another's transaction and answers with
        // its row in one statement: between two, the holder could give the key up.
        await using var command = transaction.Command("""
            insert into invoice_to_pay.claims (tenant_id, key, run_id) select $1, key, $3 from unnest($2) key order by key collate "C"
            on conflict (tenant_id, key) do update set key = excluded.key
            returning run_id
            """, tenant, keys.ToArray(), run);
        string? other = null;
        await using (var reader = await command.ExecuteReaderAsync())
            while (await reader.ReadAsync())
                if (reader.GetString(0) is var holder && holder != run) other ??= holder;
        if (other is not null) await DeleteAsync(transaction, tenant, keys, run);
        else if (endIsTold) await transaction.ExecuteAsync("insert into invoice_to_pay.open_claims (tenant_id, run_id) values ($1, $2) on conflict do nothing", tenant, run);
        await using var open = transaction.Command("select exists (select from invoice_to_pay.open_claims where tenant_id = $1 and run_id = $2)", tenant, other ?? run);
        return (other ?? run, (bool)(await open.ExecuteScalarAsync())!);
    }

    public async Task SettleAsync(DbTransaction transaction, string tenant, string run)
    {
        await EnsureAsync(transaction);
        await transaction.ExecuteAsync("delete from invoice_to_pay.open_claims where tenant_id = $1 and run_id = $2", tenant, run);
    }

    public async Task ReleaseAsync(DbTransaction transaction, string tenant, IReadOnlyCollection<string> keys, string run)
    {
        await EnsureAsync(transaction);
        await DeleteAsync(transaction, tenant, keys, run);
        await SettleAsync(transaction, tenant, run);
    }

    private static Task<int> DeleteAsync(DbTransaction transaction, string tenant, IReadOnlyCollection<string> keys, string run) => transaction.ExecuteAsync("""
        with held as (select key from invoice_to_pay.claims where tenant_id = $1 and key = any($2) and run_id = $3 order by key collate "C" for update)
        delete from invoice_to_pay.claims where tenant_id = $1 and key in (select key from held)
        """, tenant, keys.ToArray(), run);

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

    private static Task EnsureAsync(DbTransaction transaction) => transaction.EnsureAsync("invoice_to_pay.open_claims", """
        create schema if not exists invoice_to_pay;
        create table if not exists invoice_to_pay.claims (
            tenant_id varchar not null, key varchar not null, run_id varchar not null, at timestamptz not null default now(), primary key (tenant_id, key));
        create table if not exists invoice_to_pay.draws (
            tenant_id varchar not null, order_number varchar not null, listed numeric not null, run_id varchar not null, amount numeric not null check (amount > 0), at timestamptz not null default now(),
            primary key (tenant_id, order_number, listed, run_id));
        create table if not exists invoice_to_pay.open_claims (tenant_id varchar not null, run_id varchar not null, at timestamptz not null default now(), primary key (tenant_id, run_id));
        """);
}

/// <summary>For tests over a store without a database.</summary>
internal sealed class InvoicesInMemory : IInvoiceRegister
{
    private readonly Dictionary<(string Tenant, string Key), string> holders = [];
    private readonly HashSet<(string Tenant, string Run)> open = [];
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

    public Task<(string Holder, bool IsOpen)> ClaimAsync(DbTransaction transaction, string tenant, IReadOnlyCollection<string> keys, string run, bool endIsTold)
    {
        lock (holders)
        {
            var holder = keys.Select(key => holders.GetValueOrDefault((tenant, key), run)).FirstOrDefault(held => held != run) ?? run;
            if (holder == run)
            {
                foreach (var key in keys) holders[(tenant, key)] = run;
                if (endIsTold) open.Add((tenant, run));
            }
            return Task.FromResult((holder, open.Contains((tenant, holder))));
        }
    }

    public Task SettleAsync(DbTransaction transaction, string tenant, string run)
    {
        lock (holders) open.Remove((tenant, run));
        return Task.CompletedTask;
    }

    public Task ReleaseAsync(DbTransaction transaction, string tenant, IReadOnlyCollection<string> keys, string run)
    {
        lock (holders)
        {
            foreach (var key in keys)
                if (holders.GetValueOrDefault((tenant, key)) == run) holders.Remove((tenant, key));
            open.Remove((tenant, run));
        }
        return Task.CompletedTask;
    }
}
