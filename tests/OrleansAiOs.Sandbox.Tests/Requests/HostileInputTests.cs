using System.Net;
using System.Net.Http.Headers;
using static OrleansAiOs.Sandbox.Tests.SandboxClient;

namespace OrleansAiOs.Sandbox.Tests;

public sealed class HostileInputTests : IDisposable
{
    private readonly Sandbox sandbox = new();
    private readonly SandboxClient caller;

    public HostileInputTests() => caller = Of(sandbox);

    public void Dispose()
    {
        caller.Dispose();
        sandbox.Dispose();
    }

    public static TheoryData<string, string> UnreadablePayments => new()
    {
        { "", "body" },
        { "null", "body" },
        { "[]", "body" },
        { "{", "body" },
        { "\"\\ud800\"", "body" },
        { """{"reference":"r","reference":"r"}""", "reference" },
        { """{"reference":"r","Reference":"r"}""", "Reference" },
        { """{"reference":1}""", "reference" },
        { """{"reference":"\ud800"}""", "reference" },
        { """{"surprise":1}""", "surprise" },
        { """{"account":"x"}""", "account" },
        { """{"reference":"r",}""", "body" },
        { """{"reference":"r"} {}""", "body" },
        { "{/* why */}", "body" },
        { new string('[', 100_000), "body" },
        { """{"amount":true}""", "amount" },
    };

    [Theory]
    [MemberData(nameof(UnreadablePayments))]
    public async Task A_body_that_is_not_exactly_what_is_asked_is_refused_with_its_place_and_an_example(string body, string field)
    {
        var answer = await caller.Pay(body);

        answer.Status.Should().Be(HttpStatusCode.BadRequest);
        answer.ContentType!.MediaType.Should().Be("application/problem+json");
        answer.Text("status").Should().Be("400");
        answer.Text("field").Should().Be(field);
        answer.Text("cure").Should().Contain("\"creditor\"");
        answer.Text("detail").Should().NotContain("OrleansAiOs").And.NotContain("System.");
        sandbox.Books().Bank.Should().BeEquivalentTo(new BankBooks(Unreadable: 1, []));
    }

    [Theory]
    [InlineData("\"1.000\"")]
    [InlineData("1.000")]
    [InlineData("1e2")]
    [InlineData("\"1e2\"")]
    [InlineData("\" 1\"")]
    [InlineData("\"+1\"")]
    [InlineData("\"1,00\"")]
    [InlineData("\"1.\"")]
    [InlineData("\".5\"")]
    [InlineData("\"--1\"")]
    [InlineData("\"\"")]
    [InlineData("\"1\\u0030\"")]
    [InlineData("\"١\"")]
    [InlineData("\"NaN\"")]
    [InlineData("1234567890123456")]
    public async Task An_amount_that_is_not_exact_to_the_cent_is_refused(string amount)
    {
        var answer = await caller.Pay(Payment(amount: amount));

        answer.Status.Should().Be(HttpStatusCode.BadRequest);
        answer.Text("field").Should().Be("amount");
        answer.Text("detail").Should().Contain("2 decimals");
    }

    [Theory]
    [InlineData("0.1", "0.10")]
    [InlineData("\"0.29\"", "0.29")]
    [InlineData("123456789012345.67", "123456789012345.67")]
    [InlineData("\"007\"", "7.00")]
    public async Task An_exact_amount_is_taken_as_number_or_string(string amount, string paid) =>
        (await caller.Pay(Payment(amount: amount))).Text("amount").Should().Be(paid);

    [Fact]
    public async Task A_number_of_a_million_digits_is_refused_at_once() =>
        (await caller.Pay(Payment(amount: new string('9', 1_000_000)))).Status.Should().Be(HttpStatusCode.BadRequest);

    [Fact]
    public async Task A_body_over_a_megabyte_is_refused() =>
        (await caller.Pay(Payment(new string('x', 1024 * 1024)))).Status.Should().Be(HttpStatusCode.RequestEntityTooLarge);

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    public async Task A_body_not_announced_as_json_is_refused(string type)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/bank/payments") { Content = new StringContent(Payment()) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(type);

        (await caller.Send(request)).Status.Should().Be(HttpStatusCode.UnsupportedMediaType);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ключ")]
    [InlineData("a\u0007b")]
    [InlineData("a\nb")]
    public async Task An_idempotency_key_that_is_not_plain_is_refused(string key)
    {
        var reply = await sandbox.HandleAsync(new SandboxRequest("POST", "/notify")
        {
            IdempotencyKey = key,
            ContentType = "application/json",
            Body = "{}"u8.ToArray(),
        });

        reply.Status.Should().Be(400);
    }

    [Theory]
    [InlineData("GET", "/nowhere", 404)]
    [InlineData("GET", "/", 404)]
    [InlineData("GET", "", 400)]
    [InlineData("GET", "*", 400)]
    [InlineData("DELETE", "/ledger/postings", 405)]
    [InlineData("DELETE", "/bank/payments", 405)]
    [InlineData("POST", "/books", 405)]
    [InlineData("GET", "/bank/payments", 422)]
    [InlineData("GET", "/bank/payments?reference=a+b", 400)]
    [InlineData("GET", "/bank/payments?reference=a&reference=b", 400)]
    [InlineData("GET", "/bank/payments?reference=%FF", 400)]
    [InlineData("GET", "/bank/payments?reference=%ED%A0%80", 400)]
    [InlineData("GET", "/bank/payments?reference=%4", 400)]
    [InlineData("GET", "/bank/payments?reference=%zz", 400)]
    [InlineData("POST", "/bank/references/../void", 422)]
    [InlineData("POST", "/bank/references/%2e%2e/void", 422)]
    [InlineData("POST", "/bank/references//void", 422)]
    [InlineData("GET", "/ledger/postings/P-1", 404)]
    public async Task A_target_that_leads_nowhere_is_a_problem_not_a_crash(string method, string target, int status)
    {
        var reply = await sandbox.HandleAsync(new SandboxRequest(method, target));

        reply.Status.Should().Be(status);
        reply.ContentType.Should().Be("application/problem+json");
    }

    [Fact]
    public async Task A_wrong_method_is_told_the_right_ones()
    {
        var reply = await sandbox.HandleAsync(new SandboxRequest("DELETE", "/bank/payments"));

        reply.Headers["Allow"].Should().Be("GET, POST");
    }
}
