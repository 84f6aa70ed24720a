using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Governance.RunLimits;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Governance;

/// <summary>The gate over the real engine: who acts, what policies say, what is recorded, and that nothing moves that it did not let through.</summary>
public sealed class GateTests
{
    private const string Permit = "permit (principal, action == Action::\"call\", resource);";

    [Fact]
    public async Task What_is_permitted_is_done_and_the_record_says_who_under_which_policy_and_for_how_much()
    {
        await using var world = new GateWorld(Permit);
        var run = await world.StartAsync(12.50m, chain: ["user/ana", "agent/refunds"]);
        (await world.ResultAsync(run)).Should().Be("paid");
        var gate = (await world.EventsAsync<StepScheduled>(run)).Single().Gate!;
        gate.Answer.Should().Be(GateAnswer.Allow);
        gate.Chain.Should().Equal("user/ana", "agent/refunds");
        gate.Policy.Should().StartWith("1:");
        gate.Rules.Should().ContainSingle().Which.Should().StartWith("main/");
        gate.Autonomy.Should().Be("auto");
        gate.Charge!.Units.Should().BeEquivalentTo(new Dictionary<string, decimal> { ["calls"] = 1, ["amount:EUR"] = 12.50m });
        gate.Charge.Target.Should().Be("ACME");
    }

    [Theory]
    [InlineData("permit (principal, action, resource == Tool::\"other\");", "no policy permits it")]
    [InlineData(Permit + "forbid (principal, action, resource) when { context.amount.greaterThan(decimal(\"10.0\")) };", "main/p2")]
    [InlineData(Permit + "forbid (principal, action, resource) when { context.nonsense == 1 };", "could not be judged")]
    [InlineData("@autonomy(\"suggest\") permit (principal, action, resource);", "Only to be suggested")]
    public async Task What_no_policy_permits_or_one_forbids_or_cannot_judge_is_not_done(string policy, string why)
    {
        await using var world = new GateWorld(policy);
        var run = await world.StartAsync(12.50m);
        (await world.ResultAsync(run)).Should().StartWith("denied: ").And.Contain(why);
        world.Books.Paid.Should().BeEmpty();
        var scheduled = (await world.EventsAsync<StepScheduled>(run)).Single();
        (scheduled.Gate!.Answer, scheduled.Input.To<Payment>()).Should().Be((GateAnswer.Deny, new Payment("ACME", 12.50m)), "the proposal stands in the history");
    }

    [Theory]
    [InlineData("pure", true)]
    [InlineData("keyed", false)]
    public async Task The_policy_that_is_in_force_from_the_start_lets_tools_be_called_that_change_nothing(string effect, bool permitted)
    {
        await using var world = new GateWorld("forbid (principal, action, resource);") { Tools = (_, _) => new ToolFacts("http", "v", "crm", null) };
        world.Activate(BasePolicy.Text);
        var intent = new EffectIntent(new RunKey("default", "r"), "w", 1, 0, 1, "tool:crm/get", Enum.Parse<Effect>(effect, ignoreCase: true), JsonText.Parse("{}"), null, null, ["user/ana"], world.Now, false, false, null, [], RunSpending.None);
        world.Gate.Judge(intent).Answer.Should().Be(permitted ? GateAnswer.Allow : GateAnswer.Deny);
    }

    [Fact]
    public async Task Rights_are_the_intersection_along_the_chain()
    {
        await using var world = new GateWorld("permit (principal in Role::\"clerk\", action, resource); permit (principal == Principal::\"agent/refunds\", action, resource) when { context.amount.lessThan(decimal(\"100.0\")) };");
        (await world.ResultAsync(await world.StartAsync(50, chain: ["user/ana", "agent/refunds"]))).Should().Be("paid");
        (await world.ResultAsync(await world.StartAsync(150, chain: ["user/ana", "agent/refunds"]))).Should().Contain("agent/refunds");
        (await world.ResultAsync(await world.StartAsync(150))).Should().Be("paid");
        (await world.ResultAsync(await world.StartAsync(50, chain: ["user/carl"]))).Should().Contain("no policy permits it");
        (await world.ResultAsync(await world.StartAsync(50, chain: ["user/ben", "agent/refunds"]))).Should().Contain("may not act for");
        world.Books.Paid.Should().HaveCount(2);
    }

