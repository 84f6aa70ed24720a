using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Packs.InvoiceToPay.Tests.Pipeline;

/// <summary>Settlements of the past, for ever: each way the pipeline can end, and a thousand of them at once.</summary>
public sealed class OldSettlementTests
{
    public static TheoryData<string> Names => PipelineCrashPointTests.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public Task A_settlement_of_the_past_replays_byte_for_byte(string name) =>
        StoredHistories.ReplayAsync(Path.Combine(Folder(), "Histories", $"{name.Replace(",", "").Replace(' ', '-')}.ndjson"), Pipeline.Registry, () =>
        {
            var story = PipelineCrashPointTests.Stories[name];
            var pipeline = new Pipeline();
            pipeline.World.Run(async _ =>
            {
                var run = await pipeline.BringInAsync(story.Sample);
                if (story.Steer is not null) await story.Steer(pipeline, run);
                await pipeline.EndOfAsync(run);
            }, within: TimeSpan.FromDays(365));
            return pipeline.World.Facts().Select(facts => (facts.Run, facts.History)).ToList();
        });

    [Fact]
    public Task What_was_let_go_beyond_its_order_before_that_was_counted_replays_too() =>
        StoredHistories.ReplayAsync(Path.Combine(Folder(), "Histories", "paid-beyond-its-order-before-that-was-counted.ndjson"), Pipeline.Registry,
            () => throw new FileNotFoundException("The build before wrote this file, and none of today can: bring it back from the repository."));

    [Fact]
    public async Task A_thousand_stored_settlements_replay_byte_for_byte_and_nobody_is_called()
    {
        var calls = 0;
        var pipeline = new Pipeline(between: books => new Counting(books, () => calls++), orders: new PurchaseOrders([new PurchaseOrder("PO-1001", "DE811907980", "EUR", 1_000_000m)]));
        (string Sample, string Number)[] samples = [("01", "L-2001"), ("08", "VA-89"), ("09", "LG-15"), ("12", "L-2003")];
        pipeline.World.Run(async _ =>
        {
            var runs = new List<RunKey>();
            for (var i = 0; i < 1000; i++) runs.Add(await pipeline.BringInAsync(samples[i % 4].Sample, (samples[i % 4].Number, $"{samples[i % 4].Number}-{i}")));
            foreach (var run in runs) await pipeline.EndOfAsync(run);
        }, within: TimeSpan.FromDays(365));
        var stored = pipeline.World.Facts().Select(facts => (facts.Run, facts.History)).ToList();
        stored.Select(run => run.History[^1].Read()).OfType<RunCompleted>().Select(end => end.Result.To<Settlement>()!.Outcome).Distinct().Should().HaveCountGreaterThanOrEqualTo(3);
        calls.Should().BeGreaterThan(1000);

        var before = calls;
        using var file = new MemoryStream();
        await StoredHistories.WriteAsync(file, stored);
        file.Position = 0;
        (await StoredHistories.ReplayAsync(file, Pipeline.Registry, everyTurn: false)).Should().Be(1000);
        calls.Should().Be(before);
    }

    private sealed class Counting(HttpMessageHandler books, Action count) : DelegatingHandler(books)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            count();
            return base.SendAsync(request, cancellationToken);
        }
    }

    private static string Folder([System.Runtime.CompilerServices.CallerFilePath] string here = "") => Path.GetDirectoryName(here)!;
}
