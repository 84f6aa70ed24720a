using Npgsql;
using OrleansAiOs.Postgres;

namespace OrleansAiOs.Host.Serving;

/// <summary>The database that --connection names, or else AIOS_CONNECTION.</summary>
internal static class GivenConnection
{
    public const string Form = "It looks like Host=127.0.0.1;Username=aios;Password=…;Database=aios; an address (postgres://…) is none.";

    /// <returns>Null if none is named: the private one, where there is one.</returns>
    /// <exception cref="StartRefusedException">It is no connection string. The message does not quote it: it may hold a password.</exception>
    public static string? Read(string? option)
    {
        var given = Raw(option);
        if (given is null) return null;
        try
        {
            if (new NpgsqlConnectionStringBuilder(given).Host is { Length: > 0 }) return given;
        }
        catch (ArgumentException)
        {
            // Told below: Npgsql's own message may quote it.
        }
        throw new StartRefusedException($"The connection string cannot be read. {Form}");
    }

    public static string? Raw(string? option) => (option ?? Environment.GetEnvironmentVariable("AIOS_CONNECTION")) is { } given && !string.IsNullOrWhiteSpace(given) ? given : null;
}
