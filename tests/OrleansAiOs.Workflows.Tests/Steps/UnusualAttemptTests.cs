using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Steps;

/// <summary>Whatever a tool answers, throws or asks for, its run hears of it.</summary>
public sealed class UnusualAttemptTests
{
    private static readonly JsonText TooLarge = new("1e400000"u8.ToArray());

    private static readonly Activity<int, JsonText> AnswersPure = Activity.Pure<int, JsonText>("answers.pure", (_, _) => Task.FromResult(TooLarge));
    private static readonly Activity<int, JsonText> AnswersKeyed = Activity.Keyed<Calls, int, JsonText>("answers.keyed", (calls, _, _, _) => calls.Count(TooLarge));
    private static readonly Activity<int, JsonText> AnswersInTransaction = Activity.Transactional<Calls, int, JsonText>("answers.transaction", (calls, _, _, _) => calls.Count(TooLarge));

    private static readonly Activity<int, int> NotForEver = Activity.Pure<int, int>("refuses.for-ever", (_, _) => throw new RefusedException("not in this age", retry: true, TimeSpan.MaxValue));
    private static readonly Activity<int, int> Quarrelsome = Activity.Pure<int, int>("quarrelsome", async (_, call) =>
    {
        call.Cancellation.Register(() => throw new InvalidOperationException("thrown at whoever fires the token"));
        await Task.Delay(Timeout.Infinite, CancellationToken.None);
        return 1;
    });

    private sealed class Calls
    {
        public int Made { get; private set; }

        public Task<JsonText> Count(JsonText answer)
        {
            Made++;
            return Task.FromResult(answer);
        }
    }

    [Workflow("unusual")]
    private sealed class Unusual : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string how) => how switch
        {
            "pure" => (await Call(AnswersPure, 1)).ToString(),
            "keyed" => (await Call(AnswersKeyed, 1)).ToString(),
            "transaction" => (await Call(AnswersInTransaction, 1)).ToString(),
            "refuses" => $"{await Call(NotForEver, 1)}",
            "quarrels" => $"{await Call(Quarrelsome, 1, new CallOptions { StartToClose = TimeSpan.FromMilliseconds(30), Retry = RetryPolicy.None })}",
            "sixty-days" => $"{await Call(AnswersPure, 1, new CallOptions { StartToClose = TimeSpan.FromDays(60) })}",
            "at-once" => $"{await Call(AnswersPure, 1, new CallOptions { ScheduleToStart = TimeSpan.Zero })}",
            "ever" => $"{await Call(NotForEver, 1, new CallOptions { ScheduleToClose = TimeSpan.MaxValue, Retry = new RetryPolicy { Longest = TimeSpan.MaxValue, Factor = 1e9 } })}",
            _ => "",
        };
    }

    private readonly Calls calls = new();

    private Task<WorkflowTestHost> Host() => new WorkflowTestHost(new WorkflowRegistry().Add<Unusual>(), services => services.AddSingleton(calls)).StartAsync();

    [Theory]
    [InlineData("pure")]
    [InlineData("transaction")]
    public async Task An_answer_that_cannot_be_stored_ends_the_step_at_once_where_nothing_was_done(string how)
    {
        await using var test = await Host();
        (await test.RunAsync("unusual", how)).Should().BeOfType<RunFailed>().Which.Failure.Message.Should().Contain("cannot be stored");
        calls.Made.Should().BeLessThan(2);
    }

    [Fact]
    public async Task An_answer_that_cannot_be_stored_of_a_tool_that_did_something_is_for_a_person()
    {
        await using var test = await Host();
        var run = await test.StartRunAsync("unusual", "keyed");
        var row = await test.Until(run, r => r.Waits.Any(wait => wait.Kind == "outcome-unknown"));
        calls.Made.Should().Be(1);
        await test.Host.ResolveAsync(run, row.Waits.Single().Step!.Value, true, JsonText.From("a large number"), "", "petra");
        (await test.ResultOf<string>(run)).Should().Contain("a large number");
    }

    [Theory]
    [InlineData("refuses")]
    [InlineData("ever")]
    public async Task A_pause_beyond_the_end_of_time_is_a_long_pause(string how)
    {
        await using var test = await Host();
        var run = await test.StartRunAsync("unusual", how);
        var row = await test.Until(run, r => r.Waits.Any(wait => wait.Why?.Contains("not in this age") is true));
        row.Waits.Single().Until.Should().BeAfter(DateTimeOffset.UtcNow.AddYears(90));
    }

    [Fact]
    public async Task What_a_tool_hangs_on_its_token_and_throws_ends_neither_host_nor_step()
    {
        await using var test = await Host();
        var run = await test.StartRunAsync("unusual", "quarrels");
        await test.AdvanceAsync(TimeSpan.FromSeconds(1));
        (await test.EndOf(run)).Should().BeOfType<RunFailed>().Which.Failure.Message.Should().Contain("did not answer within");
    }

    [Theory]
    [InlineData("sixty-days")]
    [InlineData("at-once")]
    public async Task A_limit_that_no_clock_can_be_set_to_is_a_fault_of_the_code_that_asks_for_it(string how)
    {
        await using var test = await Host();
        var run = await test.StartRunAsync("unusual", how);
        (await test.Until(run, r => r.Status is RunStatus.Parked)).Waits.Single().Name.Should().Contain("must be more than zero and at most 49 days");
    }

    [Fact]
    public void A_rate_of_nothing_is_refused_where_it_is_declared() =>
        FluentActions.Invoking(() => Activity.Pure<int, int>("never", (x, _) => Task.FromResult(x), new ActivityOptions { PerSecond = 0 })).Should().Throw<ArgumentOutOfRangeException>();
}
