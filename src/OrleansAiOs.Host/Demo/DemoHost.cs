using OrleansAiOs.Host.Cli;
using OrleansAiOs.Host.Serving;

namespace OrleansAiOs.Host.Demo;

/// <summary>One host, in this process, with a clock that can be moved.</summary>
internal sealed class DemoHost : IDemoHosts
{
    private readonly AiosServer server;
    private readonly HostAddress address;

    private DemoHost(AiosServer server, HostAddress address, DemoClock clock) => (this.server, this.address, Clock) = (server, address, clock);

    public static async Task<DemoHost> StartAsync(string folder, IReadOnlyDictionary<string, string> settings, Action<string> say, CancellationToken cancellation)
    {
        var clock = new DemoClock();
        var server = await AiosServer.StartAsync(new ServeOptions
        {
            DataFolder = folder,
            Urls = "http://127.0.0.1:0",
            Packs = ServeCommand.BuiltIn,
            Setting = name => settings.GetValueOrDefault(name),
            Time = clock,
            Quiet = true,
            Progress = say,
        }, cancellation);
        say($"the host serves on {server.Address} with its database in {folder}");
        return new DemoHost(server, HostAddress.Find(server.Address.AbsoluteUri, new HostFolder(folder).OwnerKey, folder), clock);
    }

    public HostAddress Next() => address;

    public string NameOf(string? incarnation) => "";

    public DemoClock? Clock { get; }

    public ValueTask DisposeAsync() => server.DisposeAsync();
}
