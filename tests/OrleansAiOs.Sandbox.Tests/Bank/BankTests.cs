using System.Net;
using static OrleansAiOs.Sandbox.Tests.SandboxClient;

namespace OrleansAiOs.Sandbox.Tests;

public sealed class BankTests : IDisposable
{
    private readonly Sandbox sandbox = new();
    private readonly SandboxClient caller;

    public BankTests() => caller = Of(sandbox);

    public void Dispose()
    {
        caller.Dispose();
        sandbox.Dispose();
    }

    [Fact]
    public async Task The_bank_pays_the_same_order_as_often_as_it_comes()
    {
        await caller.Pay(Payment());
        var second = await caller.Pay(Payment());

        second.Status.Should().Be(HttpStatusCode.Created);
        second.Text("id").Should().Be("B-000002");
        var inquiry = await caller.Inquire("INV-1");
        inquiry.Json.GetProperty("payments").GetArrayLength().Should().Be(2);
        inquiry.Json.GetProperty("voided").GetBoolean().Should().BeFalse();
        sandbox.Books().Bank.References.Should()
            .Equal(new BankReferenceBooks("INV-1", Reached: 2, Payments: 2, Inquiries: 1, VoidRequests: 0, Voids: 0));
    }

    [Fact]
    public async Task An_inquiry_for_what_was_never_paid_answers_with_nothing()
    {
        var inquiry = await caller.Inquire("INV-1");

        inquiry.Status.Should().Be(HttpStatusCode.OK);
        inquiry.Json.GetProperty("payments").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public async Task A_voided_reference_is_never_paid_and_may_be_voided_again()
    {
        var answer = await caller.Void("INV-1");
        await caller.Void("INV-1");
        var late = await caller.Pay(Payment());

        answer.Json.GetRawText().Should().Be("""{"voided":true}""");
        late.Status.Should().Be(HttpStatusCode.Conflict);
        late.Text("title").Should().Be("reference voided");
        (await caller.Inquire("INV-1")).Json.GetProperty("voided").GetBoolean().Should().BeTrue();
        sandbox.Books().Bank.References.Should()
            .Equal(new BankReferenceBooks("INV-1", Reached: 1, Payments: 0, Inquiries: 1, VoidRequests: 2, Voids: 1));
    }

    [Fact]
    public async Task A_paid_reference_cannot_be_voided_and_the_payment_is_named()
    {
        var payment = await caller.Pay(Payment());
        var answer = await caller.Void("INV-1");

        answer.Status.Should().Be(HttpStatusCode.Conflict);
        answer.Text("type").Should().Be("urn:aios:sandbox:already-paid");
        answer.Json.GetProperty("payments")[0].GetProperty("id").GetString().Should().Be(payment.Text("id"));
        sandbox.Books().Bank.References.Single().Voids.Should().Be(0);
    }

    [Theory]
    [InlineData("DE02120300000000202051", "\"1.00\"", "iban")]
    [InlineData("de02 1203 0000 0000 2020 51", "\"1.00\"", "iban")]
    [InlineData("NL13RABO0377815500", "0", "amount")]
    [InlineData("NL13RABO0377815500", "\"-0.00\"", "amount")]
    [InlineData("NL13RABO0377815500", "-5", "amount")]
    [InlineData("NL13RABO0377815500", "null", "amount")]
    [InlineData("no account!", "1", "iban")]
    public async Task What_the_bank_will_never_pay_is_a_definite_no(string iban, string amount, string field)
    {
        var answer = await caller.Pay(Payment("INV-1", amount, iban));

        answer.Status.Should().Be(HttpStatusCode.UnprocessableEntity);
        answer.Text("field").Should().Be(field);
        sandbox.Books().Bank.References.Should().NotContain(r => r.Payments > 0);
    }

    [Theory]
    [InlineData("IBAN32423940")]
    [InlineData("NL03 INGB 0004489902")]
    [InlineData("SE1212341234123412")]
    public async Task Accounts_of_the_standards_own_examples_are_payable(string iban) =>
        (await caller.Pay(Payment(iban: iban))).Status.Should().Be(HttpStatusCode.Created);

    [Theory]
    [InlineData("a/b")]
    [InlineData("a+b c%2Fd?e=f&g#h")]
    [InlineData("Größe–\u202eрук\u0001\r\n\"\\")]
    [InlineData("...")]
    [InlineData("  ")]
    public async Task A_reference_holds_any_character(string reference)
    {
        await caller.Pay(Payment(reference));

        (await caller.Inquire(reference)).Json.GetProperty("payments")[0].GetProperty("reference").GetString().Should().Be(reference);
        (await caller.Void(reference)).Status.Should().Be(HttpStatusCode.Conflict);
        sandbox.Books().Bank.References.Should()
            .Equal(new BankReferenceBooks(reference, Reached: 1, Payments: 1, Inquiries: 1, VoidRequests: 1, Voids: 0));
    }

    [Fact]
    public async Task References_that_look_alike_are_different()
    {
        await caller.Void("INV-é");

        (await caller.Pay(Payment("INV-e\u0301"))).Status.Should().Be(HttpStatusCode.Created);
        (await caller.Pay(Payment("inv-é"))).Status.Should().Be(HttpStatusCode.Created);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a\0b")]
    public async Task A_reference_that_no_url_can_carry_is_refused(string reference)
    {
        var answer = await caller.Pay(Payment(reference));

        answer.Status.Should().Be(HttpStatusCode.UnprocessableEntity);
        answer.Text("field").Should().Be("reference");
    }

    [Fact]
    public async Task A_reference_has_at_most_200_characters()
    {
        (await caller.Pay(Payment(new string('é', 200)))).Status.Should().Be(HttpStatusCode.Created);
        (await caller.Void(new string('é', 200))).Status.Should().Be(HttpStatusCode.Conflict);
        (await caller.Pay(Payment(new string('x', 201)))).Status.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await caller.Void(new string('x', 201))).Status.Should().Be(HttpStatusCode.UnprocessableEntity);
    }

    [Fact]
    public void Of_a_thousand_payments_and_voids_at_once_whichever_came_first_excludes_the_other_kind()
    {
        for (var round = 0; round < 5; round++)
        {
            using var contended = new Sandbox(new SandboxOptions { Time = new DawdlingTime() });
            var paid = 0;
            var voided = 0;
            using var start = new Barrier(8);
            var threads = Enumerable.Range(0, 8).Select(thread => new Thread(() =>
            {
                var own = Of(contended);
                start.SignalAndWait();
                for (var i = thread; i < thread + 125; i++)
                {
                    // In process every call has ended when it returns.
                    Interlocked.Add(ref voided, i % 2 == 0 && own.Void("INV-1").Result.Status == HttpStatusCode.OK ? 1 : 0);
                    Interlocked.Add(ref paid, i % 2 == 1 && own.Pay(Payment()).Result.Status == HttpStatusCode.Created ? 1 : 0);
                }
            })).ToList();
            threads.ForEach(t => t.Start());
            threads.ForEach(t => t.Join());

            (paid, voided).Should().BeOneOf((0, 500), (500, 0));
            contended.Books().Bank.References.Should().Equal(
                new BankReferenceBooks("INV-1", Reached: 500, Payments: paid, Inquiries: 0, VoidRequests: 500, Voids: voided > 0 ? 1 : 0));
        }
    }

    // The bank reads the time between its decision and its booking: dawdling there opens the window a missing lock would leave.
    private sealed class DawdlingTime : TimeProvider
    {
        private int reads;

        public override DateTimeOffset GetUtcNow()
        {
            Thread.Sleep(Interlocked.Increment(ref reads) <= 20 ? 1 : 0);
            return DateTimeOffset.UnixEpoch;
        }
    }
}
