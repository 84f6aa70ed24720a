using System.Diagnostics;

namespace OrleansAiOs.Host.Tests.Cli;

public sealed class NewProjectTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("aios-new-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_new_project_builds_and_passes_its_tests()
    {
        var made = await RunAsync(folder, Path.Combine(AppContext.BaseDirectory, "aios.dll"), "new", "Acme.Shop");
        made.Code.Should().Be(0, made.Output + made.Error);
        var project = Path.Combine(folder, "Acme.Shop");
        made.Output.Trim().Should().EndWith(Path.Combine(Path.GetFileName(folder), "Acme.Shop"));
        Directory.EnumerateFileSystemEntries(folder).Should().Equal(project);

        var tested = await RunAsync(project, "test", "--nologo", "-nodeReuse:false");
        tested.Code.Should().Be(0, tested.Output + tested.Error);
        tested.Output.Should().MatchRegex(@"Passed:\s+6|succeeded: 6");

        // The analyzers came with the package.
        var workflow = Path.Combine(project, "src", "Acme.Shop", "Purchase.cs");
        var code = await File.ReadAllTextAsync(workflow);
        await File.WriteAllTextAsync(workflow, code.Replace("if (order.Total() > Limit)", "if (order.Total() > Limit && System.DateTime.Now.Hour > 8)", StringComparison.Ordinal));
        var refused = await RunAsync(project, "build", "src/Acme.Shop", "--no-restore", "--nologo", "-nodeReuse:false");
        refused.Code.Should().Be(1);
        refused.Output.Should().Contain("error AIOS001: DateTime.Now is another time on every replay. Use Now");

        // The other door: a program of one's own, with the engine on PostgreSQL in it.
        var added = await RunAsync(project, "add", "src/Acme.Shop", "package", "OrleansAiOs.Postgres");
        added.Code.Should().Be(0, added.Output + added.Error);

        var again = await RunAsync(folder, Path.Combine(AppContext.BaseDirectory, "aios.dll"), "new", "Acme.Shop");
        (again.Code, again.Output).Should().Be((5, ""));
        again.Error.Should().Contain("already");
    }

    private static async Task<CliRun> RunAsync(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Inside a test run these speak of that one.
        foreach (var inherited in start.Environment.Keys.Where(key => key.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) || key.StartsWith("VSTEST", StringComparison.OrdinalIgnoreCase)).ToList())
            start.Environment.Remove(inherited);
        start.Environment["DOTNET_CLI_UI_LANGUAGE"] = "en";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new CliRun(process.ExitCode, await output, await error);
    }
}
