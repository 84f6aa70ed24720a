using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>What a person can do about a step that does not get on: have it tried at once, or give its result in its stead.</summary>
public abstract class RepairConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<int> Go = new("go");

    [Workflow("repair")]
    private sealed class Repaired : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string tool)
        {
            var answer = await Call(tool switch { "once" => Tools.Once, "once-no-hook" => Tools.OnceWithoutHook, "keyed" => Tools.Keyed, _ => Tools.Pure }, tool);
            return $"{answer}, then {await Call(Tools.Keyed, "next")}";
        }
    }

    [Workflow("repair-parked")]
    private sealed class RepairedWhileParked : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int input)
        {
            _ = Call(Tools.Pure, "a");
            await Receive(Go);
            throw new InvalidOperationException("a fault of the code");
        }
    }

    private static class Mended
    {
        [Workflow("repair-parked")]
        private sealed class RepairedWhileParked : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int input)
            {
                var answer = Call(Tools.Pure, "a");
                await Receive(Go);
                return await answer;
            }
        }
    }

    private void FailFirst(int attempts) => Outside.Answer = (name, c) => name != "next" && c.Attempt <= attempts ? throw new IOException("the desk is closed") : Task.FromResult($"{name} #{c.Attempt}");

    private Task<RunRow> UntilPauses(RunKey run) => Until(run, row => row.Waits.Any(wait => wait is { Kind: "activity" or "outcome-unknown", Until: not null }));

    /// <summary>The history keeps to the grammar, and replays.</summary>
    private async Task Holds(RunKey run) => new HistoryChecker(new CheckerOptions { Registry = Code }).Check(await FactsAsync(run)).Should().BeEmpty();

    [Theory]
    [InlineData("pure")]
    [InlineData("keyed")]
    public async Task A_pause_ends_when_a_person_says_so_and_the_attempt_keeps_its_key(string tool)
    {
        FailFirst(1);
        var run = await Start("repair", tool);
        await UntilPauses(run);
        await Host.RetryNowAsync(run, 1, "olga", "k");
        (await Result<string>(run)).Should().Be($"{tool} #2, then next #1");
        (await Events<RetryAsked>(run)).Should().ContainSingle().Which.Should().BeEquivalentTo(new { Step = 1, By = "olga", Key = "k" });
        Outside.Calls.Where(c => c.Name == tool).Select(c => c.Key).Distinct().Should().ContainSingle();
        (await Events<AttemptStarted>(run)).Should().ContainSingle("one pause, one attempt");
        await Holds(run);
    }

    [Fact]
    public async Task A_retry_asked_twice_under_one_key_is_one_and_its_effect_survives_a_crash()
    {
        FailFirst(1);
        var run = await Start("repair", "pure");
        await UntilPauses(run);
        var version = await Host.RetryNowAsync(run, 1, "olga", "k");
        (await Host.RetryNowAsync(run, 1, "olga", "k")).Should().Be(version);
        await KillAndRestart();
        (await Host.RetryNowAsync(run, 1, "olga", "k")).Should().Be(version, "the receipt outlives the host");
        (await Result<string>(run)).Should().StartWith("pure #");
        (await Events<RetryAsked>(run)).Should().ContainSingle();
        await Holds(run);
    }

    [Fact]
    public async Task The_pause_before_an_inquiry_ends_too_and_nothing_is_sent_but_the_question()
    {
        FailFirst(1);
        var asked = 0;
        Outside.Inquiry = _ => Task.FromResult(++asked == 1 ? Reconciled<string>.StillUnknown("not booked yet") : Reconciled<string>.Happened("paid"));
        var run = await Start("repair", "once");
        await UntilPauses(run);
        await Host.RetryNowAsync(run, 1, "olga");
        (await Result<string>(run)).Should().Be("paid, then next #1");
        Outside.Names.Should().Equal("once", "once?", "once?", "next");
        await Holds(run);
    }

    [Fact]
    public async Task What_is_in_no_pause_is_not_tried_again()
    {
        FailFirst(1);
        var run = await Start("repair", "once-no-hook");
        await Until(run, row => row.Waits.Any(wait => wait.Kind == "outcome-unknown"));
        await Refused(() => Host.RetryNowAsync(run, 1, "olga"), Refusal.Conflict, "*unknown*resolves it*");
        await Refused(() => Host.RetryNowAsync(run, 2, "olga"), Refusal.Conflict, "*aios explain*");
        Outside.Answer = (_, _) => Outside.Hang();
        var hanging = await Start("repair", "pure", "hanging");
        await Refused(() => Host.RetryNowAsync(hanging, 1, "olga"), Refusal.Conflict, "*attempt 1 is under way*");
        await Refused(() => Host.SkipAsync(hanging, 1, JsonText.From("x"), "why", "olga"), Refusal.Conflict, "*under way*");
        (await Events<RetryAsked>(run)).Concat<WorkflowEvent>(await Events<StepSkipped>(hanging)).Should().BeEmpty();
    }

    [Theory]
    [InlineData("pure")]
    [InlineData("keyed")]
    [InlineData("once")]
    [InlineData("once-no-hook")]
    public async Task A_step_is_skipped_with_a_value_and_the_code_goes_on_with_it_also_after_a_crash(string tool)
    {
        FailFirst(int.MaxValue);
        var run = await Start("repair", tool);
        await Until(run, row => !row.Busy && row.Waits.Any(wait => wait.Step == 1));
        var sent = Outside.Names.Count(name => name == tool);
        await Refused(() => Host.SkipAsync(run, 1, JsonText.From(17), "wrong type", "olga"), Refusal.Invalid, "*test.*");
        Outside.Answer = (name, c) => Task.FromResult($"{name} #{c.Attempt}");
        await Host.SkipAsync(run, 1, JsonText.From("by hand"), "posted by hand", "olga", "k");
        (await Result<string>(run)).Should().Be("by hand, then next #1");
        await KillAndRestart();
        (await Events<StepSkipped>(run)).Should().ContainSingle().Which.Should().BeEquivalentTo(new { Why = "posted by hand", By = "olga", Key = "k" });
        Outside.Names.Count(name => name == tool).Should().Be(sent, "a step that was skipped is not tried again");
        await Refused(() => Host.SkipAsync(run, 1, JsonText.From("again"), "why", "olga"), Refusal.Conflict);
        await Holds(run);
    }

    [Fact]
    public async Task A_step_of_a_parked_run_is_skipped_and_the_code_sees_it_when_the_run_goes_on()
    {
        FailFirst(int.MaxValue);
        var run = await Start("repair-parked", 1);
        await UntilPauses(run);
        await Signal(run, "go", 1);
        await UntilParked(run);
        await Refused(() => Host.RetryNowAsync(run, 1, "olga"), Refusal.Conflict, "*parked*");
        await Host.SkipAsync(run, 1, JsonText.From("by hand"), "posted by hand", "olga");
        await KillAndRestart(CodeOf(typeof(Mended)));
        await Host.UnparkAsync(run, "olga");
        (await Result<string>(run)).Should().Be("by hand");
        Outside.Names.Should().Equal("a");
    }

    [Fact]
    public async Task A_resolution_that_the_code_cannot_read_is_refused_before_it_is_in_the_history()
    {
        FailFirst(1);
        var run = await Start("repair", "once-no-hook");
        await Until(run, row => row.Waits.Any(wait => wait.Kind == "outcome-unknown"));
        await Refused(() => Host.ResolveAsync(run, 1, true, JsonText.From(new { no = "string" }), "why", "olga"), Refusal.Invalid, "*test.once-no-hook*");
        await Host.ResolveAsync(run, 1, true, JsonText.From("paid"), "why", "olga");
        (await Result<string>(run)).Should().StartWith("paid");
    }
}

public sealed class RepairsInMemory(InMemory store) : RepairConformance(store), IClassFixture<InMemory>;

public sealed class RepairsOnPostgres(OnPostgres store) : RepairConformance(store), IClassFixture<OnPostgres>;
