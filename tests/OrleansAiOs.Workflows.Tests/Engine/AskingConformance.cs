using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>A run can be asked what it holds, and told to do something and to answer.</summary>
public abstract class AskingConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");

    [Workflow("basket")]
    private sealed class Basket : Workflow<int, int>
    {
        private static readonly Query<int> Total = new("total");
        private static readonly Query<int, int> Above = new("above");
        private static readonly Query<string?, string> Named = new("named");
        private static readonly Query<string> Greedy = new("greedy");
        private static readonly Query<string> Sly = new("sly");
        private static readonly Query<string> Broken = new("broken");
        private static readonly Query<string> Random = new("random");
        private static readonly Update<int, int> Add = new("add");
        private static readonly Update<int, int> Buy = new("buy");
        private static readonly Update<string, string> Never = new("never");
        private static readonly Update<string, string> Throws = new("throws");
        private static readonly Update<string, string> Spoils = new("spoils");

        protected override async Task<int> RunAsync(int total)
        {
            var done = new TaskCompletionSource();
            Answers(Total, () => total);
            Answers(Above, limit => total > limit ? total - limit : throw new InvalidOperationException($"{total} is not above {limit}"));
            Answers(Named, name => name ?? "nobody");
            Answers(Greedy, () =>
            {
                _ = Call(Tools.Keyed, "by a query");
                return "done";
            });
            Answers(Sly, () =>
            {
                done.TrySetResult();
                return "done";
            });
            Answers(Broken, string () => throw new InvalidOperationException("no idea"));
            Answers(Random, () => $"{NewGuid()}");
            Handles(Add, n => total += n, refuse: n => n <= 0 ? "only more can be added" : null);
            Handles(Buy, async n =>
            {
                await Call(Tools.Keyed, $"{n}");
                if (n == 13) throw new WorkflowFailedException("out of stock");
                total -= n;
                if (total == 0) done.TrySetResult();
                return total;
            });
            Handles(Never, async _ => await Receive(Go));
            Handles(Throws, string (string _) => throw new InvalidOperationException("a fault"));
            Handles(Spoils, s => s, refuse: _ =>
            {
                done.TrySetResult();
                return null;
            });
            await done.Task;
            total += 1000;
            Answers(Total, () => total);
            return total;
        }
    }

    [Workflow("late")]
    private sealed class Late : Workflow<int, int>
    {
        private static readonly Update<int, int> Add = new("add");
        private static readonly Query<string> Id = new("id");

        protected override async Task<int> RunAsync(int n)
        {
            if (n == 1) Handles(Add, i => i);
            var id = NewGuid();
            Answers(Id, () => $"{id} {Now:O} {RunId}");
            await Receive(Go);
            return 1;
        }
    }

    [Workflow("rounds")]
    private sealed class Rounds : Workflow<int, int>
    {
        private static readonly Update<int, int> Add = new("add");

        protected override async Task<int> RunAsync(int rounds)
        {
            var state = await Loop((Left: rounds, Sum: 0).ToTuple(), async s =>
            {
                var added = 0;
                Handles(Add, n => s.Item2 + (added += n));
                await Receive(Go);
                var next = Tuple.Create(s.Item1 - 1, s.Item2 + added);
                return next.Item1 == 0 ? Iteration.Done(next) : Iteration.Next(next);
            }, checkpointAfter: 1);
            return state.Item2;
        }
    }

    private Task<T> Ask<T>(RunKey run, string query, JsonText? input = null) => Host.QueryAsync(run, query, input).ContinueWith(asked => asked.GetAwaiter().GetResult().To<T>()!, TaskScheduler.Default);

    private Task<UpdateOutcome> Tell(RunKey run, string update, object? input, string? key = null) =>
        Host.UpdateAsync(run, update, JsonText.From(input), "paula", key, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));

    private async Task<int> Answer(RunKey run, string update, object? input, string? key = null) => (await Tell(run, update, input, key)).Answer!.Value.To<int>();

    [Fact]
    public async Task A_query_reads_the_live_code_and_leaves_no_trace()
    {
        var run = await Start("basket", 5);
        var before = await Store.ReadAsync(run, 1, default);
        (await Ask<int>(run, "total")).Should().Be(5);
        await KillAndRestart();
        (await Ask<int>(run, "total")).Should().Be(5, "the run is brought back for it");
        await Refused(() => Host.QueryAsync(run, "price"), Refusal.NotFound, "*'price'*above, broken, greedy, named, random, sly, total*");
        await Refused(() => Host.QueryAsync(run, "broken"), Refusal.Conflict, "*no idea*");
        await Refused(() => Host.QueryAsync(Key("nobody"), "total"), Refusal.NotFound);
        (await Store.ReadAsync(run, 1, default)).Should().HaveCount(before.Count);
    }

    [Fact]
    public async Task A_query_takes_an_argument_where_it_was_declared_with_one()
    {
        var run = await Start("basket", 5);
        var before = await Store.ReadAsync(run, 1, default);
        (await Ask<int>(run, "above", JsonText.From(2))).Should().Be(3);
        (await Ask<string>(run, "named", JsonText.From("mia"))).Should().Be("mia");
        (await Ask<string>(run, "named")).Should().Be("nobody", "without an argument it is null");
        await Refused(() => Host.QueryAsync(run, "above"), Refusal.Invalid, "*'above'*takes an argument*");
        await Refused(() => Host.QueryAsync(run, "above", JsonText.From("two")), Refusal.Invalid, "*cannot be read*");
        await Refused(() => Host.QueryAsync(run, "total", JsonText.From(2)), Refusal.Invalid, "*takes no argument*");
        await Refused(() => Host.QueryAsync(run, "above", JsonText.From(7)), Refusal.Conflict, "*5 is not above 7*");
        (await Store.ReadAsync(run, 1, default)).Should().HaveCount(before.Count);
    }

    [Theory]
    [InlineData("greedy")]
    [InlineData("sly")]
    [InlineData("random")]
    public async Task A_query_whose_handler_does_more_than_read_is_refused_and_changes_nothing(string query)
    {
        var run = await Start("basket", 5);
        for (var i = 0; i < 2; i++) await Refused(() => Host.QueryAsync(run, query), Refusal.Conflict, "*may only read*");
        (await Ask<int>(run, "total")).Should().Be(5);
        (await Answer(run, "buy", 5)).Should().Be(0);
        (await Result<int>(run)).Should().Be(1000);
        Outside.Names.Should().Equal("5");
        (await Ask<int>(run, "total")).Should().Be(1000, "a closed run answers too");
    }

    [Fact]
    public async Task A_query_of_a_paused_run_is_answered_and_of_one_whose_code_is_not_there_refused_without_a_trace()
    {
        var run = await Start("basket", 5);
        await Host.PauseAsync(run, "wait", "paula");
        (await Ask<int>(run, "total")).Should().Be(5);
        await Refused(() => Tell(run, "add", 1), Refusal.Conflict, "*paused*");
        await Host.ResumeAsync(run, "paula");
        await KillAndRestart(new WorkflowRegistry());
        await Refused(() => Host.QueryAsync(run, "total"), Refusal.Conflict, "*Unknown workflow type*");
        (await Events<RunParked>(run)).Should().BeEmpty();
    }

    [Fact]
    public async Task An_update_is_answered_once_under_its_key_also_after_a_crash()
    {
        var run = await Start("basket", 5);
        (await Answer(run, "add", 2, "k")).Should().Be(7);
        (await Answer(run, "add", 2, "k")).Should().Be(7);
        await KillAndRestart();
        (await Answer(run, "add", 2, "k")).Should().Be(7);
        (await Ask<int>(run, "total")).Should().Be(7);
        await Refused(() => Tell(run, "add", 3, "k"), Refusal.Conflict);
        (await Events<UpdateAccepted>(run)).Should().ContainSingle();
    }

    [Fact]
    public async Task An_update_that_the_code_refuses_is_not_recorded()
    {
        var run = await Start("basket", 5);
        await Refused(() => Tell(run, "add", -1), Refusal.Invalid, "*only more can be added*");
        await Refused(() => Tell(run, "add", "much"), Refusal.Invalid, "*cannot be read*");
        await Refused(() => Tell(run, "take", 1), Refusal.NotFound, "*add, buy, never, spoils, throws*");
        await Refused(() => Tell(run, "spoils", "x"), Refusal.Conflict, "*may only read*");
        (await History(run)).Should().ContainSingle();
        (await Answer(run, "add", 1)).Should().Be(6);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_update_may_await_steps_and_its_answer_is_found_again(bool crash)
    {
        var slow = new TaskCompletionSource();
        Outside.Answer = async (name, _) =>
        {
            if (Outside.Calls.Count == 1) await (crash ? Outside.Hang() : slow.Task);
            return name;
        };
        var run = await Start("basket", 5);
        using var impatient = new CancellationTokenSource();
        var first = Host.UpdateAsync(run, "buy", JsonText.From(2), "paula", "k", impatient.Token);
        await Eventually(() => Task.FromResult(Outside.Names.Any()), () => "the step was not reached");
        await impatient.CancelAsync();
        (await first).Should().Match<UpdateOutcome>(o => !o.IsOver && o.Version == 2);
        if (crash) await KillAndRestart();
        else slow.SetResult();
        (await Answer(run, "buy", 2, "k")).Should().Be(3);
        Outside.Calls.Select(c => c.Key).Distinct().Should().ContainSingle();
    }

    [Fact]
    public async Task An_update_that_fails_says_why_and_the_run_goes_on_and_a_fault_parks_it()
    {
        var run = await Start("basket", 5);
        (await Tell(run, "buy", 13)).Failure!.Message.Should().Be("out of stock");
        (await Ask<int>(run, "total")).Should().Be(5);
        var faulty = Host.UpdateAsync(run, "throws", JsonText.From("x"), "paula", "k", CancellationToken.None);
        await UntilParked(run);
        faulty.IsCompleted.Should().BeFalse("it is kept until the code is mended");
        await Host.TerminateAsync(run, "enough", "paula");
        await Refused(() => faulty.WaitAsync(TimeSpan.FromSeconds(60)), Refusal.Conflict, "*terminated*'throws'*");
    }

    [Fact]
    public async Task A_run_that_ends_with_updates_open_says_so_to_those_who_wait()
    {
        var run = await Start("basket", 5);
        var never = Host.UpdateAsync(run, "never", JsonText.From("x"), "paula", "k", CancellationToken.None);
        await Eventually(async () => (await Events<UpdateAccepted>(run)).Count == 1, () => "not accepted");
        (await Answer(run, "buy", 5)).Should().Be(0);
        (await Result<int>(run)).Should().Be(1000);
        await Refused(() => never.WaitAsync(TimeSpan.FromSeconds(60)), Refusal.Conflict, "*completed*before it answered*'never'*");
        await Refused(() => Tell(run, "never", "x", "k"), Refusal.Conflict, "*before it answered*");
        await Refused(() => Tell(run, "add", 1), Refusal.Conflict, "*no more commands*");
    }

    [Fact]
    public async Task Answers_outlive_the_checkpoint_of_a_loop()
    {
        var run = await Start("rounds", 4);
        (await Answer(run, "add", 5, "k")).Should().Be(5);
        for (var i = 0; i < 2; i++)
        {
            await Signal(run, "go", "on");
            await KillAndRestart();
            (await Answer(run, "add", 5, "k")).Should().Be(5);
        }
        (await Events<LoopCheckpoint>(run)).Should().HaveCount(2);
        (await Answer(run, "add", 2, "k2")).Should().Be(7);
        (await Events<UpdateAccepted>(run)).Select(u => u.Update).Should().Equal(1, 2);
        for (var i = 0; i < 2; i++) await Signal(run, "go", "on");
        (await Result<int>(run)).Should().Be(7);
    }

    [Fact]
    public async Task A_run_that_waits_for_updates_only_says_so()
    {
        var run = await Start("basket", 5);
        (await Store.FindAsync(run, default))!.Waits.Select(w => (w.Kind, w.Name)).Should().Contain(("update", "buy"));
        var late = await Start("late", 0, "late");
        await Refused(() => Tell(late, "add", 1), Refusal.NotFound, "*none*");
        (await Ask<string>(late, "id")).Should().EndWith(late.Id);
    }
}

public sealed class AskingInMemory(InMemory store) : AskingConformance(store), IClassFixture<InMemory>;

public sealed class AskingOnPostgres(OnPostgres store) : AskingConformance(store), IClassFixture<OnPostgres>;
