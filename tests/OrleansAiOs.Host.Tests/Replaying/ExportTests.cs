using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
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
        (await server.Post("/api/v1/export", new { runs = Array.Empty<string>() })).ShouldBeProblem(400);
        (await server.Get($"/api/v1/runs/{id}/export", key: "")).ShouldBeProblem(401);

        var replayed = await Cli("replay", id, "--pack", Build);
        replayed.Code.Should().Be(0, replayed.Output + replayed.Error);
        replayed.Output.Should().Contain("same commands");
        (await Cli("replay", "no-such-run", "--pack", Build)).Code.Should().Be(3);
    }

    [Fact]
    public async Task The_gate_reads_the_database_itself()
    {
        var id = await server.Start("replay-steady", 1);
        await server.Until(id, run => run.GetProperty("waits").GetArrayLength() == 1 && !run.GetProperty("busy").GetBoolean());
        var gate = await CliRun.Of(["replay", "--against", Build, "--connection", server.ConnectionString, "--query", "workflow=replay-steady"]);
        gate.Code.Should().Be(0, gate.Output + gate.Error);
        gate.Output.Should().Contain("1 runs").And.Contain("safe for all of them");
        (await CliRun.Of(["replay", "--against", Build, "--connection", "Host=127.0.0.1;Port=1;Username=nobody;Database=none"])).Code.Should().NotBe(0, "without its input it says nothing of the build");
    }

    [Fact]
    public async Task A_run_becomes_a_test_that_compiles_and_replays_it()
    {
        var folder = Directory.CreateTempSubdirectory("aios-as-test-").FullName;
        try
        {
            var id = await server.Start("abuse-echo", new { text = "three \"\"\" quotes, a back\\slash and {braces}" }, $"as-test-{Guid.NewGuid():N}", wait: 10);
            var written = await Cli("replay", id, "--as-test", folder);
            written.Code.Should().Be(0, written.Output + written.Error);
            var file = Directory.GetFiles(folder).Should().ContainSingle().Subject;
            written.Output.Trim().Should().Be(file);

            var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path));
            var compilation = CSharpCompilation.Create("AsTest", [CSharpSyntaxTree.ParseText("global using System.Threading.Tasks;"), CSharpSyntaxTree.ParseText(await File.ReadAllTextAsync(file))],
                references, new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));
            using var assembly = new MemoryStream();
            compilation.Emit(assembly).Diagnostics.Where(d => d.Severity is DiagnosticSeverity.Error).Should().BeEmpty();
            var test = System.Reflection.Assembly.Load(assembly.ToArray()).GetTypes().Single(type => type.Name.StartsWith("ReplayOfAsTest", StringComparison.Ordinal));
            await (Task)test.GetMethod("It_replays")!.Invoke(Activator.CreateInstance(test), null)!;

            (await Cli("replay", id, "--as-test", folder)).Code.Should().Be(5);
            (await Cli("replay", id, "--as-test", Path.Combine(folder, "no-such"))).Code.Should().Be(3);
            (await Cli("replay", file, "--as-test", folder)).Error.Should().Contain("is no whole export");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Runs_are_exported_by_name_or_by_query_into_a_file_that_is_whole_or_not_there()
    {
        var key = Guid.NewGuid().ToString("N");
        // More than an address could name.
        const int runs = 130;
        await Task.WhenAll(Enumerable.Range(0, runs).Select(async i => (await server.Post("/api/v1/runs?wait=10", new { workflow = "abuse-echo", input = i, businessKey = key, id = $"{key}{i:D32}" })).Status.Should().Be(201)));
        var file = Path.Combine(Path.GetTempPath(), $"{key}.ndjson");
        try
        {
            (await Cli("export", "--query", $"businessKey={key}", "--output", file)).Should().Match<CliRun>(run => run.Code == 0 && run.Error.Contains($"{runs} runs"));
            var gate = await CliRun.Of(["replay", file, "--against", Build, "--query", "status=completed"]);
            gate.Code.Should().Be(0, gate.Output + gate.Error);
            gate.Output.Should().Contain($"{runs} runs");
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
