using System.Net;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Packs.InvoiceToPay.Tests.Pipeline;

/// <summary>Documents that keep every rule, and receivers whose answer says nothing: no money leaves by them unasked, and none is believed to have left.</summary>
public sealed class DoubtfulMoneyTests
{
    private const string Total = "<cbc:PayableAmount currencyID=\"EUR\">295.44</cbc:PayableAmount>";

    [Theory]
    [InlineData(Total, "<cbc:PrepaidAmount currencyID=\"EUR\">-9000.00</cbc:PrepaidAmount><cbc:PayableAmount currencyID=\"EUR\">9295.44</cbc:PayableAmount>", Roles.Controller, "9,295.44 EUR is due, more than its total of 295.44 EUR")]
    [InlineData("<cac:PaymentMeans>", "<cac:PayeeParty><cac:PartyName><cbc:Name>Other Ltd</cbc:Name></cac:PartyName></cac:PayeeParty><cac:PaymentMeans>", Roles.Controller, "the money goes to Other Ltd, and not to who sent it")]
    [InlineData(">380<", ">325<", Roles.Controller, "its type 325 may be no demand for payment")]
    public void Nothing_is_posted_or_paid_before_somebody_was_asked(string text, string by, string role, string asked) => Refused("01", role, asked, (text, by));

    [Fact]
    public void What_is_booked_as_bought_is_asked_about_also_where_nothing_is_due() => Refused("03", Roles.Buyer, "no purchase order", ("<cbc:PayableAmount currencyID=\"EUR\">1121.92</cbc:PayableAmount>",
        "<cbc:PrepaidAmount currencyID=\"EUR\">1121.92</cbc:PrepaidAmount><cbc:PayableAmount currencyID=\"EUR\">0.00</cbc:PayableAmount>"));

    [Fact]
    public void Who_gets_the_money_is_part_of_what_is_signed_for()
    {
        var pipeline = new Pipeline();
        pipeline.World.Run(async _ =>
        {
            var run = await pipeline.BringInAsync("03");
            await pipeline.World.UntilAsync(run, row => row.AwaitsApproval);
            var subject = (await pipeline.World.Store.ReadAsync(run, 1, default)).Select(e => e.Read()).OfType<ApprovalRequested>().Single().Subject;
            subject.To<ForApproval>()!.Payee.Should().Be("Stadtwerke Ostheim AG");
        }, within: TimeSpan.FromDays(1));
    }

    [Theory]
    [InlineData("POST", "/bank/payments", """{"status":"maintenance"}""")]
    [InlineData("POST", "/bank/payments", """{"id":"B-9","iban":"DE89370400440532013000","amount":"0.44"}""")]
    [InlineData("POST", "/bank/payments", """{"id":"B-9","iban":"NL91ABNA0417164300","amount":"295.44"}""")]
    [InlineData("POST", "/bank/payments", """{"id":"","iban":"DE89370400440532013000","amount":"295.44"}""")]
    [InlineData("POST", "/ledger/postings", "{}")]
    [InlineData("POST", "/ledger/postings", """{"id":" "}""")]
    public void An_answer_that_lacks_what_it_is_an_answer_by_settles_nothing(string method, string path, string answer)
    {
        var pipeline = new Pipeline(between: books => new Answering(books, method, path, answer));
        pipeline.World.Run(async _ =>
        {
            var settled = await pipeline.EndOfAsync(await pipeline.BringInAsync("01"));
            settled!.Outcome.Should().Be(SettlementOutcome.Paid);
            (settled.PostingId, settled.PaymentId).Should().Be(("P-000001", "B-000001"));
        }, within: TimeSpan.FromDays(1));
        pipeline.Books.Books().Bank.References.Sum(reference => reference.Payments).Should().Be(1);
        pipeline.Books.Books().Ledger.Keys.Sum(key => key.Postings).Should().Be(1);
    }

    [Theory]
    [InlineData("""{"payments":[{}]}""")]
    [InlineData("""{"payments":[null]}""")]
    [InlineData("{}")]
    [InlineData("""{"payments":[{"id":"B-9","iban":"DE89370400440532013000","amount":"5.44"}]}""")]
    public void An_inquiry_that_is_answered_so_leaves_the_outcome_unknown(string answer)
    {
        var pipeline = new Pipeline(between: books => new Answering(new Answering(books, "GET", "/bank/payments", answer, times: int.MaxValue), "POST", "/bank/payments", "{}"));
        pipeline.World.Run(async _ =>
        {
            var run = await pipeline.BringInAsync("01");
            (await pipeline.World.UntilAsync(run, row => row.ClosedAt is not null || row.Waits.Any(wait => wait.Kind == "outcome-unknown"))).ClosedAt.Should().BeNull();
        }, within: TimeSpan.FromDays(30));
        pipeline.Books.Books().Bank.References.Should().BeEmpty("nothing was sent again, and nothing voided");
    }

