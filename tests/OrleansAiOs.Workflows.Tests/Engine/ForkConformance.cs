using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>A new run from a point in an old one.</summary>
public abstract class ForkConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");

    [Workflow("forky")]
    private sealed class Forky : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string input)
        {
            await using var saga = Saga();
            var pure = await Call(Tools.Pure, "look");                                      // step 1
            if (pure == "nothing") return "found nothing";
            var way = await Receive(Go);
            var a = await saga.Call(Tools.Keyed, $"a-{way}", undo: Tools.Undo);             // step 2
            await Sleep(TimeSpan.FromHours(1));                                             // step 3
            return saga.Complete($"{input} {pure} {a}");
        }
    }

    [Workflow("forky", Version = "2")]
    private sealed class Forky2 : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string input)
        {
            var pure = await Call(Tools.Pure, "look");
            var way = await Receive(Go);
            return $"two {pure} {way}";
        }
    }

    [Workflow("adds-up")]
    private sealed class AddsUp : Workflow<int, int>
    {
        public static readonly Signal<int> Number = new("number");

        protected override Task<int> RunAsync(int start) => Loop(start, async sum => await Receive(Number) is var number and not 0 ? Iteration.Next(sum + number) : Iteration.Done(sum), checkpointAfter: 1);
    }

    // run-started, step-scheduled 1 | step-completed 1 | signal, step-scheduled 2 | step-completed 2, timer-set 3
    private const long BehindLook = 3;
    private const long BehindSignal = 5;
    private const long BehindA = 7;

    private async Task<RunKey> Done()
    {
        var unversioned = (await Host.StartRunAsync(new StartRun("forky", JsonText.From("x"), Key("r").Id), "paula")).Run;
        await UntilWaits(unversioned, "signal");
        await Signal(unversioned, "go", "left");
        await Until(unversioned, row => row.Waits.Any(w => w.Kind == "timer"));
        return unversioned;
    }

    protected override WorkflowRegistry Code => OnlyUnversioned;

    private static WorkflowRegistry OnlyUnversioned => new WorkflowRegistry().Add<Forky>().Add<AddsUp>();

    private Task<Started> Fork(RunKey run, long at, string id, ForkRun? more = null, params (int Step, EffectAction Action)[] effects) =>
        Host.ForkAsync((more ?? new ForkRun(run, at)) with { Run = run, At = at, Id = Key(id).Id, Effects = effects.ToDictionary(e => e.Step, e => e.Action) }, "olga");

    [Fact]
    public async Task A_fork_is_known_again_when_it_has_gone_on_to_a_checkpoint()
    {
        var old = (await Host.StartRunAsync(new StartRun("adds-up", JsonText.From(1), Key("r").Id), "paula")).Run;
        await UntilWaits(old, "signal");
        var fork = await Fork(old, 1, "f");
        fork.IsNew.Should().BeTrue();
        await Signal(fork.Run, "number", 5);
        await Until(fork.Run, row => row.Checkpoint is not null);
        await KillAndRestart();
        (await Fork(old, 1, "f")).Should().Be(fork with { IsNew = false }, "whoever had no answer asks again");
        var other = () => Fork(old, 1, "f", new ForkRun(old, 1, Input: JsonText.From(2)));
        (await other.Should().ThrowAsync<CommandRefusedException>().WithMessage("*is not this fork of*")).Which.Refusal.Should().Be(Refusal.Conflict);
        await Signal(fork.Run, "number", 0);
        await Until(fork.Run, row => row.ClosedAt is not null);
        (await Result<int>(fork.Run)).Should().Be(6);
        await Check(old, fork.Run);
    }

    [Fact]
    public async Task A_fork_copies_the_past_goes_its_own_way_and_leaves_the_old_run_alone()
    {
        var old = await Done();
        var fork = (await Fork(old, BehindLook, "f", null, (2, EffectAction.Redo))).Run;
        await UntilWaits(fork, "signal");
        await Signal(fork, "go", "right");
        await Until(fork, row => row.Waits.Any(w => w.Kind == "timer"));
        Outside.Names.Should().Equal("look", "a-left", "a-right");
        Outside.Calls.Single(c => c.Name == "a-right").Key.Should().NotBe(Outside.Calls.Single(c => c.Name == "a-left").Key);
        var history = await Store.ReadAsync(fork, 1, default);
        var origin = await Store.ReadAsync(old, 1, default);
        history.Take(3).Select(e => (e.Type, e.At)).Should().Equal(origin.Take(3).Select(e => (e.Type, e.At)));
        history.Select(e => e.Id).Should().NotIntersectWith(origin.Select(e => e.Id));
        ((RunStarted)history[0].Read()).ForkedFrom.Should().Be(old.Id);
        history.Skip(3).Select(e => e.Read()).First(e => e is not HostChanged).Should().BeOfType<RunForked>().Which.Should().Match<RunForked>(f => f.From == old.Id && f.At == BehindLook && f.By == "olga");
        await KillAndRestart();
        await PassTimeUntilEnd(fork, 600);
        (await Result<string>(fork)).Should().Be("x look a-right");
        (await Result<string>(old)).Should().Be("x look a-left");
        await Check(old, fork);
    }

    [Fact]
    public async Task Input_and_recorded_outcomes_can_be_changed_where_the_code_still_asks_for_the_same()
    {
        var old = await Done();
        var changed = new ForkRun(old, 0, Input: JsonText.From("y"), Outcomes: new Dictionary<int, JsonText> { [1] = JsonText.From("saw") });
        var fork = (await Fork(old, BehindA, "f", changed)).Run;
        await PassTimeUntilEnd(fork, 600);
        (await Result<string>(fork)).Should().Be("y saw a-left");
        Outside.Names.Should().Equal(["look", "a-left"], "what lies before the cut is not done again");
        (await Fork(old, BehindA, "f", changed)).IsNew.Should().BeFalse();
        await Refused(() => Fork(old, BehindA, "f", changed with { Outcomes = new Dictionary<int, JsonText> { [1] = JsonText.From("seen") } }), Refusal.Conflict, "*other outcomes*");

        var other = changed with { Outcomes = new Dictionary<int, JsonText> { [1] = JsonText.From("nothing") } };
        await Refused(() => Fork(old, BehindA, "g", other), Refusal.Conflict, "*does not run on this build*run-completed*");
        await Refused(() => Fork(old, BehindA, "g", changed with { Outcomes = new Dictionary<int, JsonText> { [3] = JsonText.From("x") } }), Refusal.Invalid, "*Step 3 has no outcome*");
        await Refused(() => Fork(old, BehindA, "g", changed with { Input = JsonText.From(7) }), Refusal.Invalid, "*cannot be read*");
        (await Store.ReadAsync(Key("g"), 1, default)).Should().BeEmpty();
        var early = (await Fork(old, 2, "h", other, (2, EffectAction.Redo))).Run;
        (await Result<string>(early)).Should().Be("found nothing", "given to a step that is open at the cut, another outcome may lead another way");
        Outside.Names.Should().HaveCount(2);
        await Check(fork);
    }

    [Fact]
    public async Task Effects_beyond_the_cut_are_chosen_as_with_a_reset()
    {
        var old = await Done();
        var refused = (await ((Func<Task>)(() => Fork(old, BehindLook, "f"))).Should().ThrowAsync<EffectsToChooseException>()).Which;
        refused.Effects.Single().Should().Match<EffectBeyond>(e => e.Step == 2 && e.Undo == "test.undo" && e.CanBe.Count == 3);

        var reused = (await Fork(old, BehindSignal, "reused", null, (2, EffectAction.Reuse))).Run;
        await Until(reused, row => row.Waits.Any(w => w.Kind == "timer"));
        Outside.Names.Should().Equal("look", "a-left");
        (await Events<OutcomeReused>(reused)).Single().Key.Should().Be(IdempotencyKey.Of(old.Tenant, old.Id, 2, 0).Value);

        var later = (await Fork(old, BehindLook, "later", null, (2, EffectAction.Reuse))).Run;
        await UntilWaits(later, "signal");
        await Signal(later, "go", "elsewhere");
        (await UntilParked(later)).Waits[0].Name.Should().Contain("no use for the effect of step 2");

        var undone = (await Fork(old, BehindLook, "undone", null, (2, EffectAction.Compensate))).Run;
        await Eventually(async () => (await Events<BranchBegun>(undone)).Count > 0, () => "it was not undone");
        Outside.Names.Should().Equal("look", "a-left", "undo a-left");
        await Refused(() => Fork(old, BehindLook, "twice", null, (3, EffectAction.Compensate)), Refusal.Invalid, "*Step 3*");
        await Check(old, reused, later, undone);
    }

    [Fact]
    public async Task A_fork_may_run_on_another_version_of_the_code()
    {
        var old = await Done();
        await KillAndRestart(OnlyUnversioned.Add<Forky2>());
        var fork = (await Fork(old, BehindLook, "f", new ForkRun(old, 0, Version: "2"), (2, EffectAction.Redo))).Run;
        (await Store.FindAsync(fork, default))!.CodeVersion.Should().Be("2");
        await UntilWaits(fork, "signal");
        await Signal(fork, "go", "right");
        (await Result<string>(fork)).Should().Be("two look right");
        await Refused(() => Fork(old, BehindA, "g", new ForkRun(old, 0, Version: "2")), Refusal.Conflict, "*test.keyed*");
        await Refused(() => Fork(old, BehindA, "g", new ForkRun(old, 0, Version: "7")), Refusal.NotFound, "*'7'*");
    }

    [Fact]
    public async Task The_same_fork_again_is_the_same_run_and_another_under_its_id_is_a_conflict()
    {
        var old = await Done();
        (await Fork(old, BehindA, "f")).IsNew.Should().BeTrue();
        (await Fork(old, BehindA, "f")).IsNew.Should().BeFalse();
        await Refused(() => Fork(old, BehindLook, "f", null, (2, EffectAction.Redo)), Refusal.Conflict, "*another id*");
        await Refused(() => Fork(old, BehindA, "r"), Refusal.Conflict, "*another id*");
        await Refused(() => Fork(Key("nobody"), 3, "g"), Refusal.NotFound, "*nobody*");
        await Refused(() => Fork(old, 4, "g"), Refusal.Invalid, "*middle of a turn*3 (step-completed) and 5*");
    }

    [Fact]
    public async Task A_fork_can_be_forked_and_reset()
    {
        var old = await Done();
        var fork = (await Fork(old, BehindA, "f")).Run;
        await Eventually(async () => (await Events<BranchBegun>(fork)).Count > 0, () => "the fork has not begun");
        var count = (await History(fork)).Count;
        var second = (await Fork(fork, count, "s")).Run;
        await Eventually(async () => (await Events<BranchBegun>(second)).Count > 0, () => "the second has not begun");
        await Refused(() => Host.ResetAsync(new ResetRun(fork, BehindSignal, "before it was born"), "olga"), Refusal.Invalid, $"*copied from run {old.Id}*Fork run {old.Id}*");
        await Host.ResetAsync(new ResetRun(fork, count, "once more"), "olga");
        await Eventually(async () => (await Events<BranchBegun>(fork)).Count > 1, () => "the fork has not begun again");
        Outside.Calls.Where(c => c.Name == "a-left").Should().HaveCount(1);
        await KillAndRestart();
        foreach (var run in new[] { old, fork, second })
        {
            await PassTimeUntilEnd(run, 600);
            (await Result<string>(run)).Should().Be("x look a-left");
        }
        await Check(old, fork, second);
    }

    [Fact]
    public async Task An_end_in_a_dead_branch_that_is_copied_is_not_the_forks()
    {
        var old = await Done();
        await Host.CancelAsync(old, "no", "paula");
        await End(old);
        await Host.ResetAsync(new ResetRun(old, BehindLook, "yes", new Dictionary<int, EffectAction> { [2] = EffectAction.Redo, [4] = EffectAction.Redo }), "olga");
        await Until(old, row => row.Waits.Any(w => w.Kind == "timer"));
        var cut = (await Store.ReadAsync(old, 1, default)).Count;
        var fork = (await Fork(old, cut, "f")).Run;
        await UntilWaits(fork, "timer");
        Logged.Should().NotContain("broke");
        await PassTimeUntilEnd(fork, 600);
        (await Result<string>(fork)).Should().Be("x look a-left");
        await Check(old, fork);
    }
}

public sealed class ForksInMemory(InMemory store) : ForkConformance(store), IClassFixture<InMemory>;

public sealed class ForksOnPostgres(OnPostgres store) : ForkConformance(store), IClassFixture<OnPostgres>;
