using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace OrleansAiOs.Kernel.Tests.Tools.Mcp;

/// <summary>The reference server of the MCP project, from npm, kept under artifacts/ from the first run on.</summary>
internal static class EverythingServer
{
    private const string Package = "@modelcontextprotocol/server-everything";
    private const string Version = "2026.8.31";

    private static readonly Lazy<Task<string>> Brought = new(BringAsync);

    /// <summary>The script that node runs.</summary>
    public static Task<string> ScriptAsync() => Brought.Value;

    private static async Task<string> BringAsync()
    {
        var folder = Path.Combine(Artifacts(), "npm", $"server-everything-{Version}");
        var script = Path.Combine(folder, "node_modules", "@modelcontextprotocol", "server-everything", "dist", "index.js");
        if (File.Exists(script)) return script;
        // Beside it, then renamed: a run that was interrupted leaves nothing that looks whole.
        var beside = $"{folder}.{Environment.ProcessId}";
        Directory.CreateDirectory(beside);
        Process npm;
        try
        {
            npm = Process.Start(new ProcessStartInfo("npm", ["install", "--prefix", beside, "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", $"{Package}@{Version}"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = beside,
            })!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new InvalidOperationException($"This test runs a real MCP server, {Package}, and npm, which brings it, was not found in PATH. Install node 20 or later with npm.", e);
        }
        using (npm)
        {
            var (output, errors) = (npm.StandardOutput.ReadToEndAsync(), npm.StandardError.ReadToEndAsync());
            await npm.WaitForExitAsync();
            if (npm.ExitCode != 0) throw new InvalidOperationException($"npm did not bring {Package} {Version} (exit code {npm.ExitCode}). Is the npm registry reachable?\n{await output}\n{await errors}");
        }
        try
        {
            Directory.Move(beside, folder);
        }
        catch (IOException) when (File.Exists(script))
        {
            Directory.Delete(beside, recursive: true); // another run was faster
        }
        return script;
    }

    private static string Artifacts([CallerFilePath] string file = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "..", "..", "..", "artifacts"));
}
