using System.Net.Http.Headers;
using System.Text;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Rows 22 and 28 of the abuse cases: who gets in, and what a page in a browser can make of us.</summary>
[Collection(AbuseCollection.Name)]
public sealed class DoorTests(AbuseServer server)
{
    private static readonly string[] Open = ["/live", "/ready"];

    private List<(string Method, string Path)> Endpoints() => [.. server.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .SelectMany(e => (e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(method => (method, Path: "/" + e.RoutePattern.RawText!.TrimStart('/')
            .Replace("{id}", "some-run").Replace("{name}", "go").Replace("{kind}", "user").Replace("{step:int}", "1").Replace("{number:int}", "1").Replace("{documentName}", "v1"))))];

    [Fact]
    public async Task No_endpoint_answers_without_a_valid_key()
    {
        var asked = 0;
        foreach (var (method, path) in Endpoints().Where(e => !Open.Contains(e.Path) && !e.Path.StartsWith("/hooks/"))) // where a signature is the key: HookTests
            foreach (var authorization in new[] { null, "", "Bearer", "Bearer ", "Bearer aios_", "Bearer aios_" + new string('A', 43), $"Bearer {server.OwnerKey}x", $"Bearer {server.OwnerKey[..^1]}",
                $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes("owner:" + server.OwnerKey))}", "Bearer aios_' or '1'='1", "Bearer " + new string('x', 5000) })
            {
                asked++;
                var answer = await server.Send(new HttpMethod(method), path, method is "POST" ? new StringContent("{}", Encoding.UTF8, "application/json") : null, key: "",
                    change: request => request.Headers.TryAddWithoutValidation("Authorization", authorization));
                answer.ShouldBeProblem(401).Headers["WWW-Authenticate"].Should().Be("Bearer", $"{method} {path}");
            }
        asked.Should().BeGreaterThan(11 * 15, "every endpoint of the table was tried");
    }

    [Fact]
    public async Task A_key_in_the_address_or_in_two_headers_is_no_key()
    {
        (await server.Send(HttpMethod.Get, $"/api/v1/runs?key={server.OwnerKey}&access_token={server.OwnerKey}", null, key: "")).ShouldBeProblem(401);
        var raw = await server.Raw($"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.OwnerKey}\r\nAuthorization: Bearer aios_x\r\nConnection: close\r\n\r\n");
        raw.Should().MatchRegex("^HTTP/1.1 40[01]");
    }

    [Fact]
    public async Task Health_is_open_and_says_nothing_more()
    {
        foreach (var path in Open)
        {
            var answer = await server.Send(HttpMethod.Get, path, null, key: "");
            answer.Status.Should().Be(200);
            answer.Body.Length.Should().BeLessThan(30);
        }
    }

    [Theory]
    [InlineData("evil.example")]
    [InlineData("evil.example:8787")]
    [InlineData("localhost.evil.example")]
    [InlineData("127.0.0.1.nip.io")]
    [InlineData("127.1")]
    [InlineData("2130706433")]
    [InlineData("0.0.0.0")]
    [InlineData("169.254.169.254")]
    [InlineData("localhost.")]
    [InlineData("[::ffff:127.0.0.1]")]
    public async Task A_page_that_rebinds_its_name_to_this_machine_is_refused_by_that_name(string host) =>
        (await server.Send(HttpMethod.Get, "/api/v1/runs", null, change: request => request.Headers.Host = host)).ShouldBeProblem(403);

    [Theory]
    [InlineData("10.1.2.3:8787")]
    [InlineData("[fd00::17]:8787")]
    public async Task Whoever_watches_over_the_host_may_ask_for_its_health_by_address_and_for_nothing_else(string host)
    {
        foreach (var path in Open) (await server.Send(HttpMethod.Get, path, null, key: "", change: request => request.Headers.Host = host)).Status.Should().Be(200);
        (await server.Send(HttpMethod.Get, "/live/../api/v1/runs", null, change: request => request.Headers.Host = host)).ShouldBeProblem(403);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Host: \r\n")]
    [InlineData("Host: localhost\r\nHost: evil.example\r\n")]
    [InlineData("Host: localhost evil.example\r\n")]
    [InlineData("Host: evil.example\r\nX-Forwarded-Host: localhost\r\n")]
    public async Task A_missing_doubled_or_forwarded_host_name_is_refused(string host) =>
        (await server.Raw($"GET /api/v1/runs HTTP/1.1\r\n{host}Authorization: Bearer {server.OwnerKey}\r\nConnection: close\r\n\r\n")).Should().MatchRegex("^HTTP/1.1 (400|403)");

    [Theory]
    [InlineData("null")]
    [InlineData("https://evil.example")]
    [InlineData("http://localhost")]
    [InlineData("http://localhost.evil.example")]
    [InlineData("http://127.0.0.1:1")]
    [InlineData("file://")]
    [InlineData("chrome-extension://abcdef")]
    [InlineData("*")]
    [InlineData("undefined")]
    [InlineData("https://SELF")]
    [InlineData("http://SELF/")]
    [InlineData("http://SELF, https://evil.example")]
    public async Task A_page_of_another_origin_is_refused_also_with_a_key(string origin)
    {
        origin = origin.Replace("SELF", server.Server.Address.Authority);
        foreach (var path in new[] { "/api/v1/runs", "/api/v1/events", "/live" })
            (await server.Send(HttpMethod.Get, path, null, change: request => request.Headers.TryAddWithoutValidation("Origin", origin))).ShouldBeProblem(403);
        (await server.Send(HttpMethod.Options, "/api/v1/runs", null, change: request =>
        {
            request.Headers.TryAddWithoutValidation("Origin", origin);
            request.Headers.TryAddWithoutValidation("Access-Control-Request-Method", "POST");
        })).ShouldBeProblem(403).Headers.Should().NotContainKey("Access-Control-Allow-Origin");
    }

    [Fact]
    public async Task A_page_of_our_own_may_call() =>
        (await server.Send(HttpMethod.Get, "/api/v1/runs", null, change: request => request.Headers.TryAddWithoutValidation("Origin", $"http://{server.Server.Address.Authority}"))).Status.Should().Be(200);

    [Fact]
    public async Task What_an_html_form_can_send_changes_nothing()
    {
        var before = await server.Count("mt_events");
        foreach (var type in new[] { "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/plain; a=application/json", "", "application/xml", "text/json", "application/json-patch+json" })
            foreach (var (_, path) in Endpoints().Where(e => e.Method == "POST" && e.Path != "/api/v1/payloads"))
                (await server.PostRaw(path, """{"workflow":"abuse-echo","input":1}""", type)).ShouldBeProblem(415);
        (await server.PostRaw("/api/v1/payloads", "x", "text/plain")).ShouldBeProblem(415);
        (await server.Count("mt_events")).Should().Be(before);
    }

    [Fact]
    public async Task Looking_never_changes_anything()
    {
        var id = await server.Start("abuse-wait", 1);
        var before = (await server.Count("mt_events"), await server.Count("runs"), await server.Count("api_keys"), await server.Count("payloads"));
        foreach (var (_, path) in Endpoints().Where(e => !e.Path.EndsWith("/events", StringComparison.Ordinal)))
            for (var i = 0; i < 3; i++)
            {
                var target = path.Replace("some-run", id) + "?granted=true&workflow=abuse-echo&input=1&_method=POST";
                await server.Send(HttpMethod.Get, target, null, change: r => r.Headers.TryAddWithoutValidation("X-HTTP-Method-Override", "POST"));
                await server.Send(HttpMethod.Head, target, null);
                await server.Send(HttpMethod.Options, target, null);
            }
        (await server.Count("mt_events"), await server.Count("runs"), await server.Count("api_keys"), await server.Count("payloads")).Should().Be(before);
    }

    [Fact]
    public async Task Every_answer_forbids_sniffing_caching_and_framing()
    {
        foreach (var path in new[] { "/live", "/api/v1/runs", "/api/v1/runs/none", "/nowhere" })
        {
            var answer = await server.Get(path);
            answer.Headers["X-Content-Type-Options"].Should().Be("nosniff");
            answer.Headers["Cache-Control"].Should().Contain("no-store");
            answer.Headers["Content-Security-Policy"].Should().Contain("frame-ancestors 'none'").And.Contain("default-src 'none'");
            answer.Headers.Should().NotContainKey("Server");
        }
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    [InlineData("identity")]
    [InlineData("gzip, gzip")]
    public async Task An_encoded_body_is_refused_before_it_is_unpacked(string encoding)
    {
        var content = new ByteArrayContent([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        (await server.Send(HttpMethod.Post, "/api/v1/runs", content)).ShouldBeProblem(415);
    }
}
