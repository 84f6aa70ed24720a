using OrleansAiOs.Sandbox;
using OrleansAiOs.Tests.Shared;
using Xunit.Abstractions;

namespace OrleansAiOs.EndToEnd;

/// <summary>Two hosts on one database. Every command goes to one or the other at random, so most runs are active in both.</summary>
public sealed class TwoHostTests(PostgresFixture postgres, ITestOutputHelper output) : IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private const int Runs = 40;

    private readonly string folder = Directory.CreateTempSubdirectory("aios-two-").FullName;
    private readonly CancellationTokenSource giveUp = new(TimeSpan.FromMinutes(3));
    private readonly Dictionary<string, BatchInvoice> byRun = [];
    private readonly Random random = new(7);
    private Receivers receivers = null!;
    private HostSetup setup = null!;

    public async Task InitializeAsync()
    {
        // The very first payment order is held back until the end of the test, and its sender is left waiting.
        receivers = await Receivers.StartAsync(folder, Receivers.Hostile(7, hangs: false) with
        {
            Script = [new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.Hold, Hold = new Hold { Caller = HeldCaller.Hang } }],
        });
        var orders = InvoiceBatch.WriteOrders(folder);
        setup = new HostSetup(folder, postgres.ConnectionString) { Shared = true, Environment = new Dictionary<string, string>(receivers.Environment) { [orders.Name] = orders.Value } };
    }

    public async Task DisposeAsync()
    {
        await receivers.DisposeAsync();
        giveUp.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Two_hosts_that_activate_the_same_runs_double_nothing_and_one_finishes_what_the_other_leaves_when_it_is_killed()
    {
        await using var a = await HostProcess.StartAsync(setup);
        var addresses = new List<Uri> { a.Address };
        using var owner = new HostClient(() => Any(addresses), HostClient.OwnerKey(setup), giveUp.Token);
        using var buyer = new HostClient(() => Any(addresses), await owner.MakeKeyAsync("berta", "buyer"), giveUp.Token);
        await StartAsync(owner, InvoiceBatch.Paid(0));
        await UntilAsync(() => Task.FromResult(receivers.Books.Held >= 1), "the first payment order has left A and is held back");
        await using var b = await HostProcess.StartAsync(setup);
        lock (addresses) addresses.Add(b.Address);

        var starts = Enumerable.Range(1, Runs - 1).Select(i => SteerAsync(owner, Kind(i))).ToList();
        var approving = ApproveAsync(buyer);
        await UntilAsync(async () => await NumberAsync("select count(*) from aios.runs where closed_at is not null") >= Runs / 4, "a quarter has ended");
        await a.KillAsync();
        lock (addresses) addresses.Remove(a.Address);
        var underWay = await NumberAsync("select count(*) from aios.runs where closed_at is null");

        await Task.WhenAll(starts);
        await approving;
        await UntilAsync(async () => await NumberAsync("select count(*) from aios.runs where closed_at is not null") == Runs, "B has finished all runs");
        await LateOrderIsRefusedAsync();
        var (audit, shared) = (await InvoiceAudit.TakeAsync(postgres.DataSource, byRun, receivers), await NumberAsync("select count(distinct stream_id) from aios.mt_events where type = 'host-changed'"));
        output.WriteLine($"{underWay} of {Runs} runs under way at the kill; {shared} runs were appended to by both hosts; {receivers.FaultsDealt} faults dealt");
        b.HasExited.Should().BeFalse();
        underWay.Should().BeGreaterThan(0, "else A was killed when there was nothing to take over");
        shared.Should().BeGreaterThan(Runs / 4, "else the hosts did not meet");
        audit.Lost.Should().BeEmpty();
        audit.Doubled.Should().BeEmpty();
        byRun.Should().HaveCount(Runs);
    }

    // A had sent it and died; B asked, voided and paid anew. Now it arrives.
    private async Task LateOrderIsRefusedAsync()
    {
        var before = receivers.Books.Bank;
        before.References.Should().Contain(row => row.Reached == 0 && row.Voids == 1, "the held order's reference was voided before the order arrived");

        receivers.ReleaseHeld();
        await UntilAsync(() => Task.FromResult(receivers.Books.Held == 0), "nothing is held any more");

        var after = receivers.Books.Bank;
        after.References.Sum(row => row.Reached).Should().BeGreaterThan(before.References.Sum(row => row.Reached), "the order arrived");
        after.References.Sum(row => row.Payments).Should().Be(before.References.Sum(row => row.Payments), "and was refused");
    }

    private static BatchInvoice Kind(int i) => (i % 4) switch
    {
        0 => InvoiceBatch.Paid(i),
        1 => InvoiceBatch.Paid(i) with { MayBeCancelled = true },
        _ => InvoiceBatch.AwaitingApproval(i),
    };

    private async Task SteerAsync(HostClient owner, BatchInvoice invoice)
    {
        var run = await StartAsync(owner, invoice);
        // While its first activities are under way on the host that took the start.
        await Task.WhenAll(Enumerable.Range(1, 3).Select(n => UnlessEndedAsync(owner.SignalAsync(run, "remark", n, $"{run}-{n}"))));
        if (invoice.MayBeCancelled) await UnlessEndedAsync(owner.CancelAsync(run, $"cancel-{run}"));
    }

    private static async Task UnlessEndedAsync(Task command)
    {
        try
        {
            await command;
        }
        catch (InvalidOperationException e) when (e.Message.Contains("it takes no more commands", StringComparison.Ordinal))
        {
        }
    }

    private async Task<string> StartAsync(HostClient owner, BatchInvoice invoice)
    {
        var run = await owner.StartInvoiceAsync(invoice.Document);
        lock (byRun) byRun.Add(run, invoice);
        return run;
    }

    private async Task ApproveAsync(HostClient buyer)
    {
        var decided = new HashSet<string>();
        while (decided.Count < Enumerable.Range(1, Runs - 1).Count(i => i % 4 >= 2))
        {
            foreach (var (run, step) in await buyer.ApprovalsAsync())
                if (decided.Add(run)) await buyer.DecideAsync(run, step, granted: true, $"approve-{run}");
            await Task.Delay(100, giveUp.Token);
        }
    }

    private Uri Any(List<Uri> addresses)
    {
        lock (addresses) return addresses[random.Next(addresses.Count)];
    }

    private async Task UntilAsync(Func<Task<bool>> holds, string what)
    {
        try
        {
            while (!await holds()) await Task.Delay(50, giveUp.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"Waited in vain for: {what}");
        }
    }

    private async Task<long> NumberAsync(string sql)
    {
        await using var command = postgres.DataSource.CreateCommand(sql);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), null);
    }
}
