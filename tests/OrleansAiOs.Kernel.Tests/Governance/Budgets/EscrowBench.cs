using System.Data.Common;
using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows.Gating;
using BudgetsService = OrleansAiOs.Kernel.Governance.Budgets.Budgets;

namespace OrleansAiOs.Kernel.Tests.Governance.Budgets;

/// <summary>A tenant of its own with budgets, and hosts that keep their escrow.</summary>
internal sealed class EscrowBench(BudgetDatabase database)
{
    // Sweeps whenever something is short: a test does not wait for the next one.
    public static readonly EscrowPace Pace = new(TimeSpan.FromMinutes(2), TimeSpan.MinValue / 2, 500);

    private int runs;

    public string Tenant { get; } = $"t{Guid.NewGuid():N}"[..12];

    public EventStreams Streams { get; } = new(database.Source);

    public async Task<Budget> SetAsync(string id, string unit, decimal limit, BudgetPeriod period = BudgetPeriod.Total, string? principal = null, string? tool = null, WhenSpent then = WhenSpent.Deny, IReadOnlyList<string>? roles = null)
    {
        await new BudgetsService(Streams).SetAsync(Tenant, new BudgetSet(id, new Dictionary<string, decimal> { [unit] = limit }, period, principal, tool, then, roles), "user/ana");
        return (await ViewAsync()).Find(Tenant, id)!;
    }

    public async Task<BudgetView> ViewAsync()
    {
        var view = new BudgetView();
        await new Catalogue(Streams, [view], TimeProvider.System).FreshAsync();
        return view;
    }

    public async Task<Escrow> HostAsync(DbDataSource? source = null, EscrowPace? pace = null, TimeProvider? time = null) =>
        new(source is null ? Streams : new EventStreams(source), source ?? database.Source, database.Store, await ViewAsync(), time ?? TimeProvider.System, pace ?? Pace);

    public Task<PaperRun> RunAsync(params string[] chain) => new PaperRun(database.Store, Tenant, $"r{++runs}", chain.Length == 0 ? null : chain).StartAsync();

    public async Task<UnitStanding> StandingAsync(Budget budget, DateTimeOffset? at = null) =>
        (await (await HostAsync()).StandingAsync(budget, at ?? DateTimeOffset.UtcNow)).Units.Single();

    /// <summary>Waits until a return has arrived: whoever tells an end does not wait for it.</summary>
    public async Task<UnitStanding> UntilAsync(Budget budget, Func<UnitStanding, bool> condition)
    {
        var deadline = DateTime.UtcNow + TimeSpan.FromSeconds(30);
        while (true)
        {
            var standing = await StandingAsync(budget);
            if (condition(standing)) return standing;
            if (DateTime.UtcNow > deadline) throw new TimeoutException($"{standing}");
            await Task.Delay(2);
        }
    }

    public static (string, Charge) Pay(decimal amount, string tool = "bank.pay") => (tool, Charge.Amount("EUR", amount));

    public static (string, Charge) Calls(decimal calls = 1, string tool = "crm.read") => (tool, new Charge(new Dictionary<string, decimal> { ["calls"] = calls }));
}
