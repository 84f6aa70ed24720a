using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios new: a project of the user's own, whole or not at all, against packages made from this checkout.</summary>
internal static partial class NewCommand
{
    // A folder and a namespace at once, on every system.
    private const int NameCharsMax = 60;

    private static readonly string[] ReservedRoots = ["OrleansAiOs", "System", "Microsoft", "Xunit"];
    private static readonly string[] Packages = ["OrleansAiOs.Testing", "OrleansAiOs.Postgres", "OrleansAiOs.Workflows"];

    public static Command Create()
    {
        var name = new Argument<string>("NAME") { Description = "The project's name, as Shop or Acme.Orders; a folder of that name is made here." };
        var checkout = new Option<string?>("--checkout") { Description = "The clone of OrleansAiOs to make the packages from. Default: the one this program was built in.", HelpName = "DIR" };
        return new Command("new", "Make a project of your own: a workflow, an activity, an approval and a test.").With(name, checkout).Does(async call =>
        {
            var project = call.Get(name);
            if (Objection(project) is { } objection) throw CliException.Usage(objection);
            var target = Path.GetFullPath(project);
            if (Path.Exists(target)) throw new CliException(ExitCode.Conflict, $"{target} is there already. Nothing was touched; choose another name.");
            var source = Checkout.At(call.Get(checkout));

            var unfinished = Path.Combine(Path.GetDirectoryName(target)!, $".{project}.unfinished-{Guid.NewGuid():N}");
            try
            {
                call.Terminal.Note("making packages of the engine…");
                // A version of its own: NuGet never looks twice at a version it has seen, and the checkout changes.
                var version = string.Create(CultureInfo.InvariantCulture, $"{source.Version}-local.{DateTime.UtcNow:yyyyMMddHHmmss}");
                await PackAsync(source, version, Path.Combine(unfinished, "packages"), Path.Combine(unfinished, ".build"), call.Cancellation);
                Directory.Delete(Path.Combine(unfinished, ".build"), recursive: true);
                foreach (var (path, content) in ProjectTemplate.Files(project, version, source))
                {
                    var file = Path.Combine(unfinished, path);
                    Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                    await File.WriteAllTextAsync(file, content, call.Cancellation);
                }
                Directory.Move(unfinished, target);
            }
            finally
            {
                if (Directory.Exists(unfinished)) Directory.Delete(unfinished, recursive: true);
            }

            call.Terminal.Line(target);
            call.Terminal.Note($"Try it:  cd {project} && dotnet test");
            return ExitCode.Done;
        });
    }

    /// <summary>Why this cannot be a project's name; null if it can.</summary>
    internal static string? Objection(string name) => name switch
    {
        _ when name.Length > NameCharsMax => $"A project's name has at most {NameCharsMax} characters.",
        _ when !NamePattern().IsMatch(name) => $"'{name}' cannot be a project's name: words of ASCII letters and digits that begin with a capital, joined by dots, as in Shop or Acme.Orders.",
        _ when ReservedRoots.Contains(name.Split('.')[0], StringComparer.OrdinalIgnoreCase) => $"'{name}' would hide a namespace the project needs. Begin with another word.",
        _ when name.Split('.').FirstOrDefault(word => ProjectTemplate.TypeNames.Contains(word)) is { } taken => $"'{taken}' would hide a type of that name, which the project needs. Choose another word.",
        _ when name.Split('.').FirstOrDefault(word => DeviceName().IsMatch(word)) is { } device => $"'{device}' is the name of a device on Windows.",
        _ => null,
    };

    private static async Task PackAsync(Checkout source, string version, string packages, string scratch, CancellationToken cancellation)
    {
        foreach (var package in Packages)
        {
            // The others bring the last with them, built; it only has to be packed.
            var built = package == Packages[^1] ? ["--no-build"] : Array.Empty<string>();
            await DotnetAsync(
                [
                    "pack", Path.Combine(source.Folder, "src", package, $"{package}.csproj"), "--configuration", "Release", "--output", packages,
                    "--artifacts-path", scratch, "--verbosity", "quiet", "--nologo", "-nodeReuse:false", $"-p:Version={version}", "-p:RunAnalyzers=false", .. built,
                ], source.Folder, cancellation);
        }
    }

    private static async Task DotnetAsync(string[] arguments, string folder, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        // Inside a build or a test run these speak of that one.
        foreach (var inherited in start.Environment.Keys.Where(key => key.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList()) start.Environment.Remove(inherited);
        start.Environment["DOTNET_NOLOGO"] = "1";
        start.Environment["DOTNET_CLI_UI_LANGUAGE"] = "en";

        using var process = Start(start);
        process.StandardInput.Close();
        var said = process.StandardOutput.ReadToEndAsync(cancellation);
        var complained = process.StandardError.ReadToEndAsync(cancellation);
        try
        {
            await process.WaitForExitAsync(cancellation);
            if (process.ExitCode != 0) throw new CliException(ExitCode.Failed, $"dotnet {arguments[0]} failed.", $"{await said}{await complained}".Trim());
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new CliException(ExitCode.Failed, "The .NET SDK 10 is needed and `dotnet` was not found in PATH.", "https://dotnet.microsoft.com/download/dotnet/10.0");
        }
    }

    [GeneratedRegex(@"^[A-Z][A-Za-z0-9]*(\.[A-Z][A-Za-z0-9]*)*\z", RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"^(CON|PRN|AUX|NUL|COM\d|LPT\d)\z", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking)]
    private static partial Regex DeviceName();
}

/// <summary>A clone of this project, as far as packages are made from it.</summary>
internal sealed class Checkout
{
    private const string Mark = "OrleansAiOs.sln";

    private readonly XDocument versions;

    private Checkout(string folder)
    {
        Folder = folder;
        versions = XDocument.Load(Path.Combine(folder, "Directory.Packages.props"));
        Version = XDocument.Load(Path.Combine(folder, "Directory.Build.props")).Descendants("Version").Single().Value;
    }

    public string Folder { get; }

    /// <summary>The version this checkout is on its way to.</summary>
    public string Version { get; }

    public static Checkout At(string? given)
    {
        if (given is not null)
            return File.Exists(Path.Combine(given, Mark)) ? new Checkout(Path.GetFullPath(given)) : throw CliException.Usage($"'{given}' is no clone of OrleansAiOs: there is no {Mark} in it.");
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, Mark))) return new Checkout(folder);
        throw CliException.Usage("This program does not stand in a clone of OrleansAiOs. Say where one is with --checkout DIR: the packages are made from it.");
    }

    /// <summary>The version of a package that this checkout itself uses.</summary>
    public string VersionOf(string package) =>
        versions.Descendants("PackageVersion").Single(element => element.Attribute("Include")?.Value == package).Attribute("Version")!.Value;
}
