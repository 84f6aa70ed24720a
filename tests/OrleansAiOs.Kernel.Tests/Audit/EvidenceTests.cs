using System.Text;
using OrleansAiOs.Kernel.Audit;

namespace OrleansAiOs.Kernel.Tests.Audit;

public sealed class EvidenceTests : IAsyncLifetime
{
    private AuditWorld world = null!;

    public async Task InitializeAsync()
    {
        world = await AuditWorld.MakeAsync();
        await world.FillAsync(4);
    }

    public Task DisposeAsync() => world.DisposeAsync().AsTask();

    private async Task<byte[]> BundleAsync(string stream)
    {
        using var bundle = new MemoryStream();
        (await world.Auditor.WriteEvidenceAsync("default", stream, "0.1.0", bundle)).Should().BeTrue();
        await world.Auditor.DeliverAsync();
        return bundle.ToArray();
    }

    [Theory]
    [InlineData("run/r0", 12)]
    [InlineData("run/large", 2)]
    [InlineData("kill/tool/t", 4)]
    public async Task The_evidence_of_a_stream_is_checked_with_nothing_but_itself(string stream, int events)
    {
        var bundle = await BundleAsync(stream);
        var report = EvidenceReader.Check(bundle, [world.Key.Public], await world.LinesAsync());
        report.Findings.Should().BeEmpty();
        report.Should().Match<EvidenceReport>(r => r.Events == events && r.Stream == stream && r.Tenant == "default" && r.Checkpoint > 0 && r.Keys.Single() == world.Key.Public);
        Encoding.UTF8.GetString(bundle).Should().NotContain("run/r3", "it says nothing of others");
    }

    /// <summary>Row 49 of the abuse cases.</summary>
    [Fact]
    public async Task Any_byte_of_a_bundle_that_is_changed_is_found()
    {
        await world.AppendAsync("small", 0, """{"amount":12.50}""");
        var bundle = await BundleAsync("run/small");
        var random = new Random(5);
        for (var at = 0; at < bundle.Length; at++)
        {
            var was = bundle[at];
            bundle[at] ^= (byte)(1 << random.Next(8));
            EvidenceReader.Check(bundle, [], null).Findings.Should().NotBeEmpty("byte {0} of {1} was changed", at, bundle.Length);
            bundle[at] = was;
        }
        EvidenceReader.Check(bundle, [], null).Findings.Should().BeEmpty();
    }

    [Fact]
    public async Task A_thousand_random_bits_of_a_larger_bundle_are_found()
    {
        for (var i = 0; i < 150; i++) await world.AppendAsync("long", i, $$"""{"n":{{i}},"text":"{{new string('y', 100)}}"}""");
        var bundle = await BundleAsync("run/long");
        var random = new Random(6);
        for (var i = 0; i < 1000; i++)
        {
            var (at, bit) = (random.Next(bundle.Length), (byte)(1 << random.Next(8)));
            bundle[at] ^= bit;
            EvidenceReader.Check(bundle, [], null).Findings.Should().NotBeEmpty();
            bundle[at] ^= bit;
        }
        for (var cut = 0; cut < 100; cut++) EvidenceReader.Check(bundle[..random.Next(bundle.Length)], [], null).Findings.Should().NotBeEmpty();
    }

    [Fact]
    public async Task A_bundle_that_was_made_anew_with_another_key_is_told_by_the_key_and_by_the_checkpoints_that_were_kept()
    {
        await using var forged = await AuditWorld.MakeAsync();
        await forged.FillAsync(4);
        using var bundle = new MemoryStream();
        await forged.Auditor.WriteEvidenceAsync("default", "run/r0", "0.1.0", bundle);
        EvidenceReader.Check(bundle.ToArray(), [], null).Findings.Should().BeEmpty("it is whole in itself");
        EvidenceReader.Check(bundle.ToArray(), [world.Key.Public], null).Findings.Should().ContainMatch("*--public-key*");
        await world.CheckpointAsync();
        EvidenceReader.Check(bundle.ToArray(), [], await world.LinesAsync()).Findings.Should().ContainMatch("*Checkpoint*kept*");
    }

    private async Task InsertAsync(string run, long version, string number)
    {
        await world.ExecuteAsync($"insert into aios.mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id) values ({number}, gen_random_uuid(), $1, $2, '{{\"granted\":true}}', 'approval-decided', now(), 'default')", run, version);
        await world.ExecuteAsync("update aios.mt_streams set version = $2 where id = $1", run, version);
    }

    [Fact]
    public async Task What_somebody_else_wrote_into_a_run_is_no_evidence()
    {
        await InsertAsync("run/r1", 13, "nextval('aios.mt_events_sequence')");
        EvidenceReader.Check(await BundleAsync("run/r1"), [world.Key.Public], await world.LinesAsync()).Findings.Should().ContainSingle().Which.Should().StartWith("Event 13 was appended by no host of aios");
        EvidenceReader.Check(await BundleAsync("run/r0"), [world.Key.Public], await world.LinesAsync()).Findings.Should().BeEmpty();

        await InsertAsync("run/r2", 13, "9223372036854775807");
        var never = () => BundleAsync("run/r2");
        (await never.Should().ThrowAsync<AuditStoppedException>()).WithMessage("*under no checkpoint*somebody else wrote*aios audit verify*");
        await world.ExecuteAsync("update aios.mt_events set timestamp = '20000-01-01' where stream_id = 'run/r3' and version = 1");
        never = () => BundleAsync("run/r3");
        (await never.Should().ThrowAsync<AuditStoppedException>()).WithMessage("*run/r3*appended by no host*aios audit verify*");
    }

    [Fact]
    public async Task Events_from_before_the_trail_are_told_from_those_it_vouches_for()
    {
        await using var young = await AuditWorld.MakeAsync();
        await young.AppendAsync("old", 0, "{}", "{}");
        await young.ExecuteAsync("delete from aios.audit_batches");
        await young.ExecuteAsync("update aios.audit_log set began = 2");
        await young.CheckpointAsync();
        await young.AppendAsync("old", 2, "{}");
        using var bundle = new MemoryStream();
        await young.Auditor.WriteEvidenceAsync("default", "run/old", "0.1.0", bundle);
        EvidenceReader.Check(bundle.ToArray(), [], null).Should().Match<EvidenceReport>(r => r.Findings.Count == 0 && r.Events == 3 && r.Before == 2);
    }

    [Fact]
    public async Task A_run_that_was_tampered_with_gets_no_evidence_that_passes()
    {
        await world.ExecuteAsync("update aios.mt_events set data = '{\"amount\":1}' where stream_id = 'run/r1' and version = 2");
        EvidenceReader.Check(await BundleAsync("run/r1"), [], null).Findings.Should().Contain("Event 2 is not under its checkpoint: it is not what was appended.");
        await world.ExecuteAsync("delete from aios.mt_events where stream_id = 'run/r1' and version = 2");
        var bundle = () => BundleAsync("run/r1");
        (await bundle.Should().ThrowAsync<AuditStoppedException>()).WithMessage("*gone*aios audit verify*");
        using var nothing = new MemoryStream();
        (await world.Auditor.WriteEvidenceAsync("default", "run/none", "0.1.0", nothing)).Should().BeFalse();
        nothing.Length.Should().Be(0);
    }
}
