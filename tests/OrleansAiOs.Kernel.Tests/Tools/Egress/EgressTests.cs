using System.Net;
using System.Net.Sockets;
using System.Text;
using OrleansAiOs.Kernel.Tools.Egress;

namespace OrleansAiOs.Kernel.Tests.Tools.Egress;

/// <summary>Abuse cases 13 and 14: what a URL, a name or a redirect can be made to mean, and that nothing is connected to for it.</summary>
public sealed class EgressTests
{
    // {p} is the listener's port. Each of them means this machine, the inner network or a metadata service to some resolver or parser.
    private static readonly string[] Spellings =
    [
        "http://127.0.0.1:{p}/", "http://127.1:{p}/", "http://127.0.1:{p}/", "http://127.255.255.254:{p}/", "http://2130706433:{p}/", "http://0x7f000001:{p}/", "http://0x7F.0x0.0x0.0x1:{p}/",
        "http://0177.0.0.1:{p}/", "http://017700000001:{p}/", "http://0177.0.0.0x1:{p}/", "http://127.0x1:{p}/", "http://0:{p}/", "http://0.0.0.0:{p}/", "http://00000000:{p}/",
        "http://localhost:{p}/", "http://localhost.:{p}/", "http://LOCALHOST:{p}/", "http://lOcAlHoSt.:{p}/", "http://sub.localhost:{p}/", "http://ⓛocalhost:{p}/", "http://①②⑦.⓪.⓪.①:{p}/",
        "http://127。0。0。1:{p}/", "http://[::1]:{p}/", "http://[::]:{p}/", "http://[0:0:0:0:0:0:0:1]:{p}/", "http://[::ffff:127.0.0.1]:{p}/", "http://[::ffff:7f00:1]:{p}/",
        "http://[0:0:0:0:0:ffff:7f00:0001]:{p}/", "http://[::127.0.0.1]:{p}/", "http://[::7f00:1]:{p}/", "http://[64:ff9b::127.0.0.1]:{p}/", "http://[64:ff9b::7f00:1]:{p}/", "http://[64:ff9b:1::7f00:1]:{p}/",
        "http://[2002:7f00:1::]:{p}/", "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]:{p}/", "http://[::ffff:0:127.0.0.1]:{p}/", "http://[fe80::1]:{p}/", "http://[fe80::1%251]:{p}/", "http://[fc00::1]:{p}/",
        "http://[fd00:ec2::254]:{p}/", "http://[ff02::1]:{p}/", "http://169.254.169.254:{p}/latest/meta-data/", "http://2852039166:{p}/", "http://0xA9FEA9FE:{p}/", "http://[::ffff:a9fe:a9fe]:{p}/",
        "http://metadata.google.internal:{p}/computeMetadata/v1/", "http://instance-data:{p}/", "http://100.100.100.200:{p}/", "http://168.63.129.16:{p}/", "http://192.0.0.192:{p}/", "http://10.0.0.1:{p}/",
        "http://172.16.0.1:{p}/", "http://172.31.255.255:{p}/", "http://192.168.1.1:{p}/", "http://100.64.0.1:{p}/", "http://198.18.0.1:{p}/", "http://224.0.0.1:{p}/", "http://255.255.255.255:{p}/",
        "http://240.0.0.1:{p}/", "http://10.0.0.1.nip.example:{p}/", "http://safe.example@127.0.0.1:{p}/", "http://127.0.0.1:{p}#@safe.example/", "https://127.0.0.1:{p}/", "file:///etc/passwd",
        "gopher://127.0.0.1:{p}/_x", "ftp://127.0.0.1:{p}/", "dict://127.0.0.1:{p}/", "ldap://127.0.0.1:{p}/", "jar:http://127.0.0.1:{p}!/", "\\\\127.0.0.1:{p}\\share", "//127.0.0.1:{p}/",
    ];

    public static TheoryData<string> AllSpellings => [.. Spellings];

