using System.Net;
using System.Net.Sockets;

namespace OrleansAiOs.EndToEnd;

/// <summary>Takes connections at one address and carries them to another, as they are.</summary>
internal sealed class TcpRelay : IAsyncDisposable
{
    private readonly TcpListener listener;
    private readonly CancellationTokenSource ending = new();
    private readonly Task accepting;

    public TcpRelay(TcpListener at, string host, int port)
    {
        listener = at;
        listener.Start();
        accepting = AcceptAsync(host, port);
    }

    public IPEndPoint Address => (IPEndPoint)listener.LocalEndpoint;

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        await accepting;
        listener.Stop();
        ending.Dispose();
    }

    private async Task AcceptAsync(string host, int port)
    {
        var carried = new List<Task>();
        try
        {
            while (true) carried.Add(CarryAsync(await listener.AcceptTcpClientAsync(ending.Token), host, port));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(carried);
        }
    }

    private async Task CarryAsync(TcpClient from, string host, int port)
    {
        using var front = from;
        using var back = new TcpClient { NoDelay = true };
        front.NoDelay = true;
        try
        {
            await back.ConnectAsync(host, port, ending.Token);
            // Either side has gone: the other goes too.
            await await Task.WhenAny(front.GetStream().CopyToAsync(back.GetStream(), ending.Token), back.GetStream().CopyToAsync(front.GetStream(), ending.Token));
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
        }
    }
}
