using System.Reflection;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>Where the private server lives and how it is looked after.</summary>
public sealed record EmbeddedPostgresOptions
{
    /// <summary>Root: /var/lib/aios/postgres. Others: $XDG_DATA_HOME/aios/postgres (~/.local/share), %LOCALAPPDATA%\aios\postgres.</summary>
    public static string DefaultDataFolder => Path.Combine(
        Posix.IsRoot ? "/var/lib" : Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify),
        "aios",
        "postgres");

    public string DataFolder { get; init; } = DefaultDataFolder;

    /// <summary>How long the server waits for a next host after its last one has gone.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Long enough for a server that has to redo two gigabytes of log first.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Which programs to use; the newest installed when null.</summary>
    public string? BinariesFolder { get; init; }

    /// <summary>How to run <see cref="EmbeddedSupervisor"/> in a process of its own; this program with <c>db supervise</c> when null.</summary>
    public SupervisorCommand? SupervisorCommand { get; init; }

    /// <summary>For tests: the supervisor removes the data folder after it has stopped the server.</summary>
    public bool DeleteWhenStopped { get; init; }

    /// <summary>Told, in one line, whatever takes longer than a moment.</summary>
    public Action<string>? Progress { get; init; }
}

/// <summary>A program and its leading arguments; the supervisor's own arguments follow.</summary>
public sealed record SupervisorCommand(string FileName, params IReadOnlyList<string> Arguments)
{
    /// <summary>This same program, with the hidden verb.</summary>
    public static SupervisorCommand OfThisProgram()
    {
        var program = Environment.ProcessPath
            ?? throw new EmbeddedPostgresException("The path of this program is not known; set EmbeddedPostgresOptions.SupervisorCommand.");
        var startedByDotnet = Path.GetFileNameWithoutExtension(program).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
        return startedByDotnet
            ? new SupervisorCommand(program, "exec", Assembly.GetEntryAssembly()!.Location, "db", "supervise")
            : new SupervisorCommand(program, "db", "supervise");
    }
}
