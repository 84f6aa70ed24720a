using System.Net;
using System.Net.Sockets;
using OrleansAiOs.Kernel.Identity;

namespace OrleansAiOs.Kernel.Tools.Egress;

/// <summary>How the host reaches out, and how much it takes from whoever answers.</summary>
public sealed record EgressOptions
{
    /// <summary>Ports that a public host may be called on without being named. Default: 443.</summary>
    public IReadOnlyCollection<int> Ports { get; init; } = [443];

    /// <summary>Schemes that a public host may be called by without being named; of https and http. Default: https.</summary>
    public IReadOnlyCollection<string> Schemes { get; init; } = [Uri.UriSchemeHttps];

    /// <summary>Whether endpoints that were named for a tenant are reached. Default: in the first tenant, whose owner is the platform's.</summary>
    public Func<string, bool> MayName { get; init; } = static tenant => tenant == Tenants.Platform;

    /// <summary>From the first byte of a request to the last of its answer, redirects included, if the request says nothing else.</summary>
    public TimeSpan Within { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>To resolve a name and to connect.</summary>
    public TimeSpan ConnectWithin { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Bytes of an answer that are read, after decompression.</summary>
    public int AnswerBytesMax { get; init; } = 1024 * 1024;

    public int RedirectsMax { get; init; } = 5;

    /// <summary>Names to addresses. Asked once for each connection.</summary>
    public Func<string, CancellationToken, Task<IPAddress[]>> Resolve { get; init; } = static (host, cancellation) => Dns.GetHostAddressesAsync(host, cancellation);

    /// <summary>Connects to an address that was judged.</summary>
    internal Func<IPEndPoint, CancellationToken, Task<Stream>> Dial { get; init; } = static async (endpoint, cancellation) =>
    {
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endpoint, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    };
}
