using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>When an attempt is repeated, and what its four clocks do.</summary>
public abstract class AttemptConformance(IStoreFixture stores) : EngineConformance(stores)
{
    public sealed record Ask(string Policy, string Tool = "pure");

    [Workflow("calls")]
    private sealed class Calls : Workflow<Ask, string>
    {
        protected override async Task<string> RunAsync(Ask ask)
        {
            CallOptions options = ask.Policy switch
            {
                "three" => new() { Retry = RetryPolicy.UpTo(3) },
                "never-on" => new() { Retry = RetryPolicy.Default.NeverOn<ArgumentException>() },
                "to-close" => new() { ScheduleToClose = TimeSpan.FromSeconds(10) },
                "heartbeat" => new() { Heartbeat = TimeSpan.FromSeconds(10), StartToClose = TimeSpan.FromHours(1) },
                _ => new(),
            };
            try
            {
                return await Call(ask.Tool switch { "keyed" => Tools.Keyed, _ => Tools.Pure }, ask.Policy, options);
            }
            catch (ActivityFailedException e) when (ask.Policy == "three")
            {
                return $"caught {e.Failure.Type}: {e.Failure.Message}";
            }
        }
    }

    private void FailFirst(int times, Func<Exception> why) => Outside.Answer = (name, c) => c.Attempt <= times ? throw why() : Task.FromResult(name);

    [Fact]
    public async Task A_failed_attempt_is_repeated_until_one_succeeds_and_the_code_sees_only_that()
    {
        FailFirst(3, () => new IOException("gone"));
        var run = await Start("calls", new Ask("default"));
        await PassTimeUntilEnd(run);
        (await Result<string>(run)).Should().Be("default");
        Outside.Calls.Select(c => c.Attempt).Should().Equal(1, 2, 3, 4);
        var failures = await Events<AttemptFailed>(run);
        failures.Should().HaveCount(3).And.OnlyContain(f => f.Failure.Type == "IOException" && f.Failure.Message == "gone");
    }

    [Fact]
    public async Task Pauses_grow_and_cost_nothing_but_a_wake_up()
    {
        FailFirst(2, () => new IOException("gone"));
        var run = await Start("calls", new Ask("default"));
        var row = await Until(run, r => r.Waits.Any(w => w.Kind == "activity" && w.Until is not null));
        row.Busy.Should().BeFalse("nothing is under way while it waits");
        (await Store.NextWakeUpAsync(DateTimeOffset.MinValue.AddYears(1), default)).Should().BeCloseTo(row.Waits.Single().Until!.Value, TimeSpan.FromMicroseconds(1));
        await PassTimeUntilEnd(run, 0.1);
        var at = (await Store.ReadAsync(run, 1, default)).Where(e => e.Type is "attempt-failed").Select(e => (e.At, ((AttemptFailed)e.Read()).RetryAt)).ToList();
        (at[0].RetryAt - at[0].At).Should().BeCloseTo(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(0.21));
        (at[1].RetryAt - at[1].At).Should().BeCloseTo(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(0.41));
    }

    [Fact]
    public async Task Attempts_that_are_used_up_fail_the_step_and_the_code_may_catch_it()
    {
        FailFirst(99, () => new IOException("gone"));
        var run = await Start("calls", new Ask("three"));
        await PassTimeUntilEnd(run);
        (await Result<string>(run)).Should().Be("caught IOException: gone");
        Outside.Calls.Should().HaveCount(3);
    }

    [Fact]
    public async Task An_exception_type_that_is_named_as_final_ends_the_step_at_once_and_so_do_those_derived_from_it()
    {
        FailFirst(99, () => new ArgumentNullException("iban"));
        var run = await Start("calls", new Ask("never-on"));
        (await FailureOf(run)).Message.Should().Contain("iban");
        Outside.Calls.Should().HaveCount(1);
    }

    [Fact]
    public async Task A_final_no_of_the_receiver_is_not_asked_again_whatever_the_policy()
    {
        FailFirst(99, () => new RefusedException("account closed"));
        (await FailureOf(await Start("calls", new Ask("default")))).Message.Should().Contain("account closed");
        Outside.Calls.Should().HaveCount(1);
    }

