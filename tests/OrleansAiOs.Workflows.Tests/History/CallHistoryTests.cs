using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.History;

/// <summary>How a call ended, by histories as the engine writes them: crashes, late answers, resets, forks, imports.</summary>
public sealed class CallHistoryTests
{
    private static readonly RunKey Run = new("default", "r-1");
    private static readonly DateTimeOffset Began = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly RunStarted Started = new("pays", JsonText.From(1), "host-1", By: "ana");
    private static readonly GateRecord Allowed = new(GateAnswer.Allow, ["user/ana"], "base#3", ["p"], "auto", new Charge(new Dictionary<string, decimal> { ["calls"] = 1 }, "ACME"));
    private static readonly StepScheduled Pays = new(1, "bank.pay", Effect.Keyed, JsonText.From("pay"), Allowed);
    private static readonly Failure Broke = new("IOException", "gone");

    private static IReadOnlyList<RecordedCall> Calls(params WorkflowEvent[] events) => CallHistory.Of(Run, [.. events.Select((e, i) =>
    {
        var (name, body) = EventNames.Write(e);
        return new StoredEvent(i + 1, Guid.NewGuid(), name, body, Began.AddSeconds(i));
    })]);

    private static string Key(int step, int epoch) => IdempotencyKey.Of("default", "r-1", step, epoch).Value;

    [Fact]
    public void What_has_no_outcome_yet_is_under_way()
    {
        var call = Calls(Started, Pays).Single();
        (call.Outcome, call.EndedAt, call.Version, call.Key).Should().Be((CallOutcome.UnderWay, null, 2L, Key(1, 0)));
    }

    [Fact]
    public void Each_attempt_is_a_call_of_its_own()
    {
        var calls = Calls(Started, Pays, new AttemptFailed(1, 1, Broke, Began, Definite: true), new AttemptStarted(1, 2, Allowed), new StepCompleted(1, 2, JsonText.From("ok"), new Dictionary<string, decimal> { ["tokens"] = 5 }));
        calls.Select(call => (call.Attempt, call.Outcome, call.NoEffect)).Should().Equal((1, CallOutcome.Failed, true), (2, CallOutcome.Completed, null));
        calls[0].Failure.Should().Be(Broke);
        calls[1].Spent!["tokens"].Should().Be(5);
        (calls[1].BeganAt, calls[1].EndedAt).Should().Be((Began.AddSeconds(3), Began.AddSeconds(4)));
        calls.Select(call => call.Key).Should().AllBe(Key(1, 0));
    }

    [Fact]
    public void Of_what_a_host_died_over_nothing_is_known_until_a_late_answer_says_that_it_took_effect()
    {
        Calls(Started, Pays, new HostChanged("host-2"), new AttemptStarted(1, 2, Allowed)).Select(call => call.Outcome).Should().Equal(CallOutcome.Lost, CallOutcome.UnderWay);
        Calls(Started, Pays, new HostChanged("host-2"), new AttemptStarted(1, 2, Allowed), new StepCompleted(1, 1, JsonText.From("ok"))).Select(call => call.Outcome).Should().Equal(CallOutcome.Completed, CallOutcome.Lost);
    }

    [Fact]
    public void What_was_unknown_is_unknown_until_somebody_knows_and_what_is_done_anew_has_another_key()
    {
        WorkflowEvent[] unknown = [Started, Pays with { Effect = Effect.AtMostOnce }, new OutcomeUnknown(1, 1, Broke), new OutcomeStillUnknown(1, 1, "no hook", null)];
        Calls(unknown).Single().Outcome.Should().Be(CallOutcome.Unknown);
        Calls([.. unknown, new OutcomeHappened(1, JsonText.From("ok"), "ben")]).Single().Outcome.Should().Be(CallOutcome.Completed);
        var calls = Calls([.. unknown, new OutcomeNeverWill(1, "the bank says so", "ben"), new AttemptStarted(1, 2, Allowed), new StepCompleted(1, 2, JsonText.From("ok"))]);
        calls.Select(call => (call.Outcome, call.NoEffect, call.Key)).Should().Equal((CallOutcome.Failed, true, Key(1, 0)), (CallOutcome.Completed, null, Key(1, 1)));
    }