    [Theory]
    [InlineData("disabled")]
    [InlineData("grant taken")]
    [InlineData("policy changed")]
    [InlineData("switch thrown")]
    public async Task What_was_true_in_the_turn_and_is_not_when_it_is_sent_stops_it(string what)
    {
        await using var world = new GateWorld(Permit);
        var once = true;
        world.Fresh = () =>
        {
            if (!once) return default;
            once = false;
            if (what == "disabled") world.Show("principal/user/ana", new PrincipalDisabled("left"));
            else if (what == "grant taken") world.Show("principal/agent/refunds", new GrantTaken("g1"));
            else if (what == "policy changed") world.Activate("forbid (principal, action, resource);");
            else world.Show("kill/tool/test.pay", new KillSwitchThrown(KillTarget.Tool, "test.pay", "looks wrong"));
            return default;
        };
        var run = await world.StartAsync(10, chain: ["user/ana", "agent/refunds"]);
        if (what == "switch thrown")
        {
            await world.Host.AdvanceAsync(TimeSpan.FromMinutes(5));
            world.Books.Paid.Should().BeEmpty();
            world.Show("kill/tool/test.pay", new KillSwitchReleased(KillTarget.Tool, "test.pay", "was right"));
            (await world.ResultAsync(run)).Should().Be("paid", "nothing is lost by a switch");
            return;
        }
        (await world.ResultAsync(run)).Should().StartWith("denied: ");
        world.Books.Paid.Should().BeEmpty();
    }

    [Fact]
    public async Task A_run_that_slept_for_a_month_acts_for_nobody_who_is_gone_and_what_it_did_is_undone_under_a_signature()
    {
        await using var world = new GateWorld(Permit);
        var run = await world.StartAsync(10, workflow: "pay-and-undo");
        await world.Host.AdvanceAsync(TimeSpan.FromMinutes(10));
        world.Books.Paid.Should().ContainSingle();
        world.Show("principal/user/ana", new PrincipalDisabled("left"));
        var held = await world.HeldAsync(run);
        held.Why.Should().Contain("undoes").And.Contain("user/ana is disabled");
        world.Books.Returned.Should().BeEmpty();
        await world.SignAsync(run, "user/olga");
        (await world.ResultAsync(run)).Should().Be("undone");
        world.Books.Returned.Should().ContainSingle();
    }

    [Fact]
    public async Task A_limit_denies_or_asks()
    {
        LimitHit? Hit(EffectIntent intent, Charge charge) => intent.Spent.Total("amount:EUR") + charge.Units.GetValueOrDefault("amount:EUR") > 100 ? new LimitHit("*", "amount:EUR", "more than 100.00 EUR in one run", intent.Workflow == "pay-one" ? null : new HoldDemand(["controller"])) : null;
        await using var world = new GateWorld(Permit, limits: Hit);
        (await world.ResultAsync(await world.StartAsync(100))).Should().Be("paid");
        (await world.ResultAsync(await world.StartAsync(101))).Should().Be("denied: more than 100.00 EUR in one run");
        var asked = await world.StartAsync(101, workflow: "pay-and-undo");
        (await world.HeldAsync(asked)).Role.Should().Be("controller");
        await world.SignAsync(asked, "user/carl");
        (await world.ResultAsync(asked)).Should().Be("undone");
    }

    [Fact]
    public async Task A_budget_that_does_not_cover_it_has_the_last_word()
    {
        await using var world = new GateWorld(Permit, covers: (intent, _, _) => intent.Spent.Total("amount:EUR") > 20 ? new BudgetRefusal("b", "amount:EUR", WhenSpent.Deny, "the budget is spent") : null);
        (await world.ResultAsync(await world.StartAsync(20))).Should().Be("paid");
        (await world.ResultAsync(await world.StartAsync(21))).Should().Be("denied: the budget is spent");
        world.Books.Paid.Should().ContainSingle();
    }

