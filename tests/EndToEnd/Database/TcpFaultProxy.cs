using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrleansAiOs.EndToEnd;

/// <summary>What becomes of one exchange: the request up to its Sync, and the reply up to ReadyForQuery.</summary>
internal enum Fate
{
    Pass,

    /// <summary>The server never sees the request; the connection breaks.</summary>
    CutBefore,

    /// <summary>The server carries the request out, commit included; its reply is swallowed and the connection breaks.</summary>
    CutAfter,

    /// <summary>The request waits until <see cref="TcpFaultProxy.ReleaseStalled"/>, even if whoever sent it is gone by then.</summary>
    Stall,
}

/// <summary>
/// Stands between a host and PostgreSQL and understands just enough of the protocol to fail at an exact place.
///
/// Which exchanges commit is known from their text: COMMIT itself, and the append, which is one statement and so its own transaction.
/// The append is prepared once per connection, so the proxy remembers the names of statements whose text it recognised (Parse) and
/// looks at which statement is executed (Bind).
/// </summary>
internal sealed class TcpFaultProxy : IAsyncDisposable
{
    private const int UntypedHeader = 4;
    private const int TypedHeader = 5;
    private const string AppendMark = "insert into aios.mt_events";

    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource ending = new();
    private readonly string host;
    private readonly int port;
    private readonly Task accepting;
    private TaskCompletionSource stalled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int commits;
    private int cutBefore;
    private int cutAfter;
    private int stalls;

    public TcpFaultProxy(string connectionString)
    {
        var server = new Npgsql.NpgsqlConnectionStringBuilder(connectionString);
        (host, port) = (server.Host!, server.Port);
        listener.Start();
        ConnectionString = new Npgsql.NpgsqlConnectionStringBuilder(connectionString) { Host = "127.0.0.1", Port = ((IPEndPoint)listener.LocalEndpoint).Port }.ConnectionString;
        accepting = AcceptAsync();
    }

    /// <summary>For Npgsql: the server, through this proxy.</summary>
    public string ConnectionString { get; }

    /// <summary>Decides the fate of the n-th exchange that commits, counted from 1 over all connections.</summary>
    public Func<int, Fate> OnCommit { get; set; } = _ => Fate.Pass;

    public int Commits => Volatile.Read(ref commits);

    public int CutsBefore => Volatile.Read(ref cutBefore);

    public int CutsAfter => Volatile.Read(ref cutAfter);

    public int Stalls => Volatile.Read(ref stalls);

    public void ReleaseStalled() => Interlocked.Exchange(ref stalled, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        listener.Stop();
        await accepting;
        ending.Dispose();
    }

