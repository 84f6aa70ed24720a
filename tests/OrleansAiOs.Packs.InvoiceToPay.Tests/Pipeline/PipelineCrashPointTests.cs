using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Sandbox;
using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using Xunit.Abstractions;
using CrashPass = OrleansAiOs.Testing.CrashPoints.CrashPoints;

namespace OrleansAiOs.Packs.InvoiceToPay.Tests.Pipeline;

/// <summary>
/// Every I/O of the whole pipeline — each append and read, each call of ledger, bank and desk — fails before, loses its reply after, and
/// is the last thing its host does, before and after. Whichever it was: nothing is lost and nothing is doubled, at the ledger and at the
/// bank, which pays whatever reaches it.
/// </summary>
public sealed class PipelineCrashPointTests(ITestOutputHelper output)
{
    /// <param name="Steer">What people do meanwhile.</param>
    internal sealed record Story(string Sample, SettlementOutcome? Outcome, int Postings, int Reversals, int Payments, int Notices, Func<Pipeline, RunKey, Task>? Steer = null);

    internal static readonly Dictionary<string, Story> Stories = new()
    {
        ["paid at once"] = new("01", SettlementOutcome.Paid, 1, 0, 1, 1),
        ["paid at once and settled under all its keys"] = new("02", SettlementOutcome.Paid, 1, 0, 1, 1),
        ["paid after a person accepted that there is no order"] = new("03", SettlementOutcome.Paid, 1, 0, 1, 1, (pipeline, run) => pipeline.DecideAsync(run, Roles.Buyer, true)),
        ["paid after a buyer let it go beyond its order"] = new("13", SettlementOutcome.Paid, 1, 0, 1, 1, (pipeline, run) => pipeline.DecideAsync(run, Roles.Buyer, true)),
        ["refused by the controller"] = new("05", SettlementOutcome.Rejected, 0, 0, 0, 0, (pipeline, run) => pipeline.DecideAsync(run, Roles.Controller, false)),
        ["paid when it is due"] = new("06", SettlementOutcome.Paid, 1, 0, 1, 1,
            (pipeline, run) => pipeline.World.UntilAsync(run, row => row.Waits.Any(wait => wait.Kind == "timer"))),
        ["does not add up"] = new("08", SettlementOutcome.Rejected, 0, 0, 0, 0),
        ["credited"] = new("09", SettlementOutcome.Credited, 1, 0, 0, 1),
        ["refused by the bank, and reversed"] = new("12", SettlementOutcome.Rejected, 1, 1, 0, 0),
        ["cancelled while it waits, and reversed"] = new("06", null, 1, 1, 0, 0, async (pipeline, run) =>
        {
            await pipeline.World.UntilAsync(run, row => row.Waits.Any(wait => wait.Kind == "timer"));
            await pipeline.World.SendAsync(host => host.CancelAsync(run, "sent in error", "anna", "cancel"));
        }),
    };

    public static TheoryData<string> Names => [.. Stories.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Nothing_is_lost_or_doubled_whichever_IO_goes_wrong(string name)
    {
        var report = await CrashPass.RunAsync(points =>
        {
            Tell(Stories[name], points);
            return Task.CompletedTask;
        });
        output.WriteLine($"{report.Passes} I/Os struck: {string.Join(", ", report.Struck.Select(mode => $"{mode.Key} {mode.Value.Count}"))}");
        report.Failures.Should().BeEmpty();
        report.Struck.Should().HaveCount(4).And.OnlyContain(mode => mode.Value.Count > 3);
    }

    [Fact]
    public void Documents_that_each_fit_their_order_do_not_exceed_it_together_unasked()
    {
        var pipeline = new Pipeline(orders: new PurchaseOrders([new PurchaseOrder("PO-1001", "DE811907980", "EUR", 600m), new PurchaseOrder("PO-1003", "DE811907980", "EUR", 600m)]));
        pipeline.World.Run(async _ =>
        {
            var runs = new List<RunKey>();
            for (var i = 0; i < 2; i++) runs.Add(await pipeline.BringInAsync("01", ("L-2001", $"L-2001-{i}")));
            foreach (var run in runs) (await pipeline.EndOfAsync(run))!.Outcome.Should().Be(SettlementOutcome.Paid);
            var third = await pipeline.BringInAsync("01", ("L-2001", "L-2001-2"));
            (await AskedAsync(third)).Should().Contain("other documents have taken 505.00 of 600.00");
            await pipeline.DecideAsync(third, Roles.Buyer, false);
            (await pipeline.EndOfAsync(third))!.Outcome.Should().Be(SettlementOutcome.Rejected);
            // A refused payment gives back what it took, within the order or beyond it: there is room for one such at a time.
            var beyond = await pipeline.BringInAsync("01", ("L-2001", "L-2001-3"), ("DE89370400440532013000", SampleInvoices.RefusedAccount));
            await pipeline.DecideAsync(beyond, Roles.Buyer, true);
            (await pipeline.EndOfAsync(beyond))!.Why.Should().Contain("bank refused");
            for (var i = 0; i < 2; i++)
            {
                var refused = await pipeline.BringInAsync("12", ("L-2003", $"L-2003-{i}"));
                (await pipeline.EndOfAsync(refused))!.Why.Should().Contain("bank refused");
            }
            // What a buyer has let pass beyond the order is taken of it all the same: nobody else finds that left.
            foreach (var (sample, number, order, taken) in new[] { ("01", "L-2001", "PO-1001", "757.50"), ("13", "L-2004", "PO-1003", "712.50") })
            {
                var passed = await pipeline.BringInAsync(sample, (number, $"{number}-4"));
                await pipeline.DecideAsync(passed, Roles.Buyer, true);
                (await pipeline.EndOfAsync(passed))!.Outcome.Should().Be(SettlementOutcome.Paid);
                (await AskedAsync(await pipeline.BringInAsync("12", ("L-2003", $"L-2003-{order}"), ("PO-1001", order)))).Should().Contain($"other documents have taken {taken} of 600.00");
            }
        }, within: TimeSpan.FromDays(365));

        async Task<string> AskedAsync(RunKey run) => (await pipeline.World.UntilAsync(run, row => row.Waits.Any(wait => wait.Kind == "approval"))).Waits.Single().Name!;
    }

    [Fact]
    public void What_was_paid_is_paid_also_when_the_desk_refuses_to_hear_of_it()
    {
        var pipeline = new Pipeline(between: books => new DeafDesk(books));
        pipeline.World.Run(async _ =>
        {
            var run = await pipeline.BringInAsync("01");
            (await pipeline.EndOfAsync(run))!.Outcome.Should().Be(SettlementOutcome.Paid);
            (await pipeline.World.Store.FindAsync(run, default))!.Attributes!["notice"].Should().Contain("422");
        }, within: TimeSpan.FromDays(1));
    }

    private sealed class DeafDesk(HttpMessageHandler books) : DelegatingHandler(books)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            request.RequestUri!.AbsolutePath == "/notify"
                ? Task.FromResult(new HttpResponseMessage(System.Net.HttpStatusCode.UnprocessableEntity) { RequestMessage = request, Content = new StringContent("") })
                : base.SendAsync(request, cancellationToken);
    }

