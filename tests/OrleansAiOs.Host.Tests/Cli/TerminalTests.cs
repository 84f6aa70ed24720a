using System.Text.Json;
using OrleansAiOs.Host.Cli;

namespace OrleansAiOs.Host.Tests.Cli;

public sealed class TerminalTests
{
    private const string Esc = "\u001b";

    [Theory]
    [InlineData("plain text, ümläut, 漢字, 😀", "plain text, ümläut, 漢字, 😀")]
    [InlineData("\u001b[2J", "␛[2J")]
    [InlineData("a\nb\rc\td\0", "a␊b␍c␉d␀")]
    [InlineData("\u009b31m", "<U+009B>31m")]
    [InlineData("\u007f", "<U+007F>")]
    [InlineData("pay \u202etxt.exe", "pay <U+202E>txt.exe")]
    [InlineData("\u200bzero\u2028", "<U+200B>zero<U+2028>")]
    public void What_a_terminal_would_obey_is_shown(string text, string shown) => Terminal.Shown(text).Should().Be(shown);

    [Fact]
    public async Task A_hosts_words_cannot_draw_on_the_terminal()
    {
        await using var host = (await ContractServer.StartAsync())
            .On("GET /api/v1/runs", Documents.Page(Documents.Run("inv-\\u001b[31m-1", waits: $"[{Documents.Approval(2, "\\u001b]0;owned\\u0007")}]")));
        var run = await host.RunAsync("list");
        run.Code.Should().Be(0);
        run.Output.Should().NotContain(Esc).And.NotContain("\a").And.Contain("inv-␛[31m-1");
    }

    [Fact]
    public async Task A_problems_words_cannot_draw_on_the_terminal()
    {
        await using var host = (await ContractServer.StartAsync()).Refuses("GET /api/v1/runs", 409, "\\u001b[2J", "two\\nlines\\u0007");
        var run = await host.RunAsync("list");
        run.Error.Should().NotContain(Esc).And.NotContain("\a").And.Contain("␛[2J").And.Contain("  lines␇");
    }

    [Theory]
    [InlineData("[red]x[/]")]
    [InlineData("[link=http://evil]x[/]")]
    [InlineData("[broken")]
    [InlineData("x[/]")]
    public async Task Markup_in_a_name_stays_text(string name)
    {
        await using var host = (await ContractServer.StartAsync())
            .On("GET /api/v1/runs", Documents.Page(Documents.Run(name)))
            .On("GET /api/v1/runs/x", Documents.Run(name))
            .On("GET /api/v1/runs/x/history", Documents.Page(Documents.Event(1, name, "{}")));
        (await host.RunAsync("list")).Output.Should().Contain(name);
        (await host.RunAsync("show", "x")).Output.Should().Contain($"run         {name}");
    }

    [Fact]
    public async Task A_redirected_table_has_no_colours_and_cuts_nothing()
    {
        var id = new string('r', 200);
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs", Documents.Page(Documents.Run(id, "failed"), Documents.Run("short")));
        var lines = (await host.RunAsync("list")).Output.Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
        lines.Should().HaveCount(3);
        lines[1].Should().StartWith(id).And.Contain("failed").And.NotContain(Esc);
        lines.Should().OnlyContain(line => line == line.TrimEnd());
    }

    [Fact]
    public async Task Json_is_what_the_host_said()
    {
        var body = Documents.Page(Documents.Run());
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs", body);
        (await host.RunAsync("list", "--json")).Output.Should().Be(body + Environment.NewLine);
    }

    [Fact]
    public async Task Json_that_would_drive_a_terminal_is_escaped_and_means_the_same()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /api/v1/runs/x", """{"id":"a""" + "\u009b" + "😀\u202e" + "\"}");
        var output = (await host.RunAsync("show", "x", "--json")).Output;
        output.Should().NotContain("\u009b").And.NotContain("\u202e");
        JsonDocument.Parse(output).RootElement.GetProperty("id").GetString().Should().Be("a\u009b😀\u202e");
    }
}
