using System.Net;

namespace OrleansAiOs.Sandbox.Tests;

public sealed class RefundTests
{
    private static string Order(string order = "S-1", string amount = "\"25.00\"", string currency = "EUR") =>
        $$"""{"order":"{{order}}","customer":"Anna Example","amount":{{amount}},"currency":"{{currency}}","reason":"damaged"}""";

    private static Task<Answer> Pay(SandboxClient caller, string key, string order) => caller.Send(HttpMethod.Post, "/refunds", order, key);

    private static Task<Answer> Reverse(SandboxClient caller, string key, string id) => caller.Send(HttpMethod.Post, $"/refunds/{id}/reversal", null, key);

    [Fact]
    public async Task A_refund_is_paid_once_per_key_and_again_under_another()
    {
        using var sandbox = new Sandbox();
        using var caller = SandboxClient.Of(sandbox);
        var first = await Pay(caller, "run-1/2", Order());
        var second = await Pay(caller, "run-1/2", Order());
        var changed = await Pay(caller, "run-1/2", Order(amount: "\"26.00\""));
        var other = await Pay(caller, "run-2/2", Order());

        first.Status.Should().Be(HttpStatusCode.Created);
        second.Replayed.Should().BeTrue();
        second.Body.Should().Equal(first.Body);
        changed.Status.Should().Be(HttpStatusCode.UnprocessableEntity);
        other.Text("id").Should().Be("R-000002");
        sandbox.Books().Refunds.Keys.Should().Equal(new RefundKeyBooks("run-1/2", 3, 1, 0), new RefundKeyBooks("run-2/2", 1, 1, 0));
        sandbox.Books().Refunds.Orders.Should().Equal(new RefundOrderBooks("S-1", "EUR", 2, 0, 50m, 0m));
    }

    [Fact]
    public async Task A_refund_is_reversed_once_and_the_books_say_so_after_a_restart()
    {
        var folder = Directory.CreateTempSubdirectory("sandbox-").FullName;
        try
        {
            using (var sandbox = new Sandbox(new SandboxOptions { DataFolder = folder }))
            {
                using var caller = SandboxClient.Of(sandbox);
                var id = (await Pay(caller, "pay", Order())).Text("id");
                (await Reverse(caller, "back", id)).Status.Should().Be(HttpStatusCode.Created);
            }
            using var reopened = new Sandbox(new SandboxOptions { DataFolder = folder });
            using var again = SandboxClient.Of(reopened);
            (await Reverse(again, "back", "R-000001")).Replayed.Should().BeTrue();
            (await Reverse(again, "other", "R-000001")).Status.Should().Be(HttpStatusCode.Conflict);
            (await Reverse(again, "third", "R-000002")).Status.Should().Be(HttpStatusCode.Conflict);
            (await Reverse(again, "fourth", "R-9")).Status.Should().Be(HttpStatusCode.UnprocessableEntity);
            reopened.Books().Refunds.Orders.Should().Equal(new RefundOrderBooks("S-1", "EUR", 1, 1, 25m, 25m));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("""{"order":"S-1","customer":"A","amount":"0.00","currency":"EUR","reason":"damaged"}""")]
    [InlineData("""{"order":"S-1","customer":"A","amount":"-1.00","currency":"EUR","reason":"damaged"}""")]
    [InlineData("""{"order":"S-1","customer":"A","amount":"NaN","currency":"EUR","reason":"damaged"}""")]
    [InlineData("""{"order":"S-1","customer":"A","amount":1e400,"currency":"EUR","reason":"damaged"}""")]
    [InlineData("""{"order":"S-1","customer":"A","amount":"1.00","currency":"eur","reason":"damaged"}""")]
    [InlineData("""{"order":"S-1","customer":"A","amount":"1.00","amount":"9.00","currency":"EUR","reason":"damaged"}""")]
    [InlineData("""{"order":"S-CLOSED","customer":"A","amount":"1.00","currency":"EUR","reason":"damaged"}""")]
    [InlineData("""{"customer":"A","amount":"1.00","currency":"EUR","reason":"damaged"}""")]
    public async Task What_cannot_be_paid_back_is_refused(string order)
    {
        using var sandbox = new Sandbox();
        using var caller = SandboxClient.Of(sandbox);
        ((int)(await Pay(caller, "key", order)).Status).Should().BeInRange(400, 422);
        (await caller.Send(HttpMethod.Post, "/refunds", Order())).Status.Should().Be(HttpStatusCode.BadRequest, "it has no key");
        sandbox.Books().Refunds.Orders.Should().BeEmpty();
    }

    [Fact]
    public async Task A_refund_whose_reply_is_lost_is_paid_and_answered_when_it_is_asked_for_again()
    {
        using var sandbox = new Sandbox(new SandboxOptions { Hostility = new Hostility { Script = [new ScriptedFault { Operation = SandboxOperation.RefundsPay, Fault = Fault.LoseReply }] } });
        using var caller = SandboxClient.Of(sandbox);
        var lost = () => Pay(caller, "key", Order());
        await lost.Should().ThrowAsync<HttpRequestException>();
        (await Pay(caller, "key", Order())).Replayed.Should().BeTrue();
        sandbox.Books().Refunds.Orders.Single().Refunds.Should().Be(1);
    }
}
