using System.Net;
using Npgsql;
using OrleansAiOs.Kernel.Audit;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Audit;

public sealed class AuditorTests : IAsyncLifetime
{
    private AuditWorld world = null!;

    public async Task InitializeAsync() => world = await AuditWorld.MakeAsync();

    public Task DisposeAsync() => world.DisposeAsync().AsTask();

    private async Task<List<BlockBatch>> BatchesAsync()
    {
        await using var connection = await world.Source.OpenConnectionAsync();
        var blocks = await Sql.ListAsync(connection, "select head, body from aios.audit_blocks order by number", row => AuditBlock.Read(row.GetFieldValue<byte[]>(0), row.GetFieldValue<byte[]>(1)), default);
        return [.. blocks.SelectMany(block => block.Batches)];
    }

    [Fact]
    public async Task What_runs_and_the_kernel_append_is_signed_for_once_and_nothing_when_nothing_came()
    {
        (await world.CheckpointAsync()).Should().Be(0, "there is nothing to sign for");
        await world.FillAsync(5);
        var last = await world.CheckpointAsync();
        (await world.CheckpointAsync()).Should().Be(last, "nothing came since");
        var (report, findings) = await world.VerifyAsync();
        findings.Should().BeEmpty();
        await using var connection = await world.Source.OpenConnectionAsync();
        var events = (await Sql.ListAsync(connection, "select count(*) from aios.mt_events", row => row.GetInt64(0), default))[0];
        report.Should().Match<AuditReport>(r => r.Events == events + 2 && r.Purged == 2 && r.Young == 0 && r.Foreign == 0 && r.Before == 0 && r.Keys.Single() == world.Key.Public);
        (await BatchesAsync()).Should().OnlyContain(batch => batch.Kind == AuditKind.Appended || batch.Kind == AuditKind.Purge);
    }

    [Fact]
    public async Task What_no_checkpoint_signs_for_yet_is_counted_and_held_against_what_its_host_said()
    {
        await world.AppendAsync("a", 0, "{}", "{}");
        await world.CheckpointAsync();
        await world.AppendAsync("a", 2, "{}");
        var (report, findings) = await world.VerifyAsync();
        findings.Should().BeEmpty();
        report.Young.Should().Be(1);
        await world.ExecuteAsync("update aios.mt_events set data = '{\"x\":1}' where version = 3");
        (await world.VerifyAsync()).Findings.Should().ContainSingle(f => f.Fault == AuditFault.Edited && f.Where == "event 3 of run/a");
    }

    [Fact]
    public async Task A_flush_in_which_an_append_lost_is_verified_with_what_the_loser_would_have_said()
    {
        await world.AppendAsync("stale", 0, "{}");
        for (var i = 0; i < 50; i++) await Task.WhenAll(Enumerable.Range(0, 20).Select(run => run == 10 ? world.AppendAsync("stale", 7, """{"lost":1}""", """{"lost":2}""") : world.AppendAsync($"r{i}-{run}", 0, "{}", "{}")));
        await world.CheckpointAsync();
        (await BatchesAsync()).Select(batch => BatchContent.Read(batch.Rest).Lost.Count).Should().Contain(lost => lost > 0, "one of fifty shared its flush with others");
        (await world.VerifyAsync()).Findings.Should().BeEmpty();
    }

    [Fact]
    public async Task What_a_host_said_number_by_number_as_those_before_did_is_folded_too()
    {
        for (var i = 0; i < 3; i++) await world.AppendAsync("a", 2 * i, "{}", "{}");
        await world.ExecuteAsync("update aios.audit_batches set low = (select array_agg((n & 2147483647)::int) from generate_series(first, first + events - 1) n), events = null");
        (await world.VerifyAsync(outside: false)).Should().Match<(AuditReport Report, List<AuditFinding> Findings)>(seen => seen.Report.Young == 6 && seen.Findings.Count == 0);
        await world.CheckpointAsync();
        (await world.VerifyAsync()).Should().Match<(AuditReport Report, List<AuditFinding> Findings)>(seen => seen.Report.Events == 6 && seen.Findings.Count == 0);
    }

