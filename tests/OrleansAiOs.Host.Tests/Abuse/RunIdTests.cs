using System.Text;
using FsCheck.Fluent;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Rows 12 and 42: one id is one stream, and no id is a path.</summary>
[Collection(AbuseCollection.Name)]
public sealed class RunIdTests(AbuseServer server)
{
    public static TheoryData<string> BadIds => new()
    {
        "", ".", "..", "../x", "..\\x", "/etc/passwd", "a/b", "C:\\x", "\\\\host\\share", "%2e%2e%2f", "a%00b", "a\0b", "a b", " a", "a\n", "a\rb", "\u001b[31m", "a;b", "a'b", "a\"b", "<a>", "a?b", "a#b", "a&b", "~root", "$HOME", "`id`", "*",
        "\u202Egnp.exe", "a\u200Bb", "a\u200Db", "\uFEFFa", "a\u00ADb", "\u2066a\u2069", "e\u0301", "\u0301", "a\u20DD", "🧾", "\uE000", "\uFFFF", "\uFDD0", new string('x', 201), new string('ä', 101), new string('x', 10_240),
        // Twins: each of these has another spelling that is the same text to a person and to Unicode.
        "\u212B", "\u212A", "\u2126", "\uF900", "\uFA10", "\u1100\u1161", "\uAC00\u11A8", "\u0374", "\u0958", "\u1F71", "\uFB1D", "\U0002F800", "re\u0301sume\u0301",
    };

    [Theory]
    [MemberData(nameof(BadIds))]
    public async Task A_bad_id_is_refused_wherever_it_comes_in(string id)
    {
        var before = await server.Count("mt_streams");
        (await server.Post("/api/v1/runs", new { workflow = "abuse-echo", input = 1, id })).ShouldBeProblem(422);
        var path = Uri.EscapeDataString(id);
        if (id is not ("" or "." or "..") && id.Length < 5000)
        {
            foreach (var get in new[] { "", "/history", "/result", "/events" }) (await server.Get($"/api/v1/runs/{path}{get}")).Status.Should().BeOneOf(400, 404);
            foreach (var post in new[] { "/cancel", "/signals/go" }) (await server.Post($"/api/v1/runs/{path}{post}", new { })).Status.Should().BeOneOf(400, 404);
        }
        (await server.Count("mt_streams")).Should().Be(before);
    }

    [Theory]
    [InlineData("Straße-7")]
    [InlineData("請求書_2026.01:a@b")]
    [InlineData("caf\u00E9")]
    [InlineData("각하")]
    public async Task A_good_id_in_any_script_is_one_run_under_exactly_that_name(string id)
    {
        await server.Start("abuse-echo", 1, id, wait: 10);
        var run = await server.UntilStatus(id, "completed");
        run.GetProperty("id").GetString().Should().Be(id);
        (await server.Get($"/api/v1/runs/{Uri.EscapeDataString(id.ToUpperInvariant() + "x")}")).ShouldBeProblem(404);
    }

    [Theory]
    [InlineData("/api/v1/runs/../keys")]
    [InlineData("/api/v1/runs/%2e%2e/keys")]
    [InlineData("/api/v1/runs/..%2f..%2fetc%2fpasswd")]
    [InlineData("/api/v1/runs/%c0%ae%c0%ae")]
    [InlineData("/api/v1/runs/%ed%a0%80")]
    [InlineData("/api/v1/runs/%00")]
    [InlineData("/api/v1/runs/x%00/history")]
    [InlineData("/api/v1/runs//history")]
    [InlineData("//api/v1/runs/x")]
    [InlineData("/api/v1/runs/x%0d%0aSet-Cookie:a=b")]
    public async Task A_path_written_to_slip_through_finds_nothing(string target)
    {
        // Sent raw, as carl, so that no client tidies it up and no owner's list answers.
        var raw = await server.Raw($"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.CarlsKey}\r\nConnection: close\r\n\r\n");
        raw.Should().MatchRegex("^HTTP/1.1 (400|403|404)").And.NotContain("Set-Cookie: a").And.NotContain("root:");
    }

    [Theory]
    [InlineData("../../../etc/passwd")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("nul\0")]
    [InlineData("x\u202E")]
    [InlineData("")]
    public async Task The_name_of_a_key_is_no_path_either(string name) => (await server.Post("/api/v1/keys", new { name, roles = new[] { "clerk" } })).ShouldBeProblem(422);

    [Fact]
    public void Ten_thousand_ids_are_each_one_stream_and_each_stream_one_id()
    {
        var letters = Gen.Elements("abzABZ019-_.:@äÅßé請각αЖ".Select(c => c.ToString()).Concat(["\u212B", "e\u0301", "/", "\0", "\u202E", "🧾", "\ud800", " ", "\u1100", "\uF900", "\\"]).ToArray());
        var ids = Gen.Sample(Gen.Select(Gen.ArrayOf(letters), string.Concat), 10_000, 12).Concat(Gen.Sample(ArbMap.Default.GeneratorFor<string>(), 2_000, 30)).Where(id => id is not null).Distinct(StringComparer.Ordinal).ToList();
        var streams = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var id in ids)
        {
            var accepted = RunKey.TryParse("default", id, out var run, out var error);
            accepted.Should().Be(error is null);
            if (!accepted) continue;
            run.Id.Should().Be(id);
            Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(run.Stream)).Should().Be("run/" + id, "it survives the database's encoding");
            id.Should().NotContainAny("/", "\\", "\0", " ", "\u202E", "\u212B", "\u0301");
            streams.TryAdd(run.Stream, id).Should().BeTrue($"'{id}' and '{streams.GetValueOrDefault(run.Stream)}' are two ids");
        }
        streams.Count.Should().BeGreaterThan(500);
    }
}