    [Fact]
    public async Task A_receiver_that_says_when_to_come_back_is_obeyed()
    {
        FailFirst(1, () => new RefusedException("busy", retry: true, retryAfter: TimeSpan.FromHours(2)));
        var run = await Start("calls", new Ask("default"));
        var wait = (await Until(run, r => r.Waits.Any(w => w.Until is not null))).Waits.Single();
        var failed = (await Store.ReadAsync(run, 1, default)).Single(e => e.Type == "attempt-failed");
        wait.Until.Should().Be(failed.At.AddHours(2));
        await PassTimeUntilEnd(run, 600);
        (await Result<string>(run)).Should().Be("default");
    }

    [Theory]
    [InlineData("default", 31, FailureKind.NoAnswerInTime)]
    [InlineData("heartbeat", 11, FailureKind.NoHeartbeat)]
    public async Task An_attempt_that_gives_no_answer_or_no_sign_of_life_is_given_up_and_told_so(string policy, int seconds, FailureKind kind)
    {
        var told = new TaskCompletionSource();
        Outside.Answer = (name, c) =>
        {
            if (c.Attempt > 1) return Task.FromResult(name);
            c.Cancellation.Register(() => told.TrySetResult());
            return Outside.Hang();
        };
        var run = await Start("calls", new Ask(policy));
        await Eventually(() => Task.FromResult(Outside.Calls.Count == 1), () => "the attempt did not start");
        Time.Advance(TimeSpan.FromSeconds(seconds));
        await told.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await PassTimeUntilEnd(run);
        (await Result<string>(run)).Should().Be(policy);
        (await Events<AttemptFailed>(run)).Single().Failure.Kind.Should().Be(kind);
    }

    [Fact]
    public async Task An_attempt_that_reports_in_time_may_take_as_long_as_it_likes()
    {
        ActivityContext? context = null;
        var go = new TaskCompletionSource<string>();
        Outside.Answer = (_, c) =>
        {
            context = c;
            return go.Task;
        };
        var run = await Start("calls", new Ask("heartbeat"));
        await Eventually(() => Task.FromResult(context is not null), () => "the attempt did not start");
        for (var i = 0; i < 20; i++)
        {
            Time.Advance(TimeSpan.FromSeconds(9));
            context!.Heartbeat();
        }
        go.SetResult("done");
        (await Result<string>(run)).Should().Be("done");
        Outside.Calls.Should().HaveCount(1);
    }

    [Fact]
    public async Task All_attempts_together_end_with_schedule_to_close()
    {
        FailFirst(99, () => new IOException("gone"));
        var run = await Start("calls", new Ask("to-close"));
        // Its second attempt begins before the time runs away.
        await Until(run, row => row.Waits.Any(wait => wait.Until is not null));
        Time.Advance(TimeSpan.FromSeconds(2));
        await Eventually(() => Task.FromResult(Outside.Calls.Count >= 2), () => "it was not tried again");
        await PassTimeUntilEnd(run, 0.5);
        (await Events<StepFailed>(run)).Single().Failure.Kind.Should().Be(FailureKind.TooLate);
        Outside.Calls.Count.Should().BeInRange(2, 5);
    }

    [Fact]
    public async Task An_answer_that_comes_after_its_time_out_is_still_the_answer()
    {
        var first = new TaskCompletionSource<string>();
        Outside.Answer = (_, c) => c.Attempt == 1 ? first.Task : Outside.Hang();
        var run = await Start("calls", new Ask("default", "keyed"));
        await Eventually(() => Task.FromResult(Outside.Calls.Count == 1), () => "the attempt did not start");
        Time.Advance(TimeSpan.FromSeconds(31));
        await Until(run, r => r.Waits.Any(w => w.Until is not null));
        first.SetResult("late but true");
        (await Result<string>(run)).Should().Be("late but true");
    }

    [Fact]
    public async Task Nothing_of_an_attempt_that_is_over_stays_in_memory()
    {
        var held = new List<WeakReference>();
        Outside.Answer = (name, c) =>
        {
            Hold(c);
            return Task.FromResult(name);
        };
        await Result<string>(await Start("calls", new Ask("default")));
        await Eventually(() =>
        {
            GC.Collect();
            return Task.FromResult(held.TrueForAll(h => !h.IsAlive));
        }, () => "what the activity registered on its token is still reachable");

        void Hold(ActivityContext c)
        {
            var big = new byte[1000];
            c.Cancellation.Register(() => GC.KeepAlive(big));
            lock (held) held.Add(new WeakReference(big));
        }
    }
}

public sealed class AttemptsInMemory(InMemory store) : AttemptConformance(store), IClassFixture<InMemory>;

public sealed class AttemptsOnPostgres(OnPostgres store) : AttemptConformance(store), IClassFixture<OnPostgres>;
