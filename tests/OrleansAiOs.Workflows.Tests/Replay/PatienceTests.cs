using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Stepping;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>Code of now that does not come to rest over a history of before: its replay ends, says where, and leaves the others alone.</summary>
public sealed class PatienceTests : IDisposable
{
    // The tests' own way out, for code that nothing else can stop.
    private readonly List<Action> letGo = [];

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    public void Dispose() => letGo.ForEach(release => release());

    [Theory]
    [InlineData("System.Threading.Thread.Sleep(-1);", "it blocks at Shop.cs:")]
    [InlineData("new TaskCompletionSource<int>().Task.Wait();", "it blocks at Shop.cs:")]
    [InlineData("try { new TaskCompletionSource<int>().Task.Wait(); } catch (Exception) { new System.Threading.ManualResetEvent(false).WaitOne(); }", "it blocks at Shop.cs:")]
    [InlineData("while (true) _ = Now;", "it goes on and on at Shop.cs:")]
    public void Code_that_blocks_or_goes_on_through_the_engine_is_stopped_and_its_line_is_named(string stuck, string says)
    {
        var (code, line, _) = Edited(stuck);
        var verdict = Replay(code);
        verdict.Result.Should().Be(ReplayResult.CannotReplay);
        verdict.Why.Should().StartWith("The code did not come to rest within 1 s behind event 5 (step-completed, step 2):").And.Contain($"{says}{line}.");
        (verdict.BreaksAt, verdict.BreaksAtStep, verdict.KeepsThread).Should().Be((5, 2, false));
        verdict.Changes.Should().ContainSingle().Which.Should().Match<CommandChange>(change => change.Kind == ChangeKind.Stuck && change.At!.Line == line);
    }

    [Fact]
    public void Code_that_yields_for_ever_is_stopped()
    {
        var verdict = Replay(Edited("while (true) await Task.Yield();").Code);
        verdict.Why.Should().Contain("it goes on and on at Order.RunAsync", "a build in memory has no symbols beside it");
        verdict.KeepsThread.Should().BeFalse();
    }

    [Fact]
    public void Code_that_loops_and_asks_for_nothing_is_left_behind_and_what_it_went_on_from_is_named()
    {
        var (code, _, release) = Edited("while (!Samples.Halt.Now) { }");
        letGo.Add(release);
        var verdict = Replay(code);
        verdict.Result.Should().Be(ReplayResult.CannotReplay);
        verdict.Why.Should().Contain("behind event 5 (step-completed, step 2)").And.Contain("it went on from Order.RunAsync and neither awaits nor ends", "a build in memory has no symbols beside it");
        verdict.KeepsThread.Should().BeTrue();
        new Replayer(SampleBuild.Build(SampleCode.Source)).Replay(new RunKey("default", "order"), Corpus.Samples.Histories["order"]).Result.Should().Be(ReplayResult.Same, "the next replay has a thread of its own");
    }

    [Fact]
    public void Code_that_loops_in_front_of_its_first_await_is_told_of_too()
    {
        var source = SampleCode.Source.Replace("        var reserved = await", "        while (!Samples.Halt.Now) { }\n        var reserved = await", StringComparison.Ordinal);
        var (code, release) = Build(source);
        letGo.Add(release);
        Replay(code).Why.Should().Contain("behind event 1 (run-started)").And.Contain("has not come back since it was started");
    }

    [Fact]
    public void A_difference_in_front_of_the_loop_stays_the_verdict()
    {
        var (code, _, _) = Edited("_ = Call(Shop.Audit, 1); while (true) _ = Now;");
        var verdict = Replay(code);
        verdict.Result.Should().Be(ReplayResult.Different);
        verdict.Why.Should().Contain("shop.audit");
        verdict.Note.Should().Contain("did not come to rest within 1 s");
    }

    [Fact]
    public void A_loop_behind_the_difference_costs_the_explanation_and_not_the_verdict()
    {
        var (code, _, _) = Edited("await Call(Shop.Audit, 1); while (true) _ = Now;");
        var verdict = Replay(code);
        verdict.Result.Should().Be(ReplayResult.Different);
        verdict.Why.Should().Contain("shop.audit");
        verdict.Note.Should().Contain("did not come to rest within 1 s at Shop.cs:");
    }

    [Fact]
    public void The_debugger_goes_on_through_the_history_without_the_code()
    {
        var (code, line, _) = Edited("System.Threading.Thread.Sleep(-1);");
        var stepper = new RunStepper(code, new RunKey("default", "order"), Corpus.Samples.Histories["order"]) { RestWithin = Soon };
        stepper.GoTo(4).Should().Match<Moment>(moment => moment.Difference == null && moment.Frames.Count == 1);
        stepper.GoTo(5).Difference.Should().Contain($"it blocks at Shop.cs:{line}");
        var end = stepper.GoTo(stepper.Count);
        (end.Status, end.Frames.Count, end.Difference).Should().Be((RunStatus.Completed, 0, stepper.Stuck));
        stepper.GoTo(3).Should().Match<Moment>(moment => moment.Difference == null && moment.Frames.Count == 1);
        stepper.Stuck.Should().Contain("behind event 5");
    }

    // Behind the second call of the order.
    private static (WorkflowRegistry Code, int Line, Action Release) Edited(string stuck)
    {
        const string Behind = "        var charged = await Call(Shop.Charge, reserved);\n";
        var source = SampleCode.Source.Replace(Behind, $"{Behind}        {stuck}\n", StringComparison.Ordinal);
        var (code, release) = Build(source);
        return (code, 1 + source[..source.IndexOf(stuck, StringComparison.Ordinal)].Count(c => c == '\n'), release);
    }

    private static (WorkflowRegistry Code, Action Release) Build(string source)
    {
        var code = SampleBuild.Build(source.Replace("Samples.Halt", "Halt", StringComparison.Ordinal) + "\npublic static class Halt { public static volatile bool Now; }\n");
        return (code, () => code.Find("order")!.Create().GetType().Assembly.GetTypes().Single(type => type.Name == "Halt").GetField("Now")!.SetValue(null, true));
    }

    private static ReplayVerdict Replay(WorkflowRegistry code) => new Replayer(code) { RestWithin = Soon }.Replay(new RunKey("default", "order"), Corpus.Samples.Histories["order"]);
}
