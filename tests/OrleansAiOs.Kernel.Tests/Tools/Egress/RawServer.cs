using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrleansAiOs.Kernel.Tests.Tools.Egress;

/// <summary>A server on every address of this machine that sees each connection and each byte, and answers what a test says.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener listener;
    private readonly Func<string, byte[]> answer;
    private readonly Task serving;
    private int connects;

    public RawServer(Func<string, byte[]> answer)
    {
        this.answer = answer;
        listener = TcpListener.Create(0); // both families, every address
        listener.Start();
        serving = ServeAsync();
    }

    public RawServer(string answer = "ok") : this(_ => Http(200, answer))
    {
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public string Url => $"http://127.0.0.1:{Port}";

    public string Endpoint => $"127.0.0.1:{Port}";

    public int Connects => Volatile.Read(ref connects);

    /// <summary>Every request that came, headers and body.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    public static byte[] Http(int status, string body, params string[] headers) => Http(status, Encoding.UTF8.GetBytes(body), headers);

    public static byte[] Http(int status, byte[] body, params string[] headers) =>
        [.. Encoding.UTF8.GetBytes($"HTTP/1.1 {status} Some\r\nContent-Length: {body.Length}\r\nConnection: close\r\n{string.Concat(headers.Select(header => header + "\r\n"))}\r\n"), .. body];

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        await serving;
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await listener.AcceptSocketAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
            Interlocked.Increment(ref connects);
            _ = Task.Run(() => TalkAsync(socket));
        }
    }

    private async Task TalkAsync(Socket socket)
    {
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            var request = await ReadAsync(stream);
            Requests.Enqueue(request);
            await stream.WriteAsync(answer(request));
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // Who called has hung up.
        }
    }

    private static async Task<string> ReadAsync(NetworkStream stream)
    {
        var text = new StringBuilder();
        var buffer = new byte[64 * 1024];
        while (true)
        {
            var read = await stream.ReadAsync(buffer);
            if (read == 0) return text.ToString();
            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
            var request = text.ToString();
            var end = request.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end < 0) continue;
            var length = request.Split("\r\n").FirstOrDefault(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)) is { } header ? int.Parse(header["Content-Length:".Length..], null) : 0;
            if (Encoding.UTF8.GetByteCount(request[(end + 4)..]) >= length) return request;
        }
    }
}
