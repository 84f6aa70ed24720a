using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Schedules;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Runs started by the clock: once each, whatever dies, and as the schedule says when they would overlap. The test's time begins at midnight, 1 January 2026.</summary>
public abstract class ScheduleConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");

    [Workflow("quick")]
    private sealed class Quick : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string name) => Call(Tools.Pure, name);
    }

    [Workflow("stays")]
    private sealed class Stays : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string name)
        {
            try
            {
                return await Receive(Go);
            }
            catch (OperationCanceledException)
            {
                await Call(Tools.Pure, "undo", cancellation: CancellationToken.None);
                throw;
            }
        }
    }

    protected override IRunStore Front(IRunStore store) => StoreAtTestTime.Over(store, Time);

    // Who acts for whom matters where there is a gate.
    protected override WorkflowHostOptions Configure(WorkflowHostOptions options) => options with { Gate = new ScriptedGate() };

    private static ScheduleSpec Spec(string cron = "*/10 * * * *", string workflow = "quick", Overlap overlap = Overlap.Skip) => new(cron, new ScheduledStart(workflow, JsonText.From("x")), Overlap: overlap);

    private string Id => Key("s").Id;

    private async Task<string> Create(ScheduleSpec spec, string? paused = null)
    {
        await Host.Schedules.CreateAsync(Id, spec, "paula", paused);
        await Until(ScheduleRun, row => row.Attributes?.ContainsKey("cron") is true && !row.Busy);
        return Id;
    }

    private RunKey ScheduleRun => new(RunKey.DefaultTenant, $"schedule:{Id}");

    private async Task<List<RunRow>> Begun() =>
        [.. (await Store.ListAsync(new RunQuery(RunKey.DefaultTenant, Attributes: new Dictionary<string, string> { ["schedule"] = Id }, Sort: RunSort.OldestFirst, Limit: 500), default))];

    private async Task<IEnumerable<string>> Times() => (await Begun()).Select(row => row.Attributes!["scheduled"][5..16].Replace('T', ' ')).Order();

    private string RunAt(RunRow row) => $"{Id}:{row.Attributes!["scheduled"].Replace("-", "").Replace(":", "")}";

    // Lets time pass to a moment, in steps, each of them dealt with by the schedule before the next.
    private async Task PassTo(string moment, double minutes = 5)
    {
        var to = DateTimeOffset.Parse($"2026-{moment}Z", null, System.Globalization.DateTimeStyles.AssumeUniversal);
        while (Time.GetUtcNow() < to)
        {
            await Settled();
            Time.Advance(to - Time.GetUtcNow() is var left && left < TimeSpan.FromMinutes(minutes) ? left : TimeSpan.FromMinutes(minutes));
        }
        await Settled();
    }

    private Task Settled() => Eventually(async () => await Store.FindAsync(ScheduleRun, default) is { ClosedAt: not null }
        || await Waiting() && (await Begun()).All(row => row is { Workflow: "stays" } or { ClosedAt: not null }), () => "the schedule did not settle");

    // It has asked for all it will ask: it waits for its next time, a command, or the end of the run before.
    private async Task<bool> Waiting()
    {
        var open = new Dictionary<int, WorkflowEvent>();
        foreach (var e in await History(ScheduleRun))
            if (e is StepScheduled or TimerSet) open[((StepEvent)e).Step] = e;
            else if (e is StepCompleted or StepFailed or StepCancelled or TimerFired or TimerCancelled) open.Remove(((StepEvent)e).Step);
        var row = await Store.FindAsync(ScheduleRun, default);
        return open.Values.All(e => e is TimerSet timer && timer.Due > Time.GetUtcNow() || e is StepScheduled { Activity: "aios.await-end" })
            && (open.Count > 0 || row!.Attributes?.GetValueOrDefault("paused") is { Length: > 0 } || row.Waits.Any(wait => wait.Kind == "signal"));
    }

    private Task Sound() => Sound(ScheduleRun);

    [Fact]
    public async Task Each_time_starts_one_run_also_when_the_host_dies_in_between()
    {
        await Create(Spec());
        await PassTo("01-01 00:30");
        await KillAndRestart();
        await PassTo("01-01 01:00");
        (await Times()).Should().Equal("01-01 00:10", "01-01 00:20", "01-01 00:30", "01-01 00:40", "01-01 00:50", "01-01 01:00");
        (await Begun()).Should().OnlyContain(row => row.Run.Id == RunAt(row));
        var view = await Host.Schedules.FindAsync(Id, default);
        view.Upcoming.Select(time => time.Minute).Should().Equal(10, 20, 30, 40, 50);
        view.Run.Attributes.Should().Contain("started", "6").And.Contain("next", "2026-01-01T01:10:00Z");
        (await Events<SignalReceived>(ScheduleRun)).Should().BeEmpty();
        await Sound();
    }

    [Fact]
    public async Task Its_history_is_loaded_from_a_checkpoint_however_long_it_goes_on()
    {
        await Create(Spec("@every 1m"));
        await PassTo("01-01 00:35", minutes: 1);
        (await Begun()).Should().HaveCount(35);
        var (whole, loaded) = ((await Store.ReadAsync(ScheduleRun, 1, default)).Count, (await Store.LoadAsync(ScheduleRun, default)).Count);
        whole.Should().BeGreaterThan(250);
        loaded.Should().BeLessThan(150);
        await KillAndRestart();
        await PassTo("01-01 00:37", minutes: 1);
        (await Begun()).Should().HaveCount(37);
        (await Host.Schedules.FindAsync(Id, default)).Spec.Cron.Should().Be("@every 1m");
        await Sound();
    }

    [Theory]
    [InlineData(Overlap.Skip, "01-01 00:10")]
    [InlineData(Overlap.Allow, "01-01 00:10", "01-01 00:20", "01-01 00:30")]
    [InlineData(Overlap.BufferOne, "01-01 00:10")]
    [InlineData(Overlap.CancelOther, "01-01 00:10", "01-01 00:20", "01-01 00:30")]
    [InlineData(Overlap.TerminateOther, "01-01 00:10", "01-01 00:20", "01-01 00:30")]
    public async Task A_run_that_is_still_open_is_met_as_the_schedule_says(Overlap overlap, params string[] begun)
    {
        await Create(Spec(workflow: "stays", overlap: overlap));
        if (overlap is Overlap.CancelOther)
        {
            // The one before ends by undoing, which takes a moment of its own.
            await PassTo("01-01 00:15");
            Time.Advance(TimeSpan.FromMinutes(5));
            await Eventually(async () => (await Begun()).Count == 2, () => "the one before was not cancelled");
            await PassTo("01-01 00:25");
            Time.Advance(TimeSpan.FromMinutes(5));
            await Eventually(async () => (await Begun()).Count == 3, () => "the one before was not cancelled");
        }
        else await PassTo("01-01 00:30");
        (await Times()).Should().Equal(begun);
        var runs = await Begun();
        switch (overlap)
        {
            case Overlap.Skip:
                await Signal(runs[0].Run, "go", "on");
                await End(runs[0].Run);
                await PassTo("01-01 00:40");
                (await Times()).Should().Equal("01-01 00:10", "01-01 00:40");
                break;
            case Overlap.BufferOne:
                await KillAndRestart();
                await Signal(runs[0].Run, "go", "on");
                await PassTimeUntil(() => Begun().GetAwaiter().GetResult().Count == 2, 0.5);
                (await Times()).Should().Equal(["01-01 00:10", "01-01 00:20"], "of those that came meanwhile one had waited");
                await PassTo("01-01 00:35");
                (await Begun()).Should().HaveCount(2, "the rest is passed over");
                (await Store.FindAsync(ScheduleRun, default))!.Attributes.Should().Contain("skipped", "1", "and counted");
                break;
            case Overlap.CancelOther:
                runs.Select(row => row.Status).Should().Equal(RunStatus.Cancelled, RunStatus.Cancelled, RunStatus.Running);
                Outside.Names.Should().Equal("undo", "undo");
                break;
            case Overlap.TerminateOther:
                runs.Select(row => row.Status).Should().Equal(RunStatus.Terminated, RunStatus.Terminated, RunStatus.Running);
                break;
        }
        await Sound();
    }

    [Theory]
    [InlineData(Overlap.Skip, 1, "01-01 05:00")]
    [InlineData(Overlap.Allow, 1, "01-01 04:10", "01-01 04:20", "01-01 04:30", "01-01 04:40", "01-01 04:50", "01-01 05:00")]
    [InlineData(Overlap.Allow, 0)]
    public async Task Times_that_nobody_saw_are_made_up_for_within_the_window(Overlap overlap, int hours, params string[] begun)
    {
        await Create(Spec(overlap: overlap) with { CatchUp = TimeSpan.FromHours(hours) });
        Host.Halt();
        Time.Advance(TimeSpan.FromHours(5) + TimeSpan.FromMinutes(4));
        await KillAndRestart();
        await PassTo("01-01 05:05");
        (await Times()).Should().Equal(begun);
        await PassTo("01-01 05:10");
        (await Times()).Should().Equal([.. begun, "01-01 05:10"]);
        await Sound();
    }

    [Fact]
    public async Task Paused_it_starts_nothing_resumed_it_goes_on_from_there_and_told_to_it_starts_at_once()
    {
        await Create(Spec(), paused: "not yet");
        await PassTo("01-01 00:25");
        (await Times()).Should().BeEmpty();
        (await Host.Schedules.FindAsync(Id, default)).Should().Match<ScheduleView>(view => view.Paused == "not yet" && view.Upcoming.Count == 0);
        await Host.Schedules.TriggerAsync(Id, null, "paula", "once");
        await Host.Schedules.TriggerAsync(Id, null, "paula", "once");
        await Eventually(async () => (await Begun()).Count == 1, () => "nothing was triggered");
        (await Begun())[0].Run.Id.Should().Be($"{Id}:20260101T002500Z-trigger-1");
        await Host.Schedules.ResumeAsync(Id, "paula");
        await PassTo("01-01 00:40");
        (await Times()).Should().Equal("01-01 00:25", "01-01 00:30", "01-01 00:40");
        await Host.Schedules.PauseAsync(Id, "too much", "paula");
        await PassTo("01-01 01:00");
        (await Begun()).Should().HaveCount(3);
        (await Until(ScheduleRun, row => row.Attributes!["paused"] == "too much")).Attributes!["next"].Should().BeEmpty();
        await Sound();
    }

    [Fact]
    public async Task Updated_it_follows_the_new_times_and_removed_none()
    {
        await Create(Spec());
        await PassTo("01-01 00:10");
        await Host.Schedules.UpdateAsync(Id, Spec("30 * * * *"), "paula");
        await PassTo("01-01 01:30");
        (await Times()).Should().Equal("01-01 00:10", "01-01 00:30", "01-01 01:30");
        (await Host.Schedules.FindAsync(Id, default)).Spec.Cron.Should().Be("30 * * * *");
        await Host.Schedules.RemoveAsync(Id, "paula");
        (await End(ScheduleRun)).Should().BeOfType<RunCancelled>();
        Time.Advance(TimeSpan.FromHours(5));
        (await Begun()).Should().HaveCount(3);
        await Refused(() => Host.Schedules.CreateAsync(Id, Spec(), "paula"), Refusal.Conflict, "id: there was a schedule*starts nothing any more*");
        await Sound();
    }

    [Fact]
    public async Task A_time_is_not_passed_over_because_looking_took_a_moment()
    {
        await Create(Spec() with { CatchUp = TimeSpan.Zero });
        Time.Advance(new TimeSpan(0, 10, 5));
        await Eventually(async () => (await Begun()).Count == 1, () => "the time was passed over");
        await Sound();
    }

    [Fact]
    public async Task What_a_person_starts_beside_it_does_not_make_the_open_run_forgotten()
    {
        await Create(Spec(workflow: "stays"));
        await PassTo("01-01 00:10");
        var open = (await Begun()).Single();
        await Host.Schedules.BackfillAsync(Id, new DateTimeOffset(2025, 12, 31, 23, 50, 0, TimeSpan.Zero), new DateTimeOffset(2025, 12, 31, 23, 59, 0, TimeSpan.Zero), null, "paula");
        await Eventually(async () => (await Begun()).Count == 2, () => "not filled in");
        var filled = (await Begun()).Single(row => row.Run != open.Run);
        await Signal(filled.Run, "go", "on");
        await End(filled.Run);
        await PassTo("01-01 00:20");
        (await Times()).Should().Equal(["01-01 00:10", "12-31 23:50"], "the one of 00:10 is open");
        await Signal(open.Run, "go", "on");
        await End(open.Run);
        await PassTo("01-01 00:30");
        (await Times()).Should().Equal("01-01 00:10", "01-01 00:30", "12-31 23:50");
        await Sound();
    }

    [Fact]
    public async Task A_paused_schedule_does_not_start_what_waits_either()
    {
        await Create(Spec(workflow: "stays", overlap: Overlap.BufferOne));
        await PassTo("01-01 00:25");
        await Host.Schedules.PauseAsync(Id, "an incident", "paula");
        await Until(ScheduleRun, row => row.Attributes!.GetValueOrDefault("paused") == "an incident" && !row.Busy);
        var open = (await Begun()).Single().Run;
        await Signal(open, "go", "on");
        await End(open);
        await PassTo("01-01 00:35");
        (await Begun()).Should().ContainSingle();
        await Host.Schedules.ResumeAsync(Id, "paula");
        await PassTo("01-01 00:40");
        (await Times()).Should().Equal("01-01 00:10", "01-01 00:40");
        (await Store.FindAsync(ScheduleRun, default))!.Attributes.Should().Contain("skipped", "1");
        await Sound();
    }

    [Fact]
    public async Task What_a_person_has_wait_costs_the_clock_none_of_its_times()
    {
        await Create(Spec(workflow: "stays", overlap: Overlap.Allow));
        await PassTo("01-01 00:10");
        var open = (await Begun()).Single().Run;
        await Host.Schedules.BackfillAsync(Id, new DateTimeOffset(2025, 12, 31, 23, 50, 0, TimeSpan.Zero), new DateTimeOffset(2025, 12, 31, 23, 59, 0, TimeSpan.Zero), Overlap.BufferOne, "paula");
        await Eventually(async () => (await Events<StepScheduled>(ScheduleRun)).Any(step => step.Activity == "aios.await-end"), () => "it does not wait");
        await PassTo("01-01 00:35");
        (await Begun()).Should().ContainSingle();
        await Signal(open, "go", "on");
        await Eventually(async () => (await Begun()).Count == 4, () => "what fell due meanwhile was not made up for");
        await PassTo("01-01 00:40");
        (await Times()).Should().Equal("01-01 00:10", "01-01 00:20", "01-01 00:30", "01-01 00:40", "12-31 23:50");
        await Sound();
    }

    [Fact]
    public async Task A_zone_that_the_host_does_not_know_is_trouble_and_no_end()
    {
        await Host.StartRunAsync(new StartRun("aios.schedule", JsonText.From(new ScheduleStart(Spec() with { TimeZone = "Mars/Base" })), ScheduleRun.Id), "paula");
        (await Until(ScheduleRun, row => row.Attributes?.GetValueOrDefault("trouble") is { Length: > 0 })).Attributes!["trouble"].Should().Contain("Mars/Base");
        (await Host.Schedules.FindAsync(Id, default)).Upcoming.Should().BeEmpty();
        await Host.Schedules.UpdateAsync(Id, Spec(), "paula");
        await PassTo("01-01 00:10");
        (await Times()).Should().Equal("01-01 00:10");
        await Sound();
    }

    [Fact]
    public async Task Whoever_says_what_it_starts_stands_in_the_chain_of_what_it_starts_from_then_on()
    {
        await Create(Spec());
        await PassTo("01-01 00:10");
        await Host.Schedules.UpdateAsync(Id, Spec(), "paula");
        await PassTo("01-01 00:20");
        await Host.Schedules.TriggerAsync(Id, null, "eve");
        await Eventually(async () => (await Begun()).Count == 3, () => "nothing was triggered");
        await Host.Schedules.UpdateAsync(Id, Spec(), "ben (service/crm)");
        await PassTo("01-01 00:30");
        await KillAndRestart();
        await PassTo("01-01 00:40");
        // Past the client, straight to the run.
        await Host.SignalAsync(ScheduleRun, "aios.schedule", JsonText.From(new ScheduleCommand("update", Spec: Spec())), "eve");
        await PassTo("01-01 00:50");
        var chains = new List<string>();
        foreach (var row in (await Begun()).OrderBy(row => row.Attributes!["scheduled"], StringComparer.Ordinal).ThenBy(row => row.Run.Id.Length)) chains.Add(string.Join(' ', ((RunStarted)(await History(row.Run))[0]).Chain!));
        chains.Should().Equal("paula", "paula", "paula", "paula +ben +service/crm", "paula +ben +service/crm", "paula +ben +service/crm +eve");
        await Sound();
    }

    [Fact]
    public async Task The_past_is_filled_in_and_what_was_started_is_found()
    {
        await Create(Spec("0 * * * *"));
        await PassTo("01-01 02:30", minutes: 30);
        (await Times()).Should().Equal("01-01 01:00", "01-01 02:00");
        (await Host.Schedules.BackfillAsync(Id, new DateTimeOffset(2025, 12, 31, 22, 0, 0, TimeSpan.Zero), new DateTimeOffset(2026, 1, 1, 2, 0, 0, TimeSpan.Zero), null, "paula")).Should().Be(5);
        await Eventually(async () => (await Begun()).Count == 5, () => "not filled in");
        await PassTo("01-01 02:35");
        (await Times()).Should().Equal("01-01 00:00", "01-01 01:00", "01-01 02:00", "12-31 22:00", "12-31 23:00");
        await Refused(() => Host.Schedules.BackfillAsync(Id, DateTimeOffset.UnixEpoch, Time.GetUtcNow(), null, "paula"), Refusal.Invalid, "*1000*");
        await Refused(() => Host.Schedules.BackfillAsync(Id, Time.GetUtcNow(), Time.GetUtcNow().AddHours(1), null, "paula"), Refusal.Invalid, "*future*");
        await Sound();
    }

    [Fact]
    public async Task Jitter_puts_each_time_off_by_the_same_part_ever_again()
    {
        await Create(Spec() with { Jitter = TimeSpan.FromMinutes(5) });
        var upcoming = (await Host.Schedules.FindAsync(Id, default)).Upcoming;
        upcoming.Select(time => time.Minute % 10).Should().OnlyContain(minute => minute < 5);
        upcoming.Select(time => time.TimeOfDay.TotalMilliseconds % 600_000).Distinct().Count().Should().BeGreaterThan(1);
        await PassTo("01-01 00:10");
        await KillAndRestart();
        (await Host.Schedules.FindAsync(Id, default)).Upcoming[0].Should().Be(upcoming[0]);
        await PassTo("01-01 00:16", minutes: 2);
        (await Times()).Should().Equal("01-01 00:10");
        (await Begun())[0].StartedAt.Should().BeOnOrAfter(upcoming[0]);
    }

    [Fact]
    public async Task A_start_that_is_refused_is_told_and_the_next_time_is_tried_all_the_same()
    {
        await Host.StartRunAsync(new StartRun("quick", JsonText.From("other"), $"{Id}:20260101T001000Z"), "eve");
        await Create(Spec());
        await PassTo("01-01 00:10");
        (await Until(ScheduleRun, row => row.Attributes?.GetValueOrDefault("failed") == "1")).Attributes!["trouble"].Should().Contain("another input");
        await PassTo("01-01 00:20");
        (await Times()).Should().Equal("01-01 00:20");
    }

    [Fact]
    public async Task What_is_no_schedule_is_refused_at_the_door()
    {
        await Refused(() => Host.Schedules.CreateAsync("x", Spec("* * *"), "eve"), Refusal.Invalid, "cron: *5 fields*");
        await Refused(() => Host.Schedules.CreateAsync("x", Spec(workflow: "nobody"), "eve"), Refusal.NotFound, "start.workflow: *nobody*");
        await Refused(() => Host.Schedules.CreateAsync("x", Spec() with { Start = new ScheduledStart("quick", JsonText.From(7)) }, "eve"), Refusal.Invalid, "start.input: *");
        await Refused(() => Host.Schedules.CreateAsync("x", Spec() with { Jitter = TimeSpan.FromHours(1) }, "eve"), Refusal.Invalid, "jitter: *overtake*00:10:00*");
        await Refused(() => Host.Schedules.CreateAsync("a/b", Spec(), "eve"), Refusal.Invalid, "id: *");
        await Refused(() => Host.Schedules.CreateAsync(new string('x', 141), Spec(), "eve"), Refusal.Invalid, "id: *140*");
        await Refused(() => Host.Schedules.FindAsync("nobody", default), Refusal.NotFound);
        await Refused(() => Host.Schedules.PauseAsync("nobody", "why", "eve"), Refusal.NotFound);
        await Create(Spec());
        await Refused(() => Host.Schedules.UpdateAsync(Id, Spec("nonsense"), "eve"), Refusal.Invalid, "cron: *");
        // Past the client, straight to the run.
        await Refused(() => Signal(ScheduleRun, "aios.schedule", new { kind = 7 }), Refusal.Invalid);
        await Signal(ScheduleRun, "aios.schedule", new { kind = "explode" });
        await PassTo("01-01 00:10");
        (await Times()).Should().Equal("01-01 00:10");
        await Refused(() => Host.Schedules.CreateAsync(Id, Spec("0 0 * * *"), "eve"), Refusal.Conflict);
    }
}

/// <summary>A database has a clock of its own, and these tests speak of times of the day: it is told the test's.</summary>
internal class StoreAtTestTime : System.Reflection.DispatchProxy
{
    private IRunStore inner = null!;
    private TimeProvider time = null!;

    public static IRunStore Over(IRunStore inner, TimeProvider time)
    {
        var proxy = Create<IRunStore, StoreAtTestTime>();
        (((StoreAtTestTime)(object)proxy).inner, ((StoreAtTestTime)(object)proxy).time) = (inner, time);
        return proxy;
    }

    protected override object? Invoke(System.Reflection.MethodInfo? method, object?[]? arguments) =>
        method!.Name == nameof(IRunStore.BeatAsync) ? BeatAsync((ValueTask<HostBeat>)method.Invoke(inner, arguments)!) : method.Invoke(inner, arguments);

    private async ValueTask<HostBeat> BeatAsync(ValueTask<HostBeat> beat) => await beat with { StoreTime = time.GetUtcNow() };
}

public sealed class SchedulesInMemory(InMemory store) : ScheduleConformance(store), IClassFixture<InMemory>;

public sealed class SchedulesOnPostgres(OnPostgres store) : ScheduleConformance(store), IClassFixture<OnPostgres>;
