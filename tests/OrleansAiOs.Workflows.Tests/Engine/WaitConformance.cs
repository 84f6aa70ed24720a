namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Timers, signals and values: what the code waits for, and what it computes once.</summary>
public abstract class WaitConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<int> Number = new("number");
    private static readonly Signal<string> Go = new("go");

    [Workflow("timers")]
    private sealed class Timers : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string kind)
        {
            var started = Now;
            switch (kind)
            {
                case "delay": await Task.Delay(TimeSpan.FromHours(1), Time); break;
                case "sleep": await Sleep(TimeSpan.FromHours(1)); break;
                case "until": await Until(started.AddHours(1)); break;
                case "past": await Until(started.AddHours(-1)); break;
                case "any": await Task.WhenAny(Sleep(TimeSpan.FromHours(9)), Sleep(TimeSpan.FromHours(1))); break;
                case "all": await Task.WhenAll(Sleep(TimeSpan.FromMinutes(30)), Sleep(TimeSpan.FromHours(1)), Sleep(TimeSpan.FromMinutes(1))); break;
                case "periodic":
                    using (var timer = new PeriodicTimer(TimeSpan.FromMinutes(20), Time))
                        for (var i = 0; i < 3; i++) await timer.WaitForNextTickAsync();
                    break;
                case "limit":
                    using (var limit = new CancellationTokenSource(TimeSpan.FromHours(1), Time))
                        try
                        {
                            await Receive(Go, limit.Token);
                        }
                        catch (OperationCanceledException)
                        {
                            break;
                        }
                    throw new WorkflowFailedException("nobody said go");
                case "wait-async":
                    try
                    {
                        await Receive(Go).WaitAsync(TimeSpan.FromHours(1), Time);
                    }
                    catch (TimeoutException)
                    {
                    }
                    break;
            }
            return (Now - started).TotalMinutes.ToString("0", null);
        }
    }

    [Workflow("numbers")]
    private sealed class Numbers : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int count)
        {
            await Receive(Go);
            var got = new List<int>();
            while (got.Count < count) got.Add(await Receive(Number));
            return string.Join(',', got);
        }
    }

    [Workflow("values")]
    private sealed class Values : Workflow<int, string>
    {
        private static int computed;

        protected override async Task<string> RunAsync(int input)
        {
            var (guid, other, recorded, now) = (NewGuid(), NewGuid(), Record(() => Interlocked.Increment(ref computed)), Now);
            SetAttributes(("before", $"{guid} {other} {recorded} {now:O}"));
            await Receive(Go);
            return $"{guid} {other} {recorded} {now:O}";
        }
    }

    [Theory]
    [InlineData("delay", 60)]
    [InlineData("sleep", 60)]
    [InlineData("until", 60)]
    [InlineData("past", 0)]
    [InlineData("any", 60)]
    [InlineData("all", 60)]
    [InlineData("periodic", 60)]
    [InlineData("limit", 60)]
    [InlineData("wait-async", 60)]
    public async Task Time_passes_for_the_code_as_it_was_asked_to_whatever_it_was_asked_with(string kind, int minutes)
    {
        var run = await Start("timers", kind);
        if (kind != "past")
        {
            await UntilWaits(run, "timer");
            Time.Advance(TimeSpan.FromMinutes(59));
            (await Store.FindAsync(run, default))!.Status.Should().Be(RunStatus.Running, "it is not yet time");
        }
        await PassTimeUntilEnd(run, 5);
        // Never early. How late depends on how far the test's clock is moved before the host gets to look.
        int.Parse(await Result<string>(run)).Should().BeGreaterThanOrEqualTo(minutes);
    }

    [Theory]
    [InlineData("delay")]
    [InlineData("periodic")]
    [InlineData("limit")]
    [InlineData("any")]
    public async Task A_timer_outlives_the_host_that_set_it(string kind)
    {
        var run = await Start("timers", kind);
        await UntilWaits(run, "timer");
        await KillAndRestart();
        await PassTimeUntilEnd(run, 60);
        int.Parse(await Result<string>(run)).Should().BeGreaterThanOrEqualTo(60);
    }

    [Workflow("left-behind")]
    private sealed class LeftBehind : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int input)
        {
            var timer = new PeriodicTimer(TimeSpan.FromMinutes(20), Time);
            await timer.WaitForNextTickAsync();
            return await Receive(Go);
        }
    }

    [Fact]
    public async Task A_timer_the_code_left_behind_is_no_harm_when_the_collector_disposes_it()
    {
        var run = await Start("left-behind", 1);
        await UntilWaits(run, "timer");
        await KillAndRestart(); // the first activation is garbage now
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers(); // an exception here would end the process
        }
        await Signal(run, "go", "on");
        await PassTimeUntilEnd(run, 300);
        (await Result<string>(run)).Should().Be("on");
    }

    [Fact]
    public async Task A_run_that_left_memory_while_it_awaited_a_tick_is_not_disturbed_when_the_collector_comes()
    {
        var run = await Start("timers", "periodic");
        await UntilWaits(run, "timer");
        await PassTimeUntil(() => Host.ActiveRuns == 0);
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers(); // ends the wait of the code that is garbage now
        }
        await PassTimeUntilEnd(run, 60);
        int.Parse(await Result<string>(run)).Should().BeGreaterThanOrEqualTo(60);
    }

    [Fact]
    public async Task Nothing_is_due_and_nothing_armed_for_a_run_that_waits_for_a_signal()
    {
        var run = await Start("numbers", 1);
        var row = await UntilWaits(run, "signal");
        row.Waits.Single().Name.Should().Be("go");
        (await Store.NextWakeUpAsync(DateTimeOffset.MinValue.AddYears(1), default)).Should().BeNull();
    }

    [Fact]
    public async Task Signals_are_received_in_the_order_they_came_also_those_that_came_early_and_before_a_crash()
    {
        var run = await Start("numbers", 6);
        foreach (var n in new[] { 3, 1, 2 }) await Signal(run, "number", n);
        await KillAndRestart();
        foreach (var n in new[] { 9, 7 }) await Signal(run, "number", n);
        await Signal(run, "go", "now");
        await Signal(run, "number", 8);
        (await Result<string>(run)).Should().Be("3,1,2,9,7,8");
    }

    [Fact]
    public async Task A_signal_sent_twice_under_one_key_is_received_once()
    {
        var run = await Start("numbers", 3);
        var version = await Signal(run, "number", 1, "k1");
        (await Signal(run, "number", 1, "k1")).Should().Be(version, "the second is answered as the first");
        await KillAndRestart();
        (await Signal(run, "number", 1, "k1")).Should().Be(version, "a receipt is in the history, not in memory");
        await Refused(() => Signal(run, "number", 2, "k1"), Refusal.Conflict, "*k1*");
        await Signal(run, "number", 1, "k2");
        await Signal(run, "number", 5);
        await Signal(run, "go", "");
        (await Result<string>(run)).Should().Be("1,1,5");
    }

    [Fact]
    public async Task A_signal_that_the_waiting_code_cannot_read_is_refused_and_one_that_came_early_passed_over()
    {
        var run = await Start("numbers", 2);
        await Refused(() => Signal(run, "go", new { not = "a string" }), Refusal.Invalid, "*go*cannot be read*");
        await Signal(run, "number", "early and no number");
        await Signal(run, "number", 1);
        await Signal(run, "go", "");
        await UntilWaits(run, "signal");
        await Refused(() => Signal(run, "number", "late and no number"), Refusal.Invalid);
        await Signal(run, "number", 2);
        (await Result<string>(run)).Should().Be("1,2");
    }

    [Fact]
    public async Task A_signal_with_an_impossible_name_is_refused()
    {
        var run = await Start("numbers", 1);
        foreach (var name in new[] { "", "a\0b", new string('x', 201) }) await Refused(() => Signal(run, name, 1), Refusal.Invalid);
        await Refused(() => Signal(Key("nobody"), "go", 1), Refusal.NotFound);
    }

    [Fact]
    public async Task Identifiers_recorded_values_and_the_time_are_the_same_on_every_replay()
    {
        var run = await Start("values", 1);
        var before = (await Until(run, r => r.Attributes is not null)).Attributes!["before"];
        for (var i = 0; i < 3; i++)
        {
            Time.Advance(TimeSpan.FromHours(1));
            await KillAndRestart();
        }
        await Signal(run, "go", "");
        (await Result<string>(run)).Should().Be(before);
        before.Split(' ').Should().OnlyHaveUniqueItems();
    }
}

public sealed class WaitsInMemory(InMemory store) : WaitConformance(store), IClassFixture<InMemory>;

public sealed class WaitsOnPostgres(OnPostgres store) : WaitConformance(store), IClassFixture<OnPostgres>;
