using System.Net;

namespace OrleansAiOs.Sandbox.Tests;

public sealed class NotificationTests
{
    [Fact]
    public async Task A_message_is_accepted_once_per_key()
    {
        using var sandbox = new Sandbox();
        using var caller = SandboxClient.Of(sandbox);
        var first = await caller.Notify("run-1/notify");
        var second = await caller.Notify("run-1/notify");
        var other = await caller.Notify("run-1/notify", "Something else.");

        first.Status.Should().Be(HttpStatusCode.Accepted);
        second.Replayed.Should().BeTrue();
        second.Body.Should().Equal(first.Body);
        other.Status.Should().Be(HttpStatusCode.UnprocessableEntity);
        sandbox.Books().Notify.Keys.Should().Equal(new NotificationKeyBooks("run-1/notify", Reached: 3, Messages: 1));
    }
}
