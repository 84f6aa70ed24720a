using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Timers;

namespace OrleansAiOs.Tests.Shared;

public abstract class WakeUpConformance : RunStoreConformance
{
    private async Task<IEnumerable<string>> Due(DateTimeOffset before) =>
        (await Store.WakeUpsAsync(before, 1_000_000, default)).Where(w => w.Run.Tenant == Tenant).Select(w => w.Run.Id);

    [Fact]
    public async Task They_come_earliest_first_and_only_those_before_the_moment()
    {
        foreach (var i in new[] { 3, 1, 2, 4 }) await Append(Run($"r{i}"), 0, 1, Row(Run($"r{i}")), new WakeUpChange(Moment.AddMicroseconds(i)));
        (await Due(Moment.AddMicroseconds(4))).Should().Equal("r1", "r2", "r3");
        (await Due(Moment.AddMicroseconds(1))).Should().BeEmpty();
        (await Store.WakeUpsAsync(Moment.AddSeconds(1), 1, default)).Should().HaveCount(1);
    }

    [Fact]
    public async Task The_next_one_is_the_earliest_at_or_after_the_moment()
    {
        await Append(Run("a"), 0, 1, Row(Run("a")), new WakeUpChange(Moment));
        await Append(Run("b"), 0, 1, Row(Run("b")), new WakeUpChange(Moment.AddSeconds(5)));
        (await Store.NextWakeUpAsync(Moment, default)).Should().Be(Moment);
        (await Store.NextWakeUpAsync(Moment.AddMicroseconds(1), default)).Should().Be(Moment.AddSeconds(5));
        (await Store.NextWakeUpAsync(new DateTimeOffset(9990, 1, 1, 0, 0, 0, TimeSpan.Zero), default)).Should().BeNull();
    }

    [Fact]
    public async Task Each_falls_into_one_bucket_the_same_for_the_store_as_for_the_hosts()
    {
        for (var i = 0; i < 100; i++) await Append(Run($"ü{i}"), 0, 1, Row(Run($"ü{i}")), new WakeUpChange(Moment.AddMicroseconds(i)));
        for (var bucket = 0; bucket < WakeUpBuckets.Count; bucket++)
        {
            var due = (await Store.WakeUpsAsync(Moment.AddSeconds(1), 1_000_000, [bucket], default)).Where(w => w.Run.Tenant == Tenant).ToList();
            due.Select(w => w.Run.Id).Should().Equal(Enumerable.Range(0, 100).Select(i => $"ü{i}").Where(id => WakeUpBuckets.Of(Run(id)) == bucket));
        }
        (await Store.WakeUpsAsync(Moment.AddSeconds(1), 1_000_000, [3, 7, 30], default)).Where(w => w.Run.Tenant == Tenant).Should()
            .HaveCount(Enumerable.Range(0, 100).Count(i => WakeUpBuckets.Of(Run($"ü{i}")) is 3 or 7 or 30));
        (await Store.WakeUpsAsync(Moment.AddSeconds(1), 1_000_000, [], default)).Should().BeEmpty();
        var next = Enumerable.Range(0, 100).First(i => WakeUpBuckets.Of(Run($"ü{i}")) != WakeUpBuckets.Of(Run("ü0")));
        (await Store.NextWakeUpAsync(Moment, [WakeUpBuckets.Of(Run($"ü{next}"))], default)).Should().BeOnOrBefore(Moment.AddMicroseconds(next));
    }

    [Fact]
    public async Task One_is_moved_kept_and_taken_away()
    {
        await Append(Run(), 0, 1, Row(Run()), new WakeUpChange(Moment));
        await Append(Run(), 1, 1, null, new WakeUpChange(Moment.AddSeconds(9)));
        (await Due(Moment.AddSeconds(9))).Should().BeEmpty("it was moved");
        await Append(Run(), 2);
        (await Due(Moment.AddSeconds(10))).Should().Equal(["r"], "an append that says nothing of it keeps it");
        await Append(Run(), 3, 1, null, new WakeUpChange(null));
        (await Due(Moment.AddSeconds(10))).Should().BeEmpty();
        (await Append(Run(), 4, 1, null, new WakeUpChange(null))).Should().Be(AppendResult.Appended, "taking away what is not there is nothing");
    }
}

public abstract class HostConformance : RunStoreConformance
{
    private static readonly TimeSpan Never = TimeSpan.FromDays(1);
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(400);

    private readonly string a = $"a-{Guid.NewGuid():N}", b = $"b-{Guid.NewGuid():N}";

    [Fact]
    public async Task A_host_that_beats_lives_and_knows_the_stores_time()
    {
        var before = DateTimeOffset.UtcNow.AddMinutes(-1);
        (await Store.BeatAsync(a, alone: false, Never, default)).Living.Should().Contain(a);
        var beat = await Store.BeatAsync(b, alone: false, Never, default);
        beat.Living.Should().Contain([a, b]);
        beat.StoreTime.Should().BeAfter(before).And.BeBefore(DateTimeOffset.UtcNow.AddMinutes(1));
    }

    [Fact]
    public async Task A_host_not_heard_of_is_dead_for_good()
    {
        await Store.BeatAsync(a, alone: false, Never, default);
        await UntilDeadAsync();
        var late = () => Store.BeatAsync(a, alone: false, Never, default).AsTask();
        await late.Should().ThrowAsync<HostFencedException>();
        await late.Should().ThrowAsync<HostFencedException>("dead is for good");
        (await Store.BeatAsync(b, alone: false, Never, default)).Living.Should().Contain(b).And.NotContain(a);
    }