    [Theory]
    [InlineData("events = 2000000000")]
    [InlineData("events = -1")]
    [InlineData("first = 9223372036854775806")]
    [InlineData("events = null, numbers = array[null, null]::bigint[]")]
    public async Task A_batch_that_claims_other_events_than_it_names_is_found(string claim)
    {
        await world.AppendAsync("a", 0, "{}", "{}");
        await world.CheckpointAsync();
        await world.AppendAsync("b", 0, "{}", "{}");
        await world.ExecuteAsync($"update aios.audit_batches set {claim}");
        (await world.VerifyAsync()).Findings.Should().NotBeEmpty();
    }

    [Theory]
    [InlineData("first = 9223372036854775806")]
    [InlineData("events = null, numbers = array[null, 5]::bigint[], detail = '\\x02'")]
    [InlineData("events = null, numbers = '{{3,4},{5,6}}'")]
    [InlineData("root = ''")]
    [InlineData("detail = '\\x05'")]
    [InlineData("detail = '', events = 0")]
    [InlineData("kind = 3")]
    [InlineData("kind = 7")]
    [InlineData("kind = 256")]
    public async Task A_batch_that_nobody_can_read_is_found_with_all_else_and_nothing_is_signed_with_it(string spoilt)
    {
        await world.AppendAsync("a", 0, "{}", "{}");
        await world.CheckpointAsync();
        await world.ExecuteAsync("update aios.mt_events set data = '{\"x\":1}' where version = 2");
        await world.AppendAsync("b", 0, "{}", "{}");
        await world.ExecuteAsync($"update aios.audit_batches set {spoilt}");
        var sign = () => world.Auditor.CheckpointAsync();
        (await sign.Should().ThrowAsync<AuditStoppedException>()).WithMessage("*Batch*cannot be read*aios audit verify*");
        (await world.VerifyAsync()).Findings.Should().Contain(f => f.Fault == AuditFault.Edited, "the looking goes on").And.Contain(f => f.Fault != AuditFault.Edited);
    }

