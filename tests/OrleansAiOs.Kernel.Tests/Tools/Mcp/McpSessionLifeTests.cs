using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Tools.Mcp;

/// <summary>When a server's process begins and ends, and what a call that comes at the wrong moment means.</summary>
public sealed class McpSessionLifeTests(KernelDatabase database) : IClassFixture<KernelDatabase>, IDisposable
{
    private readonly HostileServer server = new();

    public void Dispose() => server.Dispose();

    [Fact]
    public async Task A_look_that_is_given_up_while_the_server_starts_leaves_one_process_to_the_next_and_none_behind()
    {
        int process;
        await using (var bench = new ToolBench(database))
        {
            await server.RegisterAsync(bench, "late");
            for (var i = 0; i < 3; i++) await GivenUpAsync(bench, () => server.Processes("started").Count > 0);
            server.LetGo();
            await bench.Servers.LookAsync(bench.Tenant, "srv");
            bench.View.Find(bench.Tenant, "srv/echo").Should().NotBeNull();
            process = server.Processes("started").Should().ContainSingle().Subject;
            HostileServer.IsAlive(process).Should().BeTrue();
        }
        HostileServer.IsAlive(process).Should().BeFalse();
    }

    [Fact]
    public async Task A_start_that_nobody_waits_for_any_more_ends_with_the_host()
    {
        await using (var bench = new ToolBench(database))
        {
            await server.RegisterAsync(bench, "late");
            await GivenUpAsync(bench, () => server.Processes("started").Count > 0);
        }
        HostileServer.IsAlive(server.Processes("started").Single()).Should().BeFalse();
    }

    [Fact]
    public async Task A_call_whose_time_ends_while_its_server_starts_was_not_made_and_is_made_later()
    {
        await using var bench = new ToolBench(database);
        server.LetGo();
        await server.AddAsync(bench, "late");
        await HostileServer.ApproveAsync(bench, "echo", Effect.AtMostOnce, limits: new ToolLimits(TimeoutSeconds: 1));
        server.Hold();
        await server.KillAsync(bench);

        var run = await bench.StartAsync("srv", "echo", new { text = "x" }, attempts: 0);
        var failed = await bench.UntilAsync<AttemptFailed>(run);
        (failed.Definite, failed.Failure.Message).Should().Be((true, "tool srv/echo was not called: MCP server srv was not ready when the call was given up."));
        server.LetGo();
        await bench.UntilAsync<StepCompleted>(run);
        (server.Processes("started").Count, server.Messages("tools/call").Count).Should().Be((2, 1));
    }

