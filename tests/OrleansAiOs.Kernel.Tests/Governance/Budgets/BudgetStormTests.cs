using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Kernel.Tests.Governance.Budgets;

/// <summary>The engine itself, two hosts on one database, a thousand calls at once, hosts that are killed on the way: what leaves never comes to more than the budgets.</summary>
public sealed class BudgetStormTests(BudgetDatabase database) : IClassFixture<BudgetDatabase>
{
    private const string Calls = "calls";
    private const string Amount = "amount:EUR";

    // What a run holds and does not spend comes back sooner than it usually would.
    private static readonly EscrowPace Pace = EscrowPace.Usual with { Lease = TimeSpan.FromSeconds(1) };

    private readonly EscrowBench bench = new(database);
    private readonly Payments payments = new();

    /// <summary>The world outside: what arrived, by key, and how often anybody called.</summary>
    internal sealed class Payments
    {
        private readonly ConcurrentDictionary<string, decimal> booked = new();
        private int calls;

        public int Calls => calls;

        public decimal Booked => booked.Values.Sum();

        public async Task<decimal> Pay(decimal amount, IdempotencyKey key)
        {
            var call = Interlocked.Increment(ref calls);
            await Task.Yield();
            if (booked.GetOrAdd(key.Value, amount) == 0) throw new RefusedException("this reference was voided");
            return call % 17 == 0 ? throw new IOException("the answer was lost") : amount;
        }

        /// <summary>What became of a payment; one that has not arrived never will.</summary>
        public decimal LookUp(IdempotencyKey key) => booked.GetOrAdd(key.Value, 0);
    }

    private static readonly Activity<decimal, decimal> Pay = Activity.Keyed<Payments, decimal, decimal>("bank.pay", (payments, amount, key, _) => payments.Pay(amount, key));