    [Fact]
    public void A_payment_held_back_arrives_after_the_inquiry_and_is_refused()
    {
        var pipeline = new Pipeline(hostility: new Hostility
        {
            Script = [new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.Hold, Hold = new Hold { For = TimeSpan.FromMinutes(10) } }],
        });
        pipeline.World.Run(async _ =>
        {
            var run = await pipeline.BringInAsync("01");
            (await pipeline.EndOfAsync(run))!.Outcome.Should().Be(SettlementOutcome.Paid);
            while (pipeline.Books.Books().Held > 0) await Task.Delay(TimeSpan.FromMinutes(1), pipeline.World.Time);
        }, within: TimeSpan.FromDays(1));
        var references = pipeline.Books.Books().Bank.References;
        references.Should().HaveCount(2);
        references.Sum(reference => reference.Payments).Should().Be(1);
        references.Single(reference => reference.Voids == 1).Should().Match<BankReferenceBooks>(held => held.Reached == 1 && held.Payments == 0);
    }

    [Fact]
    public void The_same_document_answers_with_its_first_run_and_a_twin_is_a_duplicate()
    {
        var pipeline = new Pipeline();
        pipeline.World.Run(async _ =>
        {
            var first = await pipeline.BringInAsync("01");
            (await pipeline.EndOfAsync(first))!.Outcome.Should().Be(SettlementOutcome.Paid);
            (await pipeline.BringInAsync("01")).Should().Be(first);
            var twin = await pipeline.EndOfAsync(await pipeline.BringInAsync("07"));
            twin!.Outcome.Should().Be(SettlementOutcome.Duplicate);
            twin.Why.Should().Contain(first.Id);
        }, within: TimeSpan.FromDays(1));
        pipeline.Books.Books().Bank.References.Sum(reference => reference.Payments).Should().Be(1);
    }

    private static void Tell(Story story, CrashPass points)
    {
        var pipeline = new Pipeline(points);
        pipeline.World.Run(async _ =>
        {
            var run = await pipeline.BringInAsync(story.Sample);
            if (story.Steer is not null) await story.Steer(pipeline, run);
            (await pipeline.EndOfAsync(run))?.Outcome.Should().Be(story.Outcome);
        }, within: TimeSpan.FromDays(365));

        var books = pipeline.Books.Books();
        books.Ledger.Keys.Where(key => key.Postings + key.Reversals > 1).Should().BeEmpty();
        books.Ledger.Keys.Sum(key => key.Postings).Should().Be(story.Postings);
        books.Ledger.Keys.Sum(key => key.Reversals).Should().Be(story.Reversals);
        books.Bank.References.Sum(reference => reference.Payments).Should().Be(story.Payments);
        books.Notify.Keys.Sum(key => key.Messages).Should().Be(story.Notices);
        var checker = new HistoryChecker(new CheckerOptions { Registry = Pipeline.Registry, AllHaveEnded = true });
        pipeline.World.Facts().SelectMany(checker.Check).Concat(checker.CheckRest()).Should().BeEmpty();
    }
}
