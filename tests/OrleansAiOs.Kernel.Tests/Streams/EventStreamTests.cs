using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Postgres;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Kernel.Tests.Streams;

public sealed class EventStreamTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private readonly EventStreams streams = new(database.Source);

    private static KillSwitchThrown Thrown(string why = "why") => new(KillTarget.Tool, "t", why);

    [Fact]
    public async Task What_is_appended_is_read_back_with_who_did_it()
    {
        var version = await streams.AppendAsync("default", "kill/tool/a", 0, [Thrown("first"), Thrown("second")], "user/ana");
        version.Should().Be(2);
        var read = await streams.ReadAsync("default", "kill/tool/a");
        read.Select(e => (e.Version, e.By, e.Event)).Should().Equal((1, "user/ana", Thrown("first")), (2, "user/ana", Thrown("second")));
        (await streams.ReadAsync("other", "kill/tool/a")).Should().BeEmpty("a stream is its tenant's");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task An_append_on_a_version_that_is_not_there_writes_nothing(long expected)
    {
        var stream = $"kill/tool/conflict-{expected}";
        await streams.AppendAsync("default", stream, 0, [Thrown()], null);
        var late = () => streams.AppendAsync("default", stream, expected, [Thrown("late")], null);
        await late.Should().ThrowAsync<StreamConflictException>().WithMessage($"*{stream}*");
        (await streams.ReadAsync("default", stream)).Should().ContainSingle();
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 1)]
    [InlineData(3, 0)]
    public async Task A_stream_of_which_somebody_has_deleted_events_by_hand_is_decided_on_no_more_and_says_so(int first, int left)
    {
        var stream = $"kill/tool/torn-{first}";
        await streams.AppendAsync("default", stream, 0, [Thrown("one"), Thrown("two")], null);
        await using var delete = database.Source.CreateCommand("delete from aios.mt_events where stream_id = $1 and (version = $2 or $2 = 3)");
        delete.Parameters.AddWithValue(stream);
        delete.Parameters.AddWithValue(first);
        await delete.ExecuteNonQueryAsync();
        var decide = () => streams.DecideAsync("default", stream, _ => [Thrown("three")], "user/ana");
        await decide.Should().ThrowAsync<TornStreamException>().WithMessage($"*{stream}*version 2*{left} of its events*aios db restore*");
    }

    [Fact]
    public async Task Of_fifty_that_append_at_once_on_one_version_one_wins()
    {
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50).Select(async i =>
        {
            try
            {
                await streams.AppendAsync("default", "kill/tool/race", 0, [Thrown($"{i}")], null);
                return 1;
            }
            catch (StreamConflictException)
            {
                return 0;
            }
        }));
        outcomes.Sum().Should().Be(1);
        (await streams.ReadAsync("default", "kill/tool/race")).Should().ContainSingle();
    }

    [Fact]
    public async Task Who_reads_on_from_where_they_stood_never_misses_what_was_committed_late()
    {
        var seen = new List<string>();
        var position = 0L;
        var writers = Task.WhenAll(Enumerable.Range(0, 8).Select(w => Task.Run(async () =>
        {
            for (var i = 0; i < 25; i++) await streams.AppendAsync("default", $"kill/tool/writer-{w}", i, [Thrown($"{w}.{i}")], null);
        })));
        while (!writers.IsCompleted || seen.Count < 200)
        {
            var ended = writers.IsCompleted;
            foreach (var e in await streams.ReadAllAsync(position))
            {
                if (e.Stream.StartsWith("kill/tool/writer-", StringComparison.Ordinal)) seen.Add(((KillSwitchThrown)e.Event).Why);
                position = e.Seq;
            }
            if (ended) break;
        }
        await writers;
        seen.Should().HaveCount(200).And.OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task A_host_that_serves_the_database_alone_holds_up_no_append()
    {
        await using var claim = await HostClaim.TakeAsync(database.ConnectionString, shared: false, default);
        await streams.AppendAsync("default", "kill/tool/served", 0, [Thrown()], null).WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task A_runs_stream_is_the_engines_alone()
    {
        var append = () => streams.AppendAsync("default", "run/1", 0, [Thrown()], null);
        await append.Should().ThrowAsync<ArgumentException>().WithMessage("*run/1*");
    }

    [Fact]
    public async Task The_catalogue_sees_its_own_appends_at_once_and_those_of_others_within_half_a_second()
    {
        var time = new ManualTime();
        var view = new KillSwitchView();
        var catalogue = new Catalogue(streams, [view], time);
        await catalogue.FreshAsync();

        await streams.AppendAsync("mine", "kill/tool/own", 0, [new KillSwitchThrown(KillTarget.Tool, "own", "why")], null);
        await catalogue.FreshAsync();
        view.Find("mine", KillTarget.Tool, "own").Should().NotBeNull();

        await new EventStreams(database.Source).AppendAsync("mine", "kill/tool/theirs", 0, [new KillSwitchThrown(KillTarget.Tool, "theirs", "why")], null);
        await catalogue.FreshAsync();
        view.Find("mine", KillTarget.Tool, "theirs").Should().BeNull("what is known is not older than half a second yet");
        time.Advance(Catalogue.OldestKept);
        await catalogue.FreshAsync();
        view.Find("mine", KillTarget.Tool, "theirs").Should().NotBeNull();
    }

    [Fact]
    public async Task A_row_that_was_written_by_hand_is_passed_over_with_an_alarm_and_nobody_decides_by_its_stream()
    {
        var seal = new StreamSeal(new byte[StreamSeal.SecretBytes]);
        var sealing = new EventStreams(database.Source, seal);
        await sealing.AppendAsync("sealed", "kill/tool/honest", 0, [new KillSwitchThrown(KillTarget.Tool, "honest", "why \u00e9 1.0")], "user/ana");
        (await sealing.ReadAsync("sealed", "kill/tool/honest")).Single().Event.Should().Be(new KillSwitchThrown(KillTarget.Tool, "honest", "why \u00e9 1.0"));

        // By hand: a copy of the sealed row in another place, and one under another secret.
        await using (var copy = database.Source.CreateCommand("""
            insert into aios.mt_streams (tenant_id, id, version) values ('sealed', 'kill/tool/copied', 1);
            insert into aios.mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id)
            select nextval('aios.mt_events_sequence'), gen_random_uuid(), 'kill/tool/copied', 1, data, type, timestamp, tenant_id from aios.mt_events where tenant_id = 'sealed' and stream_id = 'kill/tool/honest'
            """)) await copy.ExecuteNonQueryAsync();
        await new EventStreams(database.Source, new StreamSeal([.. Enumerable.Repeat((byte)7, StreamSeal.SecretBytes)])).AppendAsync("sealed", "kill/tool/foreign", 0, [Thrown()], null);
        await streams.AppendAsync("sealed", "kill/tool/bare", 0, [Thrown()], null);

        var alarms = new List<string>();
        sealing.Forged += forged => alarms.Add(forged.Message);
        var seen = (await sealing.ReadAllAsync(0)).Where(e => e.Tenant == "sealed").Select(e => e.Stream).ToList();
        seen.Should().Equal("kill/tool/honest");
        foreach (var forged in new[] { "kill/tool/copied", "kill/tool/foreign", "kill/tool/bare" })
        {
            alarms.Should().ContainSingle(alarm => alarm.Contains(forged));
            var decide = () => sealing.ReadAsync("sealed", forged);
            await decide.Should().ThrowAsync<ForgedEventException>();
        }
    }
}
