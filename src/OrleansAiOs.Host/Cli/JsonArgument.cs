using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

/// <summary>A JSON value on the command line: the text itself, @FILE, or - for stdin.</summary>
internal static class JsonArgument
{
    public static async Task<JsonElement> ReadAsync(string argument, CancellationToken cancellation)
    {
        var text = argument switch
        {
            "-" => await Console.In.ReadToEndAsync(cancellation),
            ['@', .. var file] => await ReadFileAsync(file, cancellation),
            _ => argument,
        };
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            var hint = argument is "-" or ['@', ..] ? "" : " A text needs its quotation marks inside the shell's: '\"text\"'.";
            throw CliException.Usage($"{(argument is "-" ? "stdin" : $"'{Human.Cut(argument)}'")} is not JSON: {e.Message}{hint}");
        }
    }

    private static async Task<string> ReadFileAsync(string file, CancellationToken cancellation)
    {
        try
        {
            return await File.ReadAllTextAsync(file, cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw CliException.Usage($"The file '{file}' cannot be read: {e.Message}");
        }
    }
}