    [Fact]
    public void What_a_reset_left_behind_stays_and_what_it_undoes_is_a_call_too()
    {
        var undo = new EffectChoice(1, "bank.pay", Effect.Keyed, EffectAction.Compensate, Key(1, 0), JsonText.From("pay"), JsonText.From("ok"), Undo: "bank.return", UndoInput: JsonText.From("back"), UndoEffect: Effect.Idempotent);
        var calls = Calls(Started, Pays, new StepCompleted(1, 1, JsonText.From("ok")), new StepScheduled(2, "mail.send", Effect.Idempotent, JsonText.From("hello"), Allowed),
            new RunReset(1, "wrong", [undo], By: "ben"), new AttemptStarted(-1, 2, Allowed with { Chain = null }), new StepCompleted(-1, 2, JsonText.From("returned")), new BranchBegun(), Pays);
        calls.Select(call => (call.Activity, call.Step, call.Undoes, call.Outcome)).Should().Equal(("bank.pay", 1, false, CallOutcome.Completed), ("mail.send", 2, false, CallOutcome.Abandoned), ("bank.return", -1, true, CallOutcome.Completed),
            ("bank.pay", 1, false, CallOutcome.UnderWay));
        (calls[2].Effect, calls[2].Input.To<string>()).Should().Be((Effect.Idempotent, "back"));
        calls[2].Chain.Should().Equal(["ana", "+ben"], "where the gate did not say, the run's own");
        calls[3].Key.Should().Be(Key(1, Branch.EpochsPerReset)).And.NotBe(calls[0].Key);
    }

    [Fact]
    public void What_takes_the_outcome_of_a_dead_branch_sent_nothing()
    {
        var reuse = new EffectChoice(1, "bank.pay", Effect.Keyed, EffectAction.Reuse, Key(1, 0), JsonText.From("pay"), JsonText.From("ok"));
        Calls(Started, Pays, new StepCompleted(1, 1, JsonText.From("ok")), new RunReset(1, "wrong", [reuse]), new BranchBegun(), Pays with { Gate = null }, new OutcomeReused(1, Key(1, 0), JsonText.From("ok")))
            .Select(call => call.Outcome).Should().Equal(CallOutcome.Completed, CallOutcome.Reused);
    }

    [Fact]
    public void What_a_fork_copied_was_called_by_the_other_run()
    {
        var calls = Calls(Started, Pays, new StepCompleted(1, 1, JsonText.From("ok")), new RunForked("r-0", 3, 5, []), new HostChanged("host-2"), new BranchBegun(), new StepScheduled(2, "mail.send", Effect.Pure, JsonText.From(1), Allowed));
        calls.Single().Activity.Should().Be("mail.send");
    }

    [Fact]
    public void What_came_with_an_import_was_called_elsewhere_and_says_so() =>
        Calls(Started, Pays, new StepCompleted(1, 1, JsonText.From("ok")), new RunImported(Began, "0.1", "ben")).Single().IsImported.Should().BeTrue();

    [Fact]
    public void What_was_under_way_when_its_run_ended_was_abandoned() =>
        Calls(Started, Pays, new RunTerminated("enough", "ben")).Select(call => (call.Outcome, call.EndedAt)).Should().Equal((CallOutcome.Abandoned, Began.AddSeconds(2)));

    [Fact]
    public void What_waited_for_the_gate_and_was_cancelled_was_never_sent() =>
        Calls(Started, Pays with { Gate = new GateRecord(GateAnswer.Wait, Why: "a switch is thrown") }, new CancelRequested("enough"), new StepCancelled(1)).Select(call => (call.Outcome, call.EndedAt))
            .Should().Equal((CallOutcome.Waiting, Began.AddSeconds(3)));
}
