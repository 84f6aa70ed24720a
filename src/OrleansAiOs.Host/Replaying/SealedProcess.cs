using System.Diagnostics;
using System.Text.Json;
using OrleansAiOs.Host.Cli;

namespace OrleansAiOs.Host.Replaying;

/// <summary>
/// This program once more, as <c>aios replay-sealed</c>: in an empty network namespace where util-linux's <c>unshare</c> can make one
/// (a process with threads, as any of .NET, cannot move itself), and plainly where not. It is handed nothing of the environment that
/// could open a door, and is ended with its parent's patience.
/// </summary>
internal static class SealedProcess
{
    public const string Verb = "replay-sealed";

    private static readonly TimeSpan TrialWithin = TimeSpan.FromSeconds(5);

    /// <summary>Runs the order; <paramref name="feed"/> writes the export to its standard input unless the order names a file.</summary>
    /// <returns>Which seal it had.</returns>
    public static async Task<string> RunAsync(SealedOrder order, Func<Stream, Task>? feed, Action<SealedAnswer> onAnswer, CancellationToken cancellation)
    {
        using var process = await StartAsync(order, cancellation);
        try
        {
            var complaints = process.StandardError.ReadToEndAsync(cancellation);
            var feeding = FeedAsync(process, feed);
            string? seal = null, problem = null;
            while (await process.StandardOutput.ReadLineAsync(cancellation) is { } text)
            {
                if (JsonSerializer.Deserialize<SealedAnswer>(text, SealedReplay.Json) is not { } answer) continue;
                if (answer.Done) (seal, problem) = (answer.Seal, answer.Problem);
                onAnswer(answer);
            }
            await process.WaitForExitAsync(cancellation);
            await feeding; // what kept us from feeding it is the reason of whatever it complains of
            if (seal is null) throw Ended(process, await complaints);
            if (problem is not null) throw new CliException(ExitCode.CannotReplay, problem);
            return seal;
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    /// <summary>Starts it; whoever does ends it too.</summary>
    public static async Task<Process> StartAsync(SealedOrder order, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        var wrapper = await WrapperAsync(cancellation);
        List<string> line = [.. wrapper, .. OfThisProgram(), Verb, JsonSerializer.Serialize(order with { ParentsNamespace = wrapper.Count > 0 ? Seal.NamespaceOfThisProcess : null }, SealedReplay.Json)];
        start.FileName = line[0];
        foreach (var argument in line.Skip(1)) start.ArgumentList.Add(argument);
        // What is replayed is somebody's code: it has no business with our keys.
        foreach (var name in start.Environment.Keys.Where(name => !IsHanded(name)).ToList()) start.Environment.Remove(name);
        start.Environment["DOTNET_TieredPGO"] = "1";
        return Process.Start(start)!;
    }

    // What a program of .NET needs to run as it would here. Named, since a secret can have any name.
    private static readonly HashSet<string> Needed = new(StringComparer.OrdinalIgnoreCase) { "PATH", "HOME", "USERPROFILE", "TMPDIR", "TMP", "TEMP", "LANG", "TZ", "LD_LIBRARY_PATH", "SystemRoot" };

    private static bool IsHanded(string name) => Needed.Contains(name) || name.StartsWith("LC_", StringComparison.Ordinal) || name.StartsWith("DOTNET_", StringComparison.Ordinal);

    public static CliException Ended(Process process, string complaints) =>
        new(ExitCode.CannotReplay, $"The sealed process ended with {process.ExitCode} before it was done.", complaints.Trim() is { Length: > 0 } said ? said : null);

    private static async Task FeedAsync(Process process, Func<Stream, Task>? feed)
    {
        try
        {
            try
            {
                if (feed is not null) await feed(process.StandardInput.BaseStream);
            }
            finally
            {
                process.StandardInput.Close();
            }
        }
        catch (IOException)
        {
            // It has closed its ear: what it answers says why.
        }
    }

    private static IReadOnlyList<string> OfThisProgram()
    {
        // In a test, or under `dotnet aios.dll`, the process is somebody else's program.
        var assembly = typeof(SealedProcess).Assembly.Location;
        return Environment.ProcessPath is { } program && Path.GetFileNameWithoutExtension(program) == "aios" ? [program]
            : [Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", "exec", assembly];
    }

    // Tried, not guessed: whether a namespace may be made depends on the user, the kernel and the container.
    private static async Task<IReadOnlyList<string>> WrapperAsync(CancellationToken cancellation)
    {
        if (!OperatingSystem.IsLinux()) return [];
        foreach (var flags in new[] { "--net", "-rn" })
        {
            try
            {
                using var trial = Process.Start(new ProcessStartInfo("unshare", [flags, "true"]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                limit.CancelAfter(TrialWithin);
                await trial.WaitForExitAsync(limit.Token);
                if (trial.ExitCode == 0) return ["unshare", flags, "--"];
            }
            catch (Exception e) when (e is System.ComponentModel.Win32Exception || e is OperationCanceledException && !cancellation.IsCancellationRequested)
            {
                return [];
            }
        }
        return [];
    }
}