    [Fact]
    public async Task A_look_that_is_given_up_in_a_new_session_takes_no_tool_away()
    {
        await using var bench = new ToolBench(database);
        server.LetGo();
        await server.AddAsync(bench, "slow-list");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure);
        server.Hold();
        await server.KillAsync(bench);
        await GivenUpAsync(bench, () => server.Messages("tools/list").Count == 2);
        server.LetGo();
        (await bench.RunAsync("srv", "echo", new { text = "x" })).Should().BeOfType<RunCompleted>();
    }

    [Fact]
    public async Task A_look_that_is_given_up_is_made_by_the_next_call()
    {
        await using var bench = new ToolBench(database);
        server.LetGo();
        await server.AddAsync(bench, "slow-list");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure);
        server.Hold();
        await GivenUpAsync(bench, () => server.Messages("tools/list").Count == 2);
        server.LetGo();
        ((RunFailed)await bench.RunAsync("srv", "echo", new { text = "x" })).Failure.Message.Should().Contain("changed by whoever offers it (description)");
        server.Messages("tools/call").Should().BeEmpty();
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("late")]
    public async Task A_server_that_was_removed_ends_on_every_host_that_hears_of_it_also_one_whose_session_nobody_has_taken_up(string mode)
    {
        await using var bench = new ToolBench(database);
        await using var other = new ToolBench(database) { Tenant = bench.Tenant };
        await server.RegisterAsync(bench, mode);
        await other.Services.GetRequiredService<Catalogue>().NowAsync();
        foreach (var host in new[] { bench, other })
        {
            var before = server.Processes("started").Count;
            if (mode == "late") await GivenUpAsync(host, () => server.Processes("started").Count > before);
            else await host.Servers.LookAsync(host.Tenant, "srv");
        }
        server.LetGo();
        await HostileServer.UntilAsync(() => server.Messages("notifications/initialized").Count == 2);
        var processes = server.Processes("started");
        processes.Should().HaveCount(2).And.OnlyContain(process => HostileServer.IsAlive(process));

        await bench.Registry.RemoveServerAsync(bench.Tenant, "srv", "no more", "user/ben");
        await HostileServer.UntilAsync(() => !HostileServer.IsAlive(processes[0]));
        HostileServer.IsAlive(processes[1]).Should().BeTrue("the other host has heard nothing yet");
        await other.Services.GetRequiredService<Catalogue>().NowAsync();
        await HostileServer.UntilAsync(() => !HostileServer.IsAlive(processes[1]));
    }

    [Fact]
    public async Task A_removal_that_broke_off_before_the_tools_were_stopped_is_finished_when_it_is_asked_for_again()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "plain");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure);
        await bench.Streams.AppendAsync(bench.Tenant, "tool-server/srv", 1, [new ToolServerRemoved("srv", "no more")], "user/ben", default);
        (await bench.Registry.RemoveServerAsync(bench.Tenant, "srv", "no more", "user/ben")).Should().BeTrue();
        bench.View.Find(bench.Tenant, "srv/echo")!.Why.Should().Be("its server was removed by user/ben: no more");
        (await bench.Registry.RemoveServerAsync(bench.Tenant, "srv", "no more", "user/ben")).Should().BeFalse("nothing is left of it");
        (await bench.Registry.RemoveServerAsync(bench.Tenant, "none", "no more", "user/ben")).Should().BeFalse();
    }

    [Fact]
    public async Task Of_a_server_that_died_nothing_goes_on_though_nobody_has_looked_since()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "children");
        var child = server.Processes("child").Single();
        HostileServer.IsAlive(child).Should().BeTrue("else nothing was tested");
        using (var process = Process.GetProcessById(server.Processes("started").Single())) process.Kill();
        await HostileServer.UntilAsync(() => !HostileServer.IsAlive(child));
    }

    [Fact]
    public async Task A_session_ends_though_a_helper_that_left_its_servers_group_keeps_the_pipes_open()
    {
        var bench = new ToolBench(database);
        await server.AddAsync(bench, "clinging");
        using var helper = Process.GetProcessById(server.Processes("child").Single());
        try
        {
            await bench.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
            HostileServer.IsAlive(server.Processes("started").Single()).Should().BeFalse();
            HostileServer.IsAlive(helper.Id).Should().BeTrue("else nothing was tested");
        }
        finally
        {
            helper.Kill();
        }
    }

    [Fact]
    public async Task Runs_that_are_cancelled_say_nothing_of_their_server()
    {
        await using var bench = new ToolBench(database);
        await server.AddAsync(bench, "silent");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure);
        for (var i = 1; i <= 4; i++)
        {
            var run = new RunKey(bench.Tenant, await bench.StartAsync("srv", "echo", new { text = "x" }));
            await HostileServer.UntilAsync(() => server.Messages("tools/call").Count == i);
            await bench.Host.CancelAsync(run, "no longer wanted", "user/ana");
            (await bench.Host.WaitAsync(run, default)).Should().BeOfType<RunCancelled>();
        }
        bench.Servers.List(bench.Tenant).Single().State.Should().Be("connected");
        HostileServer.IsAlive(server.Processes("started").Should().ContainSingle().Subject).Should().BeTrue();
    }

    [Fact]
    public async Task A_server_that_hangs_is_started_anew_also_for_a_tool_that_gives_up_before_a_look_does()
    {
        await using var bench = new ToolBench(database);
        server.LetGo();
        await server.AddAsync(bench, "slow-list");
        await HostileServer.ApproveAsync(bench, "echo", Effect.Pure, limits: new ToolLimits(TimeoutSeconds: 1));
        server.Hold();
        await server.KillAsync(bench);
        await bench.StartAsync("srv", "echo", new { text = "x" }, attempts: 0);
        await HostileServer.UntilAsync(() => server.Processes("started").Count >= 3);
        HostileServer.IsAlive(server.Processes("started")[1]).Should().BeFalse();
    }

    private static async Task GivenUpAsync(ToolBench bench, Func<bool> when)
    {
        using var caller = new CancellationTokenSource();
        var look = bench.Servers.LookAsync(bench.Tenant, "srv", caller.Token);
        await HostileServer.UntilAsync(when);
        await caller.CancelAsync();
        await ((Func<Task>)(() => look)).Should().ThrowAsync<OperationCanceledException>();
    }
}
