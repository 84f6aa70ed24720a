namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Row 7: whatever is searched for is a value, never SQL.</summary>
[Collection(AbuseCollection.Name)]
public sealed class SearchTests(AbuseServer server)
{
    private static readonly string[] Attacks =
    [
        "'", "''", "\"", "`", "\\", "\\'", "';--", "' or '1'='1", "' or 1=1--", "') or ('1'='1", "'; drop table aios.runs; --", "x'); drop table aios.runs; --", "' union select null,null,null--",
        "'||pg_sleep(20)||'", "1; select pg_sleep(20)", "' and (select 1 from pg_sleep(20)) is null--", "$1", "$$; select 1; $$", "$tag$x$tag$", ":name", "@p", "?", "%", "_", "%' escape '!", "{\"a\":\"b\"}", "{}", "[]",
        "@? '$.**'", "$.** ? (@ == 1)", "' @> '{}'", "\u2019 or 1=1--", "\uFF07 or 1=1--", "\u02BC", "/* */", "-- ", "#", "\r\n", "\t", "1e309", "-1", "0x31", "NULL", "chr(39)", "E'\\x27'", "U&'\\0027'",
        "<script>alert(1)</script>", "../../etc/passwd", "a:b:c", "a:' or '1'='1", ":", "::", "a:", ":b", "\u0000", "a:\u0000", "\uD83D\uDE00", "ä:ö", "copy (select 1) to program 'id'", "lo_import('/etc/passwd')",
    ];

    [Fact]
    public async Task Hundreds_of_payloads_in_every_parameter_find_nothing_and_break_nothing()
    {
        await server.Start("abuse-echo", 1, wait: 10);
        var runs = await server.Count("runs");
        var attacks = Attacks.Concat(Attacks.Select(a => "abuse-echo" + a)).Concat(Attacks.Select(a => new string('(', 50) + a)).ToList();
        var tried = 0;
        foreach (var parameter in new[] { "status", "workflow", "businessKey", "attribute", "awaitsApproval", "startedFrom", "startedBefore", "sort", "limit", "cursor" })
            foreach (var attack in attacks)
            {
                tried++;
                var answer = await server.Get($"/api/v1/runs?{parameter}={Uri.EscapeDataString(attack)}");
                if (answer.Status == 200) answer.Json.GetProperty("items").GetArrayLength().Should().Be(0, $"{parameter}={attack}");
                else answer.ShouldBeProblemAbout(attack, 400);
            }
        tried.Should().BeGreaterThan(1500);
        (await server.Count("runs")).Should().Be(runs);
    }

    [Fact]
    public async Task A_cursor_from_elsewhere_is_refused_or_harmless()
    {
        foreach (var text in Attacks.SelectMany(a => new[] { a, $"2026-01-01T00:00:00Z~{a}", $"{a}~x", "0001-01-01T00:00:00Z~" + a, "9999-12-31T23:59:59.9999999Z~" + a }))
        {
            var cursor = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(text));
            var answer = await server.Get($"/api/v1/runs?cursor={Uri.EscapeDataString(cursor)}");
            if (answer.Status != 200) answer.ShouldBeProblem(400);
        }
    }

    [Fact]
    public async Task More_conditions_than_a_person_would_give_are_refused()
    {
        (await server.Get("/api/v1/runs?" + string.Join('&', Enumerable.Range(0, 200).Select(i => $"attribute=a{i}:b")))).ShouldBeProblem(400);
        (await server.Get("/api/v1/runs?workflow=" + new string('x', 5000))).ShouldBeProblem(400);
        (await server.Get("/api/v1/runs?limit=501")).ShouldBeProblem(400);
        (await server.Get("/api/v1/runs?limit=0")).ShouldBeProblem(400);
    }
}
