using System.Text.Json;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Reset, fork and migration over HTTP: what is refused, and that a refusal says what to choose.</summary>
[Collection(AbuseCollection.Name)]
public sealed class BranchTests(AbuseServer server)
{
    private async Task<string> Posted()
    {
        var id = await server.Start("abuse-posts", "order");
        await server.Until(id, run => run.GetProperty("waits").EnumerateArray().Any(w => w.GetProperty("kind").GetString() == "signal"));
        return id;
    }

    [Fact]
    public async Task A_reset_lists_the_effects_to_choose_and_is_done_once_they_are()
    {
        var id = await Posted();
        var refused = await server.Post($"/api/v1/runs/{id}/reset", new { to = 2, why = "wrong" });
        refused.ShouldBeProblem(409);
        var effect = refused.Json.GetProperty("effects")[0];
        (effect.GetProperty("step").GetInt32(), effect.GetProperty("activity").GetString(), effect.GetProperty("outcome").GetString()).Should().Be((1, "abuse.post", "happened"));
        effect.GetProperty("canBe").EnumerateArray().Select(word => word.GetString()).Should().Equal("reuse", "redo");
        var reset = await server.Post($"/api/v1/runs/{id}/reset", new { to = 2, why = "wrong", effects = new Dictionary<string, string> { ["1"] = "reuse" } }, idempotencyKey: "reset-1");
        reset.Status.Should().Be(200, reset.Body);
        (await server.Post($"/api/v1/runs/{id}/reset", new { to = 2, why = "wrong", effects = new Dictionary<string, string> { ["1"] = "reuse" } }, idempotencyKey: "reset-1")).Body.Should().Be(reset.Body);
    }

    [Theory]
    [InlineData("""{"to":2,"effects":{"one":"reuse"}}""", 422, "effects")]
    [InlineData("""{"to":2,"effects":{"1":"forget"}}""", 422, "effects.1")]
    [InlineData("""{"to":2,"effects":{"01":"reuse"}}""", 422, "01")]
    [InlineData("""{"to":2,"effects":{"7":"reuse"}}""", 422, "Step 7")]
    [InlineData("""{"to":99}""", 422, "no event 99")]
    [InlineData("""{"to":-1}""", 422, "no event -1")]
    [InlineData("""{"to":1}""", 422, "middle of a turn")]
    [InlineData("""{"why":"no to"}""", 400, "to")]
    public async Task A_reset_that_cannot_be_read_or_done_names_what_is_wrong(string body, int status, string told)
    {
        var id = await Posted();
        var refused = await server.PostRaw($"/api/v1/runs/{id}/reset", body);
        refused.ShouldBeProblem(status);
        refused.Body.Should().Contain(told);
    }

    [Fact]
    public async Task A_child_run_is_listed_among_the_effects_and_another_takes_its_place_when_it_is_redone()
    {
        var id = await server.Start("abuse-parent", "order");
        await server.Until(id, run => run.GetProperty("waits").EnumerateArray().Any(w => w.GetProperty("kind").GetString() == "child"));
        await server.Until($"{id}.1", run => run.GetProperty("waits").EnumerateArray().Any(w => w.GetProperty("kind").GetString() == "signal"));
        var refused = await server.Post($"/api/v1/runs/{id}/reset", new { to = 0, why = "wrong" });
        refused.ShouldBeProblem(409);
        refused.Json.GetProperty("detail").GetString().Should().Contain($"child run {id}.1 of 'abuse-posts' (under way): reuse (it stays the child) or redo (it is terminated, and another run started)");
        var effect = refused.Json.GetProperty("effects")[0];
        (effect.GetProperty("child").GetString(), effect.GetProperty("workflow").GetString(), effect.GetProperty("outcome").GetString()).Should().Be(($"{id}.1", "abuse-posts", "under way"));
        effect.GetProperty("canBe").EnumerateArray().Select(word => word.GetString()).Should().Equal("reuse", "redo", "compensate");
        (await server.Post($"/api/v1/runs/{id}/fork", new { at = 2, effects = new Dictionary<string, string> { ["1"] = "reuse" } })).ShouldBeProblem(409);
        (await server.Post($"/api/v1/runs/{id}/reset", new { to = 0, why = "wrong", effects = new Dictionary<string, string> { ["1"] = "redo" } })).Status.Should().Be(200);
        await server.UntilStatus($"{id}.1", "terminated");
        await server.Until(id, run => run.GetProperty("waits").EnumerateArray().Any(w => w.TryGetProperty("why", out var why) && why.GetString() == $"run {id}.1:1"));
        await server.Until($"{id}.1:1", run => run.GetProperty("waits").EnumerateArray().Any(w => w.GetProperty("kind").GetString() == "signal"));
        (await server.PostRaw($"/api/v1/runs/{Uri.EscapeDataString($"{id}.1:1")}/signals/go", "1")).Status.Should().Be(200);
        (await server.UntilStatus(id, "completed")).GetProperty("result").GetString().Should().Be("order done");
    }

