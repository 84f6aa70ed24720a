using System.Diagnostics;
using System.Text.RegularExpressions;

namespace OrleansAiOs.Host.Tests.Abuse;

[Collection(AbuseCollection.Name)]
public sealed partial class KeyTests(AbuseServer server)
{
    [Fact]
    public async Task A_revoked_key_is_refused_within_a_second_and_stays_so()
    {
        var key = await server.NewKey("rita", "clerk");
        (await server.Get("/api/v1/runs", key)).Status.Should().Be(200);
        (await server.Send(HttpMethod.Delete, "/api/v1/keys/rita", null)).Status.Should().Be(204);
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var asked = clock.Elapsed;
            if ((await server.Get("/api/v1/runs", key)).Status == 401) break;
            asked.Should().BeLessThan(TimeSpan.FromSeconds(1));
        }
        (await server.Send(HttpMethod.Delete, "/api/v1/keys/rita", null)).ShouldBeProblem(404);

        var next = await server.NewKey("rita", "controller");
        next.Should().NotBe(key);
        (await server.Get("/api/v1/runs", key)).ShouldBeProblem(401);
        (await server.Get("/api/v1/runs", next)).Status.Should().Be(200);
    }

    [Fact]
    public async Task Only_the_owner_manages_keys()
    {
        var before = await server.Count("api_keys");
        (await server.Get("/api/v1/keys", server.CarlsKey)).ShouldBeProblem(403);
        (await server.Post("/api/v1/keys", new { name = "eve", roles = new[] { "owner" } }, server.CarlsKey)).ShouldBeProblem(403);
        (await server.Send(HttpMethod.Delete, "/api/v1/keys/carl", null, server.CarlsKey)).ShouldBeProblem(403);
        (await server.Count("api_keys")).Should().Be(before);
    }

    [Fact]
    public async Task A_role_that_only_looks_like_the_owners_is_none()
    {
        foreach (var (role, i) in new[] { "Owner", "OWNER", "owner.", "0wner" }.Select((role, i) => (role, i)))
            (await server.Get("/api/v1/keys", await server.NewKey($"twin{i}", role))).ShouldBeProblem(403);
    }

    [Fact]
    public async Task A_key_is_shown_once_and_kept_as_a_hash()
    {
        var key = await server.NewKey("once", "clerk");
        Shape().IsMatch(key).Should().BeTrue("256 bits");
        (await server.Get("/api/v1/keys")).Body.Should().Contain("once").And.NotContain(key[5..]);
        (await server.Text("select string_agg(k::text, ' ') from aios.api_keys k")).Should().NotContain(key[5..]);
        (await server.Post("/api/v1/keys", new { name = "once", roles = new[] { "owner" } })).ShouldBeProblem(409);
    }

    [Fact]
    public async Task Names_and_roles_are_held_to_their_limits()
    {
        (await server.Post("/api/v1/keys", new { name = new string('x', 65), roles = new[] { "a" } })).ShouldBeProblem(422);
        (await server.Post("/api/v1/keys", new { name = "many", roles = Enumerable.Range(0, 21).Select(i => $"r{i}") })).ShouldBeProblem(422);
        (await server.PostRaw("/api/v1/keys", """{"name":"nulls","roles":[null]}""")).ShouldBeProblem(400, 422);
    }

    [GeneratedRegex("^aios_[A-Za-z0-9_-]{43}$")]
    private static partial Regex Shape();
}
