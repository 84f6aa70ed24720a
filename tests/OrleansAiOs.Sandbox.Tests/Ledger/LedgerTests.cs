using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using static OrleansAiOs.Sandbox.Tests.SandboxClient;

namespace OrleansAiOs.Sandbox.Tests;

public sealed class LedgerTests : IDisposable
{
    private readonly Sandbox sandbox = new();
    private readonly SandboxClient caller;

    public LedgerTests() => caller = Of(sandbox);

    public void Dispose()
    {
        caller.Dispose();
        sandbox.Dispose();
    }

    [Fact]
    public async Task A_posting_sent_twice_under_one_key_is_booked_once_and_answered_alike()
    {
        var first = await caller.Post("run-1/post", Posting());
        var second = await caller.Post("run-1/post", Posting());

        first.Status.Should().Be(HttpStatusCode.Created);
        first.Replayed.Should().BeFalse();
        second.Status.Should().Be(HttpStatusCode.Created);
        second.Replayed.Should().BeTrue();
        second.Body.Should().Equal(first.Body);
        sandbox.Books().Ledger.Keys.Should().Equal(new LedgerKeyBooks("run-1/post", Reached: 2, Postings: 1, Reversals: 0));
    }

    [Fact]
    public async Task A_replay_stays_the_first_answer_even_after_the_posting_was_reversed()
    {
        var first = await caller.Post("post", Posting());
        await caller.Reverse("reverse", first.Text("id"));

        (await caller.Post("post", Posting())).Body.Should().Equal(first.Body);
    }

    [Fact]
    public async Task The_same_request_written_differently_is_the_same_request()
    {
        await caller.Post("key", Posting(amount: "\"100.00\""));

        (await caller.Post("key", Posting(amount: "100"))).Replayed.Should().BeTrue();
    }

    [Fact]
    public async Task Another_request_under_a_used_key_is_refused()
    {
        var posting = await caller.Post("key", Posting());

        foreach (var other in new[] { await caller.Post("key", Posting("INV-2")), await caller.Reverse("key", posting.Text("id")) })
        {
            other.Status.Should().Be(HttpStatusCode.UnprocessableEntity);
            other.Text("type").Should().Be("urn:aios:sandbox:key-reused");
            other.Text("field").Should().Be("Idempotency-Key");
        }
    }

    [Fact]
    public async Task Postings_without_a_key_are_refused()
    {
        var answer = await caller.Send(HttpMethod.Post, "/ledger/postings", Posting());

        answer.Status.Should().Be(HttpStatusCode.BadRequest);
        answer.Text("field").Should().Be("Idempotency-Key");
        sandbox.Books().Ledger.Unreadable.Should().Be(1);
    }

    [Fact]
    public async Task An_unbalanced_posting_is_refused_with_its_figures()
    {
        var answer = await caller.Post("key", Posting().Replace("\"credit\":\"100.00\"", "\"credit\":\"99.98\"", StringComparison.Ordinal));

        answer.Status.Should().Be(HttpStatusCode.UnprocessableEntity);
        answer.ContentType!.MediaType.Should().Be("application/problem+json");
        answer.Text("type").Should().Be("urn:aios:sandbox:unbalanced");
        (answer.Amount("debit"), answer.Amount("credit"), answer.Amount("difference")).Should().Be((100.00m, 99.98m, 0.02m));
        sandbox.Books().Ledger.Keys.Should().Equal(new LedgerKeyBooks("key", Reached: 1, Postings: 0, Reversals: 0));
    }

    [Fact]
    public async Task A_refused_posting_does_not_use_up_its_key()
    {
        await caller.Post("key", Posting().Replace("4400\",\"debit\":\"100.00", "4400\",\"debit\":\"1.00", StringComparison.Ordinal));

        (await caller.Post("key", Posting())).Status.Should().Be(HttpStatusCode.Created);
    }

