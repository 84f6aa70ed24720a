using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Npgsql;

namespace OrleansAiOs.EndToEnd;

/// <summary>
/// Network namespaces that stand for machines. Each has two cables: one to the other machines, over which members speak, and one to where this
/// process is, with the database, the receivers and the callers. Either can be cut without the other.
/// </summary>
internal sealed class Machines : IAsyncDisposable
{
    private const int MemberPort = 11111;

    private readonly string name = $"aios{RandomNumberGenerator.GetHexString(4, lowercase: true)}"; // with what follows at most 15 characters
    private readonly int net = RandomNumberGenerator.GetInt32(16, 240);
    private readonly int count;
    private readonly MemberAuthority authority = new("machines");
    private readonly List<TcpRelay> relays = [];
    private readonly List<IReadOnlyDictionary<string, string>> receivers = [];
    private IPEndPoint? database;

    private Machines(int count) => this.count = count;

    /// <summary>Why there can be none here; null if there can.</summary>
    public static string? WhyNot => Missing.Value;

    private static readonly Lazy<string?> Missing = new(() =>
    {
        try
        {
            Task.Run(async () => await (await MakeAsync(1)).DisposeAsync()).GetAwaiter().GetResult();
            return null;
        }
        catch (InvalidOperationException e)
        {
            return $"No network can be cut here: that takes Linux, iproute2 and the right to make network namespaces (root, or CAP_NET_ADMIN and CAP_SYS_ADMIN). {e.Message}";
        }
    });

    public static async Task<Machines> MakeAsync(int count)
    {
        var machines = new Machines(count);
        try
        {
            await machines.BuildAsync();
            return machines;
        }
        catch
        {
            await machines.DisposeAsync();
            throw;
        }
    }

    /// <summary>A host of this machine: a member that the other machines reach, and that reaches the database and the receivers.</summary>
    public HostSetup At(int which, HostSetup common)
    {
        var (certificate, issuer) = authority.Write(common.DataFolder);
        return common with
        {
            Namespace = Space(which),
            ConnectionString = new NpgsqlConnectionStringBuilder(common.ConnectionString) { Host = database!.Address.ToString(), Port = database.Port }.ConnectionString,
            Arguments = [.. common.Arguments, "--cluster", $"{Member(which)}:{MemberPort}", "--urls", $"http://{Outside(which)}:0", "--host-name", Outside(which)],
            Environment = new Dictionary<string, string>([.. common.Environment.Where(setting => !receivers[which].ContainsKey(setting.Key)), .. receivers[which]])
            {
                ["AIOS_CLUSTER_CERTIFICATE"] = certificate,
                ["AIOS_CLUSTER_AUTHORITY"] = issuer,
            },
        };
    }

    /// <summary>Lets the machines reach what this process reaches.</summary>
    public void Connect(string connection, Uri sandbox)
    {
        var server = new NpgsqlConnectionStringBuilder(connection);
        database = Relay(new TcpListener(IPAddress.Parse(Here), 0), server.Host!, server.Port);
        for (var i = 0; i < count; i++)
            // The receivers answer to the machine's own name only.
            receivers.Add(Receivers.At(new Uri($"http://{Relay(ListenerInside(i), sandbox.Host, sandbox.Port)}/")));
    }

    /// <summary>Pulls the machine's cable to the others out of the switch: what is sent is gone, and nobody is told.</summary>
    public Task CutAsync(int which) => IpAsync([], $"link set {name}m{which} down");

    public Task MendAsync(int which) => IpAsync([], $"link set {name}m{which} up");

    public async ValueTask DisposeAsync()
    {
        foreach (var relay in relays) await relay.DisposeAsync();
        authority.Dispose();
        // With a namespace go its cables. What was never made is not there to be removed.
        for (var i = 0; i < count; i++) await IpAsync(["-force"], $"netns del {Space(i)}", mayFail: true);
        await IpAsync(["-force"], $"link del {name}m\nlink del {name}s", mayFail: true);
    }

    private async Task BuildAsync()
    {
        await IpAsync([], $"""
            link add {name}m type bridge
            link add {name}s type bridge
            link set {name}m up
            addr add {Here}/24 dev {name}s
            link set {name}s up
            """);
        for (var i = 0; i < count; i++)
        {
            await IpAsync([], $"netns add {Space(i)}");
            await IpAsync([], $"""
                link add {name}m{i} type veth peer name member netns {Space(i)}
                link add {name}s{i} type veth peer name outside netns {Space(i)}
                link set {name}m{i} master {name}m up
                link set {name}s{i} master {name}s up
                """);
            await IpAsync(["-n", Space(i)], $"""
                link set lo up
                addr add {Member(i)}/24 dev member
                link set member up
                addr add {Outside(i)}/24 dev outside
                link set outside up
                """);
        }
    }

    private string Space(int which) => $"{name}-{which}";

    private string Member(int which) => $"10.{net}.1.{which + 2}";

    private string Outside(int which) => $"10.{net}.2.{which + 2}";

    private string Here => $"10.{net}.2.1";

    private IPEndPoint Relay(TcpListener at, string host, int port)
    {
        var relay = new TcpRelay(at, host, port);
        relays.Add(relay);
        return relay.Address;
    }

    // A socket stays in the namespace of the thread that made it. This one ends with it.
    private TcpListener ListenerInside(int which)
    {
        TcpListener? listener = null;
        var thread = new Thread(() =>
        {
            using var inside = File.OpenHandle($"/var/run/netns/{Space(which)}");
            if (SetNamespace((int)inside.DangerousGetHandle(), 0) == 0) (listener = new TcpListener(IPAddress.Loopback, 0)).Start();
        });
        thread.Start();
        thread.Join();
        return listener ?? throw new InvalidOperationException($"No thread can enter the network namespace {Space(which)}.");
    }

    [DllImport("libc", EntryPoint = "setns")]
    private static extern int SetNamespace(int namespaceFile, int kind);

    private static async Task IpAsync(string[] options, string commands, bool mayFail = false)
    {
        try
        {
            using var ip = Process.Start(new ProcessStartInfo("ip", [.. options, "-batch", "-"]) { RedirectStandardInput = true, RedirectStandardError = true })!;
            await ip.StandardInput.WriteLineAsync(commands);
            ip.StandardInput.Close();
            var said = await ip.StandardError.ReadToEndAsync();
            await ip.WaitForExitAsync();
            if (ip.ExitCode != 0 && !mayFail) throw new InvalidOperationException($"ip said of '{commands.ReplaceLineEndings("; ")}': {said.Trim()}");
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            if (!mayFail) throw new InvalidOperationException($"ip: {e.Message}", e);
        }
    }
}