    [Fact]
    public void A_mended_document_waits_for_the_bad_one_and_is_paid_once_that_is_refused()
    {
        var pipeline = new Pipeline();
        pipeline.World.Run(async _ =>
        {
            var bad = await pipeline.BringInAsync("03");
            await pipeline.World.UntilAsync(bad, row => row.AwaitsApproval);
            var mended = await pipeline.BringInAsync("03", ("Meter rental", "Rental of a meter"));
            var third = await pipeline.BringInAsync("03", ("Meter rental", "Rental of the meter"));
            foreach (var waiting in new[] { mended, third }) (await pipeline.World.UntilAsync(waiting, row => row.Waits.Any(wait => wait.Kind == "timer"))).ClosedAt.Should().BeNull();
            await pipeline.DecideAsync(bad, Roles.Buyer, false);
            (await pipeline.EndOfAsync(bad))!.Outcome.Should().Be(SettlementOutcome.Rejected);

            var (first, second) = (await AskedAsync(mended), await AskedAsync(third));
            (first ^ second).Should().BeTrue("one of them has the number now");
            var (asked, other) = first ? (mended, third) : (third, mended);
            await pipeline.DecideAsync(asked, Roles.Buyer, true);
            (await pipeline.EndOfAsync(asked))!.Outcome.Should().Be(SettlementOutcome.Paid);
            var twin = await pipeline.EndOfAsync(other);
            (twin!.Outcome, twin.Why.Contains(asked.Id)).Should().Be((SettlementOutcome.Duplicate, true));
        }, within: TimeSpan.FromDays(3));
        pipeline.Books.Books().Bank.References.Sum(reference => reference.Payments).Should().Be(1);

        async Task<bool> AskedAsync(RunKey run)
        {
            await Task.Delay(TimeSpan.FromHours(2), pipeline.World.Time);
            return (await pipeline.World.Store.FindAsync(run, default))!.AwaitsApproval;
        }
    }

    [Fact]
    public async Task What_a_build_of_before_has_read_and_nobody_can_book_is_rejected_and_gives_its_number_back()
    {
        var read = SampleDoc.Read("01");
        var unbalanced = new Reading(read with { Totals = read.Totals! with { Payable = 1m } }, null);
        var register = new InvoicesInMemory();
        await using var host = await new WorkflowTestHost(Pipeline.Registry, services => services.AddSingleton<IInvoiceRegister>(register).AddSingleton(new InvoiceSettings()))
            .Replace(Invoicing.Read, (_, _) => unbalanced).StartAsync();
        var settled = await host.ResultOf<Settlement>(await host.StartRunAsync("invoice-to-pay", new PayloadRef(new string('0', 64), 1)));
        (settled.Outcome, settled.Why).Should().Be((SettlementOutcome.Rejected, "The document does not add up, so it cannot be booked."));
        (await register.ClaimAsync(null!, RunKey.DefaultTenant, [DocumentFingerprint.DuplicateKey(read)], "another", endIsTold: false)).Holder.Should().Be("another");
    }

    [Fact]
    public void A_document_over_nothing_is_settled_and_nothing_is_posted()
    {
        var pipeline = new Pipeline();
        pipeline.World.Run(async _ =>
        {
            var free = new SampleDocument("F-1", new SampleSupplier("Papier Lindqvist GmbH", "DE811907980", "Hamburg", "DE", "DE89370400440532013000"), new DateOnly(2025, 12, 1), new SampleLine("Replacement", 1, 0));
            var settled = await pipeline.EndOfAsync(await pipeline.BringInAsync(free.ToUbl()));
            (settled!.Outcome, settled.PostingId).Should().Be((SettlementOutcome.NothingDue, null));
        }, within: TimeSpan.FromDays(1));
        pipeline.Books.Books().Ledger.Keys.Should().BeEmpty();
    }

    [Fact]
    public void Names_and_numbers_of_any_length_reach_the_ledger_and_the_bank()
    {
        var pipeline = new Pipeline();
        pipeline.World.Run(async _ => (await pipeline.EndOfAsync(await pipeline.BringInAsync("01", ("<cbc:ID>L-2001</cbc:ID>", $"<cbc:ID>L-{new string('1', 400)}</cbc:ID>"),
            ("Papier Lindqvist GmbH", new string('P', 400)))))!.Outcome.Should().Be(SettlementOutcome.Paid), within: TimeSpan.FromDays(1));
    }

    private static void Refused(string sample, string role, string asked, (string Text, string By) exchanged)
    {
        var pipeline = new Pipeline();
        pipeline.World.Run(async _ =>
        {
            var run = await pipeline.BringInAsync(sample, exchanged);
            (await pipeline.World.UntilAsync(run, row => row.ClosedAt is not null || row.AwaitsApproval)).Waits.Should().ContainSingle(wait => wait.Role == role).Which.Name.Should().Contain(asked);
            await pipeline.DecideAsync(run, role, false);
            (await pipeline.EndOfAsync(run))!.Outcome.Should().Be(SettlementOutcome.Rejected);
        }, within: TimeSpan.FromDays(3));
        pipeline.Books.Books().Ledger.Keys.Should().BeEmpty();
        pipeline.Books.Books().Bank.References.Should().BeEmpty();
    }

    /// <summary>Says something of its own in place of the receiver, which hears nothing.</summary>
    private sealed class Answering(HttpMessageHandler books, string method, string path, string answer, int times = 1) : DelegatingHandler(books)
    {
        private int left = times;

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            request.Method.Method == method && request.RequestUri!.AbsolutePath == path && left-- > 0
                ? Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request, Content = new StringContent(answer, Encoding.UTF8, "application/json") })
                : base.SendAsync(request, cancellationToken);
    }
}
