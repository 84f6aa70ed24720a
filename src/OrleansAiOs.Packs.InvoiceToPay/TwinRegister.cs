using System.Data.Common;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Packs.InvoiceToPay;

/// <summary>Which run holds a supplier's document number. Written in the transaction that also records the activity's outcome.</summary>
public interface ITwinRegister
{
    /// <returns>The run that holds the key: this one, or the one that came first.</returns>
    Task<string> ClaimAsync(DbTransaction transaction, string tenant, string key, string run);

    /// <summary>Gives the key up if this run holds it.</summary>
    Task ReleaseAsync(DbTransaction transaction, string tenant, string key, string run);
}

/// <summary>In a table of the engine's database.</summary>
internal sealed class TwinTable : ITwinRegister
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

    private static Task EnsureAsync(DbTransaction transaction) => transaction.EnsureAsync("invoice_to_pay.claims", """
        create schema if not exists invoice_to_pay;
        create table if not exists invoice_to_pay.claims (
            tenant_id varchar not null, key varchar not null, run_id varchar not null, at timestamptz not null default now(), primary key (tenant_id, key));
        """);
}

/// <summary>For tests over a store without a database.</summary>
internal sealed class TwinsInMemory : ITwinRegister
{
    private readonly Dictionary<(string, string), string> holders = [];

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
