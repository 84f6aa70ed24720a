using System.Diagnostics;
using System.Text;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Rows 8 and 9: members that are not ours to take, and bodies that are too much.</summary>
[Collection(AbuseCollection.Name)]
public sealed class BodyTests(AbuseServer server)
{
    public static TheoryData<string> BadStarts => new()
    {
        """{"workflow":"abuse-echo","input":1,"tenantId":"other"}""", """{"workflow":"abuse-echo","input":1,"tenant":"other"}""",
        """{"workflow":"abuse-echo","input":1,"status":"completed"}""", """{"workflow":"abuse-echo","input":1,"by":"carl"}""", """{"workflow":"abuse-echo","input":1,"roles":["owner"]}""",
        """{"workflow":"abuse-echo","input":1,"__proto__":{"a":1}}""", """{"workflow":"abuse-echo","input":1,"$type":"System.IO.FileInfo"}""",
        """{"workflow":"abuse-order","input":1,"workflow":"abuse-echo"}""", """{"workflow":"abuse-echo","input":1,"input":2}""", """{"workflow":"abuse-echo","input":{"a":1,"a":2}}""",
        """{"workflow":"abuse-echo","input":[{"b":{"a":1,"\u0061":2}}]}""", """{"workflow":"abuse-echo","input":1,"attributes":{"a":"1","a":"2"}}""",
        """{"Workflow":"abuse-echo","input":1}""", """{"workflow":"abuse-echo","Input":1,"input":1}""", """{"workflow":"abuse-echo","input":1,"ID":"x"}""",
        """{"workflow":"abuse-echo"}""", """{"input":1}""", """{"workflow":null,"input":1}""", """{"workflow":7,"input":1}""", "null", "[]", "\"x\"", "1", "", "{", "{}{}", "{'workflow':1}",
        "{\"workflow\":\"abuse-echo\",\"input\":1,}", "{\"workflow\":\"abuse-echo\",\"input\":1} // x", "\uFEFF\uFEFF{}", "{\"workflow\":\"abuse-echo\",\"input\":NaN}", "{\"workflow\":\"abuse-echo\",\"input\":01}",
        "{\"workflow\":\"abuse-echo\",\"input\":1,\"attributes\":[]}", "{\"workflow\":\"abuse-echo\",\"input\":1,\"attributes\":{\"a\":1}}",
    };

    [Theory]
    [MemberData(nameof(BadStarts))]
    public async Task A_start_that_says_more_twice_or_otherwise_than_it_may_is_refused(string body)
    {
        var before = await server.Count("runs");
        (await server.PostRaw("/api/v1/runs", body)).ShouldBeProblem(400);
        (await server.Count("runs")).Should().Be(before);
    }

    [Theory]
    [InlineData("/api/v1/keys", """{"name":"eve","roles":[],"key":"aios_mine"}""")]
    [InlineData("/api/v1/keys", """{"name":"eve","roles":["a"],"roles":["owner"]}""")]
    [InlineData("/api/v1/keys", """{"name":"eve"}""")]
    [InlineData("/api/v1/keys", """{"name":"eve","roles":null}""")]
    [InlineData("/api/v1/runs/r/cancel", """{"reason":"a","by":"owner"}""")]
    [InlineData("/api/v1/runs/r/cancel", """{"reason":"a","Reason":"b"}""")]
    [InlineData("/api/v1/runs/r/unpark", """{"force":true}""")]
    [InlineData("/api/v1/runs/r/approvals/1", """{"granted":true,"by":"carl"}""")]
    [InlineData("/api/v1/runs/r/approvals/1", """{"granted":true,"granted":false}""")]
    [InlineData("/api/v1/runs/r/approvals/1", """{"comment":"yes"}""")]
    [InlineData("/api/v1/runs/r/approvals/1", """{"granted":"true"}""")]
    [InlineData("/api/v1/runs/r/steps/1/resolution", """{"happened":1}""")]
    [InlineData("/api/v1/runs/r/steps/1/resolution", """{"result":1}""")]
    public async Task So_is_any_other_command(string path, string body) => (await server.PostRaw(path, body)).ShouldBeProblem(400);

    [Theory]
    [InlineData("""{"name":"x","amount":1,"extra":1}""")]
    [InlineData("""{"name":"x","Amount":1}""")]
    [InlineData("""{"name":"x","amount":"1"}""")]
    [InlineData("""{"name":null,"amount":1}""")]
    [InlineData("""{"name":"x"}""")]
    [InlineData("null")]
    [InlineData("[]")]
    public async Task An_input_that_the_workflow_cannot_read_is_refused(string input) =>
        (await server.PostRaw("/api/v1/runs", $$"""{"workflow":"abuse-order","input":{{input}}}""")).ShouldBeProblem(400, 422);

    public static TheoryData<string, string> Unstorable => new()
    {
        { "NUL", "\"a\\u0000b\"" }, { "NUL in a name", "{\"a\\u0000\":1}" }, { "lone high surrogate", "\"\\ud800\"" }, { "lone low surrogate", "[\"\\udc00x\"]" }, { "lone surrogate in a name", "{\"\\ud800\":1}" },
        { "a number beyond every database", "1e400000" }, { "a number too small for one", "{\"a\":[1E-99999]}" }, { "depth 33", new string('[', 33) + new string(']', 33) }, { "depth 100", new string('[', 100) + new string(']', 100) }, { "depth 300,000", new string('[', 300_000) + new string(']', 300_000) }, { "a number of 200,000 digits", new string('9', 200_000) },
        { "60,000 values", "[" + string.Join(',', Enumerable.Repeat("1", 60_000)) + "]" },
    };

