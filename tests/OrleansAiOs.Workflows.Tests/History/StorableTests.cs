using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.History;

/// <summary>What no store could take back out as it was put in is refused where somebody is told.</summary>
public sealed class StorableTests
{
    [Theory]
    [InlineData("1e400000")]
    [InlineData("[1, {\"a\": -1E+99999999999999999999}]")]
    [InlineData("1e-1001")]
    [InlineData("\"\\u0000\"")]
    [InlineData("{\"\\u0000\": 1}")]
    [InlineData("\"\\ud800\"")]
    [InlineData("{\"x\\udc00\": 1}")]
    [InlineData("{")]
    [InlineData("")]
    [InlineData("1 2")]
    public void Is_refused(string json) => FluentActions.Invoking(() => JsonText.Parse(json)).Should().Throw<JsonException>();

    [Fact]
    public void A_number_of_a_hundred_thousand_digits_is_refused() =>
        FluentActions.Invoking(() => JsonText.From(JsonDocument.Parse("[" + new string('9', 140_000) + "]").RootElement)).Should().Throw<JsonException>().WithMessage("*digits*");

    [Theory]
    [InlineData("1.7976931348623157E+308")]
    [InlineData("5E-324")]
    [InlineData("79228162514264337593543950335")]
    [InlineData("\"1e400000\"")]
    [InlineData("\"\\\\u0000 \\\\ud800 \\ud83d\\ude00 \\n\"")]
    public void Is_taken(string json) => JsonText.Parse(json).ToString().Should().Be(json);

    [Theory]
    [InlineData("1e2", "100")]
    [InlineData("1E+16", "10000000000000000")]
    [InlineData("1.50e1", "15.0")]
    [InlineData("1.500e3", "1500")]
    [InlineData("-1.5e-3", "-0.0015")]
    [InlineData("0.05e2", "5")]
    [InlineData("0.00e1", "0.0")]
    [InlineData("-0", "0")]
    [InlineData("-0.0", "0.0")]
    [InlineData("-0.50", "-0.50")]
    [InlineData("-10", "-10")]
    [InlineData("1.00", "1.00")]
    [InlineData("12e0", "12")]
    public void A_number_has_one_canonical_form_before_it_was_stored_and_after(string number, string canonical) =>
        System.Text.Encoding.UTF8.GetString(CanonicalJson.Write(JsonText.Parse($"[{number}]"))).Should().Be($"[{canonical}]");
}
