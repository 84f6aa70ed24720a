using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OrleansAiOs.Postgres.Embedded;
using OrleansAiOs.Tests.Shared;
using Xunit.Abstractions;

namespace OrleansAiOs.EndToEnd;

/// <summary>A PostgreSQL of the test's own, whose postmaster is killed under load; its supervisor starts it again.</summary>
public sealed class DatabaseKillTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Kills = 3;
    private const int Runs = 30;
    private const int SignalsPerRun = 6;

    private readonly string folder = Directory.CreateTempSubdirectory("aios-dbkill-").FullName;
    private readonly CancellationTokenSource giveUp = new(TimeSpan.FromMinutes(3));
    private readonly Dictionary<string, BatchInvoice> byRun = [];
    private EmbeddedServer server = null!;
    private Receivers receivers = null!;
    private NpgsqlDataSource database = null!;
    private int acknowledged;

    public async Task InitializeAsync()
    {
        server = await EmbeddedPostgres.StartAsync(new EmbeddedPostgresOptions
        {
            DataFolder = TestServer.NewFolderName(),
            Grace = TimeSpan.FromSeconds(20),
            SupervisorCommand = TestServer.SupervisorCommand,
            DeleteWhenStopped = true,
        });
        receivers = await Receivers.StartAsync(folder, Receivers.Hostile(3, hangs: false));
        database = NpgsqlDataSource.Create(server.ConnectionString);
    }

    public async Task DisposeAsync()
    {
        await database.DisposeAsync();
        await receivers.DisposeAsync();
        await server.DisposeAsync();
        giveUp.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Killing_the_database_three_times_under_load_loses_no_acknowledged_command_applies_none_twice_and_does_not_end_the_host()
    {
        var orders = InvoiceBatch.WriteOrders(folder);
        var setup = new HostSetup(folder, server.ConnectionString) { Environment = new Dictionary<string, string>(receivers.Environment) { [orders.Name] = orders.Value } };
        await using var host = await HostProcess.StartAsync(setup);
        using var owner = new HostClient(() => host.Address, HostClient.OwnerKey(setup), giveUp.Token);
        using var buyer = new HostClient(() => host.Address, await owner.MakeKeyAsync("berta", "buyer"), giveUp.Token);

        var load = Parallel.ForEachAsync(Enumerable.Range(0, Runs), new ParallelOptions { MaxDegreeOfParallelism = 6 }, async (i, _) => await CommandAsync(owner, InvoiceBatch.AwaitingApproval(i)));
        for (var kill = 1; kill <= Kills; kill++)
        {
            var enough = kill * Runs * (1 + SignalsPerRun) / (Kills + 1);
            while (Volatile.Read(ref acknowledged) < enough) await Task.Delay(5, giveUp.Token);
            Process.GetProcessById(await PostmasterAsync()).Kill();
        }
        await load;
        var decided = new HashSet<string>();
        while (decided.Count < Runs)
            foreach (var (run, step) in await buyer.ApprovalsAsync())
                if (decided.Add(run)) await buyer.DecideAsync(run, step, granted: true, $"approve-{run}");
        while (Convert.ToInt32(await ScalarAsync("select count(*) from aios.runs where closed_at is not null"), null) < Runs) await Task.Delay(100, giveUp.Token);

        output.WriteLine($"{acknowledged} commands acknowledged, {owner.SentAgain + buyer.SentAgain} sent more than once, {receivers.FaultsDealt} faults dealt");
        host.HasExited.Should().BeFalse();
        owner.SentAgain.Should().BeGreaterThan(0, "else the database was never away");
        await EveryAcknowledgedSignalIsThereOnceAsync();
        var audit = await InvoiceAudit.TakeAsync(database, byRun, receivers);
        audit.Lost.Should().BeEmpty();
        audit.Doubled.Should().BeEmpty();
    }

    private async Task CommandAsync(HostClient owner, BatchInvoice invoice)
    {
        var run = await owner.StartInvoiceAsync(invoice.Document);
        Interlocked.Increment(ref acknowledged);
        lock (byRun) byRun.Add(run, invoice);
        for (var n = 1; n <= SignalsPerRun; n++)
        {
            await owner.SignalAsync(run, "remark", n, $"{run}-{n}");
            Interlocked.Increment(ref acknowledged);
        }
    }

    private async Task EveryAcknowledgedSignalIsThereOnceAsync()
    {
        await using var command = database.CreateCommand("select substr(stream_id, 5), array_agg((data->>'value')::int order by version) from aios.mt_events where type = 'signal-received' group by 1");
        await using var reader = await command.ExecuteReaderAsync();
        var signals = new Dictionary<string, int[]>();
        while (await reader.ReadAsync()) signals.Add(reader.GetString(0), reader.GetFieldValue<int[]>(1));
        signals.Keys.Should().BeEquivalentTo(byRun.Keys);
        foreach (var values in signals.Values) values.Should().Equal(Enumerable.Range(1, SignalsPerRun), "each was sent after the one before was acknowledged");
    }

    private async Task<int> PostmasterAsync() => int.Parse(((string)(await ScalarAsync("select pg_read_file('postmaster.pid')"))!).Split('\n')[0], CultureInfo.InvariantCulture);

    // The database is being killed here: ask until it answers.
    private async Task<object?> ScalarAsync(string sql)
    {
        while (true)
        {
            try
            {
                await using var command = database.CreateCommand(sql);
                return await command.ExecuteScalarAsync(giveUp.Token);
            }
            catch (NpgsqlException)
            {
                await Task.Delay(100, giveUp.Token);
            }
        }
    }
}
