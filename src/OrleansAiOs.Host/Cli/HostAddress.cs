using OrleansAiOs.Host.Serving;

namespace OrleansAiOs.Host.Cli;

/// <summary>Where the host listens and the key that opens it.</summary>
/// <param name="Url">Without a slash at its end.</param>
/// <param name="Key">Null when none was found.</param>
/// <param name="Folder">The data folder that was looked in.</param>
internal sealed record HostAddress(Uri Url, string? Key, string Folder)
{
    /// <summary>For whom the key's holder acts; null for itself.</summary>
    public string? OnBehalfOf { get; init; }

    private const string DefaultUrl = "http://127.0.0.1:8787";

    public static HostAddress Find(string? url, string? key, string? data)
    {
        var folder = new HostFolder(FolderPath(data));
        var address = Parse(Given(url) ?? Variable("AIOS_URL") ?? Readable(() => folder.Endpoint) ?? DefaultUrl);
        // The owner's key of this machine is nobody else's business.
        var found = Given(key) ?? Variable("AIOS_KEY") ?? (address.IsLoopback ? Readable(() => folder.OwnerKey) : null);
        return new HostAddress(address, found, FolderPath(data));
    }

    public static string FolderPath(string? data) => Given(data) ?? HostFolder.DefaultPath;

    private static Uri Parse(string text)
    {
        if (!Uri.TryCreate(text.TrimEnd('/'), UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.UserInfo != "" || url.Query != "" || url.Fragment != "")
            throw CliException.Usage($"'{text}' is not the address of a host. It looks like {DefaultUrl}.");
        return url;
    }

    // A folder of another user's host is closed to us: then it says nothing, and the host will ask for a key.
    private static string? Readable(Func<string?> read)
    {
        try
        {
            return Given(read());
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? Variable(string name) => Given(Environment.GetEnvironmentVariable(name));

    private static string? Given(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
