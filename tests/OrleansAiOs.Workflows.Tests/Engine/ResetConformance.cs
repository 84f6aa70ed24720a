using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>A run that goes on from an earlier event, and what becomes of the effects behind it.</summary>
public abstract class ResetConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");

    [Workflow("branchy")]
    private sealed class Branchy : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string input)
        {
            await using var saga = Saga();
            var pure = await Call(Tools.Pure, "look");                                  // step 1
            var way = await Receive(Go);
            var a = await saga.Call(Tools.Keyed, $"a-{way}", undo: Tools.Undo);         // step 2
            var b = await Call(Tools.Once, $"b-{way}");                                 // step 3
            var last = await Receive(Go);
            return saga.Complete($"{a} {b} {last}");
        }
    }

    private static class Changed
    {
        [Workflow("branchy")]
        private sealed class Branchy : Workflow<string, string>
        {
            protected override async Task<string> RunAsync(string input)
            {
                await Call(Tools.Pure, "look");
                var way = await Receive(Go);
                return await Call(Tools.Keyed, $"changed-{way}");
            }
        }
    }

    private Task<long> Reset(RunKey run, long to, params (int Step, EffectAction Action)[] effects) =>
        Host.ResetAsync(new ResetRun(run, to, "a test", effects.ToDictionary(e => e.Step, e => e.Action)), "olga");

    /// <summary>A run that has done both effects, and waits for the last signal.</summary>
    private async Task<RunKey> Done(string id = "r")
    {
        var run = await Start("branchy", "x", id);
        await UntilWaits(run, "signal");
        await Signal(run, "go", "left");
        await Until(run, row => Outside.Names.Contains("b-left") && row.Waits.Any(w => w.Kind == "signal"));
        return run;
    }

    // run-started, step-scheduled 1 | step-completed 1 | signal, step-scheduled 2 | step-completed 2, step-scheduled 3 | step-completed 3
    private const long BehindLook = 3;
    private const long BehindSignal = 5;
    private const long BehindA = 7;

    [Fact]
    public async Task Without_a_choice_for_every_effect_beyond_the_cut_it_is_refused_with_the_list_and_nothing_changes()
    {
        var run = await Done();
        var before = await History(run);
        var refused = (await ((Func<Task>)(() => Reset(run, BehindLook, (3, EffectAction.Redo)))).Should().ThrowAsync<EffectsToChooseException>()).Which;
        refused.Message.Should().Contain("step 2 (test.keyed)").And.NotContain("step 3 (test.once),");
        refused.Effects.Select(e => (e.Step, e.Activity, e.Outcome, e.OpenAtCut, e.Default)).Should().Equal(
            (2, "test.keyed", "happened", false, null), (3, "test.once", "happened", false, null));
        refused.Effects[0].CanBe.Should().Equal(EffectAction.Reuse, EffectAction.Redo, EffectAction.Compensate);
        refused.Effects[0].Key.Should().Be(Outside.Calls.Single(c => c.Name == "a-left").Key);
        refused.Effects[1].CanBe.Should().Equal(EffectAction.Reuse, EffectAction.Redo);
        await Refused(() => Reset(run, BehindLook, (2, EffectAction.Redo), (3, EffectAction.Compensate)), Refusal.Conflict, "*step 3 (test.once) cannot be chosen as 'compensate'*no saga*");
        await Refused(() => Reset(run, BehindLook, (1, EffectAction.Redo)), Refusal.Invalid, "*Step 1*no effect beyond the cut*");
        (await History(run)).Should().HaveCount(before.Count);
    }

    [Fact]
    public async Task A_redone_step_has_another_key_and_the_old_branch_stays_as_evidence()
    {
        var run = await Done();
        var version = await Reset(run, BehindLook, (2, EffectAction.Redo), (3, EffectAction.Redo));
        await Until(run, row => Outside.Names.Count(n => n == "b-left") == 2 && row.Waits.Any(w => w.Kind == "signal"));
        foreach (var name in new[] { "a-left", "b-left" }) Outside.Calls.Where(c => c.Name == name).Select(c => c.Key).Should().OnlyHaveUniqueItems().And.HaveCount(2);
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("a-left b-left end");
        var history = await History(run);
        history[(int)version - 1].Should().BeOfType<RunReset>().Which.By.Should().Be("olga");
        history.OfType<StepScheduled>().Select(e => e.Step).Should().Equal(1, 2, 3, 2, 3);
        Outside.Names.Count(n => n == "look").Should().Be(1);
        await Check(run);
    }

    [Fact]
    public async Task A_reused_outcome_is_taken_without_a_call_also_after_a_crash()
    {
        var run = await Done();
        await Reset(run, BehindLook, (2, EffectAction.Reuse), (3, EffectAction.Reuse));
        await UntilWaits(run, "signal");
        await KillAndRestart();
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("a-left b-left end");
        Outside.Names.Should().Equal("look", "a-left", "b-left");
        (await Events<OutcomeReused>(run)).Select(e => (e.Step, e.Key)).Should().Equal((2, Outside.Calls[1].Key), (3, Outside.Calls[2].Key));
        await Check(run);
    }

    [Fact]
    public async Task Code_that_asks_for_something_else_than_what_is_reused_is_parked_with_both_and_a_further_reset_is_the_way_out()
    {
        var run = await Done();
        await Host.ResetAsync(new ResetRun(run, BehindLook, "another way", new Dictionary<int, EffectAction> { [2] = EffectAction.Reuse, [3] = EffectAction.Reuse }, DropSignals: true), "olga");
        await UntilWaits(run, "signal");
        await Signal(run, "go", "right");
        var wait = (await UntilParked(run)).Waits.Single(w => w.Kind == "unpark");
        wait.Name.Should().Contain("no use for the effect of step 2");
        wait.Why.Should().Contain("a-left").And.Contain("a-right").And.Contain(Outside.Calls[1].Key);
        Outside.Names.Should().NotContain("a-right");

        var again = (await ((Func<Task>)(() => Reset(run, BehindLook))).Should().ThrowAsync<EffectsToChooseException>()).Which;
        again.Effects.Select(e => (e.Step, e.Outcome)).Should().Equal([(2, "happened"), (3, "happened")], "what was to be reused and was not is still in the world");
        await Host.ResetAsync(new ResetRun(run, BehindLook, "so", new Dictionary<int, EffectAction> { [2] = EffectAction.Redo, [3] = EffectAction.Redo }), "olga");
        await Until(run, row => Outside.Names.Contains("b-right") && row.Waits.Any(w => w.Kind == "signal"));
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("a-right b-right end");
        await Check(run);
    }

    [Fact]
    public async Task What_is_compensated_is_undone_before_the_run_goes_on()
    {
        var run = await Done();
        var hang = new TaskCompletionSource<string>();
        Outside.Answer = (name, _) => name.StartsWith("undo") ? hang.Task : Task.FromResult(name);
        await Host.ResetAsync(new ResetRun(run, BehindLook, "undo it", new Dictionary<int, EffectAction> { [2] = EffectAction.Compensate, [3] = EffectAction.Redo }, DropSignals: true), "olga");
        await Eventually(() => Task.FromResult(Outside.Names.Contains("undo a-left")), () => "nothing was undone");
        await Signal(run, "go", "right");
        Outside.Names.Should().NotContain("a-right", "the undoing comes first");
        await KillAndRestart();
        await Eventually(() => Task.FromResult(Outside.Names.Count(n => n == "undo a-left") == 2), () => "the undoing was not taken over");
        Outside.Calls.Where(c => c.Name == "undo a-left").Select(c => c.Key).Distinct().Should().HaveCount(1);
        await Refused(() => Reset(run, BehindLook), Refusal.Conflict, "*undoes*");
        hang.SetResult("undone");
        await Until(run, row => Outside.Names.Contains("b-right") && row.Waits.Any(w => w.Kind == "signal"));
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("a-right b-right end");
        await Check(run);
    }

    [Fact]
    public async Task An_undoing_that_fails_waits_for_a_person_who_says_that_it_is_undone()
    {
        var run = await Done();
        Outside.Answer = (name, _) => name.StartsWith("undo") ? throw new RefusedException("no such booking") : Task.FromResult(name);
        await Reset(run, BehindLook, (2, EffectAction.Compensate), (3, EffectAction.Redo));
        var wait = (await UntilWaits(run, "outcome-unknown")).Waits.Single(w => w.Kind == "outcome-unknown");
        (wait.Name, wait.Step, wait.Why).Should().Be(("test.undo", -2, "no such booking"));
        await Host.ResolveAsync(run, -2, true, default, "undone by hand", "olga");
        await Until(run, row => Outside.Names.Count(n => n == "b-left") == 2 && row.Waits.Any(w => w.Kind == "signal"));
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("a-left b-left end");
    }

    [Theory]
    [InlineData(EffectAction.Redo, 2)]
    [InlineData(EffectAction.Reuse, 1)]
    public async Task A_step_open_at_the_cut_is_redone_under_a_new_key_or_takes_the_outcome_it_had(EffectAction action, int calls)
    {
        var run = await Done();
        await Reset(run, BehindSignal, (2, action), (3, EffectAction.Reuse));
        await Until(run, row => row.Waits.Any(w => w.Kind == "signal"));
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("a-left b-left end");
        Outside.Calls.Where(c => c.Name == "a-left").Select(c => c.Key).Should().OnlyHaveUniqueItems().And.HaveCount(calls);
        Outside.Calls.Where(c => c.Name == "b-left").Should().HaveCount(1);
        await Check(run);
    }

    [Theory]
    [InlineData(EffectAction.Redo, 0)]
    [InlineData(EffectAction.Compensate, 1)]
    public async Task What_one_reset_chose_to_reuse_the_next_may_redo_or_compensate(EffectAction action, int undone)
    {
        var run = await Done();
        await Reset(run, BehindSignal, (2, EffectAction.Reuse), (3, EffectAction.Reuse));
        await Until(run, row => row.Waits.Any(w => w.Kind == "signal"));
        var begun = (await History(run)).FindIndex(e => e is BranchBegun) + 1;
        await Reset(run, begun, (2, action), (3, EffectAction.Redo));
        await Until(run, row => Outside.Names.Count(n => n == "b-left") == 2 && row.Waits.Any(w => w.Kind == "signal"));
        await KillAndRestart();
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("a-left b-left end");
        Outside.Calls.Where(c => c.Name == "a-left").Select(c => c.Key).Should().OnlyHaveUniqueItems().And.HaveCount(2);
        Outside.Names.Count(n => n == "undo a-left").Should().Be(undone);
        await Check(run);
    }

    [Fact]
    public async Task A_cut_among_what_an_earlier_reset_undid_is_refused_for_it_would_be_undone_twice()
    {
        var run = await Done();
        var reset = await Reset(run, BehindLook, (2, EffectAction.Compensate), (3, EffectAction.Redo));
        await Until(run, row => Outside.Names.Count(n => n == "b-left") == 2 && row.Waits.Any(w => w.Kind == "signal"));
        await Refused(() => Reset(run, reset), Refusal.Invalid, "*before the branch of an earlier reset or fork has begun*");
        await Refused(() => Reset(run, reset + 1), Refusal.Invalid, "*before the branch of an earlier reset or fork has begun*");
        var begun = (await History(run)).FindIndex(e => e is BranchBegun) + 1;
        await Reset(run, begun + 1, (2, EffectAction.Compensate), (3, EffectAction.Redo));
        await Until(run, row => Outside.Names.Count(n => n == "b-left") == 3 && row.Waits.Any(w => w.Kind == "signal"));
        Outside.Calls.Where(c => c.Name == "undo a-left").Select(c => c.Key).Should().OnlyHaveUniqueItems().And.HaveCount(2);
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("a-left b-left end");
        await Check(run);
    }

    [Workflow("teller")]
    private sealed class Teller : Workflow<int, int>
    {
        private static readonly Update<int, int> Add = new("add");
        private static readonly Update<int, int> Buy = new("buy");

        protected override async Task<int> RunAsync(int total)
        {
            Handles(Add, n => total += n);
            Handles(Buy, async n => total -= await Call(Tools.Pure, "slow") == "slow" ? n : 0);
            await Receive(Go);
            return total;
        }
    }

    [Fact]
    public async Task What_a_dead_branch_answered_stays_answered_and_what_it_did_not_is_told_so()
    {
        var hang = new TaskCompletionSource<string>();
        Outside.Answer = (name, _) => name == "slow" ? hang.Task : Task.FromResult(name);
        var run = await Start("teller", 1);
        await UntilWaits(run, "signal");
        (await Host.UpdateAsync(run, "add", JsonText.From(5), "paula", "k1", default)).Answer!.Value.To<int>().Should().Be(6);
        using var hurry = new CancellationTokenSource();
        await hurry.CancelAsync();
        (await Host.UpdateAsync(run, "buy", JsonText.From(2), "paula", "k2", hurry.Token)).IsOver.Should().BeFalse();
        await Reset(run, 1);
        (await Host.UpdateAsync(run, "add", JsonText.From(5), "paula", "k1", default)).Answer!.Value.To<int>().Should().Be(6, "receipts of the dead branch still answer");
        await Refused(() => Host.UpdateAsync(run, "buy", JsonText.From(2), "paula", "k2", default), Refusal.Conflict, "*was reset before it answered the update 'buy'*new key*");
        (await Host.UpdateAsync(run, "add", JsonText.From(7), "paula", "k3", default)).Answer!.Value.To<int>().Should().Be(8);
        hang.SetResult("slow");
        await Signal(run, "go", "end");
        (await Result<int>(run)).Should().Be(8);
        await Check(run);
    }

    [Fact]
    public async Task A_run_that_is_over_opens_again()
    {
        var run = await Done();
        await Signal(run, "go", "bad end");
        (await Result<string>(run)).Should().Be("a-left b-left bad end");
        await Host.ResetAsync(new ResetRun(run, 8, "the wrong end", DropSignals: true), "olga");
        var row = await UntilWaits(run, "signal");
        (row.Status, row.ClosedAt).Should().Be((RunStatus.Running, null));
        await Signal(run, "go", "good end");
        (await Result<string>(run)).Should().Be("a-left b-left good end");
        Outside.Names.Should().Equal("look", "a-left", "b-left");
        await Refused(() => Reset(run, (History(run).Result).Count), Refusal.Invalid, "*over*");
        await Check(run);
    }

    [Fact]
    public async Task Signals_of_the_dead_branch_are_shown_again_unless_they_are_dropped()
    {
        var run = await Start("branchy", "x");
        await UntilWaits(run, "signal");
        await Signal(run, "go", "left", "k1");
        await Until(run, row => Outside.Names.Contains("b-left") && row.Waits.Any(w => w.Kind == "signal"));
        await Signal(run, "go", "end", "k2");
        await End(run);
        await Reset(run, BehindLook, (2, EffectAction.Reuse), (3, EffectAction.Reuse));
        (await Result<string>(run)).Should().Be("a-left b-left end");
        var version = await Signal(run, "go", "left", "k1");
        version.Should().Be(4, "receipts of the dead branch still answer");
        await Refused(() => Signal(run, "go", "other", "k1"), Refusal.Conflict);
        await Check(run);
    }

    [Fact]
    public async Task A_cut_in_the_middle_of_a_turn_is_refused_and_the_nearest_good_ones_are_named()
    {
        var run = await Done();
        await Refused(() => Reset(run, 4), Refusal.Invalid, "*Event 4*middle of a turn*3 (step-completed) and 5 (step-scheduled)*");
        await Refused(() => Reset(run, 400), Refusal.Invalid, "*there is no event 400*");
        await Reset(run, BehindLook, (2, EffectAction.Reuse), (3, EffectAction.Reuse));
        await Refused(() => Reset(run, BehindSignal), Refusal.Invalid, "*Event 5 is of a branch that an earlier reset left*");
    }

    [Fact]
    public async Task A_run_whose_code_no_longer_follows_its_history_goes_on_from_before_the_difference()
    {
        var run = await Done();
        await KillAndRestart(CodeOf(typeof(Changed)));
        await Signal(run, "go", "end");
        await UntilParked(run);
        await Refused(() => Reset(run, BehindA, (3, EffectAction.Redo)), Refusal.Conflict, "*does not run on this build*test.once*");
        await Host.ResetAsync(new ResetRun(run, BehindLook, "new code", new Dictionary<int, EffectAction> { [2] = EffectAction.Redo, [3] = EffectAction.Redo }), "olga");
        (await Result<string>(run)).Should().Be("changed-left");
        await Check(run);
    }

    [Fact]
    public async Task Reset_to_zero_starts_over_with_the_same_input()
    {
        var run = await Done();
        await Host.ResetAsync(new ResetRun(run, 0, "all anew", new Dictionary<int, EffectAction> { [2] = EffectAction.Redo, [3] = EffectAction.Reuse }), "olga");
        await Until(run, row => Outside.Names.Count(n => n == "a-left") == 2 && row.Waits.Any(w => w.Kind == "signal"));
        await KillAndRestart();
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("a-left b-left end");
        Outside.Calls.Where(c => c.Name == "look").Select(c => c.Key).Should().OnlyHaveUniqueItems().And.HaveCount(2);
        await Check(run);
    }

    [Fact]
    public async Task An_attempt_that_may_run_at_most_once_is_neither_redone_nor_reused_while_its_outcome_is_open()
    {
        var hang = new TaskCompletionSource<string>();
        Outside.Answer = (name, _) => name.StartsWith("b-") ? hang.Task : Task.FromResult(name);
        var run = await Start("branchy", "x");
        await UntilWaits(run, "signal");
        await Signal(run, "go", "left");
        await Eventually(() => Task.FromResult(Outside.Names.Contains("b-left")), () => "b was not called");
        await Refused(() => Reset(run, BehindLook, (2, EffectAction.Redo), (3, EffectAction.Redo)), Refusal.Conflict, "*step 3 (test.once)*wait for its outcome*");
        hang.SetException(new IOException("lost"));
        await UntilWaits(run, "outcome-unknown");
        await Refused(() => Reset(run, BehindLook, (2, EffectAction.Redo), (3, EffectAction.Redo)), Refusal.Conflict, "*step 3 (test.once)*aios resolve*");
        await Host.ResolveAsync(run, 3, true, JsonText.From("paid"), "the bank says so", "olga");
        await Until(run, row => row.Waits.Any(w => w.Kind == "signal"));
        await Reset(run, BehindLook, (2, EffectAction.Reuse), (3, EffectAction.Reuse));
        await Until(run, row => row.Waits.Any(w => w.Kind == "signal"));
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("a-left paid end");
        Outside.Names.Count(n => n == "b-left").Should().Be(1);
        await Check(run);
    }

    [Fact]
    public async Task A_late_answer_of_the_dead_branch_is_no_answer_to_the_new_one()
    {
        var first = new TaskCompletionSource<string>();
        var calls = 0;
        Outside.Answer = (name, _) => name.StartsWith("a-") && ++calls == 1 ? first.Task : Task.FromResult(name.StartsWith("a-") ? "second" : name);
        var run = await Start("branchy", "x");
        await UntilWaits(run, "signal");
        await Signal(run, "go", "left");
        await Eventually(() => Task.FromResult(Outside.Names.Contains("a-left")), () => "a was not called");
        await Reset(run, BehindSignal, (2, EffectAction.Redo));
        await Until(run, row => Outside.Names.Contains("b-left") && row.Waits.Any(w => w.Kind == "signal"));
        first.SetResult("first");
        await Signal(run, "go", "end");
        (await Result<string>(run)).Should().Be("second b-left end");
        (await Events<StepCompleted>(run)).Where(e => e.Step == 2).Should().HaveCount(1);
        await Check(run);
    }

    [Fact]
    public async Task The_same_reset_with_the_same_key_is_done_once()
    {
        var run = await Done();
        var reset = new ResetRun(run, BehindLook, "why", new Dictionary<int, EffectAction> { [2] = EffectAction.Reuse, [3] = EffectAction.Reuse });
        var first = await Host.ResetAsync(reset, "olga", "k");
        (await Host.ResetAsync(reset, "olga", "k")).Should().Be(first);
        await Refused(() => Host.ResetAsync(reset with { To = BehindSignal }, "olga", "k"), Refusal.Conflict, "*key*");
        (await Events<RunReset>(run)).Should().ContainSingle();
    }
}

public sealed class ResetsInMemory(InMemory store) : ResetConformance(store), IClassFixture<InMemory>;

public sealed class ResetsOnPostgres(OnPostgres store) : ResetConformance(store), IClassFixture<OnPostgres>;
