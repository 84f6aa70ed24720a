using System.Diagnostics;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Stepping;
using OrleansAiOs.Workflows.Tests.Engine;
using Xunit.Abstractions;

namespace OrleansAiOs.Workflows.Tests.Stepping;

/// <summary>A past run, opened: forward and back over its events, with the code's variables and the line it waits at.</summary>
public sealed class StepperTests(InMemory stores, ITestOutputHelper output) : EngineConformance(stores), IClassFixture<InMemory>
{
    private static readonly Signal<int> Add = new("add");

    protected override WorkflowRegistry Code => CodeOf(typeof(StepperTests));

    private sealed record Item(string Name, int Count);

    [Workflow("stepped")]
    private sealed class Stepped : Workflow<int, string>
    {
        private readonly List<Item> basket = [];
        private int rounds;

        protected override async Task<string> RunAsync(int wanted)
        {
            var sum = 0;
            while (sum < wanted)
            {
                rounds++;
                var added = await Receive(Add); // the code waits here
                sum += added;
                basket.Add(new Item($"item {rounds}", added));
                await Both($"round {rounds}");
            }
            return $"{sum}";
        }

        private async Task Both(string name)
        {
            var suffix = name.Length;
            await Task.WhenAll(Branch("left"), Branch("right")); // both branches wait below

            async Task Branch(string side) => await Call(Tools.Pure, $"{name} {side} {suffix}");
        }
    }

