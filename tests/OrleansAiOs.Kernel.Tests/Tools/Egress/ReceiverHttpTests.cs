using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tests.Tools.Egress;

public sealed class ReceiverHttpTests
{
    [Theory]
    [InlineData("/v1/")]
    [InlineData("/v1")]
    public async Task A_receiver_gets_the_call_below_its_address_with_its_key_and_its_body(string path)
    {
        await using var server = new RawServer("{}");
        using var http = ReceiverHttp.Connect(null, "the bank", server.Url + path);
        using var request = new HttpRequestMessage(HttpMethod.Post, "payments") { Content = JsonContent.Create(new { amount = 1 }) };
        request.Headers.Add("Idempotency-Key", "k-1");
        (await http.SendAsync(request)).StatusCode.Should().Be(HttpStatusCode.OK);
        server.Requests.Single().Should().Contain("POST /v1/payments").And.Contain("Idempotency-Key: k-1").And.Contain("{\"amount\":1}").And.Contain("application/json");
    }

    [Fact]
    public async Task Nobody_there_is_a_definite_no_that_may_be_tried_again()
    {
        using var gone = new TcpListener(IPAddress.Loopback, 0);
        gone.Start();
        var port = ((IPEndPoint)gone.LocalEndpoint).Port;
        gone.Stop();
        using var http = ReceiverHttp.Connect(null, "the bank", $"http://127.0.0.1:{port}/");
        var pay = () => http.PostAsync("payments", null);
        (await pay.Should().ThrowAsync<WithheldException>("it never left")).Which.Should().Match<WithheldException>(e => e.Retry && e.Message.Contains("the bank"));
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_no_no()
    {
        await using var server = new RawServer(_ => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"u8.ToArray());
        using var http = ReceiverHttp.Connect(null, "the bank", server.Url);
        var pay = () => http.PostAsync("payments", null);
        await pay.Should().ThrowAsync<HttpRequestException>();
        server.Connects.Should().Be(1);
    }

    [Fact]
    public async Task A_redirect_is_an_answer_and_another_address_is_nobodys_business()
    {
        await using var neighbour = new RawServer();
        await using var server = new RawServer(_ => RawServer.Http(302, "", $"Location: {neighbour.Url}/"));
        using var http = ReceiverHttp.Connect(null, "the bank", server.Url);
        (await http.GetAsync("payments")).StatusCode.Should().Be(HttpStatusCode.Found);
        var elsewhere = () => http.GetAsync(neighbour.Url);
        (await elsewhere.Should().ThrowAsync<WithheldException>()).Which.Retry.Should().BeFalse();
        neighbour.Connects.Should().Be(0);
    }

    [Fact]
    public async Task An_answer_above_a_mebibyte_is_not_taken()
    {
        await using var server = new RawServer(new string('x', 1024 * 1024 + 1));
        using var http = ReceiverHttp.Connect(null, "the bank", server.Url);
        var read = () => http.GetAsync("payments");
        await read.Should().ThrowAsync<HttpRequestException>();
    }

    [Theory]
    [InlineData("bank.example.com")]
    [InlineData("ftp://bank.example.com/")]
    [InlineData("https://user:secret@bank.example.com/")]
    [InlineData("")]
    public void An_address_that_is_none_is_refused_by_name(string address)
    {
        var connect = () => ReceiverHttp.Connect(null, "the bank", address);
        connect.Should().Throw<FormatException>().WithMessage("*the bank*https://bank.example.com/*");
    }
}
