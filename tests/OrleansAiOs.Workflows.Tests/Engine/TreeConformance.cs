using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>A tree of parent and children is cut: no parent waits for a child that will not come, and no child goes on for nobody.</summary>
public abstract class TreeConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");

    [Workflow("tree-parent")]
    private sealed class Parent : Workflow<string, string>
    {
        private static readonly Child<string, string> Kid = Child<string, string>.Of<KidOfParent>();

        protected override async Task<string> RunAsync(string input)
        {
            await Call(Tools.Pure, "look");                                                     // step 1
            var way = await Receive(Go);
            string kid;
            try
            {
                kid = await Call(Kid, $"kid-{way}", input.StartsWith("named:") ? new ChildOptions { Id = input[6..] } : input == "abandons" ? new ChildOptions { OnParentClose = ParentClose.Abandon } : null); // step 2
            }
            catch (ChildFailedException e)
            {
                kid = $"[{e.Run}: {e.Failure.Message}]";
            }
            return $"{kid} {await Receive(Go)}";
        }
    }

    [Workflow("tree-kid")]
    private sealed class KidOfParent : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string input)
        {
            await using var saga = Saga();
            await saga.Call(Tools.Keyed, input, undo: Tools.Undo);
            var word = await Receive(Go);
            return word == "fail" ? throw new WorkflowFailedException("no luck") : saga.Complete($"{input}={word}");
        }
    }

    // run-started, step-scheduled 1 | step-completed 1 | signal-received, child-scheduled 2 | child-reached 2 | child-completed 2 | …
    private const long BehindLook = 3;
    private const long BehindStart = 5;
    private const long BehindReached = 6;

    private RunKey Kid(RunKey parent, string more = "") => parent with { Id = $"{parent.Id}.2{more}" };

    private async Task<RunKey> ParentOfAWaitingKid(string input = "x", string id = "p")
    {
        var parent = await Start("tree-parent", input, id);
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "left");
        await Until(parent, row => !row.Busy && row.Waits.Any(w => w.Kind == "child"));
        if (!input.StartsWith("named:")) await UntilWaits(Kid(parent), "signal");
        return parent;
    }

    private async Task<RunKey> ParentOfAKidThatSaid(string word)
    {
        var parent = await ParentOfAWaitingKid();
        await Signal(Kid(parent), "go", word);
        await UntilWaits(parent, "signal");
        await UntilSettled(Kid(parent));
        return parent;
    }

    private Task<RunRow> UntilSettled(RunKey run) => Until(run, row => row is { ClosedAt: not null, Busy: false });

    private Task<long> Reset(RunKey run, long to, params (int Step, EffectAction Action)[] effects) =>
        Host.ResetAsync(new ResetRun(run, to, "a test", effects.ToDictionary(e => e.Step, e => e.Action)), "olga");

    private async Task<RunKey> Fork(RunKey run, long at, string id, params (int Step, EffectAction Action)[] effects) =>
        (await Host.ForkAsync(new ForkRun(run, at, Key(id).Id, Effects: effects.ToDictionary(e => e.Step, e => e.Action)), "olga")).Run;

    /// <summary>Everything that is stored agrees, parents with children too; and what is open waits for what can come.</summary>
    private async Task AllIsWell(bool allHaveEnded = true)
    {
        IReadOnlyList<RunRow> rows = [];
        await Eventually(async () => (rows = await Store.ListAsync(new RunQuery(RunKey.DefaultTenant, Limit: 500), default)).All(row => !row.Busy && (!allHaveEnded || row.ClosedAt is not null)), () => string.Join("\n", rows));
        var ledger = new ReceiverLedger(Outside.Calls.Where(call => call.Name != "look").GroupBy(call => call.Key).ToDictionary(group => group.Key, _ => 1));
        var checker = new HistoryChecker(new CheckerOptions { Registry = Code, AllHaveEnded = allHaveEnded, Ledgers = [ledger] });
        var found = new List<Violation>();
        foreach (var row in rows) found.AddRange(checker.Check(await FactsAsync(row.Run)));
        found.AddRange(checker.CheckRest());
        found.Should().BeEmpty();
    }

    // ---- reset ----

    [Theory]
    [InlineData(BehindStart)]
    [InlineData(BehindReached)]
    public async Task A_child_that_has_not_ended_stays_the_child_and_its_end_is_heard(long cut)
    {
        var parent = await ParentOfAWaitingKid();
        await Reset(parent, cut);
        await Until(parent, row => !row.Busy && row.Waits.Any(w => w.Kind == "child"));
        await KillAndRestart();
        await Signal(Kid(parent), "go", "home");
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=home end");
        Outside.Names.Should().Equal("look", "kid-left");
        await AllIsWell();
    }

    [Theory]
    [InlineData(BehindStart)]
    [InlineData(BehindReached)]
    public async Task A_child_that_ended_beyond_the_cut_gives_its_recorded_outcome_again(long cut)
    {
        var parent = await ParentOfAKidThatSaid("home");
        var kid = await History(Kid(parent));
        await Reset(parent, cut);
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=home end");
        (await Events<OutcomeReused>(parent)).Single().Key.Should().Be(Kid(parent).Id);
        (await History(Kid(parent))).Should().HaveCount(kid.Count);
        Outside.Names.Should().Equal("look", "kid-left");
        await AllIsWell();
    }

    [Fact]
    public async Task A_child_that_told_its_end_to_a_parent_that_was_over_is_heard_when_that_opens_again()
    {
        var parent = await ParentOfAWaitingKid("abandons");
        await Host.TerminateAsync(parent, "too early", "olga");
        await UntilSettled(parent);
        await Signal(Kid(parent), "go", "alone");
        await UntilSettled(Kid(parent));
        await Reset(parent, BehindReached);
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=alone end");
        await AllIsWell();
    }

    [Fact]
    public async Task A_child_that_ends_between_the_plan_and_the_append_is_asked_for_its_end()
    {
        var parent = await ParentOfAWaitingKid("abandons");
        await Host.TerminateAsync(parent, "too early", "olga");
        await UntilSettled(parent);
        // Before the append, not while it is under way: then the parent's mailbox would be taken.
        front.Next = (Kid(parent), async () =>
        {
            await Signal(Kid(parent), "go", "alone");
            await UntilSettled(Kid(parent));
        });
        await Reset(parent, BehindReached);
        await UntilWaits(parent, "signal");
        (await Events<RunReset>(parent)).Single().Effects.Single().Child.Should().Be(new ChildChoice(Kid(parent).Id, ParentClose.Abandon, Stays: true), "it had not ended when it was planned");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=alone end");
        await AllIsWell();
    }

    [Fact]
    public async Task A_child_that_was_reset_since_is_what_it_is_now()
    {
        var parent = await ParentOfAKidThatSaid("fail");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be($"[{Kid(parent).Id}: no luck] end");
        var waiting = (await History(Kid(parent))).FindIndex(e => e is StepCompleted) + 1;
        await Host.ResetAsync(new ResetRun(Kid(parent), waiting, "once more", new Dictionary<int, EffectAction> { [2] = EffectAction.Redo }, DropSignals: true), "olga");
        await UntilWaits(Kid(parent), "signal");
        await Host.ResetAsync(new ResetRun(parent, BehindReached, "with it", DropSignals: true), "olga");
        await Until(parent, row => !row.Busy && row.Waits.Any(w => w.Kind == "child"));
        await Signal(Kid(parent), "go", "mended");
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=mended end");
        await AllIsWell();
    }

    [Fact]
    public async Task A_child_beyond_the_cut_has_to_be_chosen_and_the_refusal_says_what_each_choice_means()
    {
        var parent = await ParentOfAWaitingKid();
        var refused = (await ((Func<Task>)(() => Reset(parent, BehindLook))).Should().ThrowAsync<EffectsToChooseException>()).Which;
        refused.Message.Should().Contain($"step 2 (child run {Kid(parent).Id} of 'tree-kid')")
            .And.Contain($"step 2 child run {Kid(parent).Id} of 'tree-kid' (under way): reuse (it stays the child) or redo (it is terminated, and another run started) or compensate (it is cancelled and undoes what it did, and another run is started)");
        refused.Effects.Single().Should().Match<EffectBeyond>(e => e.Child == Kid(parent).Id && e.Activity == "tree-kid" && e.Outcome == "under way" && !e.OpenAtCut && e.Default == null);
        await Signal(Kid(parent), "go", "home");
        await UntilWaits(parent, "signal");
        await UntilSettled(Kid(parent));
        await Refused(() => Reset(parent, BehindLook, (2, EffectAction.Compensate)), Refusal.Conflict, "*cannot be chosen as 'compensate'*it has ended*reset that run*(completed): reuse (its outcome is taken) or redo (another run is started)*");
        (await Events<RunReset>(parent)).Should().BeEmpty();
    }

    [Theory]
    [InlineData(BehindLook)]
    [InlineData(BehindReached)]
    public async Task A_child_that_is_redone_is_terminated_first_and_another_run_takes_its_place(long cut)
    {
        var parent = await ParentOfAWaitingKid();
        await Reset(parent, cut, (2, EffectAction.Redo));
        var next = Kid(parent, ":1");
        await UntilWaits(next, "signal");
        (await UntilSettled(Kid(parent))).Status.Should().Be(RunStatus.Terminated);
        var began = (await Store.ReadAsync(parent, 1, default)).Single(e => e.Type == "branch-begun").At;
        (await Store.ReadAsync(Kid(parent), 1, default)).Single(e => e.Type == "run-terminated").At.Should().BeOnOrBefore(began);
        Outside.Calls.Where(c => c.Name == "kid-left").Select(c => c.Key).Should().OnlyHaveUniqueItems().And.HaveCount(2);
        await KillAndRestart();
        await Signal(next, "go", "again");
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=again end");
        await AllIsWell();
    }

    [Theory]
    [InlineData(BehindLook)]
    [InlineData(BehindReached)]
    public async Task A_child_that_ended_is_redone_by_another_run_and_itself_left_alone(long cut)
    {
        var parent = await ParentOfAKidThatSaid("fail");
        var kid = await History(Kid(parent));
        await Reset(parent, cut, (2, EffectAction.Redo));
        await UntilWaits(Kid(parent, ":1"), "signal");
        await Signal(Kid(parent, ":1"), "go", "better");
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=better end");
        (await History(Kid(parent))).Should().HaveCount(kid.Count);
        await AllIsWell();
    }

    [Fact]
    public async Task A_child_that_is_compensated_is_cancelled_and_has_undone_before_the_branch_begins()
    {
        var parent = await ParentOfAWaitingKid();
        var hang = new TaskCompletionSource<string>();
        Outside.Answer = (name, _) => name.StartsWith("undo") ? hang.Task : Task.FromResult(name);
        await Reset(parent, BehindLook, (2, EffectAction.Compensate));
        await Eventually(() => Task.FromResult(Outside.Names.Contains("undo kid-left")), () => "nothing was undone");
        (await Host.ExplainAsync(parent)).Causes.Should().Contain(cause => cause.Says.Contains(Kid(parent).Id) && cause.Says.Contains("has to end before this one begins"));
        await Refused(() => Reset(parent, BehindLook), Refusal.Conflict, "*undoes*");
        await KillAndRestart();
        (await Events<BranchBegun>(parent)).Should().BeEmpty();
        hang.SetResult("undone");
        await UntilWaits(Kid(parent, ":1"), "signal");
        (await UntilSettled(Kid(parent))).Status.Should().Be(RunStatus.Cancelled);
        await Signal(Kid(parent, ":1"), "go", "again");
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=again end");
        await AllIsWell();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_child_beyond_the_cut_that_stays_is_the_child_again_when_the_code_asks_for_it(bool endsBefore)
    {
        var parent = await ParentOfAWaitingKid();
        await Host.ResetAsync(new ResetRun(parent, BehindLook, "later", new Dictionary<int, EffectAction> { [2] = EffectAction.Reuse }, DropSignals: true), "olga");
        await UntilWaits(parent, "signal");
        if (endsBefore)
        {
            await Signal(Kid(parent), "go", "home");
            await UntilSettled(Kid(parent));
        }
        await KillAndRestart();
        await Signal(parent, "go", "left");
        if (!endsBefore)
        {
            await Until(parent, row => !row.Busy && row.Waits.Any(w => w.Kind == "child"));
            await Signal(Kid(parent), "go", "home");
        }
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=home end");
        Outside.Names.Should().Equal("look", "kid-left");
        await AllIsWell();
    }

    [Fact]
    public async Task Code_that_asks_for_another_child_than_the_one_that_stays_is_parked_and_a_further_reset_ends_it()
    {
        var parent = await ParentOfAWaitingKid();
        await Host.ResetAsync(new ResetRun(parent, BehindLook, "later", new Dictionary<int, EffectAction> { [2] = EffectAction.Reuse }, DropSignals: true), "olga");
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "right");
        var wait = (await UntilParked(parent)).Waits.Single(w => w.Kind == "unpark");
        wait.Why.Should().Contain(Kid(parent).Id).And.Contain("kid-left").And.Contain("kid-right");
        await AllIsWell(allHaveEnded: false);
        await Reset(parent, BehindLook, (2, EffectAction.Redo));
        (await UntilSettled(Kid(parent))).Status.Should().Be(RunStatus.Terminated);
        await UntilWaits(Kid(parent, ":2"), "signal");
        await Signal(Kid(parent, ":2"), "go", "home");
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-right=home end");
        await AllIsWell();
    }

    [Fact]
    public async Task An_outcome_that_is_reused_beyond_the_cut_is_taken_when_the_code_asks_for_the_same_child()
    {
        var parent = await ParentOfAKidThatSaid("home");
        await Reset(parent, BehindLook, (2, EffectAction.Reuse));
        await UntilWaits(parent, "signal");
        await KillAndRestart();
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=home end");
        (await Store.ListAsync(new RunQuery(RunKey.DefaultTenant, Limit: 500), default)).Should().HaveCount(2);
        await AllIsWell();
    }

    [Fact]
    public async Task A_tree_can_be_reset_again_and_the_child_of_the_last_branch_is_the_one_that_counts()
    {
        var parent = await ParentOfAWaitingKid();
        await Reset(parent, BehindReached, (2, EffectAction.Redo));
        await UntilWaits(Kid(parent, ":1"), "signal");
        await Until(parent, row => !row.Busy);
        await Reset(parent, BehindReached);
        await Until(parent, row => !row.Busy && row.Waits.Any(w => w.Kind == "child"));
        (await Events<RunReset>(parent))[1].Effects.Single().Should().Match<EffectChoice>(choice => choice.Child!.Run == Kid(parent, ":1").Id && choice.Child.Stays);
        await Reset(parent, BehindLook, (2, EffectAction.Redo));
        (await UntilSettled(Kid(parent, ":1"))).Status.Should().Be(RunStatus.Terminated);
        await UntilWaits(Kid(parent, ":3"), "signal");
        await Signal(Kid(parent, ":3"), "go", "third");
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=third end");
        await AllIsWell();
    }

    [Fact]
    public async Task A_child_with_an_id_of_its_own_gets_another_when_it_is_redone()
    {
        var name = Key("mine").Id;
        var parent = await ParentOfAWaitingKid($"named:{name}");
        await UntilWaits(new RunKey(parent.Tenant, name), "signal");
        await Reset(parent, BehindLook, (2, EffectAction.Redo));
        var next = "";
        await Eventually(async () => (next = (await Events<ChildScheduled>(parent)).Last().Run) != name, () => "it was not redone");
        next.Should().StartWith($"{name}:");
        await UntilWaits(new RunKey(parent.Tenant, next), "signal");
        await Signal(new RunKey(parent.Tenant, next), "go", "home");
        await UntilWaits(parent, "signal");
        await Signal(parent, "go", "end");
        (await Result<string>(parent)).Should().Be("kid-left=home end");
        await AllIsWell();
    }

    [Fact]
    public async Task A_parent_that_is_terminated_leaves_neither_the_child_it_left_nor_the_one_it_kept()
    {
        var parent = await ParentOfAWaitingKid();
        await Host.ResetAsync(new ResetRun(parent, BehindLook, "later", new Dictionary<int, EffectAction> { [2] = EffectAction.Reuse }, DropSignals: true), "olga");
        await UntilWaits(parent, "signal");
        await Host.TerminateAsync(parent, "enough", "olga");
        (await UntilSettled(Kid(parent))).Status.Should().Be(RunStatus.Cancelled);

        var other = await ParentOfAWaitingKid(id: "q");
        await Host.PauseAsync(other, "first", "olga");
        await Reset(other, BehindReached, (2, EffectAction.Redo));
        await Host.TerminateAsync(other, "enough", "olga");
        (await UntilSettled(Kid(other))).Status.Should().Be(RunStatus.Terminated);
        await AllIsWell();
    }

    [Fact]
    public async Task A_child_that_is_left_before_it_was_started_is_over_before_its_start_comes()
    {
        var (kid, parent) = (Key("late"), new ParentRun(Key("gone").Id, 2));
        var scheduled = new ChildScheduled(-2, "tree-kid", kid.Id, JsonText.From("never"), ParentClose.RequestCancel);
        for (var time = 1; time <= 2; time++) (await Host.SendAsync(kid, new ChildLeftInput(scheduled, parent, "paula", null))).Should().BeOfType<ChildFailed>();
        var late = new StartInput(new StartRun("tree-kid", JsonText.From("never"), kid.Id), "paula", Code.Find("tree-kid")!, parent);
        (await Host.SendAsync(kid, late)).IsNew.Should().BeFalse();
        (await UntilSettled(kid)).Status.Should().Be(RunStatus.Terminated);
        Outside.Calls.Should().BeEmpty();
        var stranger = await Start("tree-kid", "alone", "stranger");
        await UntilWaits(stranger, "signal");
        (await Host.SendAsync(stranger, new ChildLeftInput(scheduled with { Run = stranger.Id }, parent, "paula", null))).Should().BeOfType<ChildFailed>().Which.Failure.Type.Should().Be("NotTheChild");
        (await Store.FindAsync(stranger, default))!.Status.Should().Be(RunStatus.Running);
        await AllIsWell(allHaveEnded: false);
    }

    [Fact]
    public async Task An_end_that_is_told_late_says_nothing_of_the_end_of_another_branch()
    {
        var parent = await ParentOfAKidThatSaid("home");
        await Signal(parent, "go", "end");
        await End(parent);
        var version = (await History(Kid(parent))).FindIndex(e => e is RunClosed) + 1;
        await Host.ResetAsync(new ResetRun(Kid(parent), version - 2, "once more", DropSignals: true), "olga");
        await UntilWaits(Kid(parent), "signal");
        await Signal(Kid(parent), "go", "second");
        await UntilSettled(Kid(parent));
        (await Events<RunSettled>(Kid(parent))).Should().HaveCount(2);
        (await Result<string>(parent)).Should().Be("kid-left=home end");
        await AllIsWell();
    }

    // ---- fork ----

    [Fact]
    public async Task A_fork_takes_over_the_outcomes_of_children_that_ended_before_the_cut()
    {
        var parent = await ParentOfAKidThatSaid("home");
        var end = (await History(parent)).FindIndex(e => e is ChildCompleted) + 1;
        var fork = await Fork(parent, end, "f");
        await Eventually(async () => (await Events<BranchBegun>(fork)).Count == 1, () => "it has not begun");
        var other = (await Host.ForkAsync(new ForkRun(parent, end, Key("g").Id, Outcomes: new Dictionary<int, JsonText> { [2] = JsonText.From("elsewhere") }), "olga")).Run;
        await Eventually(async () => (await Events<BranchBegun>(other)).Count == 1, () => "it has not begun");
        foreach (var (run, said) in new[] { (parent, "kid-left=home"), (fork, "kid-left=home"), (other, "elsewhere") })
        {
            await Signal(run, "go", "end");
            (await Result<string>(run)).Should().Be($"{said} end");
        }
        await AllIsWell();
    }

    [Theory]
    [InlineData(BehindLook)]
    [InlineData(BehindStart)]
    [InlineData(BehindReached)]
    public async Task A_fork_starts_children_of_its_own_and_leaves_the_old_tree_alone(long cut)
    {
        var parent = await ParentOfAWaitingKid();
        var refused = (await ((Func<Task>)(() => Fork(parent, cut, "f"))).Should().ThrowAsync<EffectsToChooseException>()).Which;
        refused.Effects.Single().CanBe.Should().Equal(EffectAction.Redo);
        await Refused(() => Fork(parent, cut, "f", (2, EffectAction.Reuse)), Refusal.Conflict, "*it has not ended, and a fork leaves the other tree alone*");
        var before = (await History(parent), await History(Kid(parent)));
        var fork = await Fork(parent, cut, "f", (2, EffectAction.Redo));
        if (cut == BehindLook)
        {
            await UntilWaits(fork, "signal");
            await Signal(fork, "go", "right");
        }
        await UntilWaits(Kid(fork, ":1"), "signal");
        (await History(parent)).Should().HaveCount(before.Item1.Count);
        (await History(Kid(parent))).Should().HaveCount(before.Item2.Count);
        await KillAndRestart();
        await Signal(Kid(fork, ":1"), "go", "mine");
        await Signal(Kid(parent), "go", "home");
        foreach (var run in new[] { parent, fork })
        {
            await UntilWaits(run, "signal");
            await Signal(run, "go", "end");
        }
        (await Result<string>(fork)).Should().Be($"kid-{(cut == BehindLook ? "right" : "left")}=mine end");
        (await Result<string>(parent)).Should().Be("kid-left=home end");
        await AllIsWell();
    }

    [Fact]
    public async Task A_fork_reuses_the_outcome_of_a_child_that_ended_beyond_the_cut_or_takes_the_one_it_is_given()
    {
        var parent = await ParentOfAKidThatSaid("home");
        var open = await Fork(parent, BehindReached, "open", (2, EffectAction.Reuse));
        var later = await Fork(parent, BehindLook, "later", (2, EffectAction.Reuse));
        var given = (await Host.ForkAsync(new ForkRun(parent, BehindReached, Key("given").Id, Outcomes: new Dictionary<int, JsonText> { [2] = JsonText.From("elsewhere") }), "olga")).Run;
        await UntilWaits(later, "signal");
        await Signal(later, "go", "left");
        foreach (var (run, said) in new[] { (open, "kid-left=home"), (later, "kid-left=home"), (given, "elsewhere") })
        {
            await Until(run, row => row.Waits.Any(w => w.Kind == "signal"));
            await Eventually(async () => (await Events<OutcomeReused>(run)).Count == 1, () => "no outcome was reused");
            await Signal(run, "go", "end");
            (await Result<string>(run)).Should().Be($"{said} end");
        }
        Outside.Names.Should().Equal("look", "kid-left");
        await Signal(parent, "go", "end");
        await End(parent);
        await AllIsWell();
    }

    [Fact]
    public async Task A_forked_child_has_no_parent()
    {
        var parent = await ParentOfAWaitingKid();
        var orphan = await Fork(Kid(parent), 3, "o");
        ((RunStarted)(await History(orphan))[0]).Parent.Should().BeNull();
        await UntilWaits(orphan, "signal");
        await Signal(orphan, "go", "alone");
        (await Result<string>(orphan)).Should().Be("kid-left=alone");
        (await Store.FindAsync(parent, default))!.Waits.Should().ContainSingle(w => w.Kind == "child");
        await AllIsWell(allHaveEnded: false);
    }

    [Fact]
    public async Task Nothing_is_cut_between_a_reset_and_the_beginning_of_its_branch()
    {
        var parent = await ParentOfAWaitingKid();
        await Reset(parent, BehindReached, (2, EffectAction.Redo));
        await UntilWaits(Kid(parent, ":1"), "signal");
        await Until(parent, row => !row.Busy);
        var history = await History(parent);
        var asked = history.FindIndex(e => e is ChildEndAsked) + 1;
        await Refused(() => Reset(parent, asked, (2, EffectAction.Redo)), Refusal.Invalid, $"*Event {asked} stands before the branch of an earlier reset or fork has begun*{BehindReached} (child-reached)*branch-begun*");
    }

    // ---- what happens just before an append ----

    private StoreThatWaits front = null!;

    protected override IRunStore Front(IRunStore store)
    {
        var proxy = StoreThatWaits.Over(store);
        front = (StoreThatWaits)(object)proxy;
        return proxy;
    }
}

/// <summary>Has something happen between the reading of a run and what its reader does with it.</summary>
internal class StoreThatWaits : System.Reflection.DispatchProxy
{
    private IRunStore inner = null!;

    public (RunKey Run, Func<Task> Once)? Next { get; set; }

    public static IRunStore Over(IRunStore inner)
    {
        var proxy = Create<IRunStore, StoreThatWaits>();
        ((StoreThatWaits)(object)proxy).inner = inner;
        return proxy;
    }

    protected override object? Invoke(System.Reflection.MethodInfo? method, object?[]? arguments) =>
        method!.Name == nameof(IRunStore.LoadAsync) && Next is { } next && (RunKey)arguments![0]! == next.Run ? WaitAsync(next.Run, next.Once) : method.Invoke(inner, arguments);

    private async ValueTask<IReadOnlyList<StoredEvent>> WaitAsync(RunKey run, Func<Task> once)
    {
        Next = null;
        var read = await inner.LoadAsync(run, CancellationToken.None);
        await once();
        return read;
    }
}

public sealed class TreesInMemory(InMemory store) : TreeConformance(store), IClassFixture<InMemory>;

public sealed class TreesOnPostgres(OnPostgres store) : TreeConformance(store), IClassFixture<OnPostgres>;
