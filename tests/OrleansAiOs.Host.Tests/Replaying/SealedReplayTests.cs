using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using OrleansAiOs.Host.Tests.Cli;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Tests.Replaying;

/// <summary>aios replay, as people and pipelines use it: in a process of its own, sealed off, with a verdict that is an exit code.</summary>
[Collection(nameof(SealedReplayTests))] // the environment of this process stands for the build
public sealed class SealedReplayTests : IAsyncLifetime
{
    private static readonly string Build = typeof(SealedReplayTests).Assembly.Location;

    private readonly string folder = Directory.CreateTempSubdirectory("aios-replay-").FullName;

    private string One => Path.Combine(folder, "one.ndjson");

    private string Many => Path.Combine(folder, "many.ndjson");

    public async Task InitializeAsync()
    {
        await using var host = await new WorkflowTestHost(new WorkflowRegistry().Add<Changing>().Add<Steady>()).StartAsync();
        var one = await host.StartRunAsync("replay-changing", 1, "one");
        await host.EndOf(one);
        List<RunKey> many = [one];
        for (var i = 0; i < 19; i++) many.Add(await host.StartRunAsync(i % 4 == 0 ? "replay-changing" : "replay-steady", i));
        foreach (var run in many) await host.Until(run, row => row.ClosedAt is not null || row is { Busy: false, Waits.Count: 1 });
        await WriteAsync(One, one);
        await WriteAsync(Many, [.. many]);

        async Task WriteAsync(string file, params RunKey[] runs)
        {
            await using var to = File.Create(file);
            using var writer = new HistoryWriter(to, new ExportOptions { ExportedAt = DateTimeOffset.UtcNow });
            foreach (var run in runs) await writer.WriteAsync(run, await host.Store.ReadAsync(run, 1, default));
            await writer.FinishAsync();
        }
    }

    public Task DisposeAsync()
    {
        Directory.Delete(folder, recursive: true);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task The_same_commands_are_0_and_the_verdict_says_which_seal_it_had()
    {
        var run = await CliRun.Of(["replay", One, "--pack", Build]);
        run.Code.Should().Be(0, run.Output + run.Error);
        run.Output.Should().Contain("same commands, byte for byte").And.ContainAny("network-namespace", "watched-sockets");
        var json = JsonDocument.Parse((await CliRun.Of(["replay", One, "--pack", Build, "--json"])).Output).RootElement;
        json.GetProperty("seal").GetString().Should().Be(CanSeal ? "network-namespace" : "watched-sockets");
        json.GetProperty("verdict").GetProperty("result").GetString().Should().Be("same");
        json.GetProperty("verdict").GetProperty("byteEqual").GetBoolean().Should().BeTrue();
    }

    [Fact]
    public async Task Code_that_tries_to_reach_out_fails_its_replay_and_nothing_arrives()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var run = await With(Changing.ReachVariable, $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/pay", () => CliRun.Of(["replay", One, "--pack", Build]));
        run.Code.Should().Be(10, run.Output + run.Error);
        run.Output.Should().Contain("CANNOT BE REPLAYED").And.Contain("reached out");
        if (CanSeal) listener.Pending().Should().BeFalse("an empty network namespace reaches not even this machine");
        // That the test can tell: from this process the same call does arrive.
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        listener.Pending().Should().BeTrue();
    }

    [Fact]
    public async Task A_difference_is_9_with_the_line_that_asks_and_the_patch()
    {
        var run = await With(Changing.ChangeVariable, "1", () => CliRun.Of(["replay", One, "--pack", Build]));
        run.Code.Should().Be(9, run.Output + run.Error);
        var line = 1 + Array.FindIndex(await File.ReadAllLinesAsync(Source()), text => text.Contains("the inserted line", StringComparison.Ordinal));
        run.Output.Should().ContainAll("DIFFERENT", "inserted", "replay.extra", $"ReplayWorkflows.cs:{line}", "Patched(\"added-replay.extra\")");
    }

    [Fact]
    public async Task What_is_not_in_the_build_or_no_export_is_10_and_says_what_to_do()
    {
        (await CliRun.Of(["replay", One])).Should().Match<CliRun>(run => run.Code == 10 && run.Output.Contains("replay-changing") && run.Output.Contains("Name the pack"));
        await File.AppendAllTextAsync(One, "{\"line\":\"gossip\"}\n");
        (await CliRun.Of(["replay", One, "--pack", Build])).Should().Match<CliRun>(run => run.Code == 10 && run.Error.Contains("end line"));
        (await CliRun.Of(["replay", "--sample", "3"])).Code.Should().Be(2);
        (await CliRun.Of(["replay", One, "--against", Path.Combine(folder, "no-such-build")])).Code.Should().Be(3);
        (await CliRun.Of(["replay", One, "--against", Build, "--query", "colour=red"])).Code.Should().Be(2);
    }

    [Fact]
    public async Task The_gate_lets_a_safe_build_pass_and_stops_one_that_breaks()
    {
        var safe = await CliRun.Of(["replay", Many, "--against", Build]);
        safe.Code.Should().Be(0, safe.Output + safe.Error);
        safe.Output.Should().Contain("20 runs").And.Contain("safe for all of them");

        var broken = await With(Changing.ChangeVariable, "1", () => CliRun.Of(["replay", Many, "--against", Build, "--json"]));
        broken.Code.Should().Be(9, broken.Output + broken.Error);
        var types = JsonDocument.Parse(broken.Output).RootElement.GetProperty("report").GetProperty("types").EnumerateArray().ToDictionary(type => type.GetProperty("workflow").GetString()!);
        types["replay-steady"].GetProperty("safe").GetInt32().Should().Be(14);
        var changing = types["replay-changing"];
        (changing.GetProperty("version").GetString(), changing.GetProperty("runs").GetInt32(), changing.GetProperty("closedDiffer").GetInt32()).Should().Be(("7", 6, 6));
        var difference = changing.GetProperty("differences").EnumerateArray().Should().ContainSingle("all differ in the same way").Subject;
        (difference.GetProperty("runs").GetInt32(), difference.GetProperty("step").GetInt32()).Should().Be((6, 2));
        difference.GetProperty("changes")[0].GetProperty("patch").GetProperty("text").GetString().Should().Contain("Patched(");

        var others = await With(Changing.ChangeVariable, "1", () => CliRun.Of(["replay", Many, "--against", Build, "--query", "workflow=replay-steady", "--query", "status=open", "--sample", "5"]));
        others.Code.Should().Be(0, others.Output + others.Error);
        others.Output.Should().Contain("5 runs");
    }

    private static bool CanSeal
    {
        get
        {
            try
            {
                using var trial = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("unshare", [Environment.UserName == "root" ? "--net" : "-rn", "true"]) { RedirectStandardError = true })!;
                trial.WaitForExit();
                return trial.ExitCode == 0;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                return false;
            }
        }
    }

    private static async Task<CliRun> With(string variable, string value, Func<Task<CliRun>> run)
    {
        Environment.SetEnvironmentVariable(variable, value);
        try
        {
            return await run();
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    private static string Source([System.Runtime.CompilerServices.CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "ReplayWorkflows.cs");
}
