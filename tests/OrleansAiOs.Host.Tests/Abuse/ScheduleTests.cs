using System.Text.Json;
using OrleansAiOs.Host.Tests.Cli;

namespace OrleansAiOs.Host.Tests.Abuse;

[Collection(AbuseCollection.Name)]
public sealed class ScheduleTests(AbuseServer server)
{
    private static object Schedule(string id, string cron = "@every 1s", string? zone = null, string? overlap = null, string workflow = "abuse-echo", object? input = null, string? jitter = null) =>
        new { id, cron, timeZone = zone, overlap, jitter, start = new { workflow, input = input ?? "x" } };

    [Fact]
    public async Task A_schedule_starts_runs_until_it_is_paused_and_is_gone_when_it_is_removed()
    {
        var made = await Make(Schedule("every-second"));
        made.Status.Should().BeOneOf([200, 201], made.Body);
        made.Json.GetProperty("upcoming").GetArrayLength().Should().Be(5);
        (await server.Post("/api/v1/schedules", Schedule("every-second"))).Status.Should().Be(200, "the same again is the same");
        await UntilStarted("every-second", 2);

        var listed = await CliRun.Of(["schedules", "list", "--url", server.Http.BaseAddress!.ToString(), "--key", server.OwnerKey]);
        listed.Output.Should().Contain("every-second").And.Contain("@every 1s");
        (await server.Post("/api/v1/schedules/every-second/pause", new { reason = "enough" })).Status.Should().Be(200);
        await Until("every-second", view => view.TryGetProperty("paused", out var paused) && paused.GetString() == "enough");
        (await CliRun.Of(["schedules", "show", "every-second", "--url", server.Http.BaseAddress!.ToString(), "--key", server.OwnerKey])).Output.Should().Contain("paused: enough");

        (await server.Send(HttpMethod.Delete, "/api/v1/schedules/every-second", null)).Status.Should().Be(200);
        await Until("every-second", view => view.GetProperty("status").GetString() == "cancelled");
        (await server.Get("/api/v1/schedules")).Body.Should().NotContain("every-second");
        (await server.Post("/api/v1/schedules/every-second/trigger", new { })).ShouldBeProblem(409);
    }

    [Theory]
    [InlineData("* * *", null, null, null, "cron", "5 fields")]
    [InlineData("61 * * * *", null, null, null, "cron", "minute")]
    [InlineData("@daily", "Mars/Olympus", null, null, "timeZone", "Europe/Berlin")]
    [InlineData("@daily", "../../../etc/passwd", null, null, "timeZone", "Europe/Berlin")]
    [InlineData("@daily", null, "sometimes", null, "overlap", "bufferOne")]
    [InlineData("@daily", null, "3", null, "overlap", "bufferOne")]
    [InlineData("@daily", null, null, "soon", "jitter", "10m")]
    [InlineData("@daily", null, null, "9d", "jitter", "24 hours")]
    public async Task What_is_no_schedule_is_refused_with_the_field_and_the_cure(string cron, string? zone, string? overlap, string? jitter, string field, string cure)
    {
        var answer = (await server.Post("/api/v1/schedules", Schedule("bad", cron, zone, overlap, jitter: jitter))).ShouldBeProblemAbout(zone ?? "", 422);
        answer.Json.GetProperty("detail").GetString().Should().StartWith($"{field}: ").And.Contain(cure);
        (await server.Get("/api/v1/schedules/bad")).ShouldBeProblem(404);
    }

