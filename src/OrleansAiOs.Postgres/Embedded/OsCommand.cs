using System.ComponentModel;
using System.Diagnostics;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>Runs one of PostgreSQL's programs to its end. As root it runs as the user <c>postgres</c>, because the server refuses root.</summary>
internal static class OsCommand
{
    public const string ServerAccount = "postgres";

    public static async Task<OsCommandResult> RunAsync(
        string file,
        IEnumerable<string> arguments,
        string workingFolder,
        bool asServerAccount = true,
        IReadOnlyDictionary<string, string>? environment = null,
        CancellationToken cancellation = default)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            WorkingDirectory = workingFolder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            CreateNoWindow = true,
        };
        ClearPostgresVariables(start);
        if (asServerAccount && Posix.IsRoot)
        {
            start.UserName = ServerAccount;
        }

        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        using var process = Start(start);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await process.WaitForExitAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: false);
            throw;
        }

        // On Windows the server inherits the pipes of the pg_ctl that started it and keeps them open.
        await Task.WhenAny(Task.WhenAll(output, error), Task.Delay(TimeSpan.FromSeconds(2), cancellation));
        return new OsCommandResult(process.ExitCode, SoFar(output), SoFar(error));
    }

    private static string SoFar(Task<string> text) => text.IsCompletedSuccessfully ? text.Result.Trim() : "";

    // PGPORT, PGDATA, PGOPTIONS and their like would send the programs to somebody else's server.
    private static void ClearPostgresVariables(ProcessStartInfo start)
    {
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("PG", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(name);
        }
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new EmbeddedPostgresException($"Could not run {start.FileName}: {e.Message}", e);
        }
    }
}

internal sealed record OsCommandResult(int ExitCode, string Output, string Error)
{
    public bool Succeeded => ExitCode == 0;

    public string Said => string.Join('\n', new[] { Error, Output }.Where(text => text.Length > 0));
}
