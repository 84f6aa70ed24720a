using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Activities that the code knows by name: what a directory says of them at the call is recorded, and holds.</summary>
public abstract class NamedActivityConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Activity<string, string> Named = Activity.Named<Outside, string, string>("named.tool", (o, name, c) => o.Call($"{name} as {c.Effect}", c));

    private readonly Said directory = new();

    protected override WorkflowHostOptions Configure(WorkflowHostOptions options) => options with { Activities = directory };

    [Workflow("calls-by-name")]
    private sealed class CallsByName : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string input) => Call(Named, input, new CallOptions { Retry = RetryPolicy.UpTo(2) });
    }

    private sealed class Said : IActivityDirectory
    {
        public ActivityDeclaration? Now { get; set; }

        public ActivityDeclaration? Find(string tenant, string activity) => activity == "named.tool" ? Now : null;
    }

    [Fact]
    public async Task The_class_that_is_declared_at_the_call_is_recorded_and_replays_without_a_directory()
    {
        directory.Now = new ActivityDeclaration(Effect.Idempotent, new ActivityOptions(), "1");
        var run = await Start("calls-by-name", "x");
        (await Result<string>(run)).Should().Contain("x as Idempotent");
        (await Events<StepScheduled>(run)).Should().ContainSingle(step => step.Effect == Effect.Idempotent && step.Activity == "named.tool");
        directory.Now = new ActivityDeclaration(Effect.AtMostOnce, new ActivityOptions(), "2");
        var verdict = new Replayer(Code).Replay(run, await Store.ReadAsync(run, 1, default));
        (verdict.Result, verdict.ByteEqual).Should().Be((ReplayResult.Same, true));
    }

    [Fact]
    public async Task One_that_nobody_has_declared_is_taken_for_the_most_dangerous()
    {
        var run = await Start("calls-by-name", "x");
        (await Result<string>(run)).Should().Contain("x as AtMostOnce");
    }

    [Fact]
    public async Task After_a_kill_the_recorded_class_decides_and_not_what_is_declared_by_then()
    {
        directory.Now = new ActivityDeclaration(Effect.AtMostOnce, new ActivityOptions(), "1");
        Outside.Answer = (_, _) => Outside.Hang();
        var run = await Start("calls-by-name", "x");
        await Eventually(() => Task.FromResult(Outside.Calls.Count == 1), () => "it was not called");
        directory.Now = new ActivityDeclaration(Effect.Idempotent, new ActivityOptions(), "2");
        await KillAndRestart();
        await UntilWaits(run, "outcome-unknown");
        Outside.Names.Should().Equal(["x as AtMostOnce"], "an idempotent one would have been called again");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_not_sent_says_nothing_of_an_attempt_before_it_and_what_its_receiver_refuses_does(bool byReceiver)
    {
        directory.Now = new ActivityDeclaration(Effect.Keyed, new ActivityOptions(), "1");
        Outside.Answer = (_, call) => call.Attempt == 1 ? throw new TimeoutException("no answer") : byReceiver ? throw new RefusedException("unknown to me") : throw new WithheldException("stopped here");
        var run = await Start("calls-by-name", "x");
        await PassTimeUntil(() => Outside.Calls.Count == 2);
        if (byReceiver) (await FailureOf(run)).Message.Should().Contain("unknown to me");
        else await UntilWaits(run, "outcome-unknown");
    }
}

public sealed class NamedActivityInMemory(InMemory store) : NamedActivityConformance(store), IClassFixture<InMemory>;

public sealed class NamedActivityOnPostgres(OnPostgres store) : NamedActivityConformance(store), IClassFixture<OnPostgres>;
