extern alias processes;
using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using processes::OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Cluster.Tests.Demo;

/// <summary><c>aios demo --cluster</c> as a newcomer runs it: the program, its hosts and its database, all of them real processes.</summary>
public sealed class ClusterDemoTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly string folder = TestServer.NewFolderName();
    private readonly StringBuilder said = new();
    private readonly StringBuilder table = new();
    private Process demo = null!;

    public Task InitializeAsync()
    {
        demo = new Process
        {
            // Whoever runs tests in the background has them ignore an interrupt, and what they start too.
            StartInfo = new ProcessStartInfo("env", ["--default-signal=INT", "dotnet", "exec", Path.Combine(AppContext.BaseDirectory, "aios.dll"), "demo", "--cluster", "3", "--yes", "--data", folder])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            },
        };
        demo.OutputDataReceived += (_, line) => Keep(table, line.Data);
        demo.ErrorDataReceived += (_, line) => Keep(said, line.Data);
        demo.Start();
        demo.BeginOutputReadLine();
        demo.BeginErrorReadLine();
        return Task.CompletedTask;
    }

    public Task DisposeAsync()
    {
        // Only what a demo that failed has left.
        foreach (var (id, _) in Processes())
            using (var left = Process.GetProcessById(id)) left.Kill();
        demo.Dispose();
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task One_of_three_hosts_is_killed_its_runs_go_on_on_the_others_nothing_is_paid_twice_and_no_process_is_left()
    {
        await demo.WaitForExitAsync().WaitAsync(Patience);
        demo.ExitCode.Should().Be(0, Text(said));
        var killed = Regex.Match(Text(said), @"^(host \d) is killed \(kill -9\); (\d)", RegexOptions.Multiline);
        killed.Success.Should().BeTrue(Text(said));
        var movedOn = Regex.Matches(Text(said), $@"^  (\S+) goes on on (?!{killed.Groups[1].Value})host \d; it was on {killed.Groups[1].Value}", RegexOptions.Multiline);
        movedOn.Should().HaveCount(int.Parse(killed.Groups[2].Value, null), Text(said));
        Regex.Matches(Text(said), @"^  \S+, (host \d): brought in", RegexOptions.Multiline).Select(match => match.Groups[1].Value).Distinct().Should().HaveCount(3, "each host was given some");

        var rows = Text(table).Split('\n').Where(line => Regex.IsMatch(line, @"^\d\d-")).ToList();
        rows.Should().HaveCount(13, Text(table));
        rows.Should().OnlyContain(row => Regex.IsMatch(row, " (Paid|Credited|Rejected|Duplicate) ") || row.StartsWith("06-due-later", StringComparison.Ordinal));
        foreach (Match run in movedOn) rows.Should().Contain(row => row.StartsWith(run.Groups[1].Value, StringComparison.Ordinal) && row.Contains($"{killed.Groups[1].Value}, then host"));
        Text(table).Should().Contain("10 postings, 1 reversals; under one key never more than 1").And.Contain("6 payments made; under one reference never more than 1");
        Processes().Should().BeEmpty();
    }

    [Theory]
    [InlineData("one database in")] // its hosts are starting
    [InlineData("is killed")] // the others have not noticed yet
    public async Task Whenever_it_is_interrupted_no_process_is_left(string when)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (!Text(said).Contains(when, StringComparison.Ordinal) && DateTime.UtcNow < deadline && !demo.HasExited) await Task.Delay(10);
        using (var interrupt = Process.Start("kill", ["-INT", $"{demo.Id}"])) await interrupt.WaitForExitAsync();
        await demo.WaitForExitAsync().WaitAsync(Patience);
        demo.ExitCode.Should().Be(130, Text(said));
        Text(said).Should().Contain(when);
        Processes().Should().BeEmpty();
    }

    // All that name its folder, or stand in it: hosts, sandbox, database and its supervisor.
    private List<(int Id, string Command)> Processes()
    {
        var found = new List<(int, string)>();
        foreach (var entry in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(entry), out var id)) continue;
            try
            {
                var command = File.ReadAllText(Path.Combine(entry, "cmdline")).Replace('\0', ' ');
                if (command.Contains(folder, StringComparison.Ordinal) || new FileInfo(Path.Combine(entry, "cwd")).LinkTarget?.StartsWith(folder, StringComparison.Ordinal) is true) found.Add((id, command));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Ended meanwhile.
            }
        }
        return found;
    }

    private static void Keep(StringBuilder text, string? line)
    {
        if (line is not null)
            lock (text) text.Append(line).Append('\n');
    }

    private static string Text(StringBuilder text)
    {
        lock (text) return text.ToString();
    }
}
