using System.Text.Json;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Row 51: every error is a problem document and tells nothing of the inside.</summary>
[Collection(AbuseCollection.Name)]
public sealed class ErrorTests(HastyServer server) : IClassFixture<HastyServer>
{
    [Theory]
    [InlineData("GET", "/", 404)]
    [InlineData("GET", "/nowhere", 404)]
    [InlineData("GET", "/api/v1", 404)]
    [InlineData("GET", "/api/v2/runs", 404)]
    [InlineData("GET", "/api/v1/runs/none", 404)]
    [InlineData("GET", "/api/v1/runs/none/history", 404)]
    [InlineData("GET", "/api/v1/runs/none/result", 404)]
    [InlineData("GET", "/api/v1/runs/none/approvals/1", 405)]
    [InlineData("GET", "/api/v1/runs?limit=x", 400)]
    [InlineData("GET", "/api/v1/runs?limit=99999999999", 400)]
    [InlineData("GET", "/api/v1/runs?limit=1&limit=2", 400)]
    [InlineData("GET", "/api/v1/runs?awaitsApproval=maybe", 400)]
    [InlineData("GET", "/api/v1/runs?startedFrom=yesterday", 400)]
    [InlineData("GET", "/api/v1/runs?status=99", 400)]
    [InlineData("GET", "/api/v1/runs?sort=id;drop", 400)]
    [InlineData("GET", "/api/v1/runs/none/history?from=x", 400)]
    [InlineData("GET", "/api/v1/runs/none/result?wait=x", 400)]
    [InlineData("PUT", "/api/v1/runs", 405)]
    [InlineData("PATCH", "/api/v1/runs/x", 405)]
    [InlineData("DELETE", "/api/v1/runs/x", 405)]
    [InlineData("GET", "/api/v1/payloads", 405)]
    [InlineData("DELETE", "/api/v1/keys/nobody", 404)]
    public async Task Every_refusal_is_a_problem_document(string method, string path, int status)
    {
        var content = method is "PUT" or "PATCH" ? new StringContent("{}", System.Text.Encoding.UTF8, "application/json") : null;
        (await server.Send(new HttpMethod(method), path, content)).ShouldBeProblem(status);
    }

    [Fact]
    public async Task What_is_not_there_looks_the_same_whatever_it_is_called()
    {
        var bodies = new List<string>();
        foreach (var id in new[] { "none", "nobody" }) bodies.Add((await server.Get($"/api/v1/runs/{id}")).ShouldBeProblem(404).Body.Replace(id, "ID"));
        bodies.Distinct().Should().HaveCount(1);
    }

    [Fact]
    public async Task An_unknown_workflow_is_not_found() => (await server.Post("/api/v1/runs", new { workflow = "no-such", input = 1 })).ShouldBeProblem(404);

    [Theory]
    [InlineData("aios.runs")]
    [InlineData("aios.mt_streams")]
    [InlineData("aios.api_keys")]
    public async Task When_the_database_breaks_the_answer_says_so_and_nothing_more(string table)
    {
        var late = new[] { $"late-{Guid.NewGuid():N}", $"later-{Guid.NewGuid():N}" };
        await server.Execute($"alter table {table} rename to hidden");
        try
        {
            // A new key, so that the host has to look: it keeps known ones for a second.
            foreach (var answer in new[] { await server.Get("/api/v1/runs/some-run", "aios_unknown"), await server.Get("/api/v1/runs"), await server.Get("/api/v1/runs/x"), await server.Get("/api/v1/keys"),
                await server.Post("/api/v1/runs", new { workflow = "abuse-echo", input = 1, id = late[0] }), await server.Post("/api/v1/keys", new { name = "late", roles = new[] { "x" } }) })
                if (answer.Status >= 400) answer.ShouldBeProblem(401, 404, 409, 500, 503);
            var broken = table switch
            {
                "aios.api_keys" => await server.Get("/api/v1/keys"),
                "aios.mt_streams" => await server.Post("/api/v1/runs", new { workflow = "abuse-echo", input = 1, id = late[1] }),
                _ => await server.Get("/api/v1/runs"),
            };
            broken.ShouldBeProblem(500, 503);
            if (broken.Status == 503) broken.Headers.Should().ContainKey("Retry-After");
            JsonSerializer.Serialize(broken.Headers).Should().NotContainAny("Npgsql", "hidden", "Exception");
        }
        finally
        {
            await server.Execute($"alter table aios.hidden rename to {table["aios.".Length..]}");
        }
        (await server.Get("/api/v1/runs")).Status.Should().Be(200, "it goes on when the database does");
        // Whose key could not be looked up was sent away, and one who was known still was let in: sent again it is the same run either way.
        if (table == "aios.api_keys") await server.Start("abuse-echo", 1, late[0]);
        // What was answered with "whether it will is not known" was tried again all the same. Here it also must not end in the middle of the next test.
        foreach (var id in table == "aios.mt_streams" ? late : late[..1]) await server.Until(id, run => run.GetProperty("status") is { ValueKind: JsonValueKind.String } status && status.GetString() == "completed");
        (await server.Post("/api/v1/runs?wait=10", new { workflow = "abuse-echo", input = 1 })).Status.Should().Be(201);
    }
}
