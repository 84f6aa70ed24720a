using System.Diagnostics;
using System.Globalization;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>A folder with PostgreSQL's server programs, and their version.</summary>
public sealed record PostgresBinaries(string Folder, Version Version)
{
    public const int OldestMajor = 15;

    private static readonly string[] Needed = ["initdb", "postgres", "pg_ctl", "pg_dump", "pg_restore"];

    /// <summary>The newest installed version, or <paramref name="major"/> when a data folder asks for it.</summary>
    public static PostgresBinaries Find(int? major = null)
    {
        var found = Installed();
        var fit = found.FirstOrDefault(binaries => major is null ? binaries.Version.Major >= OldestMajor : binaries.Version.Major == major);
        return fit ?? throw new EmbeddedPostgresException(Missing(major, found));
    }

    /// <summary>All that are installed, the newest first.</summary>
    internal static List<PostgresBinaries> Installed() =>
        [.. SearchedFolders().Select(Inspect).OfType<PostgresBinaries>().OrderByDescending(binaries => binaries.Version)];

    /// <summary>The programs in one named folder, or an error that says which of them is not there.</summary>
    public static PostgresBinaries In(string folder) =>
        Inspect(folder) ?? throw new EmbeddedPostgresException(
            $"{folder} does not hold PostgreSQL's server programs ({string.Join(", ", Needed)}), or they do not run.");

    /// <summary>The command a person types on this system to get the server programs.</summary>
    public static string InstallCommand(int? major = null)
    {
        if (OperatingSystem.IsWindows())
        {
            return $"winget install PostgreSQL.PostgreSQL.{major ?? 17}";
        }

        if (OperatingSystem.IsMacOS())
        {
            return $"brew install postgresql@{major ?? 17}";
        }

        var sudo = Posix.IsRoot ? "" : "sudo ";
        return 0 switch
        {
            _ when File.Exists("/usr/bin/apt-get") => $"{sudo}apt-get install postgresql{(major is null ? "" : $"-{major}")}",
            _ when File.Exists("/usr/bin/dnf") => $"{sudo}dnf install postgresql{major}-server postgresql{major}",
            _ when File.Exists("/usr/bin/pacman") => $"{sudo}pacman -S postgresql",
            _ when File.Exists("/usr/bin/zypper") => $"{sudo}zypper install postgresql{major}-server postgresql{major}",
            _ when File.Exists("/sbin/apk") => $"{sudo}apk add postgresql{major}",
            _ => $"install PostgreSQL {major?.ToString(CultureInfo.InvariantCulture) ?? $"{OldestMajor} or newer"} from https://www.postgresql.org/download/",
        };
    }

    internal string Program(string name) => Path.Combine(Folder, OperatingSystem.IsWindows() ? name + ".exe" : name);

    private static IEnumerable<string> SearchedFolders()
    {
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var installed = Patterns().SelectMany(pattern => Matching(pattern.Root, pattern.Name).Select(folder => Path.Combine(folder, "bin")));
        return path.Concat(installed).Append("/usr/libexec/postgresql").Distinct();
    }

    private static (string Root, string Name)[] Patterns() => OperatingSystem.IsWindows()
        ? [(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "PostgreSQL"), "*")]
        :
        [
            ("/usr/lib/postgresql", "*"),
            ("/usr", "pgsql-*"),
            ("/opt/homebrew/opt", "postgresql@*"),
            ("/usr/local/opt", "postgresql@*"),
        ];

    private static IEnumerable<string> Matching(string root, string name) =>
        Directory.Exists(root) ? Directory.EnumerateDirectories(root, name) : [];

    private static PostgresBinaries? Inspect(string folder)
    {
        var candidate = new PostgresBinaries(folder, new Version());
        if (!Needed.All(name => File.Exists(candidate.Program(name))))
        {
            return null;
        }

        var start = new ProcessStartInfo(candidate.Program("postgres"), ["--version"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            CreateNoWindow = true,
        };
        try
        {
            using var process = Process.Start(start)!;
            var said = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return ParseVersion(said) is { } version ? candidate with { Version = version } : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    // "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", "postgres (PostgreSQL) 19beta2"
    internal static Version? ParseVersion(string said)
    {
        const string Marker = "(PostgreSQL) ";
        var at = said.IndexOf(Marker, StringComparison.Ordinal);
        if (at < 0)
        {
            return null;
        }

        var numbers = said[(at + Marker.Length)..].Split(['.', ' ', '\n', '\r']);
        var major = string.Concat(numbers[0].TakeWhile(char.IsAsciiDigit));
        var minor = numbers.Length > 1 ? string.Concat(numbers[1].TakeWhile(char.IsAsciiDigit)) : "";
        return int.TryParse(major, CultureInfo.InvariantCulture, out var parsed)
            ? new Version(parsed, int.TryParse(minor, CultureInfo.InvariantCulture, out var small) ? small : 0)
            : null;
    }

    private static string Missing(int? major, List<PostgresBinaries> found)
    {
        var wanted = major is null ? $"PostgreSQL {OldestMajor} or newer" : $"PostgreSQL {major}";
        var searched = string.Join(", ", Patterns().Select(pattern => Path.Combine(pattern.Root, pattern.Name, "bin")).Prepend("PATH"));
        var seen = found.Count == 0
            ? "none was found"
            : "found only " + string.Join(", ", found.Select(binaries => $"{binaries.Version} in {binaries.Folder}"));
        return $"""
            {wanted} is needed, and {seen}.
            Looked for {string.Join(", ", Needed)} in: {searched}.
            To install it:  {InstallCommand(major)}
            """;
    }
}
