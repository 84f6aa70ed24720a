using System.Globalization;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>What a host hands to the supervisor it launches.</summary>
internal sealed record SupervisorArguments(string DataFolder, string BinariesFolder, TimeSpan Grace, bool DeleteWhenStopped)
{
    private const string ScratchMark = "scratch";

    public string[] ToArguments() =>
    [
        DataFolder, BinariesFolder, Grace.TotalSeconds.ToString(CultureInfo.InvariantCulture), .. DeleteWhenStopped ? new[] { ScratchMark } : [],
    ];

    public static SupervisorArguments Parse(string[] arguments) =>
        arguments is [var data, var binaries, var grace, .. var rest]
            && double.TryParse(grace, CultureInfo.InvariantCulture, out var seconds)
            && rest is [] or [ScratchMark]
            ? new SupervisorArguments(data, binaries, TimeSpan.FromSeconds(seconds), rest.Length == 1)
            : throw new EmbeddedPostgresException("The supervisor is started by its host, as: DATA-FOLDER BINARIES-FOLDER GRACE-SECONDS [scratch]");
}
