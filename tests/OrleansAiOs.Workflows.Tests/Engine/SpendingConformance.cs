using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>What a run spends: what it moves counts once, what its attempts use up counts each time, and nobody gets it back by hanging up.</summary>
public abstract class SpendingConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private readonly ScriptedGate gate = new()
    {
        Judges = intent => new GateRecord(GateAnswer.Allow, intent.Chain, Charge: new Charge(new Dictionary<string, decimal> { ["calls"] = 1, ["amount:EUR"] = 10, ["tokens"] = 100 }, "c-1")),
    };

    protected override WorkflowHostOptions Configure(WorkflowHostOptions options) => options with { Gate = gate };

    [Workflow("one-paid")]
    private sealed class OnePaid : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string tool)
        {
            try
            {
                return tool == "model" ? await Call(Tools.Pure, tool, new CallOptions { Retry = RetryPolicy.None }) : await Call(Tools.Keyed, tool);
            }
            catch (ActivityFailedException e)
            {
                return $"failed: {e.Failure.Message}";
            }
        }
    }

    [Workflow("two-at-once")]
    private sealed class TwoAtOnce : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string input)
        {
            await Call(Tools.Pure, "before");
            await Task.WhenAll(Call(Tools.Pure, "one"), Call(Tools.Pure, "two"));
            return "done";
        }
    }

    // The end is in the store before the gate is told.
    private async Task SpentIs((decimal Calls, decimal Moved, decimal Tokens) expected)
    {
        (decimal, decimal, decimal)? spent = null;
        await Eventually(() =>
        {
            spent = gate.EndedRuns is [var one] ? (one.Total("calls"), one.Total("amount:EUR"), one.Total("tokens")) : null;
            return Task.FromResult(spent == expected);
        }, () => $"the gate was told of {spent}");
    }

    [Fact]
    public async Task A_retry_uses_up_tokens_again_and_moves_the_money_once()
    {
        Outside.Answer = (name, c) =>
        {
            if (c.Attempt == 1) throw new IOException("cut");
            c.Spend("tokens", 42);
            return Task.FromResult(name);
        };
        await PassTimeUntilEnd(await Start("one-paid", "x"));
        await SpentIs((2, 10, 142));
        gate.Judged[1].Earlier!.Units["amount:EUR"].Should().Be(10, "it may have moved already");
        gate.Rechecked[1].Departure!.First.Should().BeEmpty("its effect may have happened before");
        gate.Rechecked[1].Departure!.Pending.Total("amount:EUR").Should().Be(10);
    }

    [Fact]
    public async Task What_a_tool_comes_to_beyond_what_was_set_aside_is_known_as_such()
    {
        Outside.Answer = (name, c) =>
        {
            c.Spend("tokens", 130);
            c.Spend("amount:EUR", 4);
            return Task.FromResult(name);
        };
        await PassTimeUntilEnd(await Start("one-paid", "x"));
        await SpentIs((1, 4, 130));
        var spent = gate.EndedRuns.Single();
        (spent.Beyond("tokens"), spent.Beyond("amount:EUR")).Should().Be((30, 0));
    }

    [Fact]
    public async Task A_call_that_is_cut_short_has_used_its_tokens_and_moved_nothing()
    {
        Outside.Answer = (_, _) => throw new IOException("the stream was cut");
        await PassTimeUntilEnd(await Start("one-paid", "model"));
        await SpentIs((1, 0, 100));
    }

    [Fact]
    public async Task What_never_left_has_used_nothing()
    {
        var refused = false;
        gate.Rechecks = (intent, _) => (refused = !refused) ? new GateRecord(GateAnswer.Wait, intent.Chain, Why: "not now", RetryAt: intent.At + TimeSpan.FromMinutes(1)) : null;
        await PassTimeUntilEnd(await Start("one-paid", "x"));
        await SpentIs((1, 10, 100));
    }

    [Fact]
    public async Task A_retry_that_has_to_wait_again_and_again_gives_nothing_back_of_what_was_made()
    {
        var charge = gate.Judges(Intent).Charge;
        var judged = 0;
        gate.Judges = intent => ++judged is 1 or > 4 ? new GateRecord(GateAnswer.Allow, intent.Chain, Charge: charge)
            : new GateRecord(GateAnswer.Wait, intent.Chain, Why: "not now", RetryAt: intent.At + TimeSpan.FromMinutes(1));
        Outside.Answer = (name, c) => c.Attempt == 1 ? throw new IOException("the answer was lost") : Task.FromResult(name);
        await PassTimeUntilEnd(await Start("one-paid", "x"));
        gate.Judged.Should().HaveCount(5);
        await SpentIs((2, 10, 200));
    }

    [Fact]
    public async Task What_a_dead_branch_may_have_moved_stays_spent_though_its_last_attempt_was_refused()
    {
        Outside.Answer = (name, c) => c.Attempt switch
        {
            1 => throw new IOException("the answer was lost"),
            2 => throw new RefusedException("no", retry: true),
            _ => Task.FromResult(name),
        };
        var run = await Start("one-paid", "x");
        await PassTimeUntilEnd(run);
        await SpentIs((3, 10, 300));
        Outside.Answer = (name, _) => Task.FromResult(name);
        await Host.ResetAsync(new ResetRun(run, 0, "again", new Dictionary<int, EffectAction> { [1] = EffectAction.Redo }), "ben");
        await PassTimeUntilEnd(run);
        await SpentIs((4, 20, 400));
    }

    private static EffectIntent Intent => new(new RunKey("t", "r"), "w", 1, 0, 1, "x", Effect.Keyed, JsonText.From("x"), null, null, [], default, false, false, null, [], RunSpending.None);

    [Fact]
    public async Task Who_leaves_in_one_turn_knows_of_the_others()
    {
        await PassTimeUntilEnd(await Start("two-at-once", "x"));
        var (before, one, two) = (gate.Rechecked[0], gate.Rechecked[1], gate.Rechecked[2]);
        before.Departure!.First.Keys.Should().Equal(1);
        one.Departure.Should().BeSameAs(two.Departure);
        one.Departure!.First.Keys.Should().Equal(2, 3);
        one.Departure.Pending.Total("tokens").Should().Be(200, "the one before is over");
        (one.Spent.Total("tokens"), two.Spent.Total("tokens")).Should().Be((300, 300));
    }

    [Fact]
    public async Task What_a_run_has_spent_can_be_read_out_of_its_history()
    {
        var run = await Start("two-at-once", "x");
        await PassTimeUntilEnd(run);
        await Eventually(() => Task.FromResult(gate.EndedRuns.Count == 1), () => "the gate was not told of the end");
        var read = await RunSpending.ReadAsync(Store, run, default);
        read!.Value.IsClosed.Should().BeTrue();
        read.Value.Spent.Should().BeEquivalentTo(gate.EndedRuns.Single());
        (await RunSpending.ReadAsync(Store, new RunKey(run.Tenant, "nobody"), default)).Should().BeNull();
    }
}

public sealed class SpendingInMemory(InMemory store) : SpendingConformance(store), IClassFixture<InMemory>;

public sealed class SpendingOnPostgres(OnPostgres store) : SpendingConformance(store), IClassFixture<OnPostgres>;