    [Workflow("pay-some")]
    private sealed class PaySome : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int calls)
        {
            var paid = await Task.WhenAll(Enumerable.Range(0, calls).Select(PayOne));
            return paid.Count(done => done);
        }

        private async Task<bool> PayOne(int i)
        {
            try
            {
                await Call(Pay, 1.25m);
                return true;
            }
            catch (ActivityFailedException e) when (e.Failure.Kind is FailureKind.Denied)
            {
                return false;
            }
        }
    }

    [Workflow("pay-in-turn")]
    private sealed class PayInTurn : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int calls)
        {
            for (var i = 0; i < calls; i++) await Call(Look, i);
            return calls;
        }
    }

    private static readonly Activity<int, int> Look = Activity.Pure<int, int>("bank.look", (i, _) => Task.FromResult(i));

    private static Charge Charge(EffectIntent intent) => new(new Dictionary<string, decimal> { [Calls] = 1, [Amount] = intent.Input.To<decimal>() });

    private async Task<(WorkflowHost Host, PostgresStore Store)> HostAsync(string name, EscrowPace? pace = null)
    {
        var registry = new WorkflowRegistry();
        registry.Add<PaySome>();
        registry.Add<PayInTurn>();
        var services = new ServiceCollection().AddSingleton(payments).BuildServiceProvider();
        var store = await PostgresStore.OpenAsync(database.ConnectionString, NullLogger.Instance);
        var host = new WorkflowHost(store, registry, services, NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions
        {
            Time = TimeProvider.System,
            HostId = $"{bench.Tenant}-{name}",
            Seed = (ulong)name.GetHashCode(StringComparison.Ordinal),
            Shared = true,
            HeartbeatEvery = TimeSpan.FromMilliseconds(200),
            LateAppendsFor = TimeSpan.FromSeconds(1),
            DrainFor = TimeSpan.FromMilliseconds(1),
            Gate = new BudgetGate(await bench.HostAsync(pace: pace ?? Pace), Charge),
        });
        await host.StartAsync(default);
        return (host, store);
    }

    [Fact]
    public async Task A_budget_costs_a_run_no_further_append_of_its_own_and_the_tenant_a_few()
    {
        const int calls = 200;
        var (host, store) = await HostAsync("a", EscrowPace.Usual); // a lease that is renewed is a further event, and how long this takes the machine says
        var appends = 0;
        host.Appended += _ => Interlocked.Increment(ref appends);
        var without = await CountAsync("without");
        var budget = await bench.SetAsync("calls", Calls, 1_000_000);
        await host.DisposeAsync();
        (host, var storeB) = await HostAsync("b", EscrowPace.Usual);
        host.Appended += _ => Interlocked.Increment(ref appends);
        (await CountAsync("with")).Should().Be(without);
        without.Should().Be(calls + 1, "a turn for the start and for each outcome");
        var moved = (await bench.Streams.ReadAsync(bench.Tenant, "escrow/calls/total/1")).Count;
        moved.Should().BeInRange(2, 6, "what a run is granted grows sixteenfold");
        await bench.UntilAsync(budget, standing => standing is { Granted: 0 } && standing.Settled > 0);
        await host.DisposeAsync();
        await storeB.DisposeAsync();
        await store.DisposeAsync();

        async Task<int> CountAsync(string id)
        {
            appends = 0;
            await host.RunAsync(new StartRun("pay-in-turn", JsonText.From(calls), $"{bench.Tenant}-{id}") { Tenant = bench.Tenant }, "ana");
            return appends;
        }
    }

    [Theory]
    [InlineData(1000, 1)]
    [InlineData(100, 10)]
    [InlineData(1, 1000)]
    public async Task A_thousand_calls_at_once_on_two_hosts_of_which_one_is_killed_come_to_the_budget_and_no_more_and_every_run_ends(int runs, int callsOfEach)
    {
        // Three at once: of the tenant, of a principal, of a tool. Retries are calls too; what runs out is the money, or the calls of the tool.
        await bench.SetAsync("calls", Calls, 2000);
        var money = await bench.SetAsync("money", Amount, 500.00m, principal: "user/ana");
        var tight = await bench.SetAsync("tight", Calls, 700, tool: "bank.pay");
        var (a, storeA) = await HostAsync("a");
        var (b, storeB) = await HostAsync("b");
        var started = await Task.WhenAll(Enumerable.Range(0, runs).Select(i => (i % 2 == 0 ? a : b).StartRunAsync(new StartRun("pay-some", JsonText.From(callsOfEach), $"{bench.Tenant}-{runs}-{i}") { Tenant = bench.Tenant }, "ana")));
        await Until(() => payments.Calls >= 150);
        a.Halt();
        var (c, storeC) = await HostAsync("c");
        await EndedAsync(c, storeC);

        payments.Booked.Should().BeLessThanOrEqualTo(500.00m);
        payments.Calls.Should().BeLessThanOrEqualTo(700);
        var (ofMoney, ofTool) = (await SettledAsync(storeC, money), await SettledAsync(storeC, tight));
        ofMoney.Settled.Should().BeInRange(payments.Booked, 500.00m);
        ofTool.Settled.Should().BeInRange(payments.Calls, 700);
        // What a run had under way when its host died counts as sent until somebody says what became of it: a little more is refused than would have to be, and much more of a run that had all of it.
        if (runs > 1) (ofMoney.Free < 0.10m * ofMoney.Limit || ofTool.Free < 0.10m * ofTool.Limit).Should().BeTrue($"nothing is refused before a budget is as good as spent: {ofMoney}, {ofTool}");
        foreach (var run in started) (await storeC.FindAsync(run.Run, default))!.Status.Should().Be(RunStatus.Completed);
        foreach (var (host, store) in new[] { (a, storeA), (b, storeB), (c, storeC) })
        {
            await host.DisposeAsync();
            await store.DisposeAsync();
        }
    }

    // A retry that no budget covers, of a call that may have arrived, is for a person to resolve: they look at the receiver's books.
    private async Task EndedAsync(WorkflowHost host, PostgresStore store)
    {
        var deadline = DateTime.UtcNow.AddSeconds(300);
        while (true)
        {
            var open = (await Task.WhenAll(new[] { RunStatus.Running, RunStatus.Parked }.Select(status => store.ListAsync(new RunQuery(bench.Tenant, status, Limit: 1000), default).AsTask()))).SelectMany(rows => rows).ToList();
            if (open.Count == 0) return;
            if (DateTime.UtcNow > deadline)
                throw new TimeoutException($"{open.Count} runs do not end, {payments.Calls} calls, {payments.Booked} booked; the first: {open[0].Status} {open[0].Host} {open[0].Busy} {string.Join("; ", open[0].Waits.Take(5).Select(wait => $"{wait.Kind} {wait.Why}"))}");
            foreach (var row in open.Where(row => row.Waits.Any(wait => wait.Kind == "outcome-unknown"))) await ResolveAsync(host, store, row);
            await Task.Delay(20);
        }
    }

    private async Task ResolveAsync(WorkflowHost host, PostgresStore store, RunRow row)
    {
        // Each "it never will" began a new reference.
        var epochs = (await store.ReadAsync(row.Run, 1, default)).Select(e => e.Read()).OfType<OutcomeNeverWill>().CountBy(never => never.Step).ToDictionary();
        foreach (var step in row.Waits.Where(wait => wait.Kind == "outcome-unknown").Select(wait => wait.Step!.Value))
        {
            var paid = payments.LookUp(IdempotencyKey.Of(row.Run.Tenant, row.Run.Id, step, epochs.GetValueOrDefault(step)));
            try
            {
                await host.ResolveAsync(row.Run, step, paid > 0, JsonText.From(paid), "by the receiver's books", "ben");
            }
            catch (CommandRefusedException)
            {
                // The row was of a moment ago: the step has an outcome since, or waits for something else.
            }
        }
    }

    // Who ended untold is found out when somebody asks for more than there is.
    private async Task<UnitStanding> SettledAsync(PostgresStore store, Budget budget)
    {
        var host = await bench.HostAsync(pace: EscrowBench.Pace);
        var run = await new PaperRun(store, bench.Tenant, $"asks-{budget.Id}", ["ana"]).StartAsync();
        var unit = budget.Limits.Keys.Single();
        var (intent, charge) = (await run.LetGoAsync((budget.Tool ?? "bank.pay", new Charge(new Dictionary<string, decimal> { [unit] = 1_000_000 })))).Single();
        (await host.CoverAsync(intent, charge)).Should().NotBeNull();
        var standing = await bench.UntilAsync(budget, standing => standing.Granted == 0);
        standing.Settled.Should().BeLessThanOrEqualTo(standing.Limit);
        return standing;
    }

    private static async Task Until(Func<bool> condition)
    {
        var deadline = DateTime.UtcNow.AddSeconds(120);
        while (!condition())
        {
            if (DateTime.UtcNow > deadline) throw new TimeoutException();
            await Task.Delay(2);
        }
    }
}
