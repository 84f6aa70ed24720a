using System.Net;
using System.Net.Sockets;

namespace OrleansAiOs.Host.Tests.Cli;

public sealed class RefusalTests
{
    [Theory]
    [InlineData(400, 6)]
    [InlineData(401, 4)]
    [InlineData(403, 4)]
    [InlineData(404, 3)]
    [InlineData(409, 5)]
    [InlineData(413, 6)]
    [InlineData(415, 6)]
    [InlineData(422, 6)]
    [InlineData(429, 7)]
    [InlineData(500, 7)]
    [InlineData(503, 7)]
    public async Task Each_refusal_has_its_exit_code(int status, int code)
    {
        await using var host = (await ContractServer.StartAsync()).Refuses("POST /api/v1/runs/inv-1/cancel", status, "No", "Because.");
        var run = await host.RunAsync("cancel", "inv-1");
        run.Code.Should().Be(code);
        run.Output.Should().BeEmpty();
        run.Error.Should().Contain("No").And.Contain("Because.");
    }

    [Fact]
    public async Task A_busy_host_says_when_to_come_again()
    {
        await using var host = (await ContractServer.StartAsync()).Refuses("POST /api/v1/runs", 503, "Busy", "Too many runs.", ("Retry-After", "7"));
        var run = await host.RunAsync("start", "purchase");
        run.Code.Should().Be(7);
        run.Error.Should().Contain("Busy").And.Contain("Too many runs.").And.Contain("Try again in 7 s.");
    }

    [Fact]
    public async Task A_refusal_without_a_problem_document_still_has_its_code()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs", "<html>", 403, "text/html");
        var run = await host.RunAsync("list");
        run.Code.Should().Be(4);
        run.Error.Should().Contain("403").And.NotContain("<html>");
    }

    [Fact]
    public async Task What_is_no_aios_host_is_not_believed()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs", "<html>hello</html>", 200, "text/html");
        var run = await host.RunAsync("list");
        (run.Code, run.Output).Should().Be((7, ""));
        run.Error.Should().Contain("not an aios host");
    }

    [Fact]
    public async Task A_host_that_is_not_there_ends_with_7_and_says_how_to_start_one()
    {
        var run = await CliRun.Of(["list", "--url", $"http://127.0.0.1:{FreePort()}", "--key", "k"]);
        (run.Code, run.Output).Should().Be((7, ""));
        run.Error.Should().Contain("aios serve");
    }

    [Fact]
    public async Task A_command_whose_answer_is_lost_says_how_to_repeat_it_safely()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var cut = Task.Run(async () =>
        {
            using var connection = await listener.AcceptTcpClientAsync();
            await connection.GetStream().ReadAtLeastAsync(new byte[4096], 1);
        });
        var run = await CliRun.Of(["cancel", "inv-1", "--url", $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}", "--key", "k", "--idempotency-key", "once-1"]);
        await cut;
        run.Code.Should().Be(7);
        run.Error.Should().Contain("--idempotency-key once-1");
    }

    [Fact]
    public async Task A_redirect_is_not_followed_with_the_key()
    {
        await using var elsewhere = await ContractServer.StartAsync();
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs", "", 302, "text/plain", ("Location", $"{elsewhere.Url}/api/v1/runs"));
        (await host.RunAsync("list")).Code.Should().NotBe(0);
        elsewhere.Asked.Should().BeEmpty();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
