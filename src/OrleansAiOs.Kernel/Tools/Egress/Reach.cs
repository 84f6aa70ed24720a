using System.Globalization;
using System.Net;

namespace OrleansAiOs.Kernel.Tools.Egress;

/// <summary>
/// The endpoints ("host:port") that were named, one by one, by the person who approved a tool. Without a name, only public addresses are
/// reached, by https, on port 443. A named endpoint may be on a private network, on another port, and may speak http.
/// </summary>
public sealed class Reach
{
    private const int EndpointsMax = 32;

    private readonly HashSet<string> named;

    private Reach(HashSet<string> named) => this.named = named;

    /// <summary>Public addresses only.</summary>
    public static Reach Public { get; } = new([]);

    /// <exception cref="FormatException">One of them is no host with a port.</exception>
    public static Reach Of(IReadOnlyCollection<string>? endpoints)
    {
        if (endpoints is null or { Count: 0 }) return Public;
        if (endpoints.Count > EndpointsMax) throw new FormatException($"A tool reaches at most {EndpointsMax} named endpoints; these are {endpoints.Count}.");
        return new Reach(endpoints.Select(Canonical).ToHashSet(StringComparer.Ordinal));
    }

    public bool Names(Uri url) => named.Contains(EndpointOf(url));

    /// <summary>A URL's host and port, in one spelling.</summary>
    internal static string EndpointOf(Uri url) => $"{HostOf(url)}:{url.Port.ToString(CultureInfo.InvariantCulture)}";

    internal static string HostOf(Uri url) => url.IdnHost.TrimEnd('.').ToLowerInvariant();

    private static string Canonical(string endpoint)
    {
        var colon = endpoint.LastIndexOf(':');
        if (colon > 0 && int.TryParse(endpoint.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= IPEndPoint.MaxPort
            && Uri.TryCreate($"https://{endpoint}/", UriKind.Absolute, out var url) && url.UserInfo.Length == 0 && url.PathAndQuery == "/" && url.Fragment.Length == 0 && url.Port == port)
            return EndpointOf(url);
        throw new FormatException($"'{endpoint}' is no endpoint. Write the host and its port, as in crm.internal:8443.");
    }
}
