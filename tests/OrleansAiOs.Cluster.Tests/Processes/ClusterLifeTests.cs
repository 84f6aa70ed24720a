extern alias processes;
using System.Diagnostics;
using OrleansAiOs.Sandbox;
using OrleansAiOs.Workflows.Tests.Engine;
using processes::OrleansAiOs.EndToEnd;
using Xunit.Abstractions;

namespace OrleansAiOs.Cluster.Tests.Processes;

/// <summary>Members come and go, each in a process of its own.</summary>
public sealed class ClusterLifeTests(OnPostgres postgres, ITestOutputHelper output) : IClassFixture<OnPostgres>, IAsyncLifetime
{
    private const int Runs = 6;

    private readonly string folder = Directory.CreateTempSubdirectory("aios-cluster-").FullName;
    private readonly CancellationTokenSource giveUp = new(TimeSpan.FromMinutes(6));
    private readonly Dictionary<string, BatchInvoice> byRun = [];
    private readonly List<HostProcess> hosts = [];
    private Receivers receivers = null!;
    private HostSetup setup = null!;
    private int asked;

    public async Task InitializeAsync()
    {
        await postgres.Fresh(TimeProvider.System);
        receivers = await Receivers.StartAsync(folder, new Hostility());
        var orders = InvoiceBatch.WriteOrders(folder);
        setup = new HostSetup(folder, postgres.ConnectionString) { Clustered = true, Environment = new Dictionary<string, string>(receivers.Environment) { [orders.Name] = orders.Value } };
    }

    public async Task DisposeAsync()
    {
        foreach (var host in hosts) await host.DisposeAsync();
        await receivers.DisposeAsync();
        giveUp.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task After_the_death_of_all_members_the_next_on_other_addresses_go_on()
    {
        var buyer = await WaitingRunsAsync();
        foreach (var host in hosts) await host.KillAsync();
        var watch = Stopwatch.StartNew();
        hosts.Clear();
        await StartTwoAsync();
        var back = watch.Elapsed;
        await DecideAllAsync(buyer);
        await UntilOverAsync();
        output.WriteLine($"serving {back.TotalSeconds:0.0} s after the kill, all runs over after {watch.Elapsed.TotalSeconds:0.0} s");
        await AuditAsync();
    }

    [Fact]
    public async Task A_member_that_is_told_to_stop_gives_its_runs_away_and_the_others_go_on_with_them_at_once()
    {
        var buyer = await WaitingRunsAsync();
        var watch = Stopwatch.StartNew();
        (await hosts[0].StopAsync()).Should().Be(0);
        var stopped = watch.Elapsed;
        hosts.RemoveAt(0);
        (await NumberAsync("select count(*) from aios.hosts where not dead")).Should().Be(1, "it said itself that it is gone: nobody has to find it dead first");
        watch.Restart();
        await DecideAllAsync(buyer);
        await UntilOverAsync();
        output.WriteLine($"stopped in {stopped.TotalSeconds:0.0} s; all {Runs} runs over {watch.Elapsed.TotalSeconds:0.0} s later");
        await AuditAsync();
    }

    private async Task StartTwoAsync()
    {
        hosts.Add(await HostProcess.StartAsync(setup));
        // Whatever appends: one goes on with what the other wrote.
        hosts.Add(await HostProcess.StartAsync(setup with { Environment = new Dictionary<string, string>(setup.Environment) { ["AIOS_HISTORY"] = "marten" } }));
    }

    // Each waits for a decision, half of them on either member.
    private async Task<HostClient> WaitingRunsAsync()
    {
        await StartTwoAsync();
        var owner = new HostClient(Next, HostClient.OwnerKey(setup), giveUp.Token);
        var buyer = new HostClient(Next, await owner.MakeKeyAsync($"berta-{Guid.NewGuid():N}"[..12], "buyer"), giveUp.Token);
        for (var i = 0; i < Runs; i++)
        {
            var invoice = InvoiceBatch.AwaitingApproval(i);
            byRun.Add(await owner.StartInvoiceAsync(invoice.Document), invoice);
        }
        while ((await buyer.ApprovalsAsync()).Count < Runs) await Task.Delay(50, giveUp.Token);
        return buyer;
    }

    private static async Task DecideAllAsync(HostClient buyer)
    {
        foreach (var (run, step) in await buyer.ApprovalsAsync()) await buyer.DecideAsync(run, step, granted: true, $"approve-{run}");
    }

    private async Task UntilOverAsync()
    {
        while (true)
        {
            if (await NumberAsync("select count(*) from aios.runs where closed_at is not null") == Runs) return;
            await Task.Delay(50, giveUp.Token);
        }
    }

    private async Task<long> NumberAsync(string sql)
    {
        await using var command = postgres.Source.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync(giveUp.Token))!;
    }

    private async Task AuditAsync()
    {
        var audit = await InvoiceAudit.TakeAsync(postgres.Source, byRun, receivers);
        audit.Lost.Should().BeEmpty();
        audit.Doubled.Should().BeEmpty();
    }

    private Uri Next() => hosts[Interlocked.Increment(ref asked) % hosts.Count].Address;
}
