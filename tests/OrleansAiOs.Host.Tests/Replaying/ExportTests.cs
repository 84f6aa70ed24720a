using OrleansAiOs.Host.Tests.Abuse;
using OrleansAiOs.Host.Tests.Cli;

namespace OrleansAiOs.Host.Tests.Replaying;

/// <summary>Export and replay against the real host, over its API and its database.</summary>
[Collection(AbuseCollection.Name)]
public sealed class ExportTests(AbuseServer server)
{
    private static readonly string Build = typeof(ExportTests).Assembly.Location;

    private Task<CliRun> Cli(params string[] arguments) => CliRun.Of([.. arguments, "--url", $"{server.Server.Address}", "--key", server.OwnerKey]);

    [Fact]
    public async Task A_run_leaves_by_the_API_and_replays_from_there()
    {
        var id = await server.Start("abuse-echo", new { iban = "DE89", n = 1.50 }, $"export-{Guid.NewGuid():N}", wait: 10);
        var answer = await server.Get($"/api/v1/runs/{id}/export?redact=iban");
        answer.Should().Match<Answer>(a => a.Status == 200 && a.ContentType == "application/x-ndjson");
        answer.Body.Should().Contain("[redacted]").And.NotContain("DE89").And.Contain("\"sha256\":");
        (await server.Get("/api/v1/runs/no-such/export")).ShouldBeProblem(404);
        (await server.Get($"/api/v1/runs/{id}/export?payloads=some")).ShouldBeProblem(400);
        (await server.Get("/api/v1/export")).ShouldBeProblem(400);
        (await server.Get($"/api/v1/runs/{id}/export", key: "")).ShouldBeProblem(401);

        var replayed = await Cli("replay", id, "--pack", Build);
        replayed.Code.Should().Be(0, replayed.Output + replayed.Error);
        replayed.Output.Should().Contain("same commands");
        (await Cli("replay", "no-such-run", "--pack", Build)).Code.Should().Be(3);
    }

    [Fact]
    public async Task Runs_are_exported_by_name_or_by_query_into_a_file_that_is_whole_or_not_there()
    {
        var key = Guid.NewGuid().ToString("N");
        for (var i = 0; i < 3; i++) (await server.Post("/api/v1/runs?wait=10", new { workflow = "abuse-echo", input = i, businessKey = key })).Status.Should().Be(201);
        var file = Path.Combine(Path.GetTempPath(), $"{key}.ndjson");
        try
        {
            (await Cli("export", "--query", $"businessKey={key}", "--output", file)).Should().Match<CliRun>(run => run.Code == 0 && run.Error.Contains("3 runs"));
            var gate = await CliRun.Of(["replay", file, "--against", Build, "--query", "status=completed"]);
            gate.Code.Should().Be(0, gate.Output + gate.Error);
            gate.Output.Should().Contain("3 runs");
        }
        finally
        {
            File.Delete(file);
        }
        (await Cli("export", "no-such-run", "--output", file)).Code.Should().Be(3);
        File.Exists(file).Should().BeFalse();
        (await Cli("export")).Code.Should().Be(2);
    }
}
