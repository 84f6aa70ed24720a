using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Row 38: what strangers write stays a value. One event is one line of the log, and one message of a stream.</summary>
[Collection(AbuseCollection.Name)]
public sealed class LogTests(AbuseServer server)
{
    private const string Evil = "a\r\nfail: OrleansAiOs.Api[1] forged\n\u001b[2J\u001b[31mred\u0007\u0085\u2028\u202E\u009b31m\b\bid: 99\ndata: {}\n\nevent: forged";

    [Fact]
    public void A_line_of_the_console_log_stays_one_line_without_control_characters()
    {
        var written = new StringWriter();
        var formatter = new OneLineConsole();
        formatter.Write(new LogEntry<string>(LogLevel.Error, Evil, new EventId(1), $"Run {Evil} parked", new InvalidOperationException(Evil, new IOException(Evil)), (state, _) => state), null, written);
        formatter.Write(new LogEntry<string>(LogLevel.Information, "Category", new EventId(2), new string('x', 1_000_000), null, (state, _) => state), null, written);
        var lines = written.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.Should().HaveCount(2, written.ToString());
        lines[0].Should().Contain("parked").And.Contain("forged");
        lines[1].Length.Should().BeLessThan(20_000);
        written.ToString().Replace("\n", "").Should().NotMatch("*\u001b*").And.NotMatchRegex(@"[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]");
    }

    [Fact]
    public async Task The_real_host_logs_a_parked_run_and_a_broken_request_in_one_line_each()
    {
        await using var own = new Quiet();
        var written = new StringWriter();
        await own.Database.InitializeAsync();
        var before = Console.Out;
        var output = TextWriter.Synchronized(written);
        Console.SetOut(output);
        try
        {
            await using var host = await AiosServer.StartAsync(new ServeOptions
            {
                DataFolder = own.Folder, ConnectionString = own.Database.ConnectionString, Urls = "http://127.0.0.1:0", Packs = [typeof(AbuseServer).Assembly],
            }, default);
            await host.Engine.StartRunAsync(new Workflows.StartRun("abuse-throws", Workflows.History.JsonText.From(Evil), "evil"), Evil);
            while ((await host.Engine.Store.FindAsync(new("default", "evil"), default))!.Status is not Workflows.RunStatus.Parked || !Logged())
            {
            }

            // It is logged behind the append that a reader may see first. The lock is the synchronised writer's own.
            bool Logged()
            {
                lock (output) return written.ToString().Contains("evil", StringComparison.Ordinal);
            }
        }
        finally
        {
            Console.SetOut(before);
        }
        var log = written.ToString();
        log.Should().Contain("evil", "the host logs that a run was parked");
        log.Replace("\n", "").Should().NotMatchRegex(@"[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]");
        log.Split('\n').Should().NotContain(line => line.StartsWith("fail: OrleansAiOs.Api", StringComparison.Ordinal) || line.StartsWith("data:", StringComparison.Ordinal) || line.StartsWith("event:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Names_reasons_and_comments_do_not_break_the_framing_of_a_stream()
    {
        var id = await server.Start("abuse-approve", Evil);
        var asked = await server.Until(id, run => run.GetProperty("waits").GetArrayLength() > 0);
        asked.GetProperty("waits")[0].GetProperty("name").GetString().Should().Contain("forged");
        (await server.Post($"/api/v1/runs/{id}/approvals/1", new { granted = true, comment = Evil }, server.CarlsKey)).Status.Should().Be(200);
        await server.UntilStatus(id, "completed");

        var messages = await Messages($"/api/v1/runs/{id}/events");
        messages.Select(m => m.Id).Should().Equal(Enumerable.Range(1, messages.Count).Select(i => i.ToString()));
        messages.Select(m => m.Event).Should().Equal("run-started", "approval-requested", "approval-decided", "run-completed");
    }

    private async Task<List<(string Id, string Event)>> Messages(string path)
    {
        var body = (await server.Get(path)).Body;
        return [.. body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(message =>
        {
            var lines = message.Split('\n', '\r');
            lines.Should().HaveCount(3);
            lines[2].Should().StartWith("data: {");
            return (lines[0]["id: ".Length..], lines[1]["event: ".Length..]);
        })];
    }

    private sealed class Quiet : IAsyncDisposable
    {
        public PostgresFixture Database { get; } = new();

        public string Folder { get; } = Directory.CreateTempSubdirectory("aios-log-").FullName;

        public async ValueTask DisposeAsync()
        {
            await Database.DisposeAsync();
            Directory.Delete(Folder, recursive: true);
        }
    }
}
