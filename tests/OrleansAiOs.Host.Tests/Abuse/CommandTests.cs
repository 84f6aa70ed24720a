namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Commands that come twice, late, or from the wrong person.</summary>
[Collection(AbuseCollection.Name)]
public sealed class CommandTests(AbuseServer server)
{
    private async Task<(string Id, int Step, string Digest)> AwaitApproval()
    {
        var id = await server.Start("abuse-approve", "Pay 100");
        var wait = (await server.Until(id, run => run.GetProperty("waits").GetArrayLength() > 0)).GetProperty("waits")[0];
        return (id, wait.GetProperty("step").GetInt32(), wait.GetProperty("digest").GetString()!);
    }

    [Fact]
    public async Task A_start_with_the_same_key_is_the_same_run_and_with_another_body_a_conflict()
    {
        var first = await server.Post("/api/v1/runs", new { workflow = "abuse-wait", input = 1 }, idempotencyKey: "start-1");
        var again = await server.Post("/api/v1/runs", new { workflow = "abuse-wait", input = 1 }, idempotencyKey: "start-1");
        (first.Status, again.Status).Should().Be((201, 200));
        again.Json.GetProperty("id").GetString().Should().Be(first.Json.GetProperty("id").GetString());
        (await server.Post("/api/v1/runs", new { workflow = "abuse-wait", input = 2 }, idempotencyKey: "start-1")).ShouldBeProblem(409);
        (await server.Post("/api/v1/runs", new { workflow = "abuse-echo", input = 1 }, idempotencyKey: "start-1")).ShouldBeProblem(409);
        var carls = await server.Post("/api/v1/runs", new { workflow = "abuse-wait", input = 1 }, server.CarlsKey, "start-1");
        carls.Status.Should().Be(201, "another caller's key is another key");
    }

