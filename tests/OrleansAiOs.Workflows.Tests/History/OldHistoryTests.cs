using System.Text.Json;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Tests.Engine;
using OrleansAiOs.Workflows.Timers;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Tests.History;

/// <summary>
/// Histories that builds of the past have written, replayed for ever. Each was produced by the real engine; a file that is missing is
/// written anew by its scenario, for review. One that is there is never rewritten.
/// </summary>
public sealed class OldHistoryTests(InMemory stores) : EngineConformance(stores), IClassFixture<InMemory>
{
    private sealed record Stored(long Version, Guid Id, string Type, DateTimeOffset At, JsonElement Body);

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    protected override WorkflowRegistry Code => CodeOf(typeof(OldWorkflows));

    [Theory]
    [InlineData("old-steps", RunStatus.Completed)]
    [InlineData("old-retries", RunStatus.Failed)]
    [InlineData("old-saga", RunStatus.Cancelled)]
    [InlineData("old-approval", RunStatus.Completed)]
    [InlineData("old-unknown", RunStatus.Completed)]
    [InlineData("old-values", RunStatus.Completed)]
    [InlineData("old-waiting", RunStatus.Running)]
    public async Task A_history_of_the_past_replays_with_this_build(string name, RunStatus status)
    {
        var file = Path.Combine(EventFormTests.Folder(), "Histories", $"{name}.json");
        if (!File.Exists(file))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await File.WriteAllTextAsync(file, JsonSerializer.Serialize(await Produce(name), Json) + "\n");
            Assert.Fail($"{file} was missing and has been written by the engine as it is now. Review and commit it.");
        }
        var stored = JsonSerializer.Deserialize<List<Stored>>(await File.ReadAllTextAsync(file), Json)!;
        var history = stored.Select(e => new StoredEvent(e.Version, e.Id, e.Type, JsonSerializer.SerializeToUtf8Bytes(e.Body), e.At)).ToList();

        // Whole, and as it stood after each of its turns: a host may die after any of them.
        for (var length = 1; length <= history.Count; length++)
        {
            if (length < history.Count && history[length].Read().IsCommand) continue;
            var run = WorkflowRun.Load(new RunKey("default", name), history.GetRange(0, length), Context());
            run.LoadFault.Should().BeNull($"its first {length} events replay");
            run.State.Version.Should().Be(length);
            if (length == history.Count) run.State.Status.Should().Be(status);
        }
    }

    [Fact]
    public async Task Another_order_of_the_same_events_does_not_replay()
    {
        var file = Path.Combine(EventFormTests.Folder(), "Histories", "old-saga.json");
        var stored = JsonSerializer.Deserialize<List<Stored>>(await File.ReadAllTextAsync(file), Json)!;
        var scheduled = stored.FindLastIndex(e => e.Type == "step-scheduled");
        var tampered = stored.Select((e, i) => new StoredEvent(e.Version, e.Id, i == scheduled ? "timer-set" : e.Type,
            i == scheduled ? """{"step":5,"due":"2026-01-01T00:00:00Z"}"""u8.ToArray() : JsonSerializer.SerializeToUtf8Bytes(e.Body), e.At)).ToList();
        WorkflowRun.Load(new RunKey("default", "old-saga"), tampered, Context()).LoadFault.Should().NotBeNull();
    }

    private RunContext Context() => new()
    {
        Registry = Code, HostId = "replay", Clock = new StoreClock(Time), Ids = new IdSource(1), IsLiving = _ => false, OnForeignWork = _ => what => throw new InvalidOperationException(what),
    };

    private async Task<List<Stored>> Produce(string name)
    {
        Outside.Answer = (tool, c) => tool switch
        {
            "fails" => throw new IOException("gone"),
            "once" when c.Attempt == 1 => throw new IOException("the answer was lost"),
            "by hand" => throw new IOException("lost too"),
            _ => Task.FromResult(tool),
        };
        Outside.Inquiry = _ => Task.FromResult(Reconciled<string>.NeverWill("voided"));
        var run = (await Host.StartRunAsync(new StartRun(name, JsonText.From(3), name, "INV-1", new Dictionary<string, string> { ["a"] = "b" }), "paula")).Run;
        var carl = new Decider("carl", ["controller"], "key");
        switch (name)
        {
            case "old-retries":
                await PassTimeUntilEnd(run);
                break;
            case "old-saga":
                await UntilWaits(run, "timer");
                await KillAndRestart();
                await Host.CancelAsync(run, "changed our mind", "paula", "key-1");
                break;
            case "old-approval":
                await Until(run, r => r.AwaitsApproval);
                await Host.DecideAsync(run, 1, true, carl, "fine", null, "key-1");
                await PassTimeUntilEnd(run, 600);
                break;
            case "old-unknown":
                await Until(run, r => r.Waits.Any(w => w is { Kind: "outcome-unknown", Step: 2 }));
                await Host.ResolveAsync(run, 2, true, JsonText.From("seen"), "on the statement", "paula");
                break;
            case "old-values":
                await UntilWaits(run, "timer");
                Time.Advance(TimeSpan.FromMinutes(2));
                await UntilWaits(run, "signal");
                await Signal(run, "number", 8);
                await Signal(run, "number", 80);
                break;
            case "old-waiting":
                await Until(run, r => r.Waits.Count == 3);
                return await Read();
        }
        await End(run);
        return await Read();

        async Task<List<Stored>> Read() => [.. (await Store.ReadAsync(run, 1, default)).Select(e => new Stored(e.Version, e.Id, e.Type, e.At, new JsonText(e.Body).ToElement()))];
    }
}
