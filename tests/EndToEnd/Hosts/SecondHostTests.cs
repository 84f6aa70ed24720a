using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.EndToEnd;

public sealed class SecondHostTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>, IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("aios-second-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(false, "start both with --share")]
    [InlineData(true, "does not share")]
    public async Task A_second_host_on_a_database_served_alone_is_refused_with_the_reason_and_the_first_serves_on(bool secondShares, string reason)
    {
        var setup = new HostSetup(folder, postgres.ConnectionString);
        await using var first = await HostProcess.StartAsync(setup);

        var (exitCode, said) = await HostProcess.RunToItsEndAsync(setup with { Shared = secondShares });

        exitCode.Should().NotBe(0);
        said.Should().Contain(reason);
        first.HasExited.Should().BeFalse();
        using var http = new HttpClient { BaseAddress = first.Address };
        (await http.GetAsync("/ready")).EnsureSuccessStatusCode();
    }
}
