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

    [Theory]
    [InlineData("http")]
    [InlineData("connects")]
    [InlineData("elsewhere")]
    [InlineData("forgets")]
    public async Task Code_that_tries_to_reach_out_fails_its_replay_and_nothing_arrives(string how)
    {
        using var listener = Listening(out var address);
        var run = await With(Changing.ReachVariable, $"{how} {address}", () => CliRun.Of(["replay", One, "--pack", Build, "--within", "60"]));
        run.Code.Should().Be(10, run.Output + run.Error);
        (run.Output + run.Error).Should().Contain("reached out");
        if (how != "forgets") run.Output.Should().Contain("CANNOT BE REPLAYED").And.Contain("behind event 3 (step-completed, step 1)");
        if (how is "http" or "connects") run.Output.Should().Contain("ReplayWorkflows.cs:");
        listener.Pending().Should().BeFalse("who reaches out is held before anything is sent");
        await CanTell(listener);
    }

    /// <summary>
    /// Where namespaces are refused (most containers) sockets are watched, and that is all there is. Here the system refuses them: the
    /// <c>unshare</c> found first says so, as the real one does there. All else is as everywhere: the process, its seal and the code in it.
    /// </summary>
    [Theory]
    [InlineData("http")]
    [InlineData("connects")]
    [InlineData("elsewhere")]
    [InlineData("forgets")]
    public async Task Where_namespaces_are_refused_code_that_reaches_out_fails_just_so(string how)
    {
        await using var refused = await NoNamespacesAsync();
        using var listener = Listening(out var address);
        var run = await With(Changing.ReachVariable, $"{how} {address}", () => CliRun.Of(["replay", One, "--pack", Build, "--within", "60"]));
        run.Code.Should().Be(10, run.Output + run.Error);
        (run.Output + run.Error).Should().Contain("reached out");
        if (how != "forgets") run.Output.Should().Contain("sealed by watched-sockets");
        listener.Pending().Should().BeFalse("who reaches out is held before anything is sent");
        await CanTell(listener);

        var honest = await CliRun.Of(["replay", One, "--pack", Build]);
        honest.Code.Should().Be(0, honest.Output + honest.Error);
        honest.Output.Should().Contain("sealed by watched-sockets");
    }

    [Fact]
    public async Task A_name_that_is_looked_up_is_reaching_out_too()
    {
        await using var refused = await NoNamespacesAsync();
        var run = await With(Changing.ReachVariable, "connects tcp://no-such-host.invalid:80", () => CliRun.Of(["replay", One, "--pack", Build]));
        run.Code.Should().Be(10, run.Output + run.Error);
        run.Output.Should().Contain("reached out of the replay, to System.Net.NameResolution (no-such-host.invalid)");
    }

    [Fact]
    public async Task The_debugger_runs_the_code_under_the_same_seal_and_ends_with_10_when_it_reaches_out()
    {
        var honest = await CliRun.Of(["debug", One, "--pack", Build, "--commands", "g 3,w,e"]);
        honest.Code.Should().Be(0, honest.Output + honest.Error);
        honest.Error.Should().Contain($"sealed by {(CanSeal ? "network-namespace" : "watched-sockets")}");
        honest.Output.Should().Contain("n: Int32 =");

        using var listener = Listening(out var address);
        var reaching = await With(Changing.ReachVariable, $"http {address}", () => CliRun.Of(["debug", One, "--pack", Build, "--commands", "n,n,e"]));
        reaching.Code.Should().Be(10, reaching.Output + reaching.Error);
        reaching.Output.Should().Contain("! The workflow's code reached out of the replay, to System.Net.Http").And.Contain("run-completed", "the history is stepped through to its end");
        listener.Pending().Should().BeFalse();
        await CanTell(listener);

        await using var refused = await NoNamespacesAsync();
        var watched = await With(Changing.ReachVariable, $"elsewhere {address}", () => CliRun.Of(["debug", One, "--pack", Build, "--commands", "e"]));
        watched.Code.Should().Be(10, watched.Output + watched.Error);
        watched.Error.Should().Contain("sealed by watched-sockets");
        listener.Pending().Should().BeFalse();
    }

    [Fact]
    public async Task Code_that_loops_for_ever_ends_its_own_replay_and_not_the_others()
    {
        var line = 1 + Array.FindIndex(await File.ReadAllLinesAsync(Source()), text => text.Contains("n = await Call(ReplayTools.Add", StringComparison.Ordinal));
        var one = await With(Changing.StuckVariable, "loops", () => CliRun.Of(["replay", One, "--pack", Build, "--within", "2"]));
        one.Code.Should().Be(10, one.Output + one.Error);
        one.Output.Should().Contain($"did not come to rest within 2 s behind event 3 (step-completed, step 1): it went on from ReplayWorkflows.cs:{line}");

        var gate = await With(Changing.StuckVariable, "loops", () => CliRun.Of(["replay", Many, "--against", Build, "--within", "2", "--json"]));
        gate.Code.Should().Be(10, gate.Output + gate.Error);
        var types = JsonDocument.Parse(gate.Output).RootElement.GetProperty("report").GetProperty("types").EnumerateArray().ToDictionary(type => type.GetProperty("workflow").GetString()!);
        types["replay-steady"].GetProperty("safe").GetInt32().Should().Be(14, "they are replayed all the same");
        types["replay-changing"].GetProperty("cannotReplay").GetInt32().Should().Be(6);
        string.Concat(types["replay-changing"].GetProperty("differences").EnumerateArray().Select(difference => difference.GetProperty("why").GetString())).Should().Contain("did not come to rest").And.Contain("Not replayed");

        var debug = await With(Changing.StuckVariable, "loops", () => CliRun.Of(["debug", One, "--pack", Build, "--within", "2", "--commands", "e"]));
        debug.Code.Should().Be(10, debug.Output + debug.Error);
        debug.Output.Should().Contain("did not come to rest within 2 s");
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

    private static TcpListener Listening(out string address)
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        address = $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/pay";
        return listener;
    }

    [Fact]
    public async Task The_sealed_process_has_nothing_of_the_environment_but_what_a_program_needs_to_run()
    {
        if (!OperatingSystem.IsLinux()) return; // where another process's environment can be read
        string[] secrets = ["AIOS_TEST_KEPT_BACK", "PGTESTKEPTBACK", "OTEL_TEST_KEPT_BACK", "SOMEBODYS_TOKEN"];
        foreach (var name in secrets) Environment.SetEnvironmentVariable(name, "hush");
        try
        {
            using var process = await Host.Replaying.SealedProcess.StartAsync(new Host.Replaying.SealedOrder([], BuiltIn: true, One, Gate: false), default);
            try
            {
                var handed = (await File.ReadAllTextAsync($"/proc/{process.Id}/environ")).Split('\0', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('=')[0]).ToList();
                handed.Should().Contain("PATH").And.NotIntersectWith(secrets);
            }
            finally
            {
                process.Kill(entireProcessTree: true);
            }
        }
        finally
        {
            foreach (var name in secrets) Environment.SetEnvironmentVariable(name, null);
        }
    }

    // From this process the same call does arrive.
    private static async Task CanTell(TcpListener listener)
    {
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        listener.Pending().Should().BeTrue();
        listener.AcceptTcpClient().Dispose();
    }

    private async Task<Restored> NoNamespacesAsync()
    {
        var stub = Path.Combine(folder, "unshare");
        await File.WriteAllTextAsync(stub, "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(stub, (UnixFileMode)0b111_101_101);
        var path = Environment.GetEnvironmentVariable("PATH");
        Environment.SetEnvironmentVariable("PATH", $"{folder}{Path.PathSeparator}{path}");
        return new Restored(() => Environment.SetEnvironmentVariable("PATH", path));
    }

    private sealed class Restored(Action restore) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            restore();
            return ValueTask.CompletedTask;
        }
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