    /// <summary>Its second round calls something else.</summary>
    private static class Changed
    {
        [Workflow("stepped")]
        private sealed class Stepped : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int wanted)
            {
                await Receive(Add);
                await Call(Tools.Keyed, "other");
                return "";
            }
        }
    }

    [Workflow("stepped-long")]
    private sealed class SteppedLong : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int calls)
        {
            var done = 0;
            for (; done < calls; done++) await Call(Tools.Pure, "x");
            return done;
        }
    }

    private async Task<(RunKey Run, IReadOnlyList<StoredEvent> History)> Past(string id = "r", params int[] added)
    {
        // Which of two branches ends first is the machine's whim: here it is always the left one.
        Outside.Answer = async (name, context) =>
        {
            if (name.Contains(" right ", StringComparison.Ordinal))
                await Eventually(async () => (await Events<StepCompleted>(Key(id))).Any(done => done.Step == context.Step - 1), () => $"step {context.Step - 1} never ended");
            return name;
        };
        var run = await Start("stepped", added.Sum(), id);
        foreach (var n in added)
        {
            await Signal(run, "add", n);
            await Until(run, row => !row.Busy);
        }
        await End(run);
        return (run, await Store.ReadAsync(run, 1, default));
    }

    private RunStepper Open((RunKey Run, IReadOnlyList<StoredEvent> History) past, WorkflowRegistry? code = null) => new(code ?? Code, past.Run, past.History);

    private static string Value(Moment moment, string name) => moment.Fields.Concat(moment.Frames.SelectMany(frame => frame.Locals)).First(variable => variable.Name == name).Value;

    private static int LineOf(string text, [System.Runtime.CompilerServices.CallerFilePath] string here = "") => 1 + Array.FindIndex(File.ReadAllLines(here), line => line.Contains(text) && !line.Contains("LineOf"));

    // 1 run-started 2 signal-received 3, 4 step-scheduled 5, 6 step-completed 7 signal-received …

    [Fact]
    public async Task At_each_event_the_code_shows_its_fields_its_variables_and_the_line_it_waits_at()
    {
        var stepper = Open(await Past(added: [3, 4]));
        var start = stepper.GoTo(1);
        (Value(start, "rounds"), Value(start, "basket"), Value(start, "sum"), Value(start, "wanted")).Should().Be(("1", "[]", "0", "7"));
        start.AwaitedSignals.Should().Equal("add");
        start.Frames.Should().ContainSingle().Which.Waits!.Line.Should().Be(LineOf("// the code waits here"));
        start.Frames[0].Method.Should().Be("Stepped.RunAsync");

        var asking = stepper.GoTo(2);
        asking.Type.Should().Be("signal-received");
        asking.Open.Should().BeEmpty("the code is about to ask for the first step");
        asking.Line!.Line.Should().Be(LineOf("async Task Branch"));
        Value(asking, "basket").Should().Be("""[{Name: "item 1", Count: 3}]""");

        var resting = stepper.GoTo(4);
        resting.Open.Select(wait => (wait.Kind, wait.Step)).Should().Equal(("activity", 1), ("activity", 2));
        resting.AskedAt!.Line.Should().Be(LineOf("async Task Branch"));
        resting.Frames.Select(frame => frame.Method).Should().StartWith(["Stepped.RunAsync", "Stepped.Both"]).And.HaveCount(4);
        resting.Frames[1].Waits!.Line.Should().Be(LineOf("// both branches wait below"));
        Value(resting, "side").Should().Be("\"left\"");
        Value(resting, "suffix").Should().Be("7");
        stepper.GoTo(stepper.Count).Status.Should().Be(RunStatus.Completed);
    }

    [Fact]
    public async Task Back_is_what_forward_was_and_nothing_outside_is_touched()
    {
        var past = await Past(added: [1, 2, 3, 4, 5]);
        var (sent, appended) = (Outside.Calls.Count, past.History.Count);
        var forward = Open(past);
        var there = Enumerable.Range(1, forward.Count).Select(v => forward.GoTo(v)).ToList();
        var backward = Open(past);
        var back = Enumerable.Range(1, backward.Count).Reverse().Select(v => backward.GoTo(v)).Reverse().ToList();
        back.Should().BeEquivalentTo(there, options => options.WithStrictOrdering());
        forward.GoTo(0).Version.Should().Be(1);
        forward.GoTo(1_000_000).Version.Should().Be(forward.Count);
        (Outside.Calls.Count, (await Store.ReadAsync(past.Run, 1, default)).Count).Should().Be((sent, appended));
    }

    [Fact]
    public async Task It_breaks_at_kinds_of_events_activities_and_signals_in_both_directions()
    {
        var stepper = Open(await Past(added: [1, 2]));
        stepper.Find(["signal-received"]).Should().Be(2);
        stepper.Find(["test.pure"]).Should().Be(3);
        stepper.GoTo(4);
        stepper.Find(["add"]).Should().Be(7);
        stepper.Find(["add"], backward: true).Should().Be(2);
        stepper.Find(["no-such-kind"]).Should().BeNull();
    }

    [Fact]
    public async Task It_finds_where_two_runs_part()
    {
        var (one, other, same) = (await Past("one", 3, 4), await Past("other", 3, 5), await Past("same", 3, 4));
        Open(one).FirstDifference(same.History).Should().BeNull("hosts, ids and times are no difference");
        var (here, there) = Open((one.Run, one.History)).FirstDifference((await Past("more", 3, 4, 1)).History)!.Value;
        (here, there).Should().Be((1, 1), "they were started with other inputs");
        var stepper = Open(one);
        stepper.GoTo(2);
        stepper.FirstDifference(other.History)!.Value.Here.Should().Be(7, "the second signal carried another value");
    }

    [Fact]
    public async Task Where_the_code_differs_from_the_history_it_says_so_and_goes_on_without_the_code()
    {
        var stepper = Open(await Past(added: [3, 4]), CodeOf(typeof(Changed)));
        stepper.GoTo(1).Difference.Should().BeNull();
        stepper.GoTo(3).Difference.Should().Contain("test.pure").And.Contain("test.keyed");
        var end = stepper.GoTo(stepper.Count);
        (end.Status, end.Frames.Count).Should().Be((RunStatus.Completed, 0));
    }

    [Fact]
    public async Task An_IDE_stops_on_the_codes_own_stack_where_it_asks_for_the_event()
    {
        var stepper = Open(await Past(added: [3, 4]));
        var stacks = new List<string>();
        stepper.StopAt(3, () => stacks.Add(Environment.StackTrace));
        stacks.Should().ContainSingle().Which.Should().Contain("Branch").And.Contain("StepperTests.cs:line");
        stepper.StopAt(2, () => stacks.Add("before the input"));
        stacks.Should().HaveCount(2);
    }

    [Fact]
    public async Task Ten_thousand_events_are_stepped_back_through_by_few_replays()
    {
        var run = await Start("stepped-long", 5000);
        await End(run);
        var stepper = Open((run, await Store.ReadAsync(run, 1, default)));
        stepper.Count.Should().Be(10_002);
        stepper.GoTo(stepper.Count);
        var watch = new Stopwatch();
        var worst = TimeSpan.Zero;
        for (var v = stepper.Count - 1; v > stepper.Count - 1000; v--)
        {
            watch.Restart();
            var moment = stepper.GoTo(v);
            if (watch.Elapsed > worst) worst = watch.Elapsed;
            moment.Version.Should().Be(v);
        }
        output.WriteLine($"the worst of 1,000 steps back: {worst.TotalMilliseconds:0} ms");
        Value(stepper.Now, "done").Should().Be("4501");
        stepper.Replays.Should().BeLessThanOrEqualTo(1 + 1000 / 128 + 1);
    }
}
