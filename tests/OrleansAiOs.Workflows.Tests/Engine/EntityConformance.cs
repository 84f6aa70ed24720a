using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>A thing with a name and a state: it comes to be when it is first spoken to, does one thing at a time, and lasts.</summary>
public abstract class EntityConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");

    private sealed record Money(int Balance, int Moves);

    [Workflow("account")]
    private sealed class Account : Entity<Money>
    {
        public static readonly Update<int, int> Deposit = new("deposit");
        public static readonly Update<int, int> Withdraw = new("withdraw");
        public static readonly Update<int, int> Slow = new("slow");
        public static readonly Update<string, int> Close = new("close");
        private static readonly Query<int> Balance = new("balance");

        protected override Money New() => new(0, 0);

        protected override void Serve()
        {
            Handles(Deposit, Move, refuse: amount => amount <= 0 ? "only more than nothing" : null);
            Handles(Withdraw, amount => State.Balance < amount ? throw new WorkflowFailedException($"{State.Balance} is not enough") : Move(-amount));
            Handles(Slow, async amount =>
            {
                var before = State;
                await using var saga = Saga();
                await saga.Call(Tools.Keyed, $"slow {amount}", Tools.Undo);
                Cancellation.ThrowIfCancellationRequested();
                if (amount == 13) throw new WorkflowFailedException("not thirteen");
                State = new Money(before.Balance + amount, before.Moves + 1);
                return saga.Complete(State.Balance);
            });
            Handles(Close, _ =>
            {
                End();
                return State.Balance;
            });
            Answers(Balance, () => State.Balance);
        }

        private int Move(int amount) => (State = new Money(State.Balance + amount, State.Moves + 1)).Balance;
    }

    // Two members, in another order than jsonb gives them back in.
    private sealed record Coins(string Purpose, int Amount);

    [Workflow("vault")]
    private sealed class Vault : Entity<Money>
    {
        public static readonly Update<Coins, Coins> Take = new("take");
        public static readonly Update<Coins, int> PutBack = new("put-back");

        protected override Money New() => new(100, 0);

        protected override void Serve()
        {
            Handles(Take, async coins =>
            {
                if (coins.Purpose == "slow") await Call(Tools.Keyed, "open the vault", cancellation: CancellationToken.None);
                if (State.Balance < coins.Amount) throw new WorkflowFailedException($"{State.Balance} is not enough");
                State = new Money(State.Balance - coins.Amount, State.Moves + 1);
                return coins;
            });
            Handles(PutBack, coins => (State = new Money(State.Balance + coins.Amount, State.Moves + 1)).Balance);
            Handles(Approve, async _ => (await Approval("Open it?", 1, by: "controller", notBy: [StartedBy])).Granted);
        }

        private static readonly Update<string, bool> Approve = new("approve");
    }

    private sealed record Order(string From, string To, int Amount, string Purpose = "pay");

    [Workflow("transfer")]
    private sealed class Transfer : Workflow<Order, int>
    {
        protected override async Task<int> RunAsync(Order order)
        {
            await using var saga = Saga();
            var taken = await saga.Call(EntityKey.Of<Vault>(order.From), Vault.Take, new Coins(order.Purpose, order.Amount), undo: Vault.PutBack);
            var there = await Call(EntityKey.Of<Account>(order.To), Account.Deposit, taken.Amount);
            if (await Receive(Go) != "on") throw new WorkflowFailedException("not today");
            return saga.Complete(there);
        }
    }

    [Workflow("self")]
    private sealed class Self : Entity<Money>
    {
        public static readonly Update<int, int> Ask = new("ask");

        protected override Money New() => new(0, 0);

        protected override void Serve() => Handles(Ask, n => Call(EntityKey.Of<Self>(RunId), Ask, n));
    }

    protected Task<UpdateOutcome> Tell(RunKey run, string update, object? input, string? key = null, string workflow = "account") =>
        Host.UpdateAsync(new StartRun(workflow, JsonText.From<object?>(null), run.Id), "paula", update, JsonText.From(input), "paula", key, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));

    protected async Task<int> Answer(RunKey run, string update, object? input, string? key = null, string workflow = "account") => (await Tell(run, update, input, key, workflow)).Answer!.Value.To<int>();

    private async Task<int> Balance(RunKey run) => (await Host.QueryAsync(run, "balance")).To<int>();

    [Fact]
    public async Task It_comes_to_be_with_its_first_update_and_lasts()
    {
        var account = Key("a");
        await Refused(() => Balance(account), Refusal.NotFound);
        (await Answer(account, "deposit", 5, "k")).Should().Be(5);
        (await Answer(account, "deposit", 5, "k")).Should().Be(5, "it is the same deposit");
        await KillAndRestart();
        (await Answer(account, "deposit", 5, "k")).Should().Be(5);
        (await Answer(account, "withdraw", 2)).Should().Be(3);
        (await Tell(account, "withdraw", 9)).Failure!.Message.Should().Be("3 is not enough");
        (await Balance(account)).Should().Be(3);
        (await Store.FindAsync(account, default))!.Waits.Select(w => (w.Kind, w.Name)).Should().Contain(("update", "deposit"));
        await Sound(account);
    }

    [Fact]
    public async Task Of_many_who_speak_to_it_first_one_begins_it_and_all_are_heard()
    {
        var account = Key("a");
        var answers = await Task.WhenAll(Enumerable.Range(1, 20).Select(i => Answer(account, "deposit", 1, $"k{i}")));
        answers.Order().Should().Equal(Enumerable.Range(1, 20));
        (await Events<RunStarted>(account)).Should().ContainSingle();
        await Sound(account);
    }

    [Fact]
    public async Task It_begins_with_the_state_it_is_started_with()
    {
        var account = await Start("account", new Money(7, 1), "a");
        (await Answer(account, "deposit", 1)).Should().Be(8);
        await Refused(() => Start("account", new Money(9, 1), "a"), Refusal.Conflict, "*another input*");
        var empty = await Start("account", null, "b");
        (await Balance(empty)).Should().Be(0);
    }

    [Fact]
    public async Task What_is_called_so_and_is_something_else_or_is_over_is_left_alone()
    {
        var other = await Start("vault", null, "v");
        await Refused(() => Tell(other, "deposit", 1), Refusal.Conflict, "*is a 'vault', not a 'account'*");
        var account = Key("a");
        await Refused(() => Tell(account, "steal", 1), Refusal.NotFound, "*'steal'*close, deposit, slow, withdraw*");
        await Refused(() => Tell(account, "deposit", -1), Refusal.Invalid, "*only more than nothing*");
        await Refused(() => Tell(Key("x"), "deposit", 1, workflow: "nobody"), Refusal.NotFound, "*no workflow 'nobody'*");
        (await Store.FindAsync(Key("x"), default)).Should().BeNull();
        await Answer(account, "deposit", 4);
        (await Answer(account, "close", "")).Should().Be(4);
        (await Result<Money>(account)).Should().Be(new Money(4, 1));
        await Refused(() => Tell(account, "deposit", 1), Refusal.Conflict, "*completed*no more commands*");
    }

    [Fact]
    public async Task One_update_is_carried_out_at_a_time_in_the_order_they_came()
    {
        var (slow, account) = (new TaskCompletionSource(), Key("a"));
        Outside.Answer = async (name, _) =>
        {
            if (Outside.Calls.Count == 1) await slow.Task;
            return name;
        };
        var first = Answer(account, "slow", 10);
        await Eventually(() => Task.FromResult(Outside.Names.Any()), () => "the tool was not reached");
        var second = Answer(account, "deposit", 1, "d");
        await Eventually(async () => (await Events<UpdateAccepted>(account)).Count == 2, () => "not accepted");
        (await Balance(account)).Should().Be(0);
        second.IsCompleted.Should().BeFalse("it waits for its turn");
        var third = Answer(account, "slow", 100);
        await Eventually(async () => (await Events<UpdateAccepted>(account)).Count == 3, () => "not accepted");
        slow.SetResult();
        (await first, await second, await third).Should().Be((10, 11, 111), "what the first had read before its call was still so behind it");
        await Sound(account);
    }

    [Fact]
    public async Task An_answer_that_came_late_is_kept_from_then_on()
    {
        var vault = Key("v");
        var asked = Tell(vault, "approve", "", "k", workflow: "vault");
        var wait = (await UntilWaits(vault, "approval")).Waits.Single(wait => wait.Kind == "approval");
        Time.Advance(TimeSpan.FromDays(40));
        await Host.DecideAsync(vault, wait.Step!.Value, granted: true, new Decider("carl", ["controller"], "key"));
        (await asked).Answer!.Value.To<bool>().Should().BeTrue();
        for (var i = 0; i < 100; i++) await Answer(vault, "put-back", new Coins("none", 0), workflow: "vault"); // a checkpoint
        await KillAndRestart();
        (await Events<LoopCheckpoint>(vault)).Should().NotBeEmpty();
        (await Tell(vault, "approve", "", "k", workflow: "vault")).Answer!.Value.To<bool>().Should().BeTrue();
        (await Events<ApprovalRequested>(vault)).Should().ContainSingle("nobody is asked again");
        await Sound(vault);
    }

    [Fact]
    public async Task An_update_that_fails_undoes_what_it_did_and_the_next_one_finds_the_state_as_it_was()
    {
        var account = Key("a");
        await Answer(account, "deposit", 5);
        (await Tell(account, "slow", 13)).Failure!.Message.Should().Be("not thirteen");
        Outside.Names.Should().Equal("slow 13", "undo slow 13");
        (await Answer(account, "deposit", 1)).Should().Be(6);
        await Sound(account);
    }

    [Fact]
    public async Task A_crash_in_the_middle_of_an_update_is_gone_on_from_and_those_behind_it_get_their_turn()
    {
        var account = Key("a");
        Outside.Answer = (name, _) => Outside.Calls.Count == 1 ? Outside.Hang() : Task.FromResult(name);
        var lost = Answer(account, "slow", 10, "s");
        await Eventually(() => Task.FromResult(Outside.Names.Any()), () => "the tool was not reached");
        var behind = Answer(account, "deposit", 1, "d");
        await Eventually(async () => (await Events<UpdateAccepted>(account)).Count == 2, () => "not accepted");
        await KillAndRestart();
        // Who asked the hosts that are dead hears nothing, or the same as who asks again.
        foreach (var (asked, answer) in new[] { (lost, 10), (behind, 11) })
            if (await Record.ExceptionAsync(() => asked) is null) (await asked).Should().Be(answer);
        (await Answer(account, "deposit", 1, "d")).Should().Be(11);
        (await Answer(account, "slow", 10, "s")).Should().Be(10);
        Outside.Calls.Select(call => call.Key).Distinct().Should().ContainSingle();
        await Sound(account);
    }

    [Fact]
    public async Task Cancelled_in_the_middle_of_an_update_it_undoes_what_that_did_first()
    {
        var account = Key("a");
        Outside.Answer = async (name, context) =>
        {
            if (Outside.Calls.Count == 1) await Task.Delay(Timeout.Infinite, context.Cancellation);
            return name;
        };
        var slow = Tell(account, "slow", 10, "s");
        await Eventually(() => Task.FromResult(Outside.Names.Any()), () => "the tool was not reached");
        var behind = Tell(account, "deposit", 1, "d");
        await Eventually(async () => (await Events<UpdateAccepted>(account)).Count == 2, () => "not accepted");
        await Host.CancelAsync(account, "no longer wanted", "paula");
        await PassTimeUntilEnd(account);
        (await End(account)).Should().BeOfType<RunCancelled>();
        Outside.Names.Should().Equal(["slow 10", "slow 10", "undo slow 10"], "it may have happened: so it is asked for again, and undone");
        (await slow).Failure!.Kind.Should().Be(FailureKind.Cancelled);
        (await behind).Failure!.Kind.Should().Be(FailureKind.Cancelled);
        await Sound(account);
    }

    [Fact]
    public async Task What_it_takes_to_load_it_does_not_grow_with_its_age()
    {
        var account = Key("a");
        var expected = 0;
        for (var part = 0; part < 3; part++)
        {
            for (var i = 0; i < 120; i++) (await Answer(account, i % 10 == 9 ? "slow" : "deposit", 1, i == 0 ? $"part-{part}" : null)).Should().Be(++expected);
            await KillAndRestart();
            (await Balance(account)).Should().Be(expected);
        }
        (await Events<LoopCheckpoint>(account)).Should().HaveCountGreaterThan(3);
        (await Sound(account)).Should().BeGreaterThan(300, "what stands before the checkpoint is not read");
        (await Answer(account, "deposit", 1, "part-0")).Should().Be(1, "an answer that was given under a key is found behind checkpoints");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_run_asks_entities_and_is_answered_once_whatever_dies(bool undone)
    {
        var (vault, account) = (Key("v"), Key("a"));
        var transfer = await Start("transfer", new Order(vault.Id, account.Id, 40), "t");
        await KillAndRestart();
        await UntilWaits(transfer, "signal");
        (await Balance(account)).Should().Be(40);
        (await Events<UpdateAccepted>(account)).Should().ContainSingle().Which.By.Should().Be($"run:{transfer.Id}");
        await KillAndRestart();
        await Signal(transfer, "go", undone ? "home" : "on");
        if (undone) (await FailureOf(transfer)).Message.Should().Be("not today");
        else (await Result<int>(transfer)).Should().Be(40);
        (await Events<UpdateAccepted>(vault)).Select(update => update.Name).Should().Equal(undone ? ["take", "put-back"] : ["take"]);
        (await Answer(vault, "put-back", new Coins("none", 0), workflow: "vault")).Should().Be(undone ? 100 : 60);
        foreach (var run in new[] { vault, account, transfer }) await Sound(run);
    }

    [Theory]
    [InlineData("killed")]
    [InlineData("stopped")]
    [InlineData("cancelled")]
    public async Task What_was_asked_of_an_entity_is_had_once_though_the_host_goes_while_it_is_carried_out(string how)
    {
        var (vault, account) = (Key("v"), Key("a"));
        var open = new TaskCompletionSource();
        Outside.Answer = async (name, _) =>
        {
            if (name == "open the vault") await open.Task;
            return name;
        };
        var transfer = await Start("transfer", new Order(vault.Id, account.Id, 40, "slow"), "t");
        await Eventually(() => Task.FromResult(Outside.Names.Any()), () => "the vault was not reached");
        if (how == "cancelled") await Host.CancelAsync(transfer, "no longer wanted", "paula");
        if (how == "killed") await KillAndRestart();
        else await StopAndRestart();
        open.SetResult();
        if (how == "cancelled")
        {
            await PassTimeUntilEnd(transfer);
            (await End(transfer)).Should().BeOfType<RunCancelled>();
        }
        else
        {
            await PassTimeUntilAsync(async () => (await Store.FindAsync(transfer, default))!.Waits.Any(wait => wait.Kind == "signal"));
            await Signal(transfer, "go", "on");
            (await Result<int>(transfer)).Should().Be(40);
        }
        (await Answer(vault, "put-back", new Coins("none", 0), workflow: "vault")).Should().Be(how == "cancelled" ? 100 : 60);
        (await Events<UpdateAccepted>(vault)).Count(update => update.Name == "take").Should().Be(1);
        foreach (var run in new[] { vault, transfer }) await Sound(run);
    }

    [Fact]
    public async Task Undoing_waits_for_an_entity_that_is_paused()
    {
        var (vault, account) = (Key("v"), Key("a"));
        var transfer = await Start("transfer", new Order(vault.Id, account.Id, 40), "t");
        await UntilWaits(transfer, "signal");
        await Host.PauseAsync(vault, "it is counted", "paula");
        await Signal(transfer, "go", "home");
        await PassTimeUntilAsync(async () => (await Events<AttemptFailed>(transfer)).Count > 1);
        (await Store.FindAsync(transfer, default))!.ClosedAt.Should().BeNull();
        await Host.ResumeAsync(vault, "paula");
        await PassTimeUntilEnd(transfer);
        (await FailureOf(transfer)).Message.Should().Be("not today");
        (await Answer(vault, "put-back", new Coins("none", 0), workflow: "vault")).Should().Be(100);
    }

    [Fact]
    public async Task An_entity_that_a_run_begins_is_started_by_who_started_the_run()
    {
        var (vault, account) = (Key("v"), Key("a"));
        var transfer = await Start("transfer", new Order(vault.Id, account.Id, 40), "t");
        await UntilWaits(transfer, "signal");
        (await Events<RunStarted>(vault)).Single().By.Should().Be("paula");
        _ = Tell(vault, "approve", "", workflow: "vault");
        var wait = (await UntilWaits(vault, "approval")).Waits.Single(wait => wait.Kind == "approval");
        wait.NotBy.Should().Equal("paula");
    }

    [Fact]
    public async Task A_reset_compensates_what_was_asked_of_an_entity()
    {
        var (vault, account) = (Key("v"), Key("a"));
        var transfer = await Start("transfer", new Order(vault.Id, account.Id, 40), "t");
        await UntilWaits(transfer, "signal");
        await Host.ResetAsync(new ResetRun(transfer, 0, "once more", new Dictionary<int, EffectAction> { [1] = EffectAction.Compensate, [2] = EffectAction.Reuse }), "olga");
        await Eventually(async () => (await Events<UpdateAccepted>(vault)).Count == 3, () => "it was not put back and taken again");
        (await Events<UpdateAccepted>(vault)).Select(update => update.Name).Should().Equal("take", "put-back", "take");
    }

    [Fact]
    public async Task A_run_that_is_refused_by_an_entity_learns_why()
    {
        var (vault, account) = (Key("v"), Key("a"));
        var transfer = await Start("transfer", new Order(vault.Id, account.Id, 400), "t");
        (await FailureOf(transfer)).Message.Should().Contain("100 is not enough");
        (await Store.FindAsync(account, default)).Should().BeNull("nobody has spoken to it");
        var wrong = await Start("transfer", new Order(vault.Id, vault.Id, 40), "w");
        (await FailureOf(wrong)).Message.Should().Contain("is a 'vault', not a 'account'");
        (await Answer(vault, "put-back", new Coins("none", 0), workflow: "vault")).Should().Be(100);
    }

    [Fact]
    public async Task One_that_asks_itself_is_told_that_it_would_wait_for_ever()
    {
        (await Tell(Key("s"), "ask", 1, workflow: "self")).Failure!.Message.Should().Contain("itself");
    }
}

public sealed class EntityOnPostgres(OnPostgres store) : EntityConformance(store), IClassFixture<OnPostgres>;
