namespace OrleansAiOs.Host.Tests.Cli;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("nosuchverb")]
    [InlineData("start")]
    [InlineData("list", "--status", "sleeping")]
    [InlineData("list", "--started-from", "yesterday")]
    [InlineData("list", "--attribute", "novalue")]
    [InlineData("start", "purchase", "--input", "{broken")]
    [InlineData("start", "purchase", "--input", "@/no/such/file")]
    [InlineData("start", "purchase", "--document", "/no/such/file")]
    [InlineData("start", "purchase", "--input", "1", "--document", "x")]
    [InlineData("start", "purchase", "--attribute", "a=1", "--attribute", "a=2")]
    [InlineData("start", "purchase", "--idempotency-key", "not visible")]
    [InlineData("result", "inv-1", "--wait=soon")]
    [InlineData("result", "--wait", "inv-1")]
    [InlineData("resolve", "inv-1", "3")]
    [InlineData("resolve", "inv-1", "3", "--happened", "1", "--never")]
    [InlineData("resolve", "inv-1", "third", "--never")]
    [InlineData("keys", "add", "mia")]
    [InlineData("show", "..")]
    [InlineData("show", "inv-1", "--url", "ftp://host")]
    [InlineData("show", "inv-1", "--url", "http://user:secret@127.0.0.1")]
    [InlineData("sandbox", "--port", "70000")]
    [InlineData("new", "../elsewhere")]
    [InlineData("demo", "--cluster")]
    [InlineData("demo", "--cluster", "three")]
    public async Task A_wrong_command_line_ends_with_2_and_leaves_stdout_empty(params string[] args)
    {
        var run = await CliRun.Of(args);
        run.Code.Should().Be(2, run.Error);
        run.Output.Should().BeEmpty();
        run.Error.Should().NotBeEmpty();
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1")]
    [InlineData("6")]
    [InlineData("-3")]
    [InlineData("99999999999")]
    public async Task A_demo_of_too_few_or_too_many_hosts_is_refused_with_how_many_it_can_have(string hosts)
    {
        var run = await CliRun.Of(["demo", "--cluster", hosts, "--yes"]);
        (run.Code, run.Output).Should().Be((2, ""));
        run.Error.Should().Contain($"2 to 5 hosts, not '{hosts}'");
    }

#if !CLUSTER_HOST
    [Fact]
    public async Task Built_without_the_packages_of_a_cluster_the_demo_of_one_is_refused_and_leaves_nothing()
    {
        var folder = Path.Combine(Path.GetTempPath(), $"aios-no-cluster-{Guid.NewGuid():N}");
        var run = await CliRun.Of(["demo", "--cluster", "3", "--yes", "--data", folder]);
        (run.Code, run.Output).Should().Be((1, ""));
        run.Error.Should().Contain("packages of Microsoft Orleans").And.Contain("on one host");
        Directory.Exists(folder).Should().BeFalse();
    }
#endif

    [Fact]
    public async Task No_verb_at_all_shows_the_help_on_stderr()
    {
        var run = await CliRun.Of([]);
        (run.Code, run.Output).Should().Be((2, ""));
        run.Error.Should().Contain("Exit codes").And.Contain("approve");
    }

    [Fact]
    public async Task Help_tells_every_exit_code()
    {
        var run = await CliRun.Of(["--help"]);
        run.Code.Should().Be(0);
        run.Output.Should().ContainAll("0  done", "1  the run failed", "2  ", "3  not found", "4  refused", "5  conflict", "6  invalid", "7  ", "8  ");
    }

    [Fact]
    public async Task The_supervisor_is_not_for_people()
    {
        (await CliRun.Of(["db", "--help"])).Output.Should().Contain("backup").And.NotContain("supervise");
    }

    [Theory]
    [InlineData("1shop")]
    [InlineData("shop")]
    [InlineData("a b")]
    [InlineData("Shop/..")]
    [InlineData("Shop.")]
    [InlineData("Shop\n")]
    [InlineData("Nul")]
    [InlineData("System.Shop")]
    [InlineData("OrleansAiOs.Mine")]
    [InlineData("Acme.Order")]
    [InlineData("Sixty2345678901234567890123456789012345678901234567890123456789")]
    public void A_bad_project_name_is_refused_with_a_reason(string name) => Host.Cli.NewCommand.Objection(name).Should().NotBeNullOrEmpty();

    [Theory]
    [InlineData("Shop")]
    [InlineData("Acme.Orders2")]
    public void A_good_project_name_is_taken(string name) => Host.Cli.NewCommand.Objection(name).Should().BeNull();
}