    [Fact]
    public async Task A_fork_is_a_run_of_its_own_and_the_same_key_is_the_same_fork()
    {
        var id = await Posted();
        var forked = await server.Post($"/api/v1/runs/{id}/fork", new { at = 3, input = "another" }, idempotencyKey: "fork-1");
        forked.Status.Should().Be(201, forked.Body);
        var fork = forked.Json.GetProperty("id").GetString()!;
        fork.Should().NotBe(id);
        var again = await server.Post($"/api/v1/runs/{id}/fork", new { at = 3, input = "another" }, idempotencyKey: "fork-1");
        (again.Status, again.Json.GetProperty("id").GetString()).Should().Be((200, fork));
        (await server.Post($"/api/v1/runs/{id}/fork", new { at = 3, input = "a third" }, idempotencyKey: "fork-1")).ShouldBeProblem(409);
        (await server.Post($"/api/v1/runs/{id}/fork", new { at = 3, input = 7 })).ShouldBeProblem(422);
        (await server.Post($"/api/v1/runs/{id}/fork", new { at = 3, outcomes = new Dictionary<string, object> { ["0"] = 1 } })).ShouldBeProblem(422);
        (await server.Post("/api/v1/runs/nobody/fork", new { at = 3 })).ShouldBeProblem(404);
        (await server.PostRaw($"/api/v1/runs/{fork}/signals/go", "1")).Status.Should().Be(200);
        (await server.UntilStatus(fork, "completed")).GetProperty("result").GetString().Should().Be("another done");
    }

    [Fact]
    public async Task A_migration_to_a_version_nobody_holds_is_refused_and_a_page_says_where_it_ends()
    {
        (await server.Post("/api/v1/migrations", new { type = "abuse-posts", to = "9" })).ShouldBeProblem(404);
        (await server.Post("/api/v1/migrations", new { type = "no-such", to = "9" })).ShouldBeProblem(404);
        (await server.Post("/api/v1/migrations", new { type = "abuse-versioned", to = "2", limit = 0 })).ShouldBeProblem(400);
        var ids = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            var started = await server.Post("/api/v1/runs", new { workflow = "abuse-versioned", input = 1, version = "1" });
            started.Status.Should().Be(201, started.Body);
            ids.Add(started.Json.GetProperty("id").GetString()!);
        }
        var moved = new List<string>();
        for (string? cursor = null; ;)
        {
            var page = await server.Post("/api/v1/migrations", new { type = "abuse-versioned", to = "2", limit = 2, cursor });
            page.Status.Should().Be(200, page.Body);
            foreach (var run in page.Json.GetProperty("items").EnumerateArray())
            {
                run.GetProperty("result").GetString().Should().Be("moved");
                run.GetProperty("certificate").GetProperty("digest").GetString().Should().HaveLength(64);
                moved.Add(run.GetProperty("run").GetString()!);
            }
            cursor = page.Json.TryGetProperty("next", out var next) && next.ValueKind is JsonValueKind.String ? next.GetString() : null;
            if (cursor is null) break;
        }
        moved.Should().BeEquivalentTo(ids);
        (await server.Get($"/api/v1/runs/{ids[0]}")).Json.GetProperty("codeVersion").GetString().Should().Be("2");
        (await server.Post("/api/v1/runs", new { workflow = "abuse-versioned", input = 1, version = "3" })).ShouldBeProblem(404);
    }
}