    [Fact]
    public async Task Two_hosts_that_sign_at_once_sign_once_for_everything()
    {
        using var other = AuditKey.Make();
        var second = Path.Combine(world.Folder, "second.ndjson");
        await using var theirs = world.NewAuditor(other, new CheckpointFile(second));
        for (var round = 0; round < 10; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 10).Select(i => world.AppendAsync($"r{round}-{i}", 0, "{}")));
            await Task.WhenAll(world.Auditor.CheckpointAsync(), theirs.CheckpointAsync());
        }
        await world.Auditor.DeliverAsync();
        await theirs.DeliverAsync();
        (await File.ReadAllTextAsync(second)).Should().Be(await File.ReadAllTextAsync(world.CheckpointsFile), "each place has all lines, whoever wrote them");
        var (report, findings) = await world.VerifyAsync(pinned: [world.Key.Public, other.Public]);
        findings.Should().BeEmpty();
        report.Events.Should().Be(100);
        (await world.VerifyAsync(pinned: [Convert.ToBase64String(new byte[91])])).Findings.Should().OnlyContain(f => f.Fault == AuditFault.KeyUnknown).And.NotBeEmpty();
    }

    [Fact]
    public async Task What_somebody_else_wrote_is_taken_in_and_named_and_what_was_there_before_is_not_held_against_anybody()
    {
        const string insert = "insert into aios.mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id) values (nextval('aios.mt_events_sequence'), gen_random_uuid(), $1, 1, '{}', 'x', now(), 'default')";
        const string head = "insert into aios.mt_streams (tenant_id, id, version) values ('default', $1, 1)";
        await world.ExecuteAsync("select nextval('aios.mt_events_sequence')"); // rolled back, say: that number is free
        await world.ExecuteAsync(insert, "run/old");
        await world.ExecuteAsync(head, "run/old");
        await world.ExecuteAsync("update aios.audit_log set began = (select max(seq_id) from aios.mt_events)"); // as the schema's step does
        await world.AppendAsync("a", 0, "{}");
        await world.CheckpointAsync();
        var (report, findings) = await world.VerifyAsync();
        findings.Should().BeEmpty();
        report.Before.Should().Be(1);

        await world.ExecuteAsync(insert, "run/theirs");
        await world.ExecuteAsync(head, "run/theirs");
        await world.AppendAsync("a", 1, "{}");
        await world.CheckpointAsync();
        var (after, named) = await world.VerifyAsync();
        named.Should().ContainSingle(f => f.Fault == AuditFault.Inserted && f.Where == "event 1 of run/theirs");
        after.Foreign.Should().Be(1);

        await world.ExecuteAsync(insert.Replace("nextval('aios.mt_events_sequence')", "1", StringComparison.Ordinal), "run/late");
        await world.ExecuteAsync(head, "run/late");
        await world.AppendAsync("a", 2, "{}");
        await world.CheckpointAsync();
        (await world.VerifyAsync()).Findings.Should().Contain(f => f.Fault == AuditFault.Inserted && f.Where == "event 1 of run/late", "it was not there when the trail began, whatever its number");
    }

    [Theory]
    [InlineData("-7", "'{}'", "now()")]
    [InlineData("-9223372036854775808", "'{}'", "now()")]
    [InlineData("9223372036854775807", "'{}'", "now()")]
    [InlineData("5", "(repeat('[', 1500) || repeat(']', 1500))::jsonb", "now()")]
    [InlineData("5", "'{}'", "'20000-01-01'")]
    public async Task Whatever_somebody_else_wrote_is_named_and_nothing_stops_for_it(string number, string body, string time)
    {
        await world.AppendAsync("a", 0, "{}");
        await world.ExecuteAsync($"insert into aios.mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id) values ({number}, gen_random_uuid(), 'run/a', 2, {body}, 'x', {time}, 'default')");
        await world.ExecuteAsync("update aios.mt_streams set version = 2");
        for (var round = 0; round < 2; round++)
        {
            var (_, findings) = await world.VerifyAsync(outside: round > 0);
            findings.Should().ContainSingle().Which.Should().Match<AuditFinding>(f => f.Fault == AuditFault.Inserted && f.Where == "event 2 of run/a");
            (await world.CheckpointAsync()).Should().Be(1);
        }
        await world.AppendAsync("b", 0, "{}");
        (await world.CheckpointAsync()).Should().Be(2);
    }

    [Fact]
    public async Task What_fails_again_and_again_is_said_where_people_look()
    {
        await using var auditor = new Auditor(world.Source, world.Key, [new CheckpointFile(world.CheckpointsFile)], new AuditorOptions(TimeSpan.FromMilliseconds(1)), TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        await world.AppendAsync("a", 0, "{}");
        await world.ExecuteAsync("alter table aios.audit_blocks rename to audit_blocks_away");
        var sign = () => auditor.CheckpointAsync();
        for (var i = 0; i < 100 && auditor.Stopped is null; i++) await sign.Should().ThrowAsync<PostgresException>();
        (await auditor.StatusAsync()).Stopped.Should().Contain("failed each time").And.Contain("audit_blocks");
        await world.ExecuteAsync("alter table aios.audit_blocks_away rename to audit_blocks");
        (await auditor.CheckpointAsync()).Should().Be(1);
        auditor.Stopped.Should().BeNull();
    }

    [Fact]
    public async Task What_is_appended_while_a_place_catches_up_is_signed_for_meanwhile()
    {
        for (var i = 0; i < 3; i++)
        {
            await world.AppendAsync("a", i, "{}");
            await world.CheckpointAsync();
        }
        var (place, signing) = (new BrokenPlace { Broken = false }, Task.FromResult(0L));
        await using var auditor = world.NewAuditor(world.Key, place);
        place.Adding = async number =>
        {
            if (number == 1)
            {
                await world.AppendAsync("a", 3, "{}");
                signing = auditor.CheckpointAsync();
            }
            else await signing.WaitAsync(TimeSpan.FromSeconds(30)); // the third line is not waited for
        };
        await auditor.DeliverAsync();
        (await auditor.StatusAsync()).Outlets.Single().Should().Be(new OutletState("broken", 4, null));
        (await signing).Should().Be(4);
    }

    [Fact]
    public async Task A_line_that_did_not_get_out_gets_out_later_and_a_torn_one_is_written_again()
    {
        var place = new BrokenPlace();
        await using var auditor = world.NewAuditor(world.Key, place, new CheckpointFile(world.CheckpointsFile));
        await world.AppendAsync("a", 0, "{}");
        await auditor.CheckpointAsync();
        await auditor.DeliverAsync();
        (await auditor.StatusAsync()).Outlets.Select(o => (o.Number, o.Error)).Should().Equal((0, "the place is broken"), (1, null));

        // A crash in the middle of the second line.
        await world.AppendAsync("a", 1, "{}");
        await auditor.CheckpointAsync();
        await File.AppendAllTextAsync(world.CheckpointsFile, (await auditor.LinesAsync(1, 1))[0].Line[..100]);
        place.Broken = false;
        await auditor.DeliverAsync();
        place.Lines.Should().HaveCount(2);
        (await auditor.StatusAsync()).Outlets.Select(o => (o.Number, o.Error)).Should().Equal((2, null), (2, null));
        (await world.VerifyAsync()).Findings.Should().BeEmpty("the beginning of a line that follows whole is a crash's");
    }

    [Fact]
    public async Task A_database_that_was_put_back_is_not_signed_for_until_a_person_says_why()
    {
        await world.AppendAsync("a", 0, "{}");
        await world.CheckpointAsync();
        await world.AppendAsync("b", 0, "{}");
        await world.CheckpointAsync();
        // As a backup from between the two.
        foreach (var sql in new[] { "delete from aios.audit_blocks where number = 1", "delete from aios.audit_checkpoints where number = 2", "delete from aios.mt_events where stream_id = 'run/b'", "delete from aios.mt_streams where id = 'run/b'" }) await world.ExecuteAsync(sql);
        await world.ExecuteAsync("update aios.audit_log set blocks = 1, events = 1, covered = '{[1,2)}', peaks = (select sha256('\\x00'::bytea || head) from aios.audit_blocks where number = 0)");
        await world.AppendAsync("c", 0, "{}");
        var refused = () => world.CheckpointAsync();
        (await refused.Should().ThrowAsync<AuditStoppedException>()).WithMessage("*checkpoint 2*put back*--accept-restore*");
        world.Auditor.Stopped.Should().NotBeNull();
        (await world.VerifyAsync()).Findings.Should().Contain(f => f.Fault == AuditFault.RolledBack);

        (await world.Auditor.CheckpointAsync("the disk died; backup of noon")).Should().Be(3);
        await world.Auditor.DeliverAsync();
        world.Auditor.Stopped.Should().BeNull();
        var (report, findings) = await world.VerifyAsync();
        findings.Should().BeEmpty();
        report.Restores.Should().ContainSingle(line => line.Contains("the disk died"));
        await world.AppendAsync("c", 1, "{}");
        (await world.CheckpointAsync()).Should().Be(4);
        (await world.VerifyAsync()).Findings.Should().BeEmpty();
    }

    [Fact]
    public async Task Put_back_behind_several_places_numbers_go_on_behind_the_one_that_has_most()
    {
        var behind = world.CheckpointsFile + ".behind";
        for (var i = 0; i < 3; i++)
        {
            await world.AppendAsync($"r{i}", 0, "{}");
            await world.CheckpointAsync();
            if (i == 1) File.Copy(world.CheckpointsFile, behind);
        }
        foreach (var sql in new[] { "delete from aios.audit_blocks where number > 0", "delete from aios.audit_checkpoints where number > 1", "delete from aios.mt_events where stream_id <> 'run/r0'", "delete from aios.mt_streams where id <> 'run/r0'" }) await world.ExecuteAsync(sql);
        await world.ExecuteAsync("update aios.audit_log set blocks = 1, events = 1, covered = '{[1,2)}', peaks = (select sha256('\\x00'::bytea || head) from aios.audit_blocks where number = 0)");
        await using var auditor = world.NewAuditor(world.Key, new CheckpointFile(behind), new CheckpointFile(world.CheckpointsFile));
        await world.AppendAsync("after", 0, "{}");
        (await auditor.CheckpointAsync("the disk died")).Should().Be(4);
        await auditor.DeliverAsync();
        (await auditor.StatusAsync()).Outlets.Select(outlet => (outlet.Number, outlet.Error)).Should().Equal((4, null), (4, null));
        (await world.VerifyAsync()).Findings.Should().BeEmpty();
    }

    [Fact]
    public async Task A_place_that_another_log_had_begun_is_told_from_a_restore()
    {
        var others = world.CheckpointsFile + ".others";
        await using (var other = await AuditWorld.MakeAsync())
        {
            await other.AppendAsync("a", 0, "{}");
            await other.CheckpointAsync();
            File.Copy(other.CheckpointsFile, others);
        }
        for (var i = 0; i < 2; i++)
        {
            await world.AppendAsync("a", i, "{}");
            await world.CheckpointAsync();
        }
        await using var auditor = world.NewAuditor(world.Key, new CheckpointFile(others));
        foreach (var why in new[] { null, "the disk died" })
        {
            var sign = () => auditor.CheckpointAsync(why);
            (await sign.Should().ThrowAsync<AuditStoppedException>()).WithMessage("*another log*AIOS_AUDIT_CHECKPOINTS to a new place*");
        }
    }

    [Fact]
    public async Task Hosts_that_share_a_file_add_each_line_once_and_one_that_somebody_has_changed_stops_the_signing()
    {
        await world.AppendAsync("a", 0, "{}");
        await world.CheckpointAsync();
        var line = File.ReadAllLines(world.CheckpointsFile).Single();
        var another = new CheckpointFile(world.CheckpointsFile);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => new CheckpointFile(world.CheckpointsFile).AddAsync(1, line, default))).Append(another.AddAsync(1, line, default)));
        File.ReadAllLines(world.CheckpointsFile).Should().Equal(line);
        await world.AppendAsync("a", 1, "{}");
        await world.CheckpointAsync();
        (await another.LastAsync(default)).Should().Be((2, Checkpoint.HashOf(File.ReadAllLines(world.CheckpointsFile)[^1])), "it reads on from where it was");

        await File.AppendAllTextAsync(world.CheckpointsFile, "{\"line\":\"checkpoint\",\"number\":\"three\"}\n");
        await world.AppendAsync("a", 2, "{}");
        var refused = () => world.Auditor.CheckpointAsync();
        await refused.Should().ThrowAsync<AuditStoppedException>().WithMessage("*its last line is no checkpoint*");
        world.Auditor.Stopped.Should().Contain("its last line is no checkpoint");
    }

    [Theory]
    [InlineData("update aios.audit_blocks set body = ''")]
    [InlineData("delete from aios.audit_blocks")]
    [InlineData("truncate aios.audit_checkpoints")]
    [InlineData("delete from aios.audit_checkpoints")]
    [InlineData("delete from aios.audit_tombstones")]
    public async Task The_trail_is_not_removed_by_the_owner_of_its_tables(string sql)
    {
        await world.AppendAsync("a", 0, "{}");
        await world.CheckpointAsync();
        await using var command = world.Source.CreateCommand(sql);
        var removal = () => command.ExecuteNonQueryAsync();
        (await removal.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be("42501");
        (await world.VerifyAsync()).Findings.Should().BeEmpty();
    }

    [Fact]
    public async Task A_purge_says_who_deleted_what_and_why_and_nothing_of_what_it_said()
    {
        await world.AppendAsync("gone", 0, """{"iban":"DE02120300000000202051"}""");
        await world.AppendAsync("kept", 0, "{}");
        await world.CheckpointAsync();
        await world.Store.PurgeAsync([new RunKey("default", "gone")], "retention *=90d", default);
        (await world.VerifyAsync()).Findings.Should().BeEmpty("it is signed by the host's key, and young");
        await world.CheckpointAsync();
        var (report, findings) = await world.VerifyAsync();
        findings.Should().BeEmpty();
        report.Purged.Should().Be(1);
        await using var connection = await world.Source.OpenConnectionAsync();
        var line = (await Sql.ListAsync(connection, "select line from aios.audit_tombstones", row => row.GetString(0), default)).Single();
        line.Should().Contain("retention *=90d").And.Contain("run/gone").And.NotContain("DE02");
        // And the id can be used again.
        (await world.AppendAsync("gone", 0, "{}")).Should().Be(AppendResult.Appended);
        await world.CheckpointAsync();
        (await world.VerifyAsync()).Findings.Should().BeEmpty();
    }

    [Theory]
    [InlineData("(repeat('[', 1500) || repeat(']', 1500))::jsonb", "now()")]
    [InlineData("'{}'", "'20000-01-01'")]
    public async Task A_run_into_which_somebody_wrote_what_no_host_writes_is_purged_like_any_other(string body, string time)
    {
        await world.AppendAsync("gone", 0, "{}");
        await world.AppendAsync("beside", 0, "{}");
        await world.ExecuteAsync($"insert into aios.mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id) values (nextval('aios.mt_events_sequence'), gen_random_uuid(), 'run/gone', 2, {body}, 'x', {time}, 'default')");
        await world.ExecuteAsync("update aios.mt_streams set version = 2 where id = 'run/gone'");
        await world.CheckpointAsync();
        (await world.VerifyAsync()).Findings.Should().ContainSingle().Which.Where.Should().Be("event 2 of run/gone");

        (await world.Store.PurgeAsync([new RunKey("default", "gone"), new RunKey("default", "beside")], "retention *=90d", default)).Should().HaveCount(2);
        await world.CheckpointAsync();
        var (report, findings) = await world.VerifyAsync();
        findings.Should().BeEmpty("what was written by hand is gone, and the leaf it was taken in with is in the tombstone");
        report.Should().Match<AuditReport>(r => r.Purged == 3 && r.Foreign == 1);
    }

    [Fact]
    public async Task An_append_is_signed_for_when_its_time_has_come_and_nothing_is_asked_before()
    {
        await using var auditor = new Auditor(world.Source, world.Key, [new CheckpointFile(world.CheckpointsFile)], new AuditorOptions(TimeSpan.FromMilliseconds(200)), TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        world.Store.Appended += auditor.Touch;
        await world.AppendAsync("a", 0, "{}");
        while (!File.Exists(world.CheckpointsFile) || (await world.VerifyAsync()).Report is not { LastCheckpoint: > 0, Young: 0 }) await Task.Delay(20);
        (await world.VerifyAsync()).Findings.Should().BeEmpty();
        world.Store.Appended -= auditor.Touch;
    }

    [Fact]
    public async Task Lines_are_posted_to_an_address_in_order_each_once_also_over_a_restart()
    {
        var (listening, port) = Listen();
        using var listener = listening;
        var got = new List<string>();
        var serving = Task.Run(async () =>
        {
            while (got.Count < 3)
            {
                var context = await listener.GetContextAsync();
                got.Add(await new StreamReader(context.Request.InputStream).ReadToEndAsync());
                context.Response.StatusCode = 200;
                context.Response.Close();
            }
        });
        for (var i = 0; i < 3; i++)
        {
            await world.AppendAsync("a", i, "{}");
            await world.CheckpointAsync();
            using var url = (CheckpointUrl)CheckpointOutlets.Parse($"http://127.0.0.1:{port}/x", world.Folder, url => ReceiverHttp.Connect(null, "the witness", url.ToString()))[0];
            await using var auditor = world.NewAuditor(world.Key, url);
            await auditor.DeliverAsync();
        }
        await serving;
        got.Should().Equal(File.ReadLines(world.CheckpointsFile));
    }

    // It takes no port of the system's choice, and one of ours may be somebody's.
    private static (HttpListener Listener, int Port) Listen()
    {
        while (true)
        {
            var (listener, port) = (new HttpListener(), Random.Shared.Next(20_000, 60_000));
            listener.Prefixes.Add($"http://127.0.0.1:{port}/");
            try
            {
                listener.Start();
                return (listener, port);
            }
            catch (HttpListenerException)
            {
                listener.Close();
            }
        }
    }

    [Theory]
    [InlineData("http://example.org/x")]
    [InlineData("file:relative.ndjson")]
    [InlineData("ftp://example.org/x")]
    [InlineData("somewhere")]
    public void A_place_that_is_none_is_refused(string setting)
    {
        var parse = () => CheckpointOutlets.Parse(setting, world.Folder, _ => new HttpClient());
        parse.Should().Throw<FormatException>().WithMessage("*AUDIT_CHECKPOINTS*");
    }

    private sealed class BrokenPlace : ICheckpointOutlet
    {
        public bool Broken { get; set; } = true;

        public List<string> Lines { get; } = [];

        public Func<long, Task> Adding { get; set; } = _ => Task.CompletedTask;

        public string Name => "broken";

        public Task<(long Number, string Sha256)> LastAsync(CancellationToken cancellation) => Task.FromResult(((long)Lines.Count, Lines.Count == 0 ? "" : Checkpoint.HashOf(Lines[^1])));

        public async Task AddAsync(long number, string line, CancellationToken cancellation)
        {
            if (Broken) throw new IOException("the place is broken");
            await Adding(number);
            Lines.Add(line);
        }
    }
}
