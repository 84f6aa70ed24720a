using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Host.Tests.Cli;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;

namespace OrleansAiOs.Host.Tests.Abuse;

[Collection(AbuseCollection.Name)]
public sealed class BulkTests(AbuseServer server)
{
    private async Task<List<string>> Begin(string business, int count)
    {
        var ids = new List<string>();
        for (var i = 0; i < count; i++)
        {
            var started = await server.Post("/api/v1/runs", new { workflow = "abuse-wait", input = i, businessKey = business });
            ids.Add(started.Json.GetProperty("id").GetString()!);
        }
        return ids;
    }

    private Task<CliRun> Cli(params string[] args) => CliRun.Of([.. args, "--url", server.Http.BaseAddress!.ToString(), "--key", server.OwnerKey]);

    [Fact]
    public async Task What_a_filter_finds_is_counted_then_done_page_by_page_and_purged()
    {
        var ids = await Begin("bulk-1", 5);
        var other = (await Begin("bulk-other", 1))[0];
        var counted = await server.Post("/api/v1/runs:bulk", new { action = "cancel", filter = new { businessKey = "bulk-1" }, dryRun = true });
        counted.Json.GetProperty("matched").GetInt32().Should().Be(5, counted.Body);

        string? cursor = null;
        var (pages, done) = (0, 0);
        do
        {
            var page = await server.Post("/api/v1/runs:bulk", new { action = "cancel", filter = new { businessKey = "bulk-1" }, reason = "all of them", limit = 2, cursor }, idempotencyKey: "bulk-1");
            page.Status.Should().Be(200, page.Body);
            (pages, done) = (pages + 1, done + page.Json.GetProperty("done").GetInt32());
            cursor = page.Json.TryGetProperty("next", out var next) ? next.GetString() : null;
        }
        while (cursor is not null);
        (pages, done).Should().Be((3, 5));
        foreach (var id in ids) (await server.UntilStatus(id, "cancelled")).GetProperty("reason").GetString().Should().Be("all of them");
        (await server.Get($"/api/v1/runs/{other}")).Json.GetProperty("status").GetString().Should().Be("running");

        (await Cli("purge", "--older", "0s", "--business-key", "bulk-1")).Output.Should().Contain("5 runs to purge; nothing was done");
        (await server.Get($"/api/v1/runs/{ids[0]}")).Status.Should().Be(200);
        var purged = await Cli("purge", "--older", "0s", "--business-key", "bulk-1", "--yes");
        purged.Code.Should().Be(0, purged.Error);
        purged.Error.Should().Contain("5 runs done, 0 refused");
        foreach (var id in ids) (await server.Get($"/api/v1/runs/{id}")).ShouldBeProblem(404);
        (await server.Get($"/api/v1/runs/{other}")).Status.Should().Be(200);
    }

    [Fact]
    public async Task What_another_installation_left_as_evidence_is_not_meant()
    {
        var id = (await Begin("bulk-evidence", 1))[0];
        await using (var store = await PostgresStore.OpenAsync(server.ConnectionString, NullLogger.Instance))
        {
            using var file = new MemoryStream();
            using (var writer = new HistoryWriter(file, new ExportOptions { ExportedAt = DateTimeOffset.UtcNow }))
            {
                await writer.WriteAsync(new RunKey("default", "bulk-evidence-theirs"), await store.ReadAsync(new RunKey("default", id), 1, default));
                await writer.FinishAsync();
            }
            file.Position = 0;
            (await HistoryImport.ImportAsync(store, null, file, "paula", TimeProvider.System)).Runs.Should().Be(1);
        }
        var counted = await server.Post("/api/v1/runs:bulk", new { action = "terminate", filter = new { businessKey = "bulk-evidence" }, dryRun = true });
        counted.Json.GetProperty("matched").GetInt32().Should().Be(1, counted.Body);
        var done = await server.Post("/api/v1/runs:bulk", new { action = "terminate", filter = new { businessKey = "bulk-evidence" }, reason = "over" });
        done.Json.GetProperty("done").GetInt32().Should().Be(1, done.Body);
        done.Json.GetProperty("refused").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public async Task A_run_that_refuses_is_reported_and_holds_up_no_other()
    {
        var ids = await Begin("bulk-2", 2);
        (await server.Post($"/api/v1/runs/{ids[0]}/signals/other", 1, idempotencyKey: "taken")).Status.Should().Be(200);
        var page = await server.Post("/api/v1/runs:bulk", new { action = "signal", filter = new { businessKey = "bulk-2" }, signal = "go", value = 7 }, idempotencyKey: "taken");
        page.Json.GetProperty("done").GetInt32().Should().Be(1, page.Body);
        page.Json.GetProperty("refused")[0].GetProperty("id").GetString().Should().Be(ids[0]);
        await server.UntilStatus(ids[1], "completed");
        var cancelled = await Cli("bulk", "cancel", "--business-key", "bulk-2", "--yes");
        cancelled.Error.Should().Contain("1 runs done, 0 refused");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Attributes_that_name_none_are_no_filter(bool dryRun)
    {
        var bystander = (await Begin("bulk-bystander", 1))[0];
        (await server.Post("/api/v1/runs:bulk", new { action = "terminate", filter = new { attributes = new { } }, dryRun })).ShouldBeProblem(422).Json.GetProperty("detail").GetString().Should().StartWith("filter: ");
        (await server.Get($"/api/v1/runs/{bystander}")).Json.GetProperty("status").GetString().Should().Be("running");
    }

    [Fact]
    public async Task What_is_too_wide_unknown_or_not_allowed_is_refused()
    {
        (await server.Post("/api/v1/runs:bulk", new { action = "cancel", filter = new { } })).ShouldBeProblem(422).Json.GetProperty("detail").GetString().Should().StartWith("filter: ");
        (await server.Post("/api/v1/runs:bulk", new { action = "explode", filter = new { workflow = "x" } })).ShouldBeProblem(422).Json.GetProperty("detail").GetString().Should().StartWith("action: ");
        (await server.Post("/api/v1/runs:bulk", new { action = "signal", filter = new { workflow = "x" } })).ShouldBeProblem(422).Json.GetProperty("detail").GetString().Should().StartWith("signal: ");
        (await server.Post("/api/v1/runs:bulk", new { action = "cancel", filter = new { workflow = "x" }, limit = 501 })).ShouldBeProblem(422);
        (await server.Post("/api/v1/runs:bulk", new { action = "cancel", filter = new { status = "sideways" } })).ShouldBeProblem(400);
        (await server.Post("/api/v1/runs:bulk", new { action = "purge", filter = new { workflow = "abuse-wait" } }, server.CarlsKey)).ShouldBeProblem(403);
        (await Cli("purge", "--older", "soon")).Code.Should().Be(2);
        (await Cli("bulk", "cancel")).Code.Should().Be(6);
    }
}
