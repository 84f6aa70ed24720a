using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Tests.Governance;

/// <summary>What a run's history says of its calls: each answer of the real gate is one, with who, what, on what grounds, and how it ended.</summary>
public sealed class CallHistoryTests
{
    private const string Anything = "permit (principal, action, resource);";
    private const string FourEyes = "@approval(\"controller, not=initiator, within=PT24H\") permit (principal, action, resource);";

    private static async Task<IReadOnlyList<RecordedCall>> CallsOf(GateWorld world, RunKey run) => CallHistory.Of(run, await world.Host.Store.ReadAsync(run, 1, default));

    [Fact]
    public async Task A_call_that_was_let_through_says_who_what_on_what_grounds_and_how_it_ended()
    {
        await using var world = new GateWorld(Anything);
        var run = await world.StartAsync(250, payee: "ACME", chain: ["user/ana", "agent/refunds"]);
        (await world.ResultAsync(run)).Should().Be("paid");
        var call = (await CallsOf(world, run)).Should().ContainSingle().Subject;
        (call.Activity, call.Effect, call.Workflow, call.Step, call.Attempt, call.Outcome).Should().Be(("test.pay", Effect.Keyed, "pay-one", 1, 1, CallOutcome.Completed));
        call.Chain.Should().Equal("user/ana", "agent/refunds");
        call.Input.To<Payment>().Should().Be(new Payment("ACME", 250));
        (call.Gate!.Answer, call.Gate.Charge!.Target, call.Gate.Charge.Units["amount:EUR"]).Should().Be((GateAnswer.Allow, "ACME", 250));
        call.Gate.Policy.Should().NotBeNullOrEmpty();
        call.Gate.Rules.Should().Equal("main/p1");
        call.EndedAt.Should().NotBeNull();
        world.Books.Paid.Should().ContainKey(call.Key, "it is the key that the receiver was shown");
    }

    [Fact]
    public async Task What_was_refused_is_there_with_whom_it_would_have_reached()
    {
        await using var world = new GateWorld("forbid (principal, action, resource) when { context.amount.greaterThan(decimal(\"100.0\")) }; " + Anything);
        var run = await world.StartAsync(250, payee: "ACME");
        (await world.ResultAsync(run)).Should().StartWith("denied");
        var call = (await CallsOf(world, run)).Should().ContainSingle().Subject;
        (call.Outcome, call.Gate!.Answer, call.Gate.Charge!.Target, call.Gate.Charge.Units["amount:EUR"]).Should().Be((CallOutcome.Denied, GateAnswer.Deny, "ACME", 250));
        call.Failure!.Message.Should().Be(call.Gate.Why);
        (await RunSpending.ReadAsync(world.Host.Store, run, default))!.Value.Spent.Totals().Should().BeEmpty("what was refused has cost nothing");
    }

    [Fact]
    public async Task What_was_signed_for_is_two_answers_and_the_second_names_who_signed()
    {
        await using var world = new GateWorld(FourEyes);
        var run = await world.StartAsync(250);
        await world.HeldAsync(run);
        var waiting = (await CallsOf(world, run)).Should().ContainSingle().Subject;
        (waiting.Outcome, waiting.EndedAt).Should().Be((CallOutcome.Held, null));
        await world.SignAsync(run, "user/carl");
        await world.ResultAsync(run);
        var calls = await CallsOf(world, run);
        calls.Select(call => (call.Attempt, call.Outcome)).Should().Equal((1, CallOutcome.Held), (1, CallOutcome.Completed));
        calls[0].EndedAt.Should().NotBeNull();
        calls[1].Gate!.SignedBy.Should().Equal("user/carl");
        calls[1].Key.Should().Be(calls[0].Key);
    }

    [Fact]
    public async Task What_a_person_refused_to_sign_was_denied_and_never_sent()
    {
        await using var world = new GateWorld(FourEyes);
        var run = await world.StartAsync(250);
        await world.SignAsync(run, "user/carl", granted: false);
        await world.ResultAsync(run);
        var call = (await CallsOf(world, run)).Should().ContainSingle().Subject;
        (call.Outcome, call.Failure!.Type).Should().Be((CallOutcome.Denied, "SignatureRefused"));
        world.Books.Paid.Should().BeEmpty();
    }

    [Fact]
    public async Task What_a_kill_switch_stopped_waits_and_what_it_stopped_after_it_was_let_through_was_not_sent()
    {
        await using var world = new GateWorld(Anything);
        var thrown = false;
        // The turn lets it through; before the send the switch is seen.
        world.Fresh = () =>
        {
            if (!thrown) world.Show("kill/tool", new KillSwitchThrown(KillTarget.Tool, "test.pay", "an incident"));
            thrown = true;
            return default;
        };
        var run = await world.StartAsync(250);
        await world.Host.Until(run, row => !row.Busy && row.Waits.Count > 0);
        (await CallsOf(world, run)).Select(call => call.Outcome).Should().Equal(CallOutcome.NotSent, CallOutcome.Waiting);
        world.Books.Paid.Should().BeEmpty();
    }
}