    [Fact]
    public async Task A_spent_budget_is_overdrawn_only_by_who_may_sign_for_it()
    {
        var overdrafts = new List<Overdraft>();
        BudgetRefusal? Covers(EffectIntent intent, Charge charge, Overdraft? overdraft)
        {
            if (overdraft is not null) overdrafts.Add(overdraft);
            return overdraft is null ? new BudgetRefusal("month", "amount:EUR", WhenSpent.Approve, "the month is spent", Overdrafts: [("month", new HoldDemand(["director"]))]) : null;
        }
        await using var world = new GateWorld(Permit, covers: Covers) { Overdrafts = [new HoldDemand(["director"])] };
        var run = await world.StartAsync(20);
        var held = await world.HeldAsync(run);
        (held.Why, held.Role).Should().Be(("the month is spent", "director"));

        var intent = (await world.Host.Host.HeldAsync(run, held.Step!.Value))!;
        string? Objection(string who) => world.Gate.ObjectionTo(intent, new EffectSigned(held.Step.Value, true, new Decider(who, [], "key"), world.Sign(who, held.Digest!)));
        Objection("user/carl").Should().Contain("meets none of the demands");
        Objection("user/erik").Should().BeNull();
        await world.SignAsync(run, "user/carl");
        world.Books.Paid.Should().BeEmpty("a controller is no director");
        await world.SignAsync(run, "user/erik");
        (await world.ResultAsync(run)).Should().Be("paid");
        overdrafts.Should().ContainSingle().Which.Should().BeEquivalentTo(new Overdraft(["month"], ["user/erik"]));
    }

    [Fact]
    public async Task A_policy_and_a_budget_are_each_signed_for_by_their_own()
    {
        await using var world = new GateWorld("@approval(\"controller\") permit (principal, action, resource);", covers: (_, _, overdraft) =>
            overdraft is null ? new BudgetRefusal("month", "amount:EUR", WhenSpent.Approve, "the month is spent", Overdrafts: [("month", new HoldDemand(["director"]))]) : null) { Overdrafts = [new HoldDemand(["director"])] };
        var run = await world.StartAsync(20);
        var first = await world.HeldAsync(run);
        await world.SignAsync(run, "user/carl");
        var second = await world.HeldAsync(run);
        second.Digest.Should().NotBe(first.Digest, "to go beyond a budget is another thing to sign than the call");
        second.Name.Should().EndWith("; beyond budget 'month'");
        await world.SignAsync(run, "user/erik");
        (await world.HeldAsync(run)).Role.Should().Contain("controller", "what he signed before did not say so");
        world.Books.Paid.Should().BeEmpty();
        await world.SignAsync(run, "user/carl");
        (await world.ResultAsync(run)).Should().Be("paid");
    }

    [Fact]
    public async Task What_is_signed_for_a_budget_as_well_waits_no_longer_than_the_policy_says_and_is_handed_up_as_it_says()
    {
        await using var world = new GateWorld("@approval(\"controller, within=PT24H, escalate=director\") permit (principal, action, resource);", covers: (_, _, overdraft) =>
            overdraft is null ? new BudgetRefusal("month", "amount:EUR", WhenSpent.Approve, "the month is spent", Overdrafts: [("month", new HoldDemand(["owner"]))]) : null) { Overdrafts = [new HoldDemand(["owner"])] };
        var (handedUp, tooLate) = (await world.StartAsync(20), await world.StartAsync(21));
        foreach (var run in new[] { handedUp, tooLate })
        {
            await world.SignAsync(run, "user/carl");
            var held = await world.HeldAsync(run);
            held.Name.Should().EndWith("; beyond budget 'month'");
            var terms = (await world.Host.Host.HeldAsync(run, held.Step!.Value))!.Hold!;
            (terms.EscalatesAt - world.Now, terms.Expires - world.Now).Should().Be((TimeSpan.FromHours(24), TimeSpan.FromHours(48)));
        }
        await world.Host.AdvanceAsync(TimeSpan.FromHours(25));
        await world.SignAsync(handedUp, "user/olga");
        await world.SignAsync(handedUp, "user/erik");
        (await world.ResultAsync(handedUp)).Should().Be("paid", "a director signs in the controller's place by now");
        await world.Host.AdvanceAsync(TimeSpan.FromHours(24));
        (await world.ResultAsync(tooLate)).Should().Contain("Nobody signed");
        world.Books.Paid.Should().ContainSingle();
    }