    [Fact]
    public async Task Fifty_clients_that_start_the_same_at_once_start_one_run()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.Post("/api/v1/runs", new { workflow = "abuse-wait", input = 1 }, idempotencyKey: "start-50")));
        answers.Count(a => a.Status == 201).Should().Be(1);
        answers.Count(a => a.Status == 200).Should().Be(49);
        answers.Select(a => a.Json.GetProperty("id").GetString()).Distinct().Should().HaveCount(1);
    }

    [Fact]
    public async Task A_signal_with_the_same_key_counts_once_and_with_another_body_is_a_conflict()
    {
        var id = await server.Start("abuse-wait", 1);
        var first = await server.PostRaw($"/api/v1/runs/{id}/signals/later", "1", idempotencyKey: "k");
        var again = await server.PostRaw($"/api/v1/runs/{id}/signals/later", "1", idempotencyKey: "k");
        (first.Status, again.Status, again.Body).Should().Be((200, 200, first.Body));
        (await server.PostRaw($"/api/v1/runs/{id}/signals/later", "2", idempotencyKey: "k")).ShouldBeProblem(409);
        (await server.PostRaw($"/api/v1/runs/{id}/signals/go", "1", idempotencyKey: "k")).ShouldBeProblem(409);
        (await server.Get($"/api/v1/runs/{id}/history")).Json.GetProperty("items").GetArrayLength().Should().Be(2);
    }

    [Fact]
    public async Task An_entity_comes_to_be_with_the_first_update_that_says_what_it_is()
    {
        var path = $"/api/v1/runs/account-{Guid.NewGuid():N}/updates/deposit";
        (await server.PostRaw(path, "5")).ShouldBeProblem(404);
        (await server.PostRaw($"{path}?start=nobody", "5")).ShouldBeProblem(404);
        (await server.PostRaw($"{path}?start=abuse-order", "5")).ShouldBeProblem(422);
        (await server.PostRaw($"{path}?start=abuse-account", "5", idempotencyKey: "d")).Json.GetProperty("answer").GetDecimal().Should().Be(5);
        (await server.PostRaw($"{path}?start=abuse-account", "5", idempotencyKey: "d")).Json.GetProperty("answer").GetDecimal().Should().Be(5);
        (await server.PostRaw($"{path}?start=abuse-account", "2")).Json.GetProperty("answer").GetDecimal().Should().Be(7);
        (await server.PostRaw(path, "1")).Json.GetProperty("answer").GetDecimal().Should().Be(8);
        (await server.PostRaw($"{path}?start=abuse-wait", "1")).ShouldBeProblem(409);
    }

    [Fact]
    public async Task A_query_and_an_update_over_http()
    {
        var id = await server.Start("abuse-wait", new { a = 1 });
        (await server.Get($"/api/v1/runs/{id}/queries/held")).Json.GetProperty("answer").GetProperty("a").GetInt32().Should().Be(1);
        (await server.Get($"/api/v1/runs/{id}/queries/other")).ShouldBeProblem(404);
        (await server.PostRaw($"/api/v1/runs/{id}/queries/times", "3")).Json.GetProperty("answer").GetInt32().Should().Be(6);
        (await server.PostRaw($"/api/v1/runs/{id}/queries/times", "\"3\"")).ShouldBeProblem(422);
        (await server.Get($"/api/v1/runs/{id}/queries/times")).ShouldBeProblem(422);
        (await server.PostRaw($"/api/v1/runs/{id}/queries/held", "3")).ShouldBeProblem(422);
        (await server.Get("/api/v1/runs/nobody/queries/held")).ShouldBeProblem(404);
        var first = await server.PostRaw($"/api/v1/runs/{id}/updates/double", "21", idempotencyKey: "u");
        (first.Status, first.Json.GetProperty("answer").GetInt32(), first.Json.GetProperty("status").GetString()).Should().Be((200, 42, "completed"));
        (await server.PostRaw($"/api/v1/runs/{id}/updates/double", "21", idempotencyKey: "u")).Body.Should().Be(first.Body);
        (await server.PostRaw($"/api/v1/runs/{id}/updates/double", "22", idempotencyKey: "u")).ShouldBeProblem(409);
        (await server.PostRaw($"/api/v1/runs/{id}/updates/double", "-1")).ShouldBeProblem(422);
        (await server.PostRaw($"/api/v1/runs/{id}/updates/double", "\"much\"")).ShouldBeProblem(422);
        (await server.PostRaw($"/api/v1/runs/{id}/updates/halve", "1")).ShouldBeProblem(404);
        (await server.PostRaw($"/api/v1/runs/{id}/updates/double?wait=61", "1")).ShouldBeProblem(400);
        (await server.PostRaw($"/api/v1/runs/{id}/updates/never?wait=0", "1")).Should().Match<Answer>(a => a.Status == 202 && a.Json.GetProperty("status").GetString() == "accepted");
        (await server.PostRaw($"/api/v1/runs/{id}/pause", "{}")).Status.Should().Be(200);
        (await server.PostRaw($"/api/v1/runs/{id}/updates/double", "1")).ShouldBeProblem(409);
        (await server.PostRaw($"/api/v1/runs/{id}/resume", "{}")).Status.Should().Be(200);
        (await server.PostRaw($"/api/v1/runs/{id}/terminate", """{"reason":"done"}""")).Status.Should().Be(200);
        (await server.UntilStatus(id, "terminated")).GetProperty("reason").GetString().Should().Be("done");
        (await server.Get($"/api/v1/runs/{id}/queries/held")).Status.Should().Be(200);
    }

    [Fact]
    public async Task A_cancel_and_a_decision_with_the_same_key_count_once_also_after_the_run_ended()
    {
        var waiting = await server.Start("abuse-wait", 1);
        var cancelled = await server.Post($"/api/v1/runs/{waiting}/cancel", new { reason = "a" }, idempotencyKey: "c");
        await server.UntilStatus(waiting, "cancelled");
        (await server.Post($"/api/v1/runs/{waiting}/cancel", new { reason = "a" }, idempotencyKey: "c")).Body.Should().Be(cancelled.Body);
        (await server.Post($"/api/v1/runs/{waiting}/cancel", new { reason = "b" }, idempotencyKey: "c")).ShouldBeProblem(409);

        var (id, step, digest) = await AwaitApproval();
        var decided = await server.Post($"/api/v1/runs/{id}/approvals/{step}", new { granted = true, digest }, server.CarlsKey, "d");
        decided.Status.Should().Be(200);
        await server.UntilStatus(id, "completed");
        (await server.Post($"/api/v1/runs/{id}/approvals/{step}", new { granted = true, digest }, server.CarlsKey, "d")).Body.Should().Be(decided.Body);
        (await server.Post($"/api/v1/runs/{id}/approvals/{step}", new { granted = false, digest }, server.CarlsKey, "d")).ShouldBeProblem(409);
    }

    [Fact]
    public async Task A_resolution_and_an_unpark_with_the_same_key_count_once()
    {
        var lost = await server.Start("abuse-lost", "gone");
        await server.Until(lost, run => run.GetProperty("waits").EnumerateArray().Any(w => w.GetProperty("kind").GetString() == "outcome-unknown"));
        (await server.Post($"/api/v1/runs/{lost}/steps/2/resolution", new { happened = true, result = "paid" })).ShouldBeProblem(409);
        var resolved = await server.Post($"/api/v1/runs/{lost}/steps/1/resolution", new { happened = true, result = "paid" }, idempotencyKey: "r");
        resolved.Status.Should().Be(200, resolved.Body);
        (await server.UntilStatus(lost, "completed")).GetProperty("result").GetString().Should().Be("paid");
        (await server.Post($"/api/v1/runs/{lost}/steps/1/resolution", new { happened = true, result = "paid" }, idempotencyKey: "r")).Body.Should().Be(resolved.Body);
        (await server.Post($"/api/v1/runs/{lost}/steps/1/resolution", new { happened = false }, idempotencyKey: "r")).ShouldBeProblem(409);

        var parked = await server.Start("abuse-throws", "no");
        await server.UntilStatus(parked, "parked");
        var unparked = await server.Post($"/api/v1/runs/{parked}/unpark", new { }, idempotencyKey: "u");
        unparked.Status.Should().Be(200, unparked.Body);
        (await server.Post($"/api/v1/runs/{parked}/unpark", new { }, idempotencyKey: "u")).Body.Should().Be(unparked.Body);
    }

    [Fact]
    public async Task A_key_that_is_no_key_is_refused()
    {
        (await server.Post("/api/v1/runs", new { workflow = "abuse-echo", input = 1 }, idempotencyKey: new string('k', 201))).ShouldBeProblem(400);
        (await server.Post("/api/v1/runs/x/cancel", new { }, idempotencyKey: new string('k', 201))).ShouldBeProblem(400);
    }

    [Fact]
    public async Task A_decision_that_comes_late_stale_or_from_the_wrong_person_is_refused()
    {
        var (id, step, digest) = await AwaitApproval();
        var path = $"/api/v1/runs/{id}/approvals/{step}";
        (await server.Post(path, new { granted = true, digest })).ShouldBeProblem(403).Json.GetProperty("detail").GetString().Should().Contain("controller");
        (await server.Post(path, new { granted = true, digest = new string('0', 64) }, server.CarlsKey)).ShouldBeProblem(409);
        (await server.Post($"/api/v1/runs/{id}/approvals/{step + 1}", new { granted = true }, server.CarlsKey)).ShouldBeProblem(409);
        (await server.Post($"/api/v1/runs/none/approvals/{step}", new { granted = true }, server.CarlsKey)).ShouldBeProblem(404);
        (await server.Get($"/api/v1/approvals", server.CarlsKey)).Json.GetProperty("items").EnumerateArray().Should().Contain(a => a.GetProperty("run").GetString() == id);
        (await server.Post(path, new { granted = false, digest }, server.CarlsKey)).Status.Should().Be(200);
        (await server.Post(path, new { granted = true, digest }, server.CarlsKey)).ShouldBeProblem(409);
        await server.UntilStatus(id, "completed");
        (await server.Get($"/api/v1/approvals", server.CarlsKey)).Body.Should().NotContain(id);
    }

    [Fact]
    public async Task Four_eyes_hold_also_for_one_who_has_the_role()
    {
        var started = await server.Post("/api/v1/runs", new { workflow = "abuse-approve", input = "Pay myself" }, server.CarlsKey);
        var id = started.Json.GetProperty("id").GetString()!;
        await server.Until(id, run => run.GetProperty("waits").GetArrayLength() > 0);
        (await server.Post($"/api/v1/runs/{id}/approvals/1", new { granted = true }, server.CarlsKey)).ShouldBeProblem(403);
    }

    [Fact]
    public async Task A_run_that_ended_takes_no_more_commands()
    {
        var id = await server.Start("abuse-echo", 1, wait: 10);
        (await server.PostRaw($"/api/v1/runs/{id}/signals/go", "1")).ShouldBeProblem(409);
        (await server.Post($"/api/v1/runs/{id}/cancel", new { })).ShouldBeProblem(409);
        (await server.Post($"/api/v1/runs/{id}/unpark", new { })).ShouldBeProblem(409);
        (await server.Post($"/api/v1/runs/{id}/approvals/1", new { granted = true }, server.CarlsKey)).ShouldBeProblem(409);
        (await server.Post($"/api/v1/runs/{id}/steps/1/resolution", new { happened = false })).ShouldBeProblem(409);
        (await server.PostRaw("/api/v1/runs/none/signals/go", "1")).ShouldBeProblem(404);
    }
}