    [Fact]
    public void There_are_at_least_sixty_spellings() => Spellings.Distinct().Count().Should().BeGreaterThanOrEqualTo(60);

    [Theory]
    [MemberData(nameof(AllSpellings))]
    public async Task No_spelling_of_an_inner_address_is_connected_to(string spelling)
    {
        await using var server = new RawServer();
        var text = spelling.Replace("{p}", $"{server.Port}", StringComparison.Ordinal);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url)) return; // no URL at all: nothing can call it
        var dialled = new List<IPEndPoint>();
        // Schemes and ports are all open here, so that nothing but the judge of addresses stands between.
        using var open = new EgressClient(Watched(dialled) with { Schemes = ["http", "https"], Ports = [server.Port, 80, 443] }, null, TimeProvider.System);
        using var closed = new EgressClient(Watched(dialled), null, TimeProvider.System);
        foreach (var client in new[] { open, closed })
        {
            var send = () => client.SendAsync(Get(url), default);
            await send.Should().ThrowAsync<EgressRefusedException>();
        }
        dialled.Should().BeEmpty();
        server.Connects.Should().Be(0);

        EgressOptions Watched(List<IPEndPoint> seen) => new()
        {
            // As a name server that somebody else owns would answer.
            Resolve = (host, _) => Task.FromResult<IPAddress[]>(host.Contains("metadata", StringComparison.Ordinal) || host.Contains("instance-data", StringComparison.Ordinal)
                ? [IPAddress.Parse("169.254.169.254")] : [IPAddress.Loopback]),
            Dial = (endpoint, _) =>
            {
                seen.Add(endpoint);
                throw new SocketException((int)SocketError.ConnectionRefused);
            },
        };
    }

    [Fact]
    public async Task An_endpoint_that_was_named_is_reached_and_its_neighbours_are_not()
    {
        await using var named = new RawServer("hello");
        await using var neighbour = new RawServer();
        using var client = Client();
        var reach = Reach.Of([named.Endpoint]);
        var answer = await client.SendAsync(Get(named.Url, reach), default);
        (answer.Status, Encoding.UTF8.GetString(answer.Body)).Should().Be((200, "hello"));

        foreach (var url in new[] { neighbour.Url, $"http://localhost:{named.Port}", $"http://[::1]:{named.Port}", $"http://127.0.0.2:{named.Port}" })
        {
            var send = () => client.SendAsync(Get(url, reach), default);
            await send.Should().ThrowAsync<EgressRefusedException>();
        }
        (named.Connects, neighbour.Connects).Should().Be((1, 0));
    }

    [Fact]
    public async Task Named_for_another_tenant_than_the_platforms_an_endpoint_is_not_reached()
    {
        await using var named = new RawServer("hello");
        using var client = Client();
        var send = () => client.SendAsync(Get(named.Url, Reach.Of([named.Endpoint])) with { Tenant = "acme" }, default);
        (await send.Should().ThrowAsync<EgressRefusedException>()).WithMessage("*in the first tenant*");
        named.Connects.Should().Be(0);
    }

    [Fact]
    public async Task A_connection_that_one_call_may_use_serves_no_other_that_may_not()
    {
        await using var server = new RawServer(_ => Encoding.UTF8.GetBytes("HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok"));
        using var client = Client(new EgressOptions { Schemes = ["http", "https"], Ports = [server.Port] });
        await client.SendAsync(Get(server.Url, Reach.Of([server.Endpoint])), default);
        var send = () => client.SendAsync(Get(server.Url), default);
        await send.Should().ThrowAsync<EgressRefusedException>();
        server.Requests.Should().ContainSingle();
    }

    [Theory]
    [InlineData("0.0.0.0:80")]
    [InlineData("169.254.169.254:80")]
    [InlineData("[fd00:ec2::254]:80")]
    [InlineData("[fe80::1]:80")]
    [InlineData("224.0.0.1:80")]
    [InlineData("[::ffff:a9fe:a9fe]:80")]
    [InlineData("[64:ff9b::a9fe:a9fe]:80")]
    [InlineData("[2002:a9fe:a9fe::]:80")]
    public async Task A_metadata_service_is_not_reached_though_it_is_named(string endpoint)
    {
        var dialled = 0;
        using var client = Client(new EgressOptions { Dial = (_, _) => throw new InvalidOperationException($"dialled {++dialled}") });
        var send = () => client.SendAsync(Get($"http://{endpoint}/", Reach.Of([endpoint])), default);
        await send.Should().ThrowAsync<EgressRefusedException>();
        dialled.Should().Be(0);
    }

    [Fact]
    public async Task A_name_that_means_another_address_at_the_second_look_is_judged_by_the_one_that_is_connected_to()
    {
        await using var server = new RawServer();
        var (looks, dialled) = (0, new List<IPAddress>());
        using var client = Client(new EgressOptions
        {
            Schemes = ["http"],
            Ports = [server.Port],
            Resolve = (_, _) => Task.FromResult<IPAddress[]>(looks++ == 0 ? [IPAddress.Parse("93.184.216.34")] : [IPAddress.Loopback]),
            Dial = async (endpoint, cancellation) =>
            {
                dialled.Add(endpoint.Address);
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, endpoint.Port, cancellation); // the public host, for this test
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
        (await client.SendAsync(Get($"http://rebind.example:{server.Port}/"), default)).Status.Should().Be(200);
        looks.Should().Be(1, "a connection is made to the address that was judged, and the name is not asked again");
        var second = () => client.SendAsync(Get($"http://rebind.example:{server.Port}/"), default);
        await second.Should().ThrowAsync<EgressRefusedException>().WithMessage("*127.0.0.1 is this machine*");
        dialled.Should().Equal(IPAddress.Parse("93.184.216.34"));
        server.Connects.Should().Be(1);
    }

    [Fact]
    public async Task One_inner_address_among_several_refuses_them_all()
    {
        var dialled = 0;
        using var client = Client(new EgressOptions
        {
            Resolve = (_, _) => Task.FromResult<IPAddress[]>([IPAddress.Parse("93.184.216.34"), IPAddress.IPv6Loopback]),
            Dial = (_, _) => throw new InvalidOperationException($"{++dialled}"),
        });
        var send = () => client.SendAsync(Get("https://split.example/"), default);
        await send.Should().ThrowAsync<EgressRefusedException>().WithMessage("*::1 is this machine*");
        dialled.Should().Be(0);
    }

    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(303)]
    [InlineData(307)]
    [InlineData(308)]
    public async Task A_redirect_to_an_inner_address_is_not_followed(int status)
    {
        await using var inner = new RawServer();
        await using var outer = new RawServer(_ => RawServer.Http(status, "", $"Location: {inner.Url}/admin"));
        using var client = Client();
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Post })
        {
            var send = () => client.SendAsync(Get(outer.Url, Reach.Of([outer.Endpoint])) with { Method = method, Body = method == HttpMethod.Post ? "{}"u8.ToArray() : null }, default);
            (await send.Should().ThrowAsync<EgressRefusedException>()).Which.Redirects.Should().Be(1, "a receiver has had the call");
        }
        (outer.Connects, inner.Connects).Should().Be((2, 0));
    }

    [Fact]
    public async Task What_identifies_the_caller_stays_with_the_origin_it_was_meant_for()
    {
        await using var other = new RawServer();
        await using var first = new RawServer(_ => RawServer.Http(302, "", $"Location: {other.Url}/"));
        using var client = Client();
        var answer = await client.SendAsync(Get(first.Url, Reach.Of([first.Endpoint, other.Endpoint])) with
        {
            Headers = [new("Authorization", "Bearer abc"), new("X-Api-Key", "abc"), new("Cookie", "abc"), new("Accept", "application/json")],
        }, default);
        (answer.Status, answer.Redirects).Should().Be((200, 1));
        first.Requests.Single().Should().Contain("Bearer abc");
        other.Requests.Single().Should().NotContain("abc").And.Contain("Accept: application/json");
    }

    [Theory]
    [InlineData(307)]
    [InlineData(308)]
    public async Task A_body_goes_on_to_the_same_origin_and_to_no_other(int status)
    {
        await using var other = new RawServer();
        await using var same = new RawServer(request => request.StartsWith("POST /moved", StringComparison.Ordinal) ? RawServer.Http(200, "done") : RawServer.Http(status, "", "Location: /moved"));
        await using var away = new RawServer(_ => RawServer.Http(status, "", $"Location: {other.Url}/"));
        using var client = Client();
        var reach = Reach.Of([same.Endpoint, away.Endpoint, other.Endpoint]);
        var post = Get(same.Url, reach) with { Method = HttpMethod.Post, Body = "{\"pay\":1}"u8.ToArray(), Headers = [new("Authorization", "Bearer abc")] };
        (await client.SendAsync(post, default)).Status.Should().Be(200);
        same.Requests.Should().HaveCount(2).And.OnlyContain(request => request.Contains("{\"pay\":1}") && request.Contains("Bearer abc"));
        var send = () => client.SendAsync(post with { Url = new Uri(away.Url) }, default);
        await send.Should().ThrowAsync<EgressRefusedException>().WithMessage("*no other origin*");
        other.Connects.Should().Be(0);
    }

    [Fact]
    public async Task A_circle_of_redirects_ends()
    {
        await using var server = new RawServer(_ => RawServer.Http(302, "", "Location: /again"));
        using var client = Client();
        var send = () => client.SendAsync(Get(server.Url, Reach.Of([server.Endpoint])), default);
        await send.Should().ThrowAsync<EgressRefusedException>().WithMessage("*more than 5 times*");
        server.Connects.Should().Be(6);
    }

    [Fact]
    public async Task An_answer_that_never_ends_is_given_up_in_time()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var dripping = Task.Run(async () =>
        {
            using var socket = await listener.AcceptSocketAsync();
            try
            {
                await socket.SendAsync("HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n"u8.ToArray());
                while (true) await socket.SendAsync("1\r\nx\r\n"u8.ToArray());
            }
            catch (SocketException)
            {
                // The other side hung up: what this test waits for.
            }
        });
        var endpoint = $"127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";
        using var client = Client(new EgressOptions { AnswerBytesMax = int.MaxValue });
        var send = () => client.SendAsync(Get($"http://{endpoint}/", Reach.Of([endpoint])) with { Within = TimeSpan.FromMilliseconds(300) }, default);
        (await send.Should().ThrowAsync<EgressFailedException>().WithMessage("*in time*")).Which.NeverArrived.Should().BeFalse();
        await dripping;
    }

    [Fact]
    public async Task A_refused_connection_is_a_call_that_never_arrived_and_a_broken_one_is_not()
    {
        await using var broken = new RawServer(_ => []);
        var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var nobody = $"127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}";
        free.Stop();
        using var client = Client();
        var refused = () => client.SendAsync(Get($"http://{nobody}/", Reach.Of([nobody])), default);
        (await refused.Should().ThrowAsync<EgressFailedException>()).Which.NeverArrived.Should().BeTrue();
        var cut = () => client.SendAsync(Get(broken.Url, Reach.Of([broken.Endpoint])) with { Method = HttpMethod.Delete }, default);
        (await cut.Should().ThrowAsync<EgressFailedException>()).Which.NeverArrived.Should().BeFalse();
        broken.Connects.Should().Be(1, "what may have been done is not sent again");
    }

    internal static EgressClient Client(EgressOptions? options = null) => new(options ?? new EgressOptions(), null, TimeProvider.System);

    internal static EgressRequest Get(string url, Reach? reach = null) => Get(new Uri(url), reach);

    private static EgressRequest Get(Uri url, Reach? reach = null) => new() { Tenant = "default", For = "tool test/get", Method = HttpMethod.Get, Url = url, Reach = reach ?? Reach.Public };
}
