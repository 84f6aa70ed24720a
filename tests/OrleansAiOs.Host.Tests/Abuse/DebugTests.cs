using OrleansAiOs.Host.Tests.Cli;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Stepping through a run of a real host, and through a file, from the command line.</summary>
[Collection(AbuseCollection.Name)]
public sealed class DebugTests(AbuseServer server)
{
    private static readonly string Pack = Path.GetDirectoryName(typeof(DebugTests).Assembly.Location)!;

    private Task<CliRun> Aios(params string[] args) => CliRun.Of([.. args, "--url", server.Server.Address.ToString(), "--key", server.OwnerKey]);

    [Fact]
    public async Task A_run_is_stepped_through_forward_and_back_with_its_variables_and_the_line_it_waits_at()
    {
        var id = await server.Start("abuse-approve", "Pay 100");
        var run = await Aios("debug", id, "--pack", Pack, "--commands", "g 1, n, o, w, p, b approval-requested, c, l, nonsense");
        run.Code.Should().Be(0, run.Error);
        run.Output.Should().ContainAll("1/2", "run-started", "2/2", "approval-requested", "the code waits at AbuseWorkflows.cs:", "step 2 approval Pay 100".Replace("2 ", "1 "), "title: String = \"Pay 100\"",
            "breaks at approval-requested", "'nonsense' is no command");
        (await server.Get($"/api/v1/runs/{id}/history")).Json.GetProperty("items").GetArrayLength().Should().Be(2, "looking changes nothing");
    }

    [Fact]
    public async Task An_export_is_stepped_through_run_by_run()
    {
        var (one, other) = (await server.Start("abuse-wait", 1), await server.Start("abuse-approve", "Pay 7"));
        var file = Path.GetTempFileName();
        try
        {
            await using (var content = File.Create(file))
            using (var writer = new HistoryWriter(content, new ExportOptions { ExportedAt = DateTimeOffset.UnixEpoch }))
            {
                foreach (var run in new[] { one, other }.Select(id => new RunKey(RunKey.DefaultTenant, id))) await writer.WriteAsync(run, await server.Server.Engine.Store.ReadAsync(run, 1, default));
                await writer.FinishAsync();
            }
            (await CliRun.Of(["debug", file, "--pack", Pack, "--commands", "e"])).Should().Match<CliRun>(r => r.Code == 2 && r.Error.Contains("--run-id"));
            (await CliRun.Of(["debug", file, "--run-id", "nobody", "--commands", "e"])).Code.Should().Be(3);
            (await CliRun.Of(["debug", file, "--pack", Pack, "--run-id", other, "--commands", "e,w"])).Output.Should().ContainAll("2/2", "title: String = \"Pay 7\"");
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_file_is_stepped_through_without_a_host_and_two_runs_are_held_against_each_other()
    {
        var (one, other) = (await server.Start("abuse-wait", 1), await server.Start("abuse-wait", 1));
        foreach (var (id, value) in new[] { (one, "17"), (other, "18") }) (await server.PostRaw($"/api/v1/runs/{id}/signals/go", value)).Status.Should().Be(200);
        await server.UntilStatus(one, "completed");
        await server.UntilStatus(other, "completed");
        var folder = Directory.CreateTempSubdirectory("aios-debug-");
        try
        {
            var files = new List<string>();
            foreach (var id in new[] { one, other })
            {
                files.Add(Path.Combine(folder.FullName, $"{id}.ndjson"));
                await File.WriteAllTextAsync(files[^1], (await Aios("history", id, "--json")).Output);
            }
            var run = await CliRun.Of(["debug", files[0], "--pack", Pack, "--commands", $"d {files[1]},e"]);
            run.Code.Should().Be(0, run.Error);
            run.Output.Should().ContainAll("here   2", "there  2", "17", "18", "run-completed");

            await File.WriteAllTextAsync(files[0], """{"version":2,"type":"timer-fired","at":"2026-01-01T00:00:00Z","data":{"step":1}}""");
            (await CliRun.Of(["debug", files[0], "--commands", "n"])).Should().Match<CliRun>(r => r.Code == 6 && r.Error.Contains("line 1"));
            (await CliRun.Of(["debug", files[1], "--pack", Pack, "--commands", "g x"])).Code.Should().Be(2);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
