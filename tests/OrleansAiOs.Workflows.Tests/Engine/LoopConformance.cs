using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Loops that run for long: their runs are loaded from the last checkpoint, and are the same as if they had been read as a whole.</summary>
public abstract class LoopConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<int> Number = new("number");
    private static readonly Signal<string> Name = new("name");

    private sealed record Tally(int Sum, int Count, string Ids)
    {
        // What the JSON does not hold does not go from one iteration to the next.
        [System.Text.Json.Serialization.JsonIgnore]
        public int Forgotten { get; init; }
    }

    [Workflow("adds")]
    private sealed class Adds : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int every)
        {
            var prefix = await Call(Tools.Pure, "prologue");
            var drawn = NewGuid();
            SetAttributes(("before", prefix));
            var tally = await Loop(new Tally(0, 0, ""), async tally =>
            {
                var number = await Receive(Number);
                if (number < 0) return Iteration.Done(tally);
                var id = NewGuid().ToString()[..8] + (Patched("p") ? "!" : "?");
                await Call(Tools.Keyed, $"add {number}");
                SetAttributes(("sum", $"{tally.Sum + number}"));
                return Iteration.Next(new Tally(tally.Sum + number, tally.Count + 1, $"{tally.Ids} {id}") { Forgotten = tally.Forgotten + 1 });
            }, every);
            var name = await Receive(Name);
            return $"{prefix} {drawn.ToString()[..4]} {tally.Sum} {tally.Count} {tally.Forgotten} {name}{tally.Ids}";
        }
    }

    [Workflow("two-loops")]
    private sealed class TwoLoops : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int every)
        {
            var first = await Loop(0, Add, every);
            await Call(Tools.Pure, $"between {first}");
            // A loop within a loop only loops.
            var second = await Loop(first, async sum => await Loop(sum, Add, 1) is var next && next > 100 ? Iteration.Done(next) : Iteration.Next(next), every);
            return $"{first} {second}";

            async Task<Iteration<int>> Add(int sum)
            {
                var number = await Receive(Number);
                await Call(Tools.Pure, $"add {number}");
                return number == 0 ? Iteration.Done(sum) : Iteration.Next(sum + number);
            }
        }
    }

    [Workflow("pending")]
    private sealed class Pending : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int every)
        {
            var before = Receive(Name); // pending at the entry, and all the time
            var sum = await Loop(0, async sum => await Receive(Number) is var number and not 0 ? Iteration.Next(sum + number) : Iteration.Done(sum), every);
            await before;
            return sum;
        }
    }

    [Workflow("approves")]
    private sealed class Approves : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int every) => Loop(0, async granted =>
        {
            var asked = Approval($"Number {granted}", granted, by: "controller");
            if (granted % 2 == 1) await Call(Tools.Pure, "while it is open");
            var decision = await asked;
            return decision.Granted ? Iteration.Next(granted + 1) : Iteration.Done(granted);
        }, every);
    }

    private async Task<List<LoopCheckpoint>> Checkpoints(RunKey run) => await Events<LoopCheckpoint>(run);

    private async Task Add(RunKey run, IEnumerable<int> numbers, string key = "k")
    {
        foreach (var (number, i) in numbers.Select((number, i) => (number, i))) await Signal(run, "number", number, $"{key}-{i}");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100_000)]
    public async Task A_loop_ends_as_it_would_have_without_checkpoints_whenever_the_host_dies(int every)
    {
        var run = await Start("adds", every);
        await Signal(run, "name", "early");
        for (var part = 0; part < 4; part++)
        {
            await Add(run, Enumerable.Range(1, 5), $"part-{part}");
            await Until(run, row => row.Attributes?.GetValueOrDefault("sum") == $"{15 * (part + 1)}" && !row.Busy);
            await Sound(run);
            await KillAndRestart();
        }
        var skipped = await Sound(run);
        await Signal(run, "number", -1);
        var result = await Result<string>(run);
        result.Should().MatchRegex("^prologue [0-9a-f]{4} 60 20 [0-9]+ early( [0-9a-f]{8}!){20}$");
        result.Split(' ').Skip(5).Should().OnlyHaveUniqueItems("the same is not drawn twice");
        Outside.Names.Count(name => name == "add 5").Should().Be(4, "nothing was done twice");
        (await Until(run, row => row.ClosedAt is not null)).Attributes.Should().Contain("before", "prologue");

        var checkpoints = await Checkpoints(run);
        if (every > 1000) checkpoints.Should().BeEmpty();
        else
        {
            checkpoints.Count.Should().BeInRange(20 * 7 / (every + 30), 20);
            skipped.Should().BePositive("what stands before the checkpoint is not read");
            result.Split(' ')[4].Should().NotBe("20", "a member outside the JSON is lost with every checkpoint");
        }
    }

    [Fact]
    public async Task Receipts_attributes_and_the_start_are_known_behind_a_checkpoint()
    {
        var run = await Start("adds", 1);
        var versions = new List<long>();
        for (var i = 1; i <= 5; i++) versions.Add(await Signal(run, "number", i, $"k{i}"));
        await Until(run, row => row is { Busy: false, Checkpoint: not null } && row.Attributes!["sum"] == "15");
        await KillAndRestart();
        for (var i = 1; i <= 5; i++) (await Signal(run, "number", i, $"k{i}")).Should().Be(versions[i - 1], "a receipt lives as long as its run");
        await Refused(() => Signal(run, "number", 9, "k1"), Refusal.Conflict);
        (await Host.StartRunAsync(new StartRun("adds", JsonText.From(1), run.Id), "paula")).IsNew.Should().BeFalse();
        await Refused(() => Host.StartRunAsync(new StartRun("adds", JsonText.From(2), run.Id), "paula"), Refusal.Conflict);
        Time.Advance(TimeSpan.FromDays(31));
        // A checkpoint is not written before as many events as it would keep receipts: so several.
        for (var i = 6; i <= 9; i++) await Signal(run, "number", i, $"k{i}");
        await Until(run, row => !row.Busy && row.Attributes!["sum"] == "45");
        (await Checkpoints(run))[^1].Receipts!.Select(kept => kept.Key).Should().BeSubsetOf(["k6", "k7", "k8", "k9"], "older ones are let go after thirty days").And.NotBeEmpty();
        await Sound(run);
    }

    [Fact]
    public async Task Signals_nobody_took_before_a_checkpoint_are_taken_behind_it()
    {
        var run = await Start("two-loops", 1);
        Outside.Answer = async (name, _) => name == "add 1" ? await Outside.Hang() : name;
        await Signal(run, "number", 1);
        foreach (var n in new[] { 2, 3, 0, 60, 0, 70, 0 }) await Signal(run, "number", n);
        Outside.LetGo();
        (await Result<string>(run)).Should().Be("6 136");
        var checkpoints = await Checkpoints(run);
        checkpoints[0].Signals!.Single().Values.Select(value => value.To<int>()).Should().Equal(2, 3, 0, 60, 0, 70, 0);
        checkpoints.Select(c => c.Entry.Count).Distinct().Should().Equal([2, 4], "the second loop is entered over the last checkpoint of the first");
        await Sound(run);
    }

    [Fact]
    public async Task A_second_loop_is_loaded_over_the_first_ones_last_checkpoint()
    {
        var run = await Start("two-loops", 1);
        await Add(run, [1, 2, 3, 0], "a");
        await Until(run, row => !row.Busy && row.Waits.Any(wait => wait.Kind == "signal"));
        await KillAndRestart();
        await Add(run, [10, 0, 20, 0], "b");
        await Until(run, row => !row.Busy && row.Checkpoint > 20);
        (await Sound(run)).Should().BePositive();
        await KillAndRestart();
        await Add(run, [90, 0], "c");
        (await Result<string>(run)).Should().Be("6 126");
    }

    [Fact]
    public async Task Nothing_is_left_unread_while_anything_is_pending()
    {
        var run = await Start("pending", 1);
        await Add(run, [1, 2, 3]);
        await KillAndRestart();
        await Add(run, [4, 0], "more");
        await Signal(run, "name", "x");
        (await Result<int>(run)).Should().Be(10);
        (await Checkpoints(run)).Should().BeEmpty();
    }

    [Fact]
    public async Task An_open_approval_is_found_and_decided_behind_a_checkpoint()
    {
        var run = await Start("approves", 1);
        for (var i = 0; i < 4; i++)
        {
            var wait = (await Until(run, row => !row.Busy && row.Waits.Any(w => w.Name == $"Number {i}"))).Waits.Single(w => w.Kind == "approval");
            await Sound(run);
            await KillAndRestart();
            await Host.DecideAsync(run, wait.Step!.Value, granted: i < 3, new Decider("carl", ["controller"], "key"), digest: wait.Digest);
        }
        (await Result<int>(run)).Should().Be(3);
        (await Checkpoints(run)).Should().HaveCount(3);
    }

    [Fact]
    public async Task A_cancelled_loop_ends_from_where_it_stands()
    {
        var run = await Start("adds", 1);
        await Add(run, [1, 2, 3]);
        await Until(run, row => row is { Busy: false, Checkpoint: not null } && row.Attributes!["sum"] == "6");
        await KillAndRestart();
        await Host.CancelAsync(run, "enough", "paula");
        (await End(run)).Should().BeOfType<RunCancelled>();
        await Sound(run);
    }

    [Fact]
    public async Task Of_a_long_loop_only_its_end_is_read()
    {
        var run = await Start("pending-free", 50);
        var (sent, sum) = (0, 0);
        foreach (var batch in Enumerable.Range(1, 600).Chunk(100))
        {
            await Task.WhenAll(batch.Select(number => Signal(run, "number", number)));
            sent += batch.Length;
            sum += batch.Sum();
        }
        var whole = (await Store.ReadAsync(run, 1, default)).Count;
        var read = (await Store.LoadAsync(run, default)).Count;
        whole.Should().BeGreaterThan(sent);
        read.Should().BeLessThan(200);
        await KillAndRestart();
        await Signal(run, "number", 0);
        (await Result<int>(run)).Should().Be(sum);
        await Sound(run);
    }

    [Workflow("pending-free")]
    private sealed class OnlySignals : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int every) => Loop(0, async sum => await Receive(Number) is var number and not 0 ? Iteration.Next(sum + number) : Iteration.Done(sum), every);
    }
}

public sealed class LoopsInMemory(InMemory store) : LoopConformance(store), IClassFixture<InMemory>;

public sealed class LoopsOnPostgres(OnPostgres store) : LoopConformance(store), IClassFixture<OnPostgres>;
