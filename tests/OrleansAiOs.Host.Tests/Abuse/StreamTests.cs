using System.Text.Json;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Server-sent events: a run from its start, from where a follower left off, and the list.</summary>
[Collection(AbuseCollection.Name)]
public sealed class StreamTests(AbuseServer server)
{
    [Fact]
    public async Task A_follower_gets_the_past_then_the_present_in_order_and_the_stream_ends_with_the_run()
    {
        var id = await server.Start("abuse-wait", 1);
        await using var stream = await Follow($"/api/v1/runs/{id}/events");
        (await stream.Next()).Should().Match<Message>(m => m.Id == "1" && m.Event == "run-started");
        await server.PostRaw($"/api/v1/runs/{id}/signals/go", "\"done\"");
        var signal = await stream.Next();
        signal.Event.Should().Be("signal-received");
        signal.Data.GetProperty("version").GetInt64().Should().Be(2);
        signal.Data.GetProperty("data").GetProperty("value").GetString().Should().Be("done");
        (await stream.Next()).Event.Should().Be("run-completed");
        (await stream.AtEnd()).Should().BeTrue();
    }

    [Fact]
    public async Task A_run_that_ended_and_was_reset_is_followed_to_its_next_end()
    {
        var id = await server.Start("abuse-wait", 1);
        await server.PostRaw($"/api/v1/runs/{id}/signals/go", "1");
        await server.UntilStatus(id, "completed");
        (await server.Post($"/api/v1/runs/{id}/reset", new { to = 1, why = "again", dropSignals = true })).Status.Should().Be(200);
        await server.Until(id, run => run.GetProperty("waits").GetArrayLength() > 0);
        await using var stream = await Follow($"/api/v1/runs/{id}/events");
        await stream.Until(m => m.Event == "run-completed");
        await stream.Until(m => m.Event == "run-reset");
        await server.PostRaw($"/api/v1/runs/{id}/signals/go", "2");
        await stream.Until(m => m.Event == "run-completed");
        (await stream.AtEnd()).Should().BeTrue();
    }

    [Theory]
    [InlineData("2", 3)]
    [InlineData("0", 1)]
    [InlineData("-5", 1)]
    [InlineData("not a number", 1)]
    [InlineData("9223372036854775808", 1)]
    public async Task A_follower_that_comes_back_goes_on_where_it_left_off(string lastEventId, int first)
    {
        var id = await server.Start("abuse-wait", 1);
        await server.PostRaw($"/api/v1/runs/{id}/signals/go", "1");
        await server.UntilStatus(id, "completed");
        await using var stream = await Follow($"/api/v1/runs/{id}/events", lastEventId);
        for (var version = first; version <= 3; version++) (await stream.Next()).Id.Should().Be(version.ToString());
        (await stream.AtEnd()).Should().BeTrue();
    }

    [Fact]
    public async Task The_list_tells_what_becomes_of_runs()
    {
        await using var stream = await Follow("/api/v1/events");
        var id = await server.Start("abuse-wait", 1);
        (await stream.Until(m => m.Data.GetProperty("id").GetString() == id)).Data.GetProperty("status").GetString().Should().Be("running");
        await server.PostRaw($"/api/v1/runs/{id}/signals/go", "1");
        await stream.Until(m => m.Data.GetProperty("id").GetString() == id && m.Data.GetProperty("status").GetString() == "completed");
    }

    [Fact]
    public async Task There_is_nothing_to_follow_of_a_run_that_is_not_there() => (await server.Get("/api/v1/runs/nobody/events")).ShouldBeProblem(404);

    private async Task<Follower> Follow(string path, string? lastEventId = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {server.OwnerKey}");
        if (lastEventId is not null) request.Headers.TryAddWithoutValidation("Last-Event-ID", lastEventId);
        var response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.Content.Headers.ContentType!.MediaType.Should().Be("text/event-stream");
        return new Follower(response, new StreamReader(await response.Content.ReadAsStreamAsync()));
    }

    private sealed record Message(string? Id, string? Event, JsonElement Data);

    private sealed class Follower(HttpResponseMessage response, StreamReader reader) : IAsyncDisposable
    {
        private readonly CancellationTokenSource limit = new(TimeSpan.FromSeconds(30));

        public async Task<Message> Next()
        {
            string? id = null, type = null;
            JsonElement? data = null;
            while (await reader.ReadLineAsync(limit.Token) is { } line)
            {
                if (line.StartsWith("id: ", StringComparison.Ordinal)) id = line[4..];
                else if (line.StartsWith("event: ", StringComparison.Ordinal)) type = line[7..];
                else if (line.StartsWith("data: ", StringComparison.Ordinal)) data = JsonDocument.Parse(line[6..]).RootElement;
                else if (line.Length == 0 && data is { } complete) return new Message(id, type, complete);
            }
            throw new EndOfStreamException();
        }

        public async Task<Message> Until(Func<Message, bool> condition)
        {
            while (true)
                if (await Next() is var message && condition(message)) return message;
        }

        public async Task<bool> AtEnd() => await reader.ReadLineAsync(limit.Token) is null;

        public ValueTask DisposeAsync()
        {
            response.Dispose();
            limit.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