    [Theory]
    [MemberData(nameof(Unstorable))]
    public async Task What_cannot_be_stored_or_walked_is_refused_as_input_and_as_signal(string what, string json)
    {
        (await server.PostRaw("/api/v1/runs", $$"""{"workflow":"abuse-echo","input":{{json}}}""")).ShouldBeProblem(400, 413, 422);
        var run = await server.Start("abuse-wait", 1);
        (await server.PostRaw($"/api/v1/runs/{run}/signals/go", json)).ShouldBeProblem(400, 413, 422);
        (await server.Get($"/api/v1/runs/{run}")).Json.GetProperty("status").GetString().Should().Be("running", what);
    }

    [Fact]
    public async Task What_is_as_deep_as_it_may_be_can_be_looked_at_everywhere()
    {
        var deep = new string('[', 32) + new string(']', 32);
        var started = await server.PostRaw("/api/v1/runs?wait=10", $$"""{"workflow":"abuse-echo","input":{{deep}}}""");
        started.Status.Should().Be(201);
        var run = started.Json.GetProperty("id").GetString();
        started.Json.GetProperty("run").GetProperty("result").GetRawText().Should().Be(deep);
        foreach (var path in new[] { "", "/history", "/result", "/events" }) (await server.Get($"/api/v1/runs/{run}{path}")).Status.Should().Be(200, path);
    }

    [Fact]
    public async Task The_same_start_again_is_the_same_run_however_the_database_writes_its_numbers()
    {
        foreach (var status in new[] { 201, 200 })
        {
            (await server.PostRaw("/api/v1/runs?wait=10", """{"workflow":"abuse-echo","id":"exponents","input":[1e2,-0,1.50E1,2.5e-3]}""")).Status.Should().Be(status);
            await Task.Delay(100);
        }
    }

    [Fact]
    public async Task Nine_megabytes_of_anything_are_refused_at_once_and_cost_no_memory()
    {
        var bodies = new[] { "{}", "[[", "\"a\",", "{\"a\":" }.Select(unit => Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(unit, 9 * 1024 * 1024 / unit.Length)))).ToList();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        foreach (var body in bodies)
        {
            var content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
            var clock = Stopwatch.StartNew();
            // As curl does: ask before sending so much. The server says no at once.
            (await server.Send(HttpMethod.Post, "/api/v1/runs", content, change: r => r.Headers.ExpectContinue = true)).ShouldBeProblem(413);
            clock.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(5));
        }
        // Tests beside this one hold what they hold for a while only.
        var patience = Stopwatch.StartNew();
        while (GC.GetTotalMemory(forceFullCollection: true) - before >= 64 * 1024 * 1024)
        {
            patience.Elapsed.Should().BeLessThan(TimeSpan.FromMinutes(1), "what was sent is not kept");
            await Task.Delay(100);
        }
        GC.KeepAlive(bodies);
    }

    [Fact]
    public async Task A_signal_past_256_KB_is_refused_also_when_its_length_is_not_said()
    {
        var run = await server.Start("abuse-wait", 1);
        var body = Encoding.UTF8.GetBytes($"\"{new string('x', 300 * 1024)}\"");
        (await server.PostRaw($"/api/v1/runs/{run}/signals/go", Encoding.UTF8.GetString(body))).ShouldBeProblem(413);
        var chunked = new StreamContent(new MemoryStream(body));
        chunked.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        (await server.Send(HttpMethod.Post, $"/api/v1/runs/{run}/signals/go", chunked, change: r => r.Headers.TransferEncodingChunked = true)).ShouldBeProblem(413);
    }

    [Theory]
    [InlineData("Content-Length: 100\r\n", "{\"workflow\":")]
    [InlineData("Transfer-Encoding: chunked\r\n", "5\r\n{\"wor")]
    [InlineData("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n", "2\r\n{}xx0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n{}")]
    [InlineData("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")]
    [InlineData("Content-Length: 2\r\nContent-Length: 3\r\n", "{} ")]
    [InlineData("Content-Length: -1\r\n", "{}")]
    public async Task A_body_of_another_length_than_it_says_harms_nobody(string headers, string body)
    {
        var before = await server.Count("runs");
        var raw = await server.Raw($"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.OwnerKey}\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}\r\n{body}", halfClose: true);
        raw.Should().NotStartWith("HTTP/1.1 2").And.NotStartWith("HTTP/1.1 5");
        (await server.Count("runs")).Should().Be(before);
        (await server.Get("/ready")).Status.Should().Be(200);
    }

    [Fact]
    public async Task Too_many_or_too_long_headers_are_refused()
    {
        var many = string.Concat(Enumerable.Range(0, 150).Select(i => $"X-{i}: y\r\n"));
        (await server.Raw($"GET /live HTTP/1.1\r\nHost: localhost\r\n{many}Connection: close\r\n\r\n")).Should().StartWith("HTTP/1.1 431");
        (await server.Raw($"GET /live HTTP/1.1\r\nHost: localhost\r\nX: {new string('y', 40_000)}\r\nConnection: close\r\n\r\n")).Should().StartWith("HTTP/1.1 431");
        (await server.Raw($"GET /live?{new string('y', 20_000)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).Should().StartWith("HTTP/1.1 414");
    }
}
