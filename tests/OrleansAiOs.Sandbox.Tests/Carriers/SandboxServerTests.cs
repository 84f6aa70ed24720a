using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using static OrleansAiOs.Sandbox.Tests.SandboxClient;

namespace OrleansAiOs.Sandbox.Tests;

/// <summary>The same behaviour seen through real sockets.</summary>
public sealed class SandboxServerTests : IAsyncLifetime
{
    private readonly ManualTime time = new();
    private SandboxServer server = null!;
    private SandboxClient caller = null!;

    public async Task InitializeAsync()
    {
        server = await SandboxServer.StartAsync(new SandboxOptions { Time = time });
        caller = Of(server);
    }

    public async Task DisposeAsync()
    {
        caller.Dispose();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task An_invoice_is_posted_paid_told_reversed_and_counted()
    {
        var posting = await caller.Post("run-1/post", Posting());
        (await caller.Post("run-1/post", Posting())).Replayed.Should().BeTrue();
        (await caller.Pay(Payment())).Status.Should().Be(HttpStatusCode.Created);
        (await caller.Notify("run-1/notify")).Status.Should().Be(HttpStatusCode.Accepted);
        (await caller.Reverse("run-1/reverse", posting.Text("id"))).Status.Should().Be(HttpStatusCode.Created);

        JsonNode.Parse((await caller.Get("/books")).Body)!.ToJsonString().Should().Be(JsonNode.Parse("""
            {
              "ledger": {
                "unreadable": 0,
                "keys": [
                  { "key": "run-1/post", "reached": 2, "postings": 1, "reversals": 0 },
                  { "key": "run-1/reverse", "reached": 1, "postings": 0, "reversals": 1 }
                ],
                "references": [{ "reference": "INV-1", "postings": 1, "reversals": 1 }]
              },
              "bank": {
                "unreadable": 0,
                "references": [{ "reference": "INV-1", "reached": 1, "payments": 1, "inquiries": 0, "voidRequests": 0, "voids": 0 }]
              },
              "notify": { "unreadable": 0, "keys": [{ "key": "run-1/notify", "reached": 1, "messages": 1 }] },
              "refunds": { "unreadable": 0, "keys": [], "orders": [] },
              "held": 0
            }
            """)!.ToJsonString());
    }

    [Theory]
    [InlineData("a/b")]
    [InlineData("a+b c%2Fd?e=f&g#h")]
    [InlineData("Größe–\u202e\u0001\r\n\"\\")]
    public async Task A_reference_holds_any_character_over_the_wire_too(string reference)
    {
        (await caller.Void(reference)).Status.Should().Be(HttpStatusCode.OK);

        (await caller.Pay(Payment(reference))).Text("type").Should().Be("urn:aios:sandbox:reference-voided");
        (await caller.Inquire(reference)).Text("voided").Should().Be("True");
    }

    [Theory]
    [InlineData("loseRequest", 0)]
    [InlineData("loseReply", 1)]
    public async Task A_lost_request_or_reply_is_a_broken_connection(string fault, int paid)
    {
        await Script(fault);

        await FluentActions.Awaiting(() => caller.Pay(Payment())).Should().ThrowAsync<HttpRequestException>();
        await ShouldHavePaid(paid);
    }

    [Fact]
    public async Task A_lost_reply_on_a_connection_already_used_is_not_sent_again_by_the_client()
    {
        await caller.Get("/books");
        await Script("loseReply", "bank.void");

        await FluentActions.Awaiting(() => caller.Void("INV-1")).Should().ThrowAsync<HttpRequestException>();
        server.Sandbox.Books().Bank.References.Single().VoidRequests.Should().Be(1);
    }

    [Theory]
    [InlineData("hangBefore", 0)]
    [InlineData("hangAfter", 1)]
    public async Task A_hang_is_never_answered(string fault, int paid)
    {
        await Script(fault);

        await TimesOut();
        await ShouldHavePaid(paid);
    }

    [Theory]
    [InlineData("failBefore", 0)]
    [InlineData("failAfter", 1)]
    public async Task A_failure_says_500_booked_or_not(string fault, int paid)
    {
        await Script(fault);

        (await caller.Pay(Payment())).Status.Should().Be(HttpStatusCode.InternalServerError);
        await ShouldHavePaid(paid);
    }

    [Theory]
    [InlineData("garbageBefore", 0)]
    [InlineData("garbageAfter", 1)]
    public async Task Garbage_says_200_and_is_not_json(string fault, int paid)
    {
        await Script(fault);
        var answer = await caller.Pay(Payment());

        answer.Status.Should().Be(HttpStatusCode.OK);
        answer.ContentType!.MediaType.Should().Be("application/json");
        FluentActions.Invoking(() => answer.Json).Should().Throw<JsonException>();
        await ShouldHavePaid(paid);
    }

    [Fact]
    public async Task Too_many_requests_says_when_to_come_back()
    {
        await caller.BeHostile("""{"odds":{"bank.pay":{"tooManyRequests":1}},"retryAfterSeconds":3}""");
        var answer = await caller.Pay(Payment());

        answer.Status.Should().Be(HttpStatusCode.TooManyRequests);
        answer.Headers.RetryAfter!.Delta.Should().Be(TimeSpan.FromSeconds(3));
        await ShouldHavePaid(0);
    }

    [Fact]
    public async Task A_held_request_is_delivered_late_though_its_connection_broke()
    {
        await caller.BeHostile("""{"script":[{"operation":"bank.pay","fault":"hold","hold":{"forMs":300}}]}""");

        await FluentActions.Awaiting(() => caller.Pay(Payment())).Should().ThrowAsync<HttpRequestException>();
        await ShouldHavePaid(0);
        time.Advance(TimeSpan.FromMilliseconds(300));
        await ShouldHavePaid(1);
    }

    [Fact]
    public async Task A_held_request_is_delivered_when_told_though_its_caller_timed_out()
    {
        await caller.BeHostile("""{"script":[{"operation":"bank.pay","fault":"hold","hold":{"caller":"hang"}}]}""");

        await TimesOut();
        await ShouldHavePaid(0);
        (await caller.Send(HttpMethod.Post, "/hostility/release", null)).Text("delivered").Should().Be("1");
        await ShouldHavePaid(1);
    }

    [Fact]
    public async Task A_thousand_payments_and_voids_over_sockets_never_leave_a_reference_both_voided_and_paid()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 1_000).Select(i =>
            i % 2 == 0 ? caller.Void($"INV-{i / 20}") : caller.Pay(Payment($"INV-{i / 20}"))));

        answers.Should().OnlyContain(a => a.Status == HttpStatusCode.OK || a.Status == HttpStatusCode.Created || a.Status == HttpStatusCode.Conflict);
        server.Sandbox.Books().Bank.References.Should().HaveCount(50).And.OnlyContain(r => (r.Voids == 1) != (r.Payments > 0));
    }

    [Fact]
    public async Task A_body_over_a_megabyte_is_refused_and_so_is_one_that_does_not_say_its_length()
    {
        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/bank/payments");
        chunked.Headers.TransferEncodingChunked = true;
        chunked.Content = new StringContent(Payment(new string('x', 1024 * 1024)), Encoding.UTF8, "application/json");

        // A server that refuses early may break the connection while the client still sends.
        foreach (var call in new[] { caller.Pay(Payment(new string('x', 1024 * 1024))), caller.Send(chunked) })
        {
            try
            {
                (await call).Status.Should().Be(HttpStatusCode.RequestEntityTooLarge);
            }
            catch (HttpRequestException)
            {
            }
        }

        (await caller.Get("/books")).Status.Should().Be(HttpStatusCode.OK);
        server.Sandbox.Books().Bank.References.Should().BeEmpty();
    }

    [Theory]
    [InlineData("Origin", "https://evil.example")]
    [InlineData("Origin", "null")]
    [InlineData("Host", "evil.example")]
    public async Task Web_pages_are_refused(string header, string value)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/bank/references/INV-1/void");
        request.Headers.TryAddWithoutValidation(header, value);

        (await caller.Send(request)).Status.Should().Be(HttpStatusCode.Forbidden);
        server.Sandbox.Books().Bank.References.Should().BeEmpty();
    }

    [Fact]
    public async Task Two_idempotency_keys_are_refused()
    {
        var raw = await Raw("POST /notify HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");

        raw.Should().StartWith("HTTP/1.1 400").And.Contain("Idempotency-Key");
    }

    [Fact]
    public async Task A_caller_that_leaves_in_the_middle_of_its_body_has_sent_nothing()
    {
        await Raw("POST /bank/payments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n" + Payment(), leave: true);

        (await caller.Get("/books")).Status.Should().Be(HttpStatusCode.OK);
        server.Sandbox.Books().Bank.References.Should().BeEmpty();
    }

    [Fact]
    public async Task Stopping_does_not_wait_for_those_who_hang()
    {
        await Script("hangBefore");
        var hanging = caller.Pay(Payment());
        await Dealt();

        await server.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        await FluentActions.Awaiting(() => hanging).Should().ThrowAsync<HttpRequestException>();
    }

    [Fact]
    public async Task Running_ends_when_cancelled()
    {
        using var stop = new CancellationTokenSource();
        var running = SandboxServer.RunAsync(new SandboxOptions(), stop.Token);
        await Task.Delay(200);
        running.IsCompleted.Should().BeFalse();
        stop.Cancel();

        await running.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task A_port_in_use_is_an_error_that_leaves_nothing_behind()
    {
        var folder = Directory.CreateTempSubdirectory("sandbox-").FullName;
        var options = new SandboxOptions { Port = server.BaseAddress.Port, DataFolder = folder };

        await FluentActions.Awaiting(() => SandboxServer.StartAsync(options)).Should().ThrowAsync<IOException>();
        await using (await SandboxServer.StartAsync(options with { Port = 0 }))
        {
        }

        Directory.Delete(folder, recursive: true);
    }

    private async Task Script(string fault, string operation = "bank.pay") =>
        (await caller.BeHostile($$"""{"script":[{"operation":"{{operation}}","fault":"{{fault}}"}]}""")).Status.Should().Be(HttpStatusCode.OK);

    private async Task TimesOut()
    {
        using var patience = new CancellationTokenSource();
        var call = caller.Pay(Payment(), patience.Token);
        await Dealt();
        call.IsCompleted.Should().BeFalse();
        patience.Cancel();

        await FluentActions.Awaiting(() => call).Should().ThrowAsync<OperationCanceledException>();
    }

    private async Task Dealt()
    {
        while (server.Sandbox.HostilityNow().Dealt.Count == 0)
        {
            await Task.Delay(10);
        }
    }

    private async Task ShouldHavePaid(int payments) =>
        (await caller.Inquire("INV-1")).Json.GetProperty("payments").GetArrayLength().Should().Be(payments);

    /// <param name="leave">Closes without waiting for an answer.</param>
    private async Task<string> Raw(string request, bool leave = false)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, server.BaseAddress.Port);
        await using var stream = tcp.GetStream();
        await stream.WriteAsync(Encoding.UTF8.GetBytes(request));
        using var reader = new StreamReader(stream);
        return leave ? "" : await reader.ReadToEndAsync();
    }
}