    private async Task AcceptAsync()
    {
        var served = new List<Task>();
        try
        {
            while (true) served.Add(ServeAsync(await listener.AcceptTcpClientAsync(ending.Token)));
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            await Task.WhenAll(served);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var front = client;
        using var back = new TcpClient { NoDelay = true };
        front.NoDelay = true;
        try
        {
            await back.ConnectAsync(host, port, ending.Token);
            var link = new Link(front.GetStream(), back.GetStream());
            var requests = ForwardRequestsAsync(link);
            var replies = ForwardRepliesAsync(link);
            await await Task.WhenAny(requests, replies);
            // A request that is stalled outlives its sender: it is already on the network.
            if (link.IsStalled) await requests;
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Either side has gone, or was cut: the other goes too.
        }
    }

    private async Task ForwardRequestsAsync(Link link)
    {
        var exchange = new MemoryStream();
        var (started, commitsNow) = (false, false);
        while (true)
        {
            var message = await ReadAsync(link.Front, typed: started);
            if (message is null) return;
            if (!started)
            {
                // SSLRequest and GSSENCRequest come before the start-up message, and their answer is one byte without a header.
                var code = BinaryPrimitives.ReadInt32BigEndian(message.AsSpan(UntypedHeader));
                started = code >> 16 == 3;
                await link.Back.WriteAsync(message, ending.Token);
                if (!started) await link.Front.WriteAsync(await ReadByteAsync(link.Back), ending.Token);
                else link.Started.SetResult();
                continue;
            }
            exchange.Write(message);
            commitsNow |= link.Commits(message);
            if (message[0] is not ((byte)'S' or (byte)'Q' or (byte)'p' or (byte)'X')) continue;

            var fate = commitsNow ? OnCommit(Interlocked.Increment(ref commits)) : Fate.Pass;
            if (fate is Fate.CutBefore)
            {
                Interlocked.Increment(ref cutBefore);
                return;
            }
            if (fate is Fate.Stall)
            {
                link.IsStalled = true;
                var release = stalled.Task;
                Interlocked.Increment(ref stalls);
                await release.WaitAsync(ending.Token);
            }
            if (message[0] is (byte)'S' or (byte)'Q') lock (link.Fates) link.Fates.Enqueue(fate);
            await link.Back.WriteAsync(exchange.GetBuffer().AsMemory(0, (int)exchange.Length), ending.Token);
            if (fate is Fate.Stall)
            {
                while (await ReadAsync(link.Back, typed: true) is [not (byte)'Z', ..])
                {
                }
                return;
            }
            exchange.SetLength(0);
            commitsNow = false;
        }
    }

    private async Task ForwardRepliesAsync(Link link)
    {
        await link.Started.Task.WaitAsync(ending.Token);
        while (await ReadAsync(link.Back, typed: true) is { } message)
        {
            Fate fate;
            lock (link.Fates) fate = link.Fates.TryPeek(out var next) ? next : Fate.Pass;
            if (fate is not Fate.CutAfter) await link.Front.WriteAsync(message, ending.Token);
            if (message[0] != (byte)'Z') continue;
            lock (link.Fates) link.Fates.TryDequeue(out _);
            if (fate is not Fate.CutAfter) continue;
            Interlocked.Increment(ref cutAfter);
            return;
        }
    }

    private async Task<byte[]?> ReadAsync(NetworkStream from, bool typed)
    {
        var header = new byte[typed ? TypedHeader : UntypedHeader];
        var read = await from.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, ending.Token);
        if (read < header.Length) return null;
        var length = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(header.Length - 4)) + (typed ? 1 : 0);
        var message = new byte[length];
        header.CopyTo(message, 0);
        await from.ReadExactlyAsync(message.AsMemory(header.Length), ending.Token);
        return message;
    }

    private async Task<byte[]> ReadByteAsync(NetworkStream from)
    {
        var one = new byte[1];
        await from.ReadExactlyAsync(one, ending.Token);
        return one;
    }

    private sealed class Link(NetworkStream front, NetworkStream back)
    {
        private readonly HashSet<string> appends = [];

        public NetworkStream Front => front;

        public NetworkStream Back => back;

        public TaskCompletionSource Started { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Of the exchanges whose ReadyForQuery has not come yet.</summary>
        public Queue<Fate> Fates { get; } = new();

        public bool IsStalled { get; set; }

        public bool Commits(byte[] message)
        {
            switch ((char)message[0])
            {
                case 'P': // Parse: the statement's name, its text
                    var (name, next) = Text(message, TypedHeader);
                    if (Text(message, next).Value.Contains(AppendMark, StringComparison.Ordinal)) appends.Add(name);
                    return false;
                case 'B': // Bind: the portal's name, the statement's name
                    return appends.Contains(Text(message, Text(message, TypedHeader).Next).Value);
                case 'Q':
                    return Text(message, TypedHeader).Value.StartsWith("COMMIT", StringComparison.OrdinalIgnoreCase);
                default:
                    return false;
            }
        }

        private static (string Value, int Next) Text(byte[] message, int at)
        {
            var end = Array.IndexOf(message, (byte)0, at);
            return (Encoding.UTF8.GetString(message, at, end - at), end + 1);
        }
    }
}