    [Fact]
    public async Task Behind_a_time_in_which_nobody_could_beat_nobody_is_taken_for_dead_who_beats_again()
    {
        await BothWatchAsync();
        await NobodyBeatsAsync();
        (await Store.BeatAsync(b, alone: false, Soon, default)).Living.Should().Contain(a, "it could not be heard either");
        (await Store.BeatAsync(a, alone: false, Soon, default)).Living.Should().Contain([a, b]);
    }

    [Fact]
    public async Task Who_stays_silent_behind_such_a_time_is_dead_once_another_has_beaten_long_enough_without_a_gap()
    {
        await BothWatchAsync();
        // Before its beat: the answer's time is a little behind the moment from which it counts.
        var before = await NobodyBeatsAsync();
        await Store.BeatAsync(b, alone: false, Soon, default);
        (await UntilDeadAsync()).Should().BeOnOrAfter(before + Soon);
    }

    [Fact]
    public async Task A_host_that_has_just_begun_does_not_know_yet_who_is_dead()
    {
        await Store.BeatAsync(a, alone: false, Never, default);
        var before = await NobodyBeatsAsync();
        var next = await Store.BeatAsync(b, alone: false, Soon, default);
        next.Living.Should().Contain(a, "what kept it from being heard may have kept it only until now");
        (await UntilDeadAsync()).Should().BeOnOrAfter(before + Soon);
    }

    private async Task BothWatchAsync()
    {
        var from = (await Store.BeatAsync(a, alone: false, Soon, default)).StoreTime;
        while ((await Store.BeatAsync(b, alone: false, Soon, default)).StoreTime < from + Soon * 2) await Store.BeatAsync(a, alone: false, Soon, default);
    }

    // But for one that is asked for the time.
    /// <returns>The store's time when it was asked last.</returns>
    private async Task<DateTimeOffset> NobodyBeatsAsync()
    {
        DateTimeOffset? from = null;
        while (true)
        {
            var now = (await Store.BeatAsync($"c-{a}", alone: false, Never, default)).StoreTime;
            if (now >= (from ??= now) + Soon * 2) return now;
        }
    }

    private async Task<DateTimeOffset> UntilDeadAsync()
    {
        while (true)
            if (await Store.BeatAsync(b, alone: false, Soon, default) is var beat && !beat.Living.Contains(a)) return beat.StoreTime;
    }

    [Fact]
    public async Task A_host_that_is_alone_declares_all_others_dead()
    {
        await Store.BeatAsync(a, alone: false, Never, default);
        (await Store.BeatAsync(b, alone: true, Never, default)).Living.Should().Equal(b);
        var late = () => Store.BeatAsync(a, alone: true, Never, default).AsTask();
        await late.Should().ThrowAsync<HostFencedException>();
        (await Store.BeatAsync(b, alone: false, Never, default)).Living.Should().Contain(b, "the fenced one has harmed nobody");
    }

    [Fact]
    public async Task A_host_that_retired_is_not_among_the_living()
    {
        await Store.BeatAsync(a, alone: false, Never, default);
        await Store.RetireAsync(a, default);
        (await Store.BeatAsync(b, alone: false, Never, default)).Living.Should().NotContain(a);
    }

    [Fact]
    public async Task Orphans_are_busy_runs_of_hosts_that_do_not_live()
    {
        await Append(Run("mine"), 0, 1, Row(Run("mine"), host: a, busy: true));
        await Append(Run("theirs"), 0, 1, Row(Run("theirs"), host: b, busy: true));
        await Append(Run("idle"), 0, 1, Row(Run("idle"), host: b));
        (await Orphans(a)).Should().Equal("theirs");
        (await Orphans(a, b)).Should().BeEmpty();
        (await Orphans()).Should().BeEquivalentTo("mine", "theirs");
        await Append(Run("theirs"), 1, 1, Row(Run("theirs"), host: a));
        (await Orphans(a)).Should().BeEmpty("what was taken over is nobody's orphan");
    }

    [Fact]
    public async Task Parked_runs_are_found_by_why_they_are_parked_a_page_at_a_time()
    {
        foreach (var (id, reason) in new[] { ("c", "no code"), ("a", "no code"), ("broken", "it threw"), ("d", "no version"), ("b", "no code") })
            await Append(Run(id), 0, 1, Row(Run(id), RunStatus.Parked, waits: [new RunWait("resume", "no code"), new RunWait("unpark", reason)]));
        await Append(Run("runs"), 0, 1, Row(Run("runs"), waits: [new RunWait("signal", "no code")]));
        (await Parked(100, "no code", "no version")).Should().Equal("a", "b", "c", "d");
        (await Parked(1, "no code", "no version")).Should().Equal("a", "b", "c", "d");
        (await Parked(2, "no code")).Should().Equal("a", "b", "c");
        (await Parked(2)).Should().BeEmpty();
        await Append(Run("a"), 1, 1, Row(Run("a")));
        (await Parked(2, "no code")).Should().Equal(["b", "c"], "what goes on is not parked");
    }

    private async Task<List<string>> Parked(int limit, params string[] reasons)
    {
        var (found, after) = (new List<string>(), default(RunKey?));
        while (await Store.ParkedAsync(reasons, after, limit, default) is { Count: > 0 } page)
        {
            page.Count.Should().BeLessThanOrEqualTo(limit);
            found.AddRange(page.Where(row => row.Run.Tenant == Tenant).Select(row => row.Run.Id));
            after = page[^1].Run;
        }
        return found;
    }

    private async Task<IEnumerable<string>> Orphans(params string[] living) =>
        (await Store.OrphansAsync(living, default)).Where(run => run.Tenant == Tenant).Select(run => run.Id);
}
