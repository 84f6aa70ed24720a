using System.Diagnostics;
using System.Security.Cryptography;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Postgres.Tests.Payloads;

public sealed class PayloadTests(PostgresStoreFixture fixture) : IClassFixture<PostgresStoreFixture>
{
    private const long Max = 64L * 1024 * 1024;

    private readonly string tenant = $"t-{Guid.NewGuid():N}";

    private IPayloadStore Payloads => fixture.Store.Payloads;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(256 * 1024 - 1)]
    [InlineData(256 * 1024)]
    [InlineData(256 * 1024 + 1)]
    [InlineData(3_000_000)]
    public async Task A_document_comes_back_byte_for_byte_under_its_hash(int size)
    {
        var content = RandomNumberGenerator.GetBytes(size);
        var stored = await Payloads.PutAsync(tenant, new MemoryStream(content), Max, default);
        stored.Should().Be(new PayloadRef(Convert.ToHexStringLower(SHA256.HashData(content)), size));

        await using var stream = (await Payloads.OpenAsync(tenant, stored.Sha256, default))!;
        var back = new MemoryStream();
        await stream.CopyToAsync(back, 10_007);
        back.ToArray().Should().Equal(content);
    }

    [Fact]
    public async Task The_same_document_is_kept_once_also_when_many_bring_it_at_once()
    {
        var content = RandomNumberGenerator.GetBytes(700_000);
        var stored = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Payloads.PutAsync(tenant, new MemoryStream(content), Max, default)));
        stored.Distinct().Should().HaveCount(1);
        await Payloads.PutAsync(tenant, new MemoryStream(content), Max, default);
        (await Count("payloads")).Should().Be(1);
        (await Count("payload_parts")).Should().Be(3);
    }

    [Fact]
    public async Task One_byte_past_the_limit_is_refused_and_nothing_of_it_is_kept()
    {
        var put = () => Payloads.PutAsync(tenant, new Zeros(Max + 1), Max, default);
        (await put.Should().ThrowAsync<PayloadTooLargeException>()).Which.BytesMax.Should().Be(Max);
        (await Count("payloads")).Should().Be(0);
        (await Payloads.PutAsync(tenant, new Zeros(1000), 1000, default)).Size.Should().Be(1000, "the limit itself is allowed");
    }

    [Fact]
    public async Task What_is_spooled_of_a_document_is_nobody_elses_to_read_and_has_no_name()
    {
        if (!OperatingSystem.IsLinux()) return; // where a process sees its own files
        List<(string Name, UnixFileMode Mode)> spooled = [];
        await Payloads.PutAsync(tenant, new Zeros(600_000, look: () => spooled.AddRange(Spooled())), Max, default);
        spooled.Should().NotBeEmpty().And.OnlyContain(file => file.Name.EndsWith("(deleted)", StringComparison.Ordinal) && file.Mode == (UnixFileMode.UserRead | UnixFileMode.UserWrite));

        static IEnumerable<(string, UnixFileMode)> Spooled()
        {
            foreach (var open in Directory.GetFiles("/proc/self/fd"))
                if (new FileInfo(open).LinkTarget is { } name && name.StartsWith(Path.GetTempPath(), StringComparison.Ordinal) && !Path.GetRelativePath(Path.GetTempPath(), name).Contains('/', StringComparison.Ordinal))
                    yield return (name, OperatingSystem.IsWindows() ? default : File.GetUnixFileMode(open));
        }
    }

    [Fact]
    public async Task A_stream_that_breaks_off_leaves_nothing()
    {
        var put = () => Payloads.PutAsync(tenant, new Zeros(1_000_000, breaksAt: 500_000), Max, default);
        await put.Should().ThrowAsync<IOException>();
        (await Count("payloads")).Should().Be(0);
    }

    [Fact]
    public async Task A_reader_holds_one_part_not_the_document()
    {
        var stored = await Payloads.PutAsync(tenant, new Zeros(20_000_000), Max, default);
        await using var stream = (await Payloads.OpenAsync(tenant, stored.Sha256, default))!;
        var buffer = new byte[64 * 1024];
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var read = 0L;
        for (int n; (n = await stream.ReadAsync(buffer)) > 0; read += n)
        {
            if (read % 4_000_000 >= n) continue;
            // Tests beside this one hold what they hold for a while only.
            var patience = Stopwatch.StartNew();
            while (GC.GetTotalMemory(forceFullCollection: true) - before >= 8_000_000)
            {
                patience.Elapsed.Should().BeLessThan(TimeSpan.FromMinutes(1), "a part is held, and not what was read before it");
                await Task.Delay(20);
            }
        }
        read.Should().Be(20_000_000);
    }

    [Fact]
    public async Task Nobody_reads_another_tenants_document_or_one_that_is_not_there()
    {
        var stored = await Payloads.PutAsync(tenant, new MemoryStream([1, 2, 3]), Max, default);
        (await Payloads.OpenAsync(tenant + "x", stored.Sha256, default)).Should().BeNull();
        (await Payloads.OpenAsync(tenant, "../../etc/passwd", default)).Should().BeNull();
    }

    private Task<long> Count(string table) => fixture.ScalarAsync<long>($"select count(*) from aios.{table} where tenant_id = '{tenant}'");

    private sealed class Zeros(long length, long breaksAt = long.MaxValue, Action? look = null) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get; set; }

        public override int Read(byte[] buffer, int offset, int count)
        {
            look?.Invoke();
            if (Position >= breaksAt) throw new IOException("The line went dead.");
            var n = (int)Math.Min(count, length - Position);
            Array.Clear(buffer, offset, n);
            Position += n;
            return n;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
