using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Tools.Mcp;

/// <summary>The MCP project's own reference server, as a child process and over streamable HTTP.</summary>
public sealed class McpRealServerTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    [Fact]
    public async Task The_reference_server_is_called_as_a_child_process()
    {
        await using var bench = new ToolBench(database);
        await bench.Registry.AddServerAsync(bench.Tenant, new McpServer("everything", ["node", await EverythingServer.ScriptAsync(), "stdio"]), "the reference server", "user/ana");
        await TryAsync(bench);
    }

    [Fact]
    public async Task The_reference_server_is_called_over_streamable_http()
    {
        var port = FreePort();
        using var server = Process.Start(new ProcessStartInfo("node", [await EverythingServer.ScriptAsync(), "streamableHttp"]) { RedirectStandardError = true, RedirectStandardOutput = true, Environment = { ["PORT"] = $"{port}" } })!;
        try
        {
            var said = server.StandardError.ReadToEndAsync();
            await ListensAsync(port, server, said);
            await using var bench = new ToolBench(database);
            await bench.Registry.AddServerAsync(bench.Tenant, new McpServer("everything", Url: $"http://127.0.0.1:{port}/mcp", Reach: [$"127.0.0.1:{port}"]), "the reference server", "user/ana");
            await TryAsync(bench);

            // Without the name of its endpoint it is not reached, whatever it would say.
            await bench.Registry.AddServerAsync(bench.Tenant, new McpServer("unnamed", Url: $"http://127.0.0.1:{port}/mcp"), "not named", "user/ana");
            var look = () => bench.Servers.LookAsync(bench.Tenant, "unnamed");
            (await look.Should().ThrowAsync<WithheldException>()).Which.Message.Should().Contain("is not called");
        }
        finally
        {
            server.Kill(entireProcessTree: true);
            await server.WaitForExitAsync();
        }
    }

    private static async Task TryAsync(ToolBench bench)
    {
        await bench.Servers.LookAsync(bench.Tenant, "everything");
        var tools = bench.View.List(bench.Tenant);
        tools.Should().HaveCountGreaterThan(5).And.OnlyContain(tool => tool.Status == ToolStatus.Registered && tool.Terms == null);
        var view = bench.Servers.List(bench.Tenant).Single();
        (view.State, view.Refused.Count).Should().Be(("connected", 0));
        view.Revision.Should().BeOneOf("2025-11-25", "2026-07-28");

        foreach (var name in new[] { "echo", "get-sum", "get-structured-content" })
            await bench.Registry.ApproveAsync(bench.Tenant, $"everything/{name}", bench.View.Find(bench.Tenant, $"everything/{name}")!.Pin, new ToolTerms(Effect.Pure), "read it", "user/ana");
        (await ResultAsync("echo", new { message = "durable" })).Read<string>().Should().Be("Echo: durable");
        (await ResultAsync("get-sum", new { a = 2, b = 40 })).Read<string>().Should().Contain("42");
        var weather = await ResultAsync("get-structured-content", new { location = "New York" });
        (weather.IsError, weather.Content!.Value.GetProperty("temperature").ValueKind).Should().Be((false, System.Text.Json.JsonValueKind.Number));
        ((RunFailed)await bench.RunAsync("everything", "get-sum", new { a = "two", b = 40 })).Failure.Message.Should().Contain("input.a is a string, and has to be number");

        async Task<ToolResult> ResultAsync(string tool, object input)
        {
            var end = await bench.RunAsync("everything", tool, input);
            return end is RunCompleted completed ? completed.Result.To<ToolResult>()! : throw new InvalidOperationException($"{end}");
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task ListensAsync(int port, Process server, Task<string> said)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            if (server.HasExited) throw new InvalidOperationException($"The server ended by itself: {await said}");
            try
            {
                using var socket = new TcpClient();
                await socket.ConnectAsync(IPAddress.Loopback, port, limit.Token);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(50, limit.Token);
            }
        }
    }
}