    [Fact]
    public async Task What_a_budget_has_set_aside_for_others_is_asked_again()
    {
        var asked = 0;
        await using var world = new GateWorld(Permit, covers: (intent, _, _) => ++asked > 3 ? null : new BudgetRefusal("b", "amount:EUR", WhenSpent.Wait, "set aside", intent.At.AddMinutes(1)));
        var run = await world.StartAsync(20);
        (await world.ResultAsync(run)).Should().Be("paid");
        asked.Should().Be(4);
        (await world.EventsAsync<AttemptStarted>(run)).Where(attempt => attempt.Gate!.Answer is GateAnswer.Wait).Should().HaveCount(3).And.OnlyContain(attempt => attempt.Gate!.Why == "set aside");
    }

    [Fact]
    public async Task What_a_run_asks_of_an_entity_is_judged_by_its_names_and_undone_also_for_who_has_lost_their_rights()
    {
        await using var world = new GateWorld(Permit);
        world.Show("principal/user/zoe", new PrincipalAdded("user/zoe", []));
        world.Show("principal/user/zoe", new GrantGiven("g-1", "user/zoe", ["run.update"], "run/vault-1"));
        world.Show("principal/user/zoe", new GrantGiven("g-2", "user/zoe", ["run.start"], "workflow/vault"));
        EffectIntent Asking(string id, string workflow, bool undo = false) => new(new RunKey("default", "r"), "pay-one", 1, 0, 1, "aios.update-run", Effect.Keyed,
            JsonText.From(new { workflow, id, update = "take", input = 1 }), null, null, ["user/zoe"], world.Now, undo, false, null, [], RunSpending.None);
        world.Gate.Judge(Asking("vault-1", "vault")).Answer.Should().Be(GateAnswer.Allow);
        world.Gate.Judge(Asking("vault-2", "vault")).Answer.Should().Be(GateAnswer.Deny);
        world.Gate.Judge(Asking("vault-1", "till")).Answer.Should().Be(GateAnswer.Deny);
        var undo = world.Gate.Judge(Asking("vault-2", "vault", undo: true));
        undo.Answer.Should().Be(GateAnswer.Hold, "what was done is undone, under a signature");
        undo.Hold!.Demands.Single().Roles.Should().Contain("operator");
    }

    [Fact]
    public async Task The_gate_judges_in_well_below_a_millisecond()
    {
        await using var world = new GateWorld(string.Concat(Enumerable.Range(0, 100).Select(i => $"permit (principal, action == Action::\"call\", resource == Tool::\"tool-{i}\") when {{ context.amount.lessThan(decimal(\"{i}.0\")) }};")) + Permit);
        var intent = new EffectIntent(new RunKey("default", "r"), "pay-one", 1, 0, 1, "test.pay", Effect.Keyed, JsonText.From(new Payment("ACME", 5)), Charge.Amount("EUR", 5), null, ["user/ana", "agent/refunds"], world.Now,
            false, false, null, [], RunSpending.None);
        // Counted in work, not in time: what it allocates does not grow with the number of policies that cannot match.
        world.Gate.Judge(intent).Answer.Should().Be(GateAnswer.Allow);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++) world.Gate.Judge(intent);
        ((GC.GetAllocatedBytesForCurrentThread() - before) / 100).Should().BeLessThan(20_000);
    }
}
