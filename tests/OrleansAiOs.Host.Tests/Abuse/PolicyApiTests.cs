namespace OrleansAiOs.Host.Tests.Abuse;

[Collection(AbuseCollection.Name)]
public sealed class PolicyApiTests(AbuseServer server)
{
    private const string Text = "@id(\"mail\") permit (principal, action == Action::\"call\", resource == Tool::\"mail.send\");";

    private readonly string name = $"p{Guid.NewGuid():N}";

    [Fact]
    public async Task A_policy_is_put_activated_and_retired_and_the_version_counts_on()
    {
        var put = await server.Post($"/api/v1/policies/{name}/versions", new { text = Text, note = "first" });
        put.Status.Should().Be(201, put.Body);
        put.Json.GetProperty("number").GetInt64().Should().Be(1);
        var before = Number(await server.Get("/api/v1/policies"));

        var activated = await server.Post($"/api/v1/policies/{name}/activate", new { number = 1, replaces = 0 });
        activated.Status.Should().Be(200, activated.Body);
        Number(activated).Should().Be(before + 1);
        var listed = await server.Get("/api/v1/policies");
        listed.Json.GetProperty("version").GetString().Should().Be(activated.Json.GetProperty("version").GetString());
        listed.Json.GetProperty("items").EnumerateArray().Single(item => item.GetProperty("name").GetString() == name).GetProperty("active").GetInt64().Should().Be(1);
        (await server.Get($"/api/v1/policies/{name}/versions/1")).Json.GetProperty("text").GetString().Should().Be(Text);
        (await server.Get("/api/v1/policies/base/versions/0")).Json.GetProperty("text").GetString().Should().Contain("deployed-code");
        (await server.Get($"/api/v1/policies/{name}")).Json.GetProperty("items")[0].GetProperty("note").GetString().Should().Be("first");

        (await server.Post($"/api/v1/policies/{name}/activate", new { number = 1 })).Json.GetProperty("changed").GetBoolean().Should().BeFalse();
        (await server.Post($"/api/v1/policies/{name}/activate", new { number = 1, replaces = 0 })).Json.GetProperty("changed").GetBoolean().Should().BeFalse("it is what was asked for");
        Number(await server.Post($"/api/v1/policies/{name}/retire", new { why = "done" })).Should().Be(before + 2);
    }

    [Fact]
    public async Task What_is_wrong_with_a_text_or_its_cases_is_told_and_nothing_is_changed()
    {
        var broken = await server.Post($"/api/v1/policies/{name}/versions", new { text = "permit (principal, action, resource);" });
        broken.Status.Should().Be(422);
        broken.Json.GetProperty("detail").GetString().Should().Contain("line 1, column 1").And.Contain("@id");
        (await server.Post($"/api/v1/policies/{name}/versions", new { text = Text, cases = "{" })).Status.Should().Be(422);
        (await server.Get($"/api/v1/policies/{name}")).Status.Should().Be(404);

        await server.Post($"/api/v1/policies/{name}/versions", new { text = Text, cases = """{"cases":[{"name":"bank","principal":"P::x","action":"call","resource":"Tool::bank.pay","expect":"allow"}]}""" });
        var activate = await server.Post($"/api/v1/policies/{name}/activate", new { number = 1 });
        activate.Status.Should().Be(422);
        activate.Json.GetProperty("detail").GetString().Should().Contain("[bank] Expected allow, and it was deny");
        (await server.Post($"/api/v1/policies/{name}/activate", new { number = 2 })).Status.Should().Be(404);
        (await server.Post($"/api/v1/policies/{name}/retire", new { why = " " })).Status.Should().Be(422);
    }

    [Theory]
    [InlineData("versions", """{"text":"x","text":"y"}""", 400)]
    [InlineData("versions", """{"txt":"x"}""", 400)]
    [InlineData("versions", """{"text":null}""", 400)]
    [InlineData("activate", """{"number":"1"}""", 400)]
    [InlineData("activate", """{"number":1.5}""", 400)]
    [InlineData("activate", """{"number":9223372036854775807}""", 404)]
    public async Task Bodies_are_read_strictly(string what, string body, int status) => (await server.PostRaw($"/api/v1/policies/{name}/{what}", body)).Status.Should().Be(status);

    [Theory]
    [InlineData("A")]
    [InlineData("a%2Fb")]
    [InlineData("%2e%2e%2fbase")]
    [InlineData("%00")]
    [InlineData("run%2F1")]
    public async Task A_name_that_is_none_is_refused(string bad) => (await server.Post($"/api/v1/policies/{bad}/versions", new { text = Text })).Status.Should().BeOneOf(400, 404, 422);

    [Fact]
    public async Task Only_the_owner_changes_policies_and_nobody_without_a_key_reads_them()
    {
        (await server.Post($"/api/v1/policies/{name}/versions", new { text = Text }, server.CarlsKey)).Status.Should().Be(403);
        (await server.Post($"/api/v1/policies/{name}/activate", new { number = 1 }, server.CarlsKey)).Status.Should().Be(403);
        (await server.Post($"/api/v1/policies/{name}/retire", new { why = "x" }, server.CarlsKey)).Status.Should().Be(403);
        (await server.Get("/api/v1/policies", server.CarlsKey)).Status.Should().Be(200);
        (await server.Get("/api/v1/policies", "")).Status.Should().Be(401);
    }

    private static long Number(Answer answer) => long.Parse(answer.Json.GetProperty("version").GetString()!.Split(':')[0]);
}
