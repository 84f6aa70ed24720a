using System.Collections.Concurrent;
using Npgsql;

namespace OrleansAiOs.Kernel.Tests.Audit;

public sealed class TamperingTests
{
    private const int Rounds = 10_000;

    /// <summary>Row 37 of the abuse cases. Real SQL in a real database, each undone before the next; what was done is found each time, and named where there is a name.</summary>
    [Fact]
    public async Task Ten_thousand_random_tamperings_are_all_found_and_named()
    {
        var missed = new ConcurrentBag<string>();
        var done = new ConcurrentDictionary<string, int>();
        // A database each: who tampers with the tables of another waits for locks in no order.
        await Task.WhenAll(Enumerable.Range(0, 2).Select(worker => Task.Run(() => TamperAsync(new Random(100 + worker), missed, done))));
        missed.Should().BeEmpty();
        done.Keys.Should().BeEquivalentTo(Tampering.Kinds, "every way was tried");
    }

    private static async Task TamperAsync(Random random, ConcurrentBag<string> missed, ConcurrentDictionary<string, int> done)
    {
        await using var world = await AuditWorld.MakeAsync();
        await world.FillAsync(runs: 6);
        (await world.VerifyAsync()).Findings.Should().BeEmpty("nobody has touched it yet");

        // Planned once each: verifying so little is mostly planning.
        await using (var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(world.ConnectionString) { MaxAutoPrepare = 100, AutoPrepareMinUsages = 2 }.ConnectionString))
        {
            await connection.OpenAsync();
            await using (var free = new NpgsqlCommand("set session_replication_role = replica", connection)) await free.ExecuteNonQueryAsync();
            var tampering = new Tampering(connection, random);
            await tampering.LoadAsync();
            var lines = await world.LinesAsync();
            for (var i = 0; i < Rounds / 2; i++)
            {
                var kind = Tampering.Kinds[random.Next(Tampering.Kinds.Length)];
                await using var transaction = await connection.BeginTransactionAsync();
                var named = await tampering.DoAsync(kind);
                var (_, findings) = await AuditWorld.VerifyAsync(connection, lines);
                if (findings.Count == 0) missed.Add($"{kind}: not found");
                else if (named is not null && !findings.Exists(finding => finding.ToString().Contains(named, StringComparison.Ordinal))) missed.Add($"{kind} of {named}: found as {findings[0]}");
                done.AddOrUpdate(kind, 1, (_, n) => n + 1);
                await transaction.RollbackAsync();
            }
        }
        (await world.VerifyAsync()).Findings.Should().BeEmpty("all of it was undone");
    }
}
