namespace OrleansAiOs.Host.Tests.Abuse;

[Collection(AbuseCollection.Name)]
public sealed class KillSwitchApiTests(AbuseServer server)
{
    private readonly string name = $"k{Guid.NewGuid():N}"[..20];

    private Task<Answer> Throw(string target, string id) => server.Post("/api/v1/kill-switches", new { target, id, why = "a test" });

    private static string? NoteOf(Answer answer) => answer.Json.GetProperty("note").GetString();

    [Theory]
    [InlineData("principal", "agent/{0}", "no principal 'agent/{0}'")]
    [InlineData("principal", "{0}", "no principal 'user/{0}'")]
    [InlineData("tool", "{0}/pay", "no tool '{0}/pay'")]
    [InlineData("tool", "tool:{0}/pay", "no tool 'tool:{0}/pay'")]
    public async Task Whoever_stops_what_is_not_there_is_told_that_nothing_is_stopped(string target, string id, string told)
    {
        var thrown = await Throw(target, string.Format(null, id, name));
        thrown.Json.GetProperty("changed").GetBoolean().Should().BeTrue("it may be about to come");
        NoteOf(thrown).Should().Contain(string.Format(null, told, name)).And.Contain("it stops nothing");
        NoteOf(await Throw(target, string.Format(null, id, name))).Should().NotBeNull("and again the next time");
    }

    [Fact]
    public async Task Whoever_stops_what_is_there_is_told_nothing_more()
    {
        await server.NewKey(name, "viewer");
        var thrown = await Throw("principal", name);
        thrown.Json.GetProperty("changed").GetBoolean().Should().BeTrue();
        NoteOf(thrown).Should().BeNull();
        NoteOf(await Throw("tool", $"bank.{name}")).Should().BeNull("another host may have code that this one lacks");
    }
}
