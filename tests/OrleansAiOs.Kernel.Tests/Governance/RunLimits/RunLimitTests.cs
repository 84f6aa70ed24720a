using OrleansAiOs.Kernel.Governance.RunLimits;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using Limits = OrleansAiOs.Kernel.Governance.RunLimits.RunLimits;

namespace OrleansAiOs.Kernel.Tests.Governance.RunLimits;

public sealed class RunLimitTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private readonly RunLimitView view = new();
    private readonly EventStreams streams = new(database.Source);

    private static EffectIntent Intent(string tenant, string tool, params (string Tool, string Unit, decimal Amount, string[] Targets)[] spent) =>
        new(new RunKey(tenant, "r"), "w", 1, 0, 1, tool, Effect.Keyed, JsonText.From(1), null, null, ["ana"], DateTimeOffset.UnixEpoch, false, false, null, [],
            new RunSpending(spent.GroupBy(s => s.Tool).ToDictionary(s => s.Key, s => new ToolSpending(s.GroupBy(u => u.Unit).ToDictionary(u => u.Key, u => u.Sum(x => x.Amount)), [.. s.SelectMany(x => x.Targets).Distinct()]))));

    private static Charge Pay(decimal amount, string? target = null) => Charge.Amount("EUR", amount, target);

    private async Task<Limits> Set(string tenant, params RunLimitSet[] limits)
    {
        var service = new Limits(streams, view);
        foreach (var limit in limits) (await service.SetAsync(tenant, limit, "user/ana")).Should().BeTrue();
        await new Catalogue(streams, [view], TimeProvider.System).FreshAsync();
        return service;
    }

    private static Dictionary<string, decimal> Units(string unit, decimal amount) => new() { [unit] = amount };

    [Fact]
    public async Task A_run_spends_up_to_its_limit_and_not_a_cent_more()
    {
        var limits = await Set("a", new RunLimitSet("bank.pay", Units("amount:EUR", 100)), new RunLimitSet("*", Units("amount:EUR", 150.00m), OnHit: OnHit.Approve, Roles: ["controller"]));
        var spent = ("bank.pay", "amount:EUR", 60.01m, Array.Empty<string>());
        limits.Objection(Intent("a", "bank.pay", spent), Pay(39.99m)).Should().BeNull();
        limits.Objection(Intent("a", "bank.pay", spent), Pay(40)).Should().Match<LimitHit>(hit => hit.Tool == "bank.pay" && hit.Unit == "amount:EUR" && hit.Demand == null && hit.Why.Contains("100.01") && hit.Why.Contains("aios budget limit 'bank.pay'"));
        limits.Objection(Intent("a", "bank.refund", spent), Pay(89.99m)).Should().BeNull();
        limits.Objection(Intent("a", "bank.refund", spent), Pay(90)).Should().Match<LimitHit>(hit => hit.Tool == "*" && hit.Demand!.Roles.Single() == "controller");
        limits.Objection(Intent("a", "bank.pay", spent), Pay(100)).Should().Match<LimitHit>(hit => hit.Demand == null, "what is denied cannot be signed for");
        limits.Objection(Intent("b", "bank.pay", spent), Pay(1000)).Should().BeNull("it is another tenant's");
    }

    [Fact]
    public async Task A_run_reaches_so_many_different_targets_and_those_again()
    {
        var limits = await Set("c", new RunLimitSet("mail.send", new Dictionary<string, decimal>(), 2), new RunLimitSet("*", new Dictionary<string, decimal>(), 3));
        (string, string, decimal, string[]) spent = ("mail.send", "calls", 5, ["a", "b"]);
        limits.Objection(Intent("c", "mail.send", spent), Pay(1, "a")).Should().BeNull();
        limits.Objection(Intent("c", "mail.send", spent), Pay(1, "c")).Should().Match<LimitHit>(hit => hit.Unit == "targets" && hit.Why.Contains("'c'"));
        limits.Objection(Intent("c", "bank.pay", spent), Pay(1, "c")).Should().BeNull();
        limits.Objection(Intent("c", "bank.pay", spent, ("bank.pay", "calls", 1, ["c", "a"])), Pay(1, "d")).Should().Match<LimitHit>(hit => hit.Tool == "*");
    }

    [Fact]
    public async Task A_retry_of_what_may_have_moved_the_money_moves_it_once()
    {
        var limits = await Set("d", new RunLimitSet("*", new Dictionary<string, decimal> { ["amount:EUR"] = 10, ["tokens"] = 15 }));
        var charge = new Charge(new Dictionary<string, decimal> { ["amount:EUR"] = 10, ["tokens"] = 10 });
        var intent = Intent("d", "bank.pay", ("bank.pay", "amount:EUR", 10, []), ("bank.pay", "tokens", 10, []));
        limits.Objection(intent with { Earlier = charge }, charge).Should().Match<LimitHit>(hit => hit.Unit == "tokens", "tokens are used up again");
        limits.Objection(intent with { Earlier = charge }, Pay(10)).Should().BeNull();
        limits.Objection(intent, Pay(10)).Should().Match<LimitHit>(hit => hit.Unit == "amount:EUR");
    }

    [Fact]
    public async Task What_undoes_an_effect_is_not_limited_and_what_cannot_be_counted_is_denied_all_the_same()
    {
        var limits = await Set("e", new RunLimitSet("*", Units("amount:EUR", 0)));
        limits.Objection(Intent("e", "bank.pay") with { IsUndo = true }, Pay(10)).Should().BeNull();
        foreach (var amount in new[] { -1m, decimal.MaxValue, 0.0000000001m })
            limits.Objection(Intent("e", "bank.pay") with { IsUndo = true }, Pay(amount)).Should().Match<LimitHit>(hit => hit.Demand == null && hit.Why.Contains("cannot be counted"));
        var two = new Charge(new Dictionary<string, decimal> { ["amount:EUR"] = 5, ["amount:USD"] = 1_000_000 });
        limits.Objection(Intent("e", "bank.pay"), two).Should().Match<LimitHit>(hit => hit.Demand == null && hit.Why.Contains("amount:EUR and amount:USD"), "policies are told one amount: the other would pass them all");
        limits.Objection(Intent("f", "bank.pay", ("x", "amount:EUR", 1_000_000_000_000_000_000, [])), Pay(0.01m)).Should().Match<LimitHit>(hit => hit.Demand == null);
    }

    [Fact]
    public async Task A_tenant_that_set_none_has_one_all_the_same_and_what_is_set_can_be_taken_away()
    {
        var limits = await Set("g");
        limits.Objection(Intent("g", "t", ("t", "calls", 100_000, [])), new Charge(Units("calls", 1))).Should().NotBeNull();
        await Set("g", new RunLimitSet("*", Units("calls", 1_000_000)));
        limits.Objection(Intent("g", "t", ("t", "calls", 100_000, [])), new Charge(Units("calls", 1))).Should().BeNull();
        (await limits.SetAsync("g", new RunLimitSet("*", Units("calls", 1_000_000.0m)), "user/ana")).Should().BeFalse("it stands so");
        (await limits.RemoveAsync("g", "*", "user/ana")).Should().BeTrue();
        (await limits.RemoveAsync("g", "*", "user/ana")).Should().BeFalse();
        await Set("g");
        limits.Objection(Intent("g", "t", ("t", "calls", 100_000, [])), new Charge(Units("calls", 1))).Should().NotBeNull();
    }

    [Fact]
    public async Task A_limit_that_is_none_is_refused()
    {
        RunLimitSet[] bad =
        [
            new("", Units("calls", 1)), new("t", new Dictionary<string, decimal>()), new("t", Units("calls", -1)), new("t", Units("a b", 1)), new("t", Units("calls", 1), -1),
            new("t", Units("calls", 1), OnHit: OnHit.Approve), new("t", Units("calls", 1), Roles: ["controller"]), new("t", Units("calls", 1), OnHit: OnHit.Approve, Roles: ["a b"]),
        ];
        foreach (var limit in bad)
        {
            var set = () => new Limits(streams, view).SetAsync("h", limit, "user/ana");
            await set.Should().ThrowAsync<CommandRefusedException>();
        }
        var otherName = () => new Limits(streams, view).SetAsync("h", new("crm/update", Units("calls", 1)), "user/ana");
        (await otherName.Should().ThrowAsync<CommandRefusedException>("under that name nothing would be counted")).WithMessage("*write tool:crm/update*");
        await new Limits(streams, view).SetAsync("h", new("tool:crm/update", Units("calls", 1)), "user/ana");
        await new Limits(streams, view).SetAsync("h", new("shop.crm/update", Units("calls", 1)), "user/ana");
    }
}
