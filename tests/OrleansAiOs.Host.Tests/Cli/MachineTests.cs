using System.Text.Json;

namespace OrleansAiOs.Host.Tests.Cli;

public sealed class MachineTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("aios-cli-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task The_doctor_finds_a_key_that_others_can_read_and_a_host_that_is_not_there()
    {
        var key = Path.Combine(folder, "owner.key");
        await File.WriteAllTextAsync(key, "aios_owner");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        var run = await CliRun.Of(["doctor", "--data", folder, "--url", "http://127.0.0.1:9", "--connection", "Host=127.0.0.1;Port=9;Username=x"]);
        run.Code.Should().Be(1);
        if (!OperatingSystem.IsWindows()) run.Output.Should().Contain($"chmod 600 '{key}'");
        run.Output.Should().Contain("problem  host: No host answers").And.Contain("problem  postgresql").And.Contain("ok       runtime: .NET").And.Contain("aios serve");
    }

    [Fact]
    public async Task The_doctor_asks_a_living_host_whether_it_can_work_and_knows_the_key()
    {
        await using var host = (await ContractServer.StartAsync()).On("GET /live", "{}").On("GET /ready", "{}").Refuses("GET /api/v1/runs", 401, "No valid key");
        var run = await host.RunAsync("doctor", "--data", folder);
        run.Code.Should().Be(1);
        run.Output.Should().Contain("ok       host ready").And.Contain("problem  key: No valid key");
        var json = JsonDocument.Parse((await host.RunAsync("doctor", "--data", folder, "--json")).Output).RootElement;
        json.EnumerateArray().Last().GetProperty("ok").GetBoolean().Should().BeFalse();
    }

    [Fact]
    public async Task A_password_in_a_connection_string_is_not_shown()
    {
        var run = await CliRun.Of(["doctor", "--data", folder, "--url", "http://127.0.0.1:9", "--connection", "Password=hush;Nonsense=1"]);
        run.Code.Should().Be(1);
        (run.Output + run.Error).Should().Contain("cannot be read").And.NotContain("hush");
    }

    [Theory]
    [InlineData("serve")]
    [InlineData("verify")]
    [InlineData("audit", "verify")]
    [InlineData("migrate-database")]
    [InlineData("import", "FILE")]
    [InlineData("replay", "--against", "FILE")]
    public async Task What_is_no_connection_string_is_said_in_a_sentence_that_does_not_quote_it(params string[] verb)
    {
        var file = Path.Combine(folder, "there");
        await File.WriteAllTextAsync(file, "");
        foreach (var given in new[] { "postgres://aios:hush@db/aios", "Host=db;Usernaem=aios;Password=hush", "Username=aios;Password=hush" })
        {
            var run = await CliRun.Of([.. verb.Select(word => word == "FILE" ? file : word), "--connection", given]);
            run.Code.Should().Be(1);
            run.Error.Should().StartWith("The connection string cannot be read. It looks like Host=").And.NotContain("hush").And.NotContain("fault in aios");
        }
    }

    [Theory]
    [InlineData("-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----")]
    [InlineData("correct horse \r\n", "correct horse ")]
    [InlineData("correct horse", "correct horse")]
    public async Task A_secret_is_all_of_what_stands_on_stdin(string given, string sent)
    {
        await using var host = (await ContractServer.StartAsync()).On("PUT /api/v1/secrets/crm-key", "", 204);
        var before = Console.In;
        Console.SetIn(new StringReader(given));
        try
        {
            (await host.RunAsync("secrets", "set", "crm-key", "--host", "crm.example.com")).Code.Should().Be(0);
        }
        finally
        {
            Console.SetIn(before);
        }
        JsonDocument.Parse(host.OnlyAsked.Body).RootElement.GetProperty("value").GetString().Should().Be(sent, "what a secret cannot hold the host refuses");
    }

    [Fact]
    public async Task A_backup_of_nothing_is_a_failure()
    {
        var run = await CliRun.Of(["db", "backup", Path.Combine(folder, "backup"), "--data", folder]);
        (run.Code, run.Output).Should().Be((1, ""));
        run.Error.Should().Contain("no database");
    }

    [Fact]
    public async Task What_a_backup_does_not_hold_is_named_and_a_restore_without_the_kernels_secret_says_so_before_it_replaces_anything()
    {
        foreach (var name in new[] { "kernel.secret", "audit.key", "endpoint" }) await File.WriteAllTextAsync(Path.Combine(folder, name), "x");
        new Host.Serving.HostFolder(folder).NotInTheDatabase.Should().Equal(Path.Combine(folder, "kernel.secret"), Path.Combine(folder, "audit.key"));
        string[] restore = ["db", "restore", Path.Combine(folder, "no-backup"), "--data", folder];
        (await CliRun.Of(restore)).Error.Should().Contain("no backup").And.NotContain("kernel.secret");
        File.Delete(Path.Combine(folder, "kernel.secret"));
        (await CliRun.Of(restore)).Error.Should().MatchRegex("(?s)kernel.secret is not there.*no backup");
    }

    [Fact]
    public async Task The_sandbox_says_where_it_is_and_serves_until_it_is_told_to_stop()
    {
        using var stop = new CancellationTokenSource();
        var output = new AddressWriter();
        var running = Host.Cli.AiosCommand.RunAsync(["sandbox", "--port", "0"], output, TextWriter.Null, stop.Token);
        using var http = new HttpClient();
        var answer = await http.GetAsync(await output.Line.Task.WaitAsync(TimeSpan.FromSeconds(30)));
        ((int)answer.StatusCode).Should().BeInRange(200, 499);
        await stop.CancelAsync();
        (await running.WaitAsync(TimeSpan.FromSeconds(30))).Should().Be(0);
    }

    [Fact]
    public async Task A_simulation_repeats_from_its_seed()
    {
        var first = await CliRun.Of(["sim", "--seed", "7", "--count", "3", "--json"]);
        var again = await CliRun.Of(["sim", "--seed", "7", "--count", "3", "--json"]);
        (first.Code, again.Code).Should().Be((0, 0), first.Output);
        var (one, two) = (JsonDocument.Parse(first.Output).RootElement, JsonDocument.Parse(again.Output).RootElement);
        one.GetProperty("seeds").GetInt64().Should().Be(3);
        one.GetProperty("scheduleHash").GetUInt64().Should().Be(two.GetProperty("scheduleHash").GetUInt64()).And.NotBe(0);
        (await CliRun.Of(["sim", "--seed", "7"])).Output.Should().Contain("1 seeds from 7").And.Contain("every invariant held");
        (await CliRun.Of(["sim", "--count", "0"])).Code.Should().Be(2);
    }

    private sealed class AddressWriter : StringWriter
    {
        public TaskCompletionSource<string> Line { get; } = new();

        public override void WriteLine(string? value) => Line.TrySetResult(value ?? "");
    }
}
