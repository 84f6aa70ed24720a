using OrleansAiOs.Host.Tests.Cli;
using OrleansAiOs.Workflows.Explaining;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Explaining and repairing over HTTP and from the command line.</summary>
[Collection(AbuseCollection.Name)]
public sealed class ExplainTests(AbuseServer server)
{
    private Task<CliRun> Aios(params string[] args) => CliRun.Of([.. args, "--url", server.Server.Address.ToString(), "--key", server.OwnerKey]);

    [Fact]
    public async Task The_page_says_what_is_waited_for_and_what_to_type_and_what_was_typed_works()
    {
        var id = await server.Start("abuse-lost", "the line went dead");
        await server.Until(id, run => run.GetProperty("waits").GetArrayLength() > 0);
        var page = await Aios("explain", id);
        page.Code.Should().Be(0);
        page.Output.Should().ContainAll(CauseCodes.OutcomeUnknown, "abuse.pay (step 1)", "IOException: the line went dead", $"aios skip {id} 1 --value JSON --why TEXT", $"aios resolve {id} 1 --never");

        (await Aios("retry-now", id, "1")).Code.Should().Be(5, "it is in no pause");
        (await Aios("skip", id, "1", "--value", "17", "--why", "no text")).Code.Should().Be(6);
        (await Aios("skip", id, "1", "--value", "\"by hand\"", "--why", "paid at the counter")).Code.Should().Be(0);
        (await server.UntilStatus(id, "completed")).GetProperty("result").GetString().Should().Be("by hand");
        (await Aios("show", id)).Output.Should().Contain("skipped, says owner").And.Contain("paid at the counter");
        (await Aios("explain", id)).Output.Should().Contain(CauseCodes.Completed);
    }

    [Fact]
    public async Task Who_could_decide_is_named_and_who_is_missing_too()
    {
        var id = await server.Start("abuse-approve", "Pay 100");
        var said = await server.Get($"/api/v1/runs/{id}/explain");
        (said.Status, said.Json.GetProperty("causes")[0].GetProperty("code").GetString()).Should().Be((200, CauseCodes.Approval));
        said.Json.GetProperty("causes")[0].GetProperty("unblockers")[0].GetString().Should().Contain("carl");
    }

    [Fact]
    public async Task What_cannot_be_explained_or_skipped_is_refused_with_the_field_and_the_cure()
    {
        (await server.Get("/api/v1/runs/no-such-run/explain")).ShouldBeProblem(404);
        (await server.Get("/api/v1/runs/x/explain", "")).ShouldBeProblem(401);
        var id = await server.Start("abuse-lost", "gone");
        await server.Until(id, run => run.GetProperty("waits").GetArrayLength() > 0);
        var path = $"/api/v1/runs/{id}/steps/1/skip";
        (await server.Post(path, new { value = "x", why = " " })).ShouldBeProblem(422).Body.Should().Contain("why:");
        (await server.Post(path, new { why = "no value" })).ShouldBeProblem(400, 422);
        (await server.Post(path, new { value = "x", why = "y", more = 1 })).ShouldBeProblem(400);
        (await server.Post(path, new { value = "x", why = "\0" })).Status.Should().Be(200, "what is kept is cleaned");
        (await server.Post(path, new { value = "x", why = "again" })).ShouldBeProblem(409);
        (await server.Post($"/api/v1/runs/{id}/steps/99/retry-now", new { })).ShouldBeProblem(409);
    }
}
