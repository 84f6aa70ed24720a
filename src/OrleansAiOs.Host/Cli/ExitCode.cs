namespace OrleansAiOs.Host.Cli;

/// <summary>What the program's end means to a script; AiosCommand's help tells them to people.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int NotFound = 3;
    public const int Refused = 4;
    public const int Conflict = 5;
    public const int Invalid = 6;
    public const int Unavailable = 7;
    public const int StillOpen = 8;
    public const int Differs = 9;
    public const int CannotReplay = 10;
    public const int Interrupted = 130;

    public static int OfStatus(int httpStatus) => httpStatus switch
    {
        404 => NotFound,
        401 or 403 => Refused,
        409 => Conflict,
        429 or >= 500 => Unavailable,
        _ => Invalid,
    };
}

/// <summary>Ends the verb with a message for the person at the terminal and a code for the script.</summary>
internal sealed class CliException(int code, string title, string? detail = null) : Exception(title)
{
    public int Code => code;

    public string? Detail => detail;

    public static CliException Usage(string message) => new(ExitCode.Usage, message);
}
