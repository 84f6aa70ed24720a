using System.Text.Json;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tests.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Tools.Mcp;

/// <summary>A server over HTTP that goes away, refuses, or does not say goodbye.</summary>
public sealed class McpOverHttpTests(KernelDatabase database) : IClassFixture<KernelDatabase>, IDisposable
{
    private readonly ManualResetEventSlim goodbye = new();
    private int callStatus = 200;

    public void Dispose() => goodbye.Dispose();

    [Fact]
    public async Task A_call_that_cannot_reach_its_server_was_not_made_and_is_no_unknown_outcome()
    {
        await using var bench = new ToolBench(database);
        await using (var server = new RawServer(Answer)) await AddAsync(bench, server);
        var failed = await bench.UntilAsync<AttemptFailed>(await bench.StartAsync("srv", "echo", new { }, attempts: 0));
        failed.Definite.Should().BeTrue();
        failed.Failure.Message.Should().StartWith("tool srv/echo was not called: ");
    }

    [Theory]
    [InlineData(401)]
    [InlineData(404)]
    [InlineData(429)]
    public async Task A_status_of_refusal_is_a_no(int status)
    {
        await using var bench = new ToolBench(database);
        await using var server = new RawServer(Answer);
        await AddAsync(bench, server);
        callStatus = status;
        var end = await bench.RunAsync("srv", "echo").WaitAsync(TimeSpan.FromSeconds(60)); // an unknown outcome would wait for a person
        end.Should().BeOfType<RunFailed>().Which.Failure.Message.Should().Contain($"{status}");
    }

    [Fact]
    public async Task Who_does_not_say_goodbye_is_not_waited_for()
    {
        await using var server = new RawServer(Answer);
        try
        {
            var bench = new ToolBench(database);
            await AddAsync(bench, server);
            await bench.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20));
            server.Requests.Should().Contain(request => request.StartsWith("DELETE "), "else nothing was tested");
        }
        finally
        {
            goodbye.Set();
        }
    }

    private async Task AddAsync(ToolBench bench, RawServer server)
    {
        await bench.Registry.AddServerAsync(bench.Tenant, new McpServer("srv", Url: $"{server.Url}/mcp", Reach: [server.Endpoint]), "for a test", "user/ana");
        await bench.Servers.LookAsync(bench.Tenant, "srv");
        await HostileServer.ApproveAsync(bench, "echo", Effect.AtMostOnce);
    }

    private byte[] Answer(string request)
    {
        if (request.StartsWith("DELETE ", StringComparison.Ordinal))
        {
            goodbye.Wait();
            return RawServer.Http(200, "");
        }
        if (!request.StartsWith("POST ", StringComparison.Ordinal)) return RawServer.Http(405, "");
        var message = JsonSerializer.Deserialize<JsonElement>(request[(request.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..]);
        if (!message.TryGetProperty("id", out var id)) return RawServer.Http(202, "");
        var method = message.GetProperty("method").GetString();
        return method switch
        {
            "initialize" => Result(id, """{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"test","version":"1"}}"""),
            "tools/list" => Result(id, """{"tools":[{"name":"echo","description":"A tool of a test","inputSchema":{"type":"object"}}]}"""),
            "tools/call" when callStatus != 200 => RawServer.Http(callStatus, "no"),
            "tools/call" => Result(id, """{"content":[{"type":"text","text":"x"}]}"""),
            _ => RawServer.Http(200, $$$"""{"jsonrpc":"2.0","id":{{{id.GetRawText()}}},"error":{"code":-32601,"message":"unknown"}}""", "Content-Type: application/json"),
        };
    }

    private static byte[] Result(JsonElement id, string result) =>
        RawServer.Http(200, $$"""{"jsonrpc":"2.0","id":{{id.GetRawText()}},"result":{{result}}}""", "Content-Type: application/json", "Mcp-Session-Id: s-1");
}