    [Fact]
    public async Task A_reversal_books_the_inverse_once()
    {
        var id = (await caller.Post("post", Posting())).Text("id");
        var reversal = await caller.Reverse("reverse", id);
        var again = await caller.Reverse("reverse", id);

        reversal.Status.Should().Be(HttpStatusCode.Created);
        reversal.Text("reverses").Should().Be(id);
        reversal.Json.GetProperty("lines")[0].GetProperty("credit").GetString().Should().Be("100.00");
        again.Replayed.Should().BeTrue();
        again.Body.Should().Equal(reversal.Body);
        (await caller.Get($"/ledger/postings/{id}")).Text("reversedBy").Should().Be(reversal.Text("id"));
        sandbox.Books().Ledger.References.Should().Equal(new LedgerReferenceBooks("INV-1", Postings: 1, Reversals: 1));
    }

    [Fact]
    public async Task Reversing_a_reversed_posting_under_another_key_is_a_conflict()
    {
        var id = (await caller.Post("post", Posting())).Text("id");
        var reversal = await caller.Reverse("reverse", id);
        var other = await caller.Reverse("reverse-2", id);

        other.Status.Should().Be(HttpStatusCode.Conflict);
        other.Text("reversedBy").Should().Be(reversal.Text("id"));
    }

    [Fact]
    public async Task A_reversal_cannot_be_reversed_and_an_unknown_posting_neither()
    {
        var id = (await caller.Post("post", Posting())).Text("id");
        var reversal = (await caller.Reverse("reverse", id)).Text("id");

        (await caller.Reverse("again", reversal)).Status.Should().Be(HttpStatusCode.Conflict);
        (await caller.Reverse("unknown", "P-999999")).Status.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Balances_add_up_exactly()
    {
        for (var i = 0; i < 10; i++)
        {
            await caller.Post($"key-{i}", Posting(amount: "0.1"));
        }

        await caller.Reverse("reverse", "P-000001");
        var balances = (await caller.Get("/ledger/balances")).Json.GetProperty("balances").EnumerateArray().ToList();

        balances.Select(b => (b.GetProperty("account").GetString(), b.GetProperty("net").GetString()))
            .Should().Equal(("1600", "-0.90"), ("4400", "0.90"));
    }

    [Fact]
    public async Task A_thousand_callers_with_one_key_book_once()
    {
        var answers = new ConcurrentBag<Answer>();
        await Parallel.ForAsync(0, 1_000, async (_, _) => answers.Add(await caller.Post("key", Posting())));

        answers.Should().OnlyContain(a => a.Status == HttpStatusCode.Created);
        answers.Count(a => !a.Replayed).Should().Be(1);
        sandbox.Books().Ledger.Keys.Should().Equal(new LedgerKeyBooks("key", Reached: 1_000, Postings: 1, Reversals: 0));
    }

    [Theory]
    [InlineData("""{"account":"1","debit":"-1"}""", "negative")]
    [InlineData("""{"account":"1","debit":"1","credit":"1"}""", "one of the two")]
    [InlineData("""{"debit":"1"}""", "1 to 100 characters")]
    [InlineData("null", "1 to 100 characters")]
    public async Task A_line_that_makes_no_sense_is_refused_with_its_place(string line, string cure)
    {
        var posting = $$"""{"reference":"r","supplier":"s","currency":"EUR","lines":[{"account":"1"},{{line}}]}""";
        var answer = await caller.Post("key", posting);

        answer.Status.Should().Be(HttpStatusCode.UnprocessableEntity);
        answer.Text("field").Should().StartWith("lines[1]");
        answer.Text("cure").Should().Contain(cure);
    }

    [Fact]
    public async Task The_ledger_also_books_zero_and_large_amounts()
    {
        (await caller.Post("zero", Posting("Z", "0"))).Status.Should().Be(HttpStatusCode.Created);
        var large = await caller.Post("large", Posting("L", "\"999999999999999.99\""));

        large.Json.GetProperty("lines")[0].GetProperty("debit").ValueKind.Should().Be(JsonValueKind.String);
        large.Json.GetProperty("lines")[0].GetProperty("debit").GetString().Should().Be("999999999999999.99");
    }
}
