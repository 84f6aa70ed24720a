using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>An attempt says how far it has come, and the next one goes on from there.</summary>
public abstract class HeartbeatConformance(IStoreFixture stores) : EngineConformance(stores)
{
    [Workflow("beats")]
    private sealed class Beats : Workflow<int, string>
    {
        protected override Task<string> RunAsync(int input) => Call(Tools.Keyed, "work", new CallOptions { StartToClose = TimeSpan.FromDays(1) });
    }

    private readonly List<int> from = [];

    private void Script(Func<ActivityContext, Task<string>> work) => Outside.Answer = (_, c) =>
    {
        lock (from) from.Add(c.HeartbeatDetails<int>());
        return work(c);
    };

    [Fact]
    public async Task An_attempt_that_fails_hands_its_last_details_to_the_next()
    {
        Script(c =>
        {
            if (c.Attempt == 3) return Task.FromResult("done");
            var done = c.HeartbeatDetails<int>();
            for (var i = 1; i <= 10; i++) c.Heartbeat(done + i);
            throw new IOException("down");
        });
        var run = await Start("beats", 1);
        for (var failed = 1; failed <= 2; failed++)
        {
            // Time stands while an attempt says how far it is.
            await Eventually(async () => (await Events<AttemptFailed>(run)).Count == failed, () => "it did not fail");
            Time.Advance(TimeSpan.FromSeconds(2 * failed));
        }
        await End(run);
        from.Should().Equal(0, 10, 20);
        (await Events<AttemptHeartbeat>(run)).Select(b => b.Details.To<int>()).Should().Equal([1, 10, 11, 20], "those between were not worth an append");
    }

    [Fact]
    public async Task Details_are_kept_from_time_to_time_for_when_the_host_dies()
    {
        ActivityContext? attempt = null;
        Script(c =>
        {
            attempt = c;
            return c.Attempt == 1 ? Outside.Hang() : Task.FromResult("done");
        });
        var run = await Start("beats", 1);
        await Eventually(() => Task.FromResult(attempt is not null), () => "it did not begin");
        var first = attempt!;
        first.Heartbeat(1);
        await Eventually(async () => (await Events<AttemptHeartbeat>(run)).Count == 1, () => "the first was not kept");
        for (var i = 2; i <= 50; i++) first.Heartbeat(i);
        Time.Advance(TimeSpan.FromSeconds(6));
        await Eventually(async () => (await Events<AttemptHeartbeat>(run)).Count == 2, () => "the last was not kept");
        first.Heartbeat(50);
        Time.Advance(TimeSpan.FromSeconds(6));
        first.Heartbeat(51);
        await Eventually(async () => (await Events<AttemptHeartbeat>(run)).Count == 3, () => "a change was not kept");
        await KillAndRestart();
        (await Result<string>(run)).Should().Be("done");
        from.Should().Equal(0, 51);
        (await Events<AttemptHeartbeat>(run)).Select(b => b.Details.To<int>()).Should().Equal(1, 50, 51);
    }

    [Fact]
    public async Task Details_that_are_too_large_are_refused_where_they_are_given()
    {
        Exception? thrown = null;
        Script(c =>
        {
            try
            {
                c.Heartbeat(new string('x', 70_000));
            }
            catch (ArgumentException e)
            {
                thrown = e;
            }
            return Task.FromResult("done");
        });
        (await Result<string>(await Start("beats", 1))).Should().Be("done");
        thrown!.Message.Should().Contain("65,536").And.Contain("70,002");
    }
}

public sealed class HeartbeatInMemory(InMemory store) : HeartbeatConformance(store), IClassFixture<InMemory>;

public sealed class HeartbeatOnPostgres(OnPostgres store) : HeartbeatConformance(store), IClassFixture<OnPostgres>;