    [Fact]
    public async Task Names_bodies_and_spans_are_held_to_their_bounds()
    {
        (await server.Post("/api/v1/schedules", Schedule("a/b"))).ShouldBeProblem(422);
        (await server.Post("/api/v1/schedules", Schedule(new string('x', 141)))).ShouldBeProblem(422);
        (await server.Post("/api/v1/schedules", Schedule("bad", workflow: "nobody"))).ShouldBeProblem(404, 422);
        (await server.Post("/api/v1/schedules", Schedule("bad", workflow: "abuse-order", input: 7))).ShouldBeProblem(422);
        (await server.PostRaw("/api/v1/schedules", """{"id":"bad","cron":"@daily","start":{"workflow":"abuse-echo","input":1,"surprise":1}}""")).ShouldBeProblem(400, 422);
        (await server.Post("/api/v1/schedules/nobody/pause", new { })).ShouldBeProblem(404);
        (await Make(Schedule("past", "@hourly"))).Status.Should().BeOneOf(200, 201);
        (await server.Post("/api/v1/schedules/past/backfill", new { from = "2000-01-01T00:00:00Z", to = "2026-01-01T00:00:00Z" })).ShouldBeProblem(422).Json.GetProperty("detail").GetString().Should().Contain("1000");
        (await server.Post("/api/v1/schedules/past/backfill", new { from = "2999-01-01T00:00:00Z", to = "2999-01-02T00:00:00Z" })).ShouldBeProblem(422);
        foreach (var from in new[] { "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z" })
            (await server.Post("/api/v1/schedules/past/backfill", new { from, to = "0001-01-01T00:00:00Z" == from ? from : "1970-01-02T00:00:00Z" })).ShouldBeProblem(422).Json.GetProperty("detail").GetString().Should().StartWith("from: ").And.Contain("Give the first time");
        (await server.Send(HttpMethod.Delete, "/api/v1/schedules/past", null)).Status.Should().Be(200);
    }

    [Fact]
    public async Task Whoever_changes_somebodys_schedule_is_lent_none_of_their_rights()
    {
        var mark = Guid.NewGuid().ToString("N")[..8];
        var (id, ana, ben) = ($"lent-{mark}", await server.NewKey($"ana{mark}", "operator"), await server.NewKey($"ben{mark}"));
        await server.Post("/api/v1/grants", new { to = $"user/ben{mark}", actions = new[] { "schedule.*", "run.start", "run.signal" }, resource = "*" });
        (await server.Post("/api/v1/schedules", Schedule(id, "@yearly", workflow: "abuse-spend", input: 1m), ana)).Status.Should().Be(201);
        (await Ended(1)).GetProperty("status").GetString().Should().Be("completed", "who triggers it chooses nothing of it");
        (await server.Post($"/api/v1/schedules/{id}/trigger", new { overlap = "terminateOther" }, ben)).ShouldBeProblem(403);
        (await server.Post($"/api/v1/schedules/{id}/trigger", new { overlap = "cancelOther" }, ben)).ShouldBeProblem(403);
        var command = new { kind = "update", spec = new { cron = "@daily", start = new { workflow = "abuse-spend", input = 1000m } } };
        (await server.Post($"/api/v1/runs/schedule:{id}/signals/aios.schedule", command, ben)).ShouldBeProblem(422).Body.Should().Contain("aios schedules");
        (await server.Post("/api/v1/runs:bulk", new { action = "signal", signal = "aios.schedule", value = command, filter = new { workflow = "aios.schedule" } })).ShouldBeProblem(422);

        var changed = await server.Send(HttpMethod.Put, $"/api/v1/schedules/{id}", new StringContent(JsonSerializer.Serialize(new { cron = "@yearly", start = new { workflow = "abuse-spend", input = 1000m } }), System.Text.Encoding.UTF8, "application/json"), ben);
        changed.Status.Should().Be(200, changed.Body);
        var refused = await Ended(2);
        refused.GetProperty("status").GetString().Should().Be("failed");
        refused.ToString().Should().Contain($"user/ben{mark} may not 'tool.call'");

        async Task<JsonElement> Ended(int triggered)
        {
            (await server.Post($"/api/v1/schedules/{id}/trigger", new { }, ben)).Status.Should().Be(200);
            await UntilStarted(id, triggered);
            return await server.Until((await server.Get($"/api/v1/schedules/{id}")).Json.GetProperty("last").GetString()!, run => run.GetProperty("status").GetString() != "running");
        }
    }

    // A machine with too much to do says so, and is asked again.
    private async Task<Answer> Make(object schedule)
    {
        Answer answer;
        do answer = await server.Post("/api/v1/schedules", schedule);
        while (answer.Status == 503);
        return answer;
    }

    private async Task UntilStarted(string id, int count) => await Until(id, view => view.GetProperty("started").GetInt64() >= count);

    private async Task Until(string id, Func<JsonElement, bool> condition)
    {
        var deadline = DateTime.UtcNow.AddSeconds(30);
        while (!condition((await server.Get($"/api/v1/schedules/{id}")).Json))
        {
            if (DateTime.UtcNow > deadline) throw new TimeoutException($"{id}: {(await server.Get($"/api/v1/schedules/{id}")).Body}");
            await Task.Delay(20);
        }
    }
}
