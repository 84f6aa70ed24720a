using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Nothing leaves that the gate did not let through, and what it answered is in the history before anything does.</summary>
public abstract class GateConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private readonly ScriptedGate gate = new();

    protected override WorkflowHostOptions Configure(WorkflowHostOptions options) => options with { Gate = gate };

    [Workflow("one-call")]
    private sealed class OneCall : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string tool)
        {
            try
            {
                return await Call(tool == "once" ? Tools.Once : Tools.Keyed, tool);
            }
            catch (ActivityFailedException e) when (e.Failure.Kind is FailureKind.Denied)
            {
                return $"denied: {e.Failure.Message}";
            }
        }
    }

    [Workflow("with-undo")]
    private sealed class WithUndo : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string input)
        {
            await using (var saga = Saga()) await saga.Call(Tools.Keyed, input, undo: Tools.Undo);
            return "undone";
        }
    }

    [Workflow("parent")]
    private sealed class Parent : Workflow<string, string>
    {
        private static readonly Child<string, string> One = Child<string, string>.Of<OneCall>();

        protected override Task<string> RunAsync(string input) => Call(One, input);
    }

    private GateRecord Hold(EffectIntent intent, string nonce = "n1", int quorum = 1, TimeSpan? within = null) => new(GateAnswer.Hold, intent.Chain, "p#1", Why: "it is dear",
        Hold: new HoldTerms($"Call {intent.Activity}", $"digest-{nonce}", nonce, intent.At + (within ?? TimeSpan.FromHours(1)), [new HoldDemand(["controller"], quorum)]));

    private Task<long> Sign(RunKey run, string who = "carl", bool granted = true, string digest = "digest-n1", string? key = null) =>
        Host.SignAsync(run, 1, granted, new Decider(who, ["controller"], "key"), new DecisionSignature(digest, $"{who}-key", "c2ln", Time.GetUtcNow()), "seen", key);

    // As a gate does that takes what the signatures say: allows at the quorum, holds until then.
    private GateRecord BySignatures(EffectIntent intent, int quorum = 1) => intent.Hold is { } hold && intent.Signatures.Count(s => s.Granted) >= quorum
        ? new GateRecord(GateAnswer.Allow, intent.Chain, "p#1", SignedBy: [.. intent.Signatures.Select(s => s.By.Id)]) : Hold(intent, quorum: quorum);

    [Fact]
    public async Task What_the_gate_answers_stands_in_the_history_with_who_acts_for_whom()
    {
        gate.Judges = intent => new GateRecord(GateAnswer.Allow, intent.Chain, "p#1", ["permit-keyed"], "auto", new Charge(new Dictionary<string, decimal> { ["calls"] = 1, ["amount:EUR"] = 2.50m }, "c-1"));
        var run = (await Host.StartRunAsync(new StartRun("one-call", JsonText.From("x"), Key("chain").Id, Chain: ["user/ana", "agent/x"]), "agent/x")).Run;
        (await Result<string>(run)).Should().Be("x");
        var scheduled = (await Events<StepScheduled>(run)).Single();
        scheduled.Gate!.Answer.Should().Be(GateAnswer.Allow);
        scheduled.Gate.Chain.Should().Equal("user/ana", "agent/x");
        scheduled.Gate.Charge!.Units["amount:EUR"].Should().Be(2.50m);
        gate.Judged.Single().Should().Match<EffectIntent>(i => i.Step == 1 && i.Attempt == 1 && i.Input.ToString() == "\"x\"" && i.Workflow == "one-call" && !i.IsUndo);
        gate.Rechecked.Single().Spent.Total("amount:EUR").Should().Be(2.50m, "it counts from the append, before it is sent");
        await Eventually(() => Task.FromResult(gate.EndedRuns.Count == 1), () => "the gate was not told of the end");
        gate.EndedRuns.Should().ContainSingle().Which.Total("calls").Should().Be(1);
        await Check(run);
    }

    [Fact]
    public async Task What_is_refused_is_never_sent_and_the_code_is_told_why()
    {
        gate.Judges = intent => new GateRecord(GateAnswer.Deny, intent.Chain, "p#1", Why: "forbidden for all");
        var run = await Start("one-call", "x");
        (await Result<string>(run)).Should().Be("denied: forbidden for all");
        Outside.Calls.Should().BeEmpty();
        (await History(run)).Select(e => e.GetType().Name).Should().Equal("RunStarted", "StepScheduled", "StepFailed", "RunCompleted");
        await Check(run);
    }

    [Fact]
    public async Task What_was_allowed_and_is_no_more_when_it_is_to_be_sent_is_not_sent()
    {
        gate.Rechecks = (intent, recorded) => recorded with { Answer = GateAnswer.Deny, Why = "the key was revoked" };
        var run = await Start("one-call", "once");
        (await Result<string>(run)).Should().Be("denied: the key was revoked");
        Outside.Calls.Should().BeEmpty();
        (await Events<AttemptStarted>(run)).Single().Should().Match<AttemptStarted>(a => a.Attempt == 1 && a.Gate!.Answer == GateAnswer.Deny);
        await Check(run);
    }

    [Fact]
    public async Task What_has_to_wait_is_asked_again_and_goes_when_it_may()
    {
        var open = false;
        gate.Judges = intent => open ? new GateRecord(GateAnswer.Allow, intent.Chain) : new GateRecord(GateAnswer.Wait, intent.Chain, Why: "a switch is thrown", RetryAt: intent.At + TimeSpan.FromMinutes(1));
        var run = await Start("one-call", "x");
        (await UntilWaits(run, "activity")).Waits.Single().Why.Should().Contain("a switch is thrown");
        await PassTimeUntil(() => gate.Judged.Count >= 3, 30);
        Outside.Calls.Should().BeEmpty();
        open = true;
        await PassTimeUntilEnd(run, 30);
        (await Result<string>(run)).Should().Be("x");
        Outside.Calls.Should().ContainSingle().Which.Attempt.Should().Be(1, "waiting is no attempt");
        await Check(run);
    }

    [Fact]
    public async Task A_gate_that_breaks_lets_nothing_through_and_no_run_is_lost()
    {
        var broken = true;
        gate.Judges = intent => broken ? throw new InvalidOperationException("no memory") : new GateRecord(GateAnswer.Allow, intent.Chain);
        gate.Rechecks = (_, _) => gate.Rechecked.Count == 1 ? throw new InvalidOperationException("no database") : null;
        var run = await Start("one-call", "x");
        (await UntilWaits(run, "activity")).Waits.Single().Why.Should().Contain("no memory");
        broken = false;
        await PassTimeUntil(() => gate.Rechecked.Count >= 1);
        await PassTimeUntilEnd(run);
        (await Result<string>(run)).Should().Be("x");
        Outside.Calls.Should().ContainSingle();
        await Check(run);
    }

    [Fact]
    public async Task What_is_held_waits_for_a_signature_across_a_crash_and_is_sent_once()
    {
        gate.Judges = intent => BySignatures(intent);
        var run = await Start("one-call", "once");
        var wait = (await UntilWaits(run, "signature")).Waits.Single();
        (wait.Name, wait.Role, wait.Digest, wait.Subject.ToString()).Should().Be(("Call test.once", "controller", "digest-n1", "\"once\""));
        await KillAndRestart();
        await Sign(run, key: "k1");
        (await Result<string>(run)).Should().Be("once");
        (await Sign(run, key: "k1")).Should().BePositive("the same command again has the same answer");
        await Refused(() => Sign(run, who: "dora"), Refusal.Conflict);
        Outside.Calls.Should().ContainSingle();
        (await Events<AttemptStarted>(run)).Single().Gate!.SignedBy.Should().Equal("carl");
        gate.Rechecked.Last().Signatures.Single().Signature.Value.Should().Be("c2ln");
        await Check(run);
    }

    [Fact]
    public async Task Who_takes_a_signed_attempt_over_is_handed_the_signatures_again()
    {
        gate.Judges = intent => BySignatures(intent);
        Outside.Answer = (name, c) => Outside.Calls.Count == 1 ? Outside.Hang() : Task.FromResult(name);
        var run = await Start("one-call", "keyed");
        await UntilWaits(run, "signature");
        await Sign(run);
        await Eventually(() => Task.FromResult(Outside.Calls.Count == 1), () => "nothing was sent");
        await KillAndRestart();
        (await Result<string>(run)).Should().Be("keyed");
        Outside.Calls.Select(c => c.Key).Distinct().Should().ContainSingle();
        (await Events<AttemptStarted>(run)).Should().HaveCount(2).And.OnlyContain(a => a.Gate!.Answer == GateAnswer.Allow);
        await Check(run);
    }

    [Fact]
    public async Task A_quorum_needs_as_many_different_people_and_one_refusal_ends_it()
    {
        gate.Judges = intent => BySignatures(intent, quorum: 2);
        var run = await Start("one-call", "x");
        await UntilWaits(run, "signature");
        await Sign(run, "carl");
        await Refused(() => Sign(run, "carl"), Refusal.Conflict, "*carl*already*");
        (await Until(run, row => row.Waits.Any(w => w.Why?.Contains("signed by carl") is true))).AwaitsApproval.Should().BeTrue();
        Outside.Calls.Should().BeEmpty();
        await Sign(run, "dora");
        (await Result<string>(run)).Should().Be("x");

        var refused = await Start("one-call", "x", id: "refused");
        await UntilWaits(refused, "signature");
        await Sign(refused, "carl");
        await Sign(refused, "dora", granted: false);
        (await Result<string>(refused)).Should().Contain("dora refused to sign 'Call test.keyed': seen");
        Outside.Calls.Should().ContainSingle();
        await Check(run, refused);
    }

    [Fact]
    public async Task A_signature_over_something_else_or_for_nothing_is_refused()
    {
        gate.Judges = intent => BySignatures(intent);
        var run = await Start("one-call", "x");
        await UntilWaits(run, "signature");
        await Refused(() => Sign(run, digest: "digest-of-another"), Refusal.Conflict, "*digest-of-another*");
        await Refused(() => Host.SignAsync(run, 7, true, new Decider("carl", [], "key"), new DecisionSignature("d", "k", "v", Time.GetUtcNow())), Refusal.Conflict);
        await Host.PauseAsync(run, "look", "paula");
        await Refused(() => Sign(run), Refusal.Conflict, "*paused*");
        await Host.ResumeAsync(run, "paula");
        await Sign(run);
        (await Result<string>(run)).Should().Be("x");
    }

    [Fact]
    public async Task A_hold_that_nobody_signs_is_asked_of_others_and_ends_with_its_deadline()
    {
        gate.Judges = intent => intent.Hold switch
        {
            null => Hold(intent, "n1") with { Hold = Hold(intent, "n1").Hold! with { EscalatesAt = intent.At + TimeSpan.FromMinutes(10) } },
            { Level: 0 } => Hold(intent, "n2") with { Hold = Hold(intent, "n2").Hold! with { Demands = [new HoldDemand(["director"])], Level = 1 } },
            _ => new GateRecord(GateAnswer.Deny, intent.Chain, Why: "nobody signed in time"),
        };
        var run = await Start("one-call", "x");
        await UntilWaits(run, "signature");
        Time.Advance(TimeSpan.FromMinutes(11));
        await Until(run, row => row.Waits.Any(w => w.Role == "director"));
        await Refused(() => Sign(run, digest: "digest-n1"), Refusal.Conflict);
        await PassTimeUntilEnd(run, 600);
        (await Result<string>(run)).Should().Be("denied: nobody signed in time");
        Outside.Calls.Should().BeEmpty();
        await Check(run);
    }

    [Fact]
    public async Task An_attempt_that_may_have_happened_is_asked_about_when_the_gate_refuses_the_next()
    {
        Outside.Answer = (_, c) => throw new IOException("the answer was lost");
        gate.Judges = intent => intent.Attempt == 1 ? new GateRecord(GateAnswer.Allow, intent.Chain) : new GateRecord(GateAnswer.Deny, intent.Chain, Why: "revoked meanwhile");
        var run = await Start("one-call", "keyed");
        await PassTimeUntil(() => gate.Judged.Count >= 2);
        var row = await UntilWaits(run, "outcome-unknown");
        row.Waits.Single().Until.Should().BeNull("a person has to say: that the next may not be made says nothing of the first");
        await Host.ResolveAsync(run, 1, true, JsonText.From("booked"), "seen", "paula");
        (await Result<string>(run)).Should().Be("booked");
        await Check(run);
    }

    [Fact]
    public async Task Undoing_is_told_to_the_gate_as_such()
    {
        var run = await Start("with-undo", "x");
        (await Result<string>(run)).Should().Be("undone");
        gate.Judged.Select(i => (i.Activity, i.IsUndo)).Should().Equal(("test.keyed", false), ("test.undo", true));
    }

    [Fact]
    public async Task A_child_acts_for_whom_its_parent_acts()
    {
        var run = (await Host.StartRunAsync(new StartRun("parent", JsonText.From("x"), Key("parent").Id, Chain: ["user/ana", "service/crm"]), "service/crm")).Run;
        (await Result<string>(run)).Should().Be("x");
        gate.Judged.Single().Chain.Should().Equal("user/ana", "service/crm");
    }

    [Fact]
    public async Task Who_resets_a_run_stands_in_the_chain_of_what_it_does_from_then_on()
    {
        var run = await Start("one-call", "x");
        await Result<string>(run);
        await Host.ResetAsync(new ResetRun(run, 0, "again", new Dictionary<int, EffectAction> { [1] = EffectAction.Redo }), "ben");
        (await Result<string>(run)).Should().Be("x");
        gate.Judged.Last().Chain.Should().Equal("paula", "+ben");
        gate.Judged.Last().Epoch.Should().BePositive();
        await Check(run);
    }

    [Fact]
    public async Task What_certainly_had_no_effect_is_taken_back_but_for_its_calls_and_what_the_tool_says_counts()
    {
        gate.Judges = intent => new GateRecord(GateAnswer.Allow, intent.Chain, Charge: new Charge(new Dictionary<string, decimal> { ["calls"] = 1, ["amount:EUR"] = 10, ["tokens"] = 100 }));
        Outside.Answer = (name, c) =>
        {
            if (c.Attempt == 1) throw new RefusedException("no", retry: true);
            c.Spend("tokens", 42);
            return Task.FromResult(name);
        };
        var run = await Start("one-call", "x");
        await PassTimeUntilEnd(run);
        await Eventually(() => Task.FromResult(gate.EndedRuns.Count == 1), () => "the gate was not told of the end");
        var spent = gate.EndedRuns.Single();
        (spent.Total("calls"), spent.Total("amount:EUR"), spent.Total("tokens")).Should().Be((2, 10, 42));
        gate.Judged.Last().Spent.Total("amount:EUR").Should().Be(0, "the refused one moved nothing");
        (await Events<StepCompleted>(run)).Single().Spent!["tokens"].Should().Be(42);
    }
}

public sealed class GateInMemory(InMemory store) : GateConformance(store), IClassFixture<InMemory>;

public sealed class GateOnPostgres(OnPostgres store) : GateConformance(store), IClassFixture<OnPostgres>;
