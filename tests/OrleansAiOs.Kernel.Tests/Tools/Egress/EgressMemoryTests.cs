using System.IO.Compression;
using OrleansAiOs.Kernel.Tools.Egress;

namespace OrleansAiOs.Kernel.Tests.Tools.Egress;

/// <summary>What an answer can make the host hold. Nothing else runs meanwhile: the memory that is counted is the whole process's.</summary>
[Collection(Name)]
public sealed class EgressMemoryTests
{
    private const string Name = "memory of the process";

    [CollectionDefinition(Name, DisableParallelization = true)]
    public sealed class Alone;

    [Fact]
    public async Task An_answer_is_read_to_the_cap_however_small_it_was_packed()
    {
        var bomb = new MemoryStream();
        using (var gzip = new GZipStream(bomb, CompressionLevel.SmallestSize, leaveOpen: true))
            for (var i = 0; i < 100; i++) gzip.Write(new byte[1024 * 1024]);
        var (packed, large) = (bomb.ToArray(), new byte[2 * 1024 * 1024]);
        await using var server = new RawServer(request => request.StartsWith("GET /bomb", StringComparison.Ordinal)
            ? RawServer.Http(200, packed, "Content-Encoding: gzip") : RawServer.Http(200, large));
        using var client = EgressTests.Client();
        var reach = Reach.Of([server.Endpoint]);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        foreach (var path in new[] { "/bomb", "/large" })
        {
            var answer = await client.SendAsync(EgressTests.Get(server.Url + path, reach), default);
            (answer.IsCut, answer.Body.Length).Should().Be((true, 0));
        }
        (GC.GetTotalAllocatedBytes(precise: true) - before).Should().BeLessThan(32 * 1024 * 1024);
    }
}
