using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Serialization;
using OrleansAiOs.Cluster.Explaining;
using OrleansAiOs.Cluster.LiveViews;
using OrleansAiOs.Cluster.Membership;
using OrleansAiOs.Cluster.Runs;
using OrleansAiOs.Cluster.WakeUps;
using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Cluster;

/// <summary>
/// A host's place in a cluster: an Orleans silo beside the engine, and the engine's inputs routed to where their runs are active. Orleans says
/// where; whether something may be appended, the store says. So two activations of one run, which Orleans can bring about, do no harm.
/// </summary>
public sealed class ClusterMember : IAsyncDisposable
{
    private readonly IHost silo;
    private readonly GrainRoute route;
    private readonly CancellationTokenSource leaving = new();
    private readonly Lock watch = new();
    private string members = "";
    private Task watching = Task.CompletedTask;

    private ClusterMember(WorkflowHost engine, ClusterOptions options)
    {
        (Engine, Log) = (engine, options.Log.CreateLogger("OrleansAiOs.Cluster"));
        var builder = new HostBuilder();
        builder.ConfigureLogging(logging => logging.ClearProviders().AddProvider(new Forward(options.Log)).SetMinimumLevel(options.OrleansLog));
        builder.UseOrleans(orleans => Configure(orleans, engine.Options.HostId, options));
        builder.ConfigureServices(services => services.AddSingleton(this));
        silo = builder.Build();
        Seal = new MessageSeal(options.Secret, silo.Services.GetRequiredService<Serializer>());
        var grains = silo.Services.GetRequiredService<IGrainFactory>();
        route = new GrainRoute(grains, Seal, Log);
        Others = new OtherMembers(silo.Services, Seal, Log);
        Seats = new WakeUpSeats(this, grains);
        Live = new LiveStreams(this, silo.Services.GetRequiredService<IClusterClient>().GetStreamProvider(LiveStreams.Provider));
    }

    /// <summary>The engine whose runs are grains here.</summary>
    internal WorkflowHost Engine { get; private set; }

    internal MessageSeal Seal { get; }

    internal OtherMembers Others { get; }

    /// <summary>The buckets of wake-ups that are served here.</summary>
    internal WakeUpSeats Seats { get; }

    /// <summary>What is appended elsewhere, for those who look at it here.</summary>
    internal LiveStreams Live { get; }

    internal ILogger Log { get; }

    internal IServiceProvider Services => silo.Services;

    /// <summary>Where other members reach this one.</summary>
    public string Address => silo.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress.ToParsableString();

    /// <summary>Joins the cluster of a database. The engine is to be started after it.</summary>
    public static async Task<ClusterMember> JoinAsync(WorkflowHost engine, ClusterOptions options, CancellationToken cancellation = default)
    {
        if (!engine.Options.Shared) throw new ArgumentException("A host in a cluster shares its database: WorkflowHostOptions.Shared.", nameof(engine));
        if (!IPAddress.IsLoopback(options.Address) && options.Tls is null)
            throw new ArgumentException($"Members beyond this machine speak TLS: without a certificate {options.Address} is refused. Whoever can speak to a member's port could speak for all tenants.", nameof(options));
        var member = new ClusterMember(engine, options);
        try
        {
            await member.silo.StartAsync(cancellation);
            member.Serve(engine);
            member.watching = Task.Run(member.WatchAsync, CancellationToken.None);
            return member;
        }
        catch
        {
            member.silo.Dispose();
            throw;
        }
    }

    /// <summary>Runs are active in this engine from now on.</summary>
    internal void Serve(WorkflowHost engine)
    {
        engine.Route = (run, input) => route.Post(engine, run, input);
        engine.ExplainedElsewhere = Others.ExplainAsync;
        Engine = engine;
        Seats.Serve(engine);
        Live.Serve(engine);
    }

    /// <summary>Gives the runs that are active here to other members, once their turns have ended, and leaves. What their attempts come to is still recorded by the engine.</summary>
    public async Task LeaveAsync()
    {
        await leaving.CancelAsync();
        await watching;
        await Seats.DisposeAsync();
        // It says good-bye to others, who may just have died: nothing durable waits for that.
        try
        {
            await Live.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(2));
        }
        catch (Exception e)
        {
            ClusterLog.NoLiveViews(Log, e);
        }
        await silo.StopAsync();
        (Engine.Route, Engine.ExplainedElsewhere) = (null, null);
    }

    public async ValueTask DisposeAsync()
    {
        await LeaveAsync();
        silo.Dispose();
    }

    // A member that is active can be given grains only once it has also told which it has, which comes later; and one that leaves keeps its grains
    // until it has gone. Each of these is a change.
    private Task WatchAsync() => Task.WhenAll(
        EachAsync(silo.Services.GetRequiredService<IClusterMembershipService>().MembershipUpdates),
        EachAsync(silo.Services.GetRequiredService<IClusterManifestProvider>().Updates));

    private async Task EachAsync<T>(IAsyncEnumerable<T> changes)
    {
        try
        {
            await foreach (var _ in changes.WithCancellation(leaving.Token))
            {
                try
                {
                    Look();
                }
                catch (Exception e)
                {
                    ClusterLog.NotLooked(Log, e);
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private void Look()
    {
        lock (watch)
        {
            var ready = silo.Services.GetRequiredService<IClusterManifestProvider>().Current.Silos;
            var present = silo.Services.GetRequiredService<IClusterMembershipService>().CurrentSnapshot.Members.Values
                .Where(each => each.Status is not SiloStatus.Dead).OrderBy(each => each.SiloAddress).ToList();
            var now = string.Join(' ', present.Select(each => $"{each.SiloAddress.ToParsableString()}:{each.Status}:{ready.ContainsKey(each.SiloAddress)}"));
            if (now == members) return;
            members = now;
            var view = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(now)))[..16];
            Seats.Renew(view, [.. present.Where(each => each.Status is SiloStatus.Active && ready.ContainsKey(each.SiloAddress)).Select(each => each.SiloAddress)]);
            Live.Renew(view);
        }
    }

    private static void Configure(ISiloBuilder orleans, string host, ClusterOptions options)
    {
        orleans.Configure<Orleans.Configuration.ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (options.Name, options.Name));
        orleans.Configure<SiloOptions>(silo => silo.SiloName = host);
        orleans.Configure<EndpointOptions>(endpoints =>
        {
            endpoints.AdvertisedIPAddress = options.Address;
            endpoints.SiloPort = options.Port == 0 ? FreePort(options.Address) : options.Port;
            endpoints.GatewayPort = 0; // hosts call each other; no client of Orleans calls a host
            endpoints.SiloListeningEndpoint = new IPEndPoint(options.Address, endpoints.SiloPort);
        });
        // A dead member is found in about ten seconds; with Orleans' own settings in over sixty.
        orleans.Configure<ClusterMembershipOptions>(membership =>
        {
            membership.ProbeTimeout = TimeSpan.FromSeconds(1);
            membership.NumMissedProbesLimit = 2;
            membership.TableRefreshTimeout = TimeSpan.FromSeconds(5);
            membership.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(3);
            membership.DefunctSiloExpiration = TimeSpan.FromHours(1);
            membership.DefunctSiloCleanupPeriod = TimeSpan.FromMinutes(10);
            // It compares the clocks of two machines: with five minutes between them nobody could join. Who does not get on is struck off by the database's clock.
            membership.EvictWhenMaxJoinAttemptTimeExceeded = false;
        });
        // A message can be lost with the link it was on, and then only time tells. Longer than it takes to vote a member out, before which there is
        // nobody else to ask; with Orleans' own 30 s, a command to a run of a member that was cut off took as long.
        orleans.Configure<SiloMessagingOptions>(messages => messages.ResponseTimeout = messages.SystemResponseTimeout = TimeSpan.FromSeconds(12));
        orleans.Services.AddSingleton<IMembershipTable>(new PostgresMembership(options.Database, options.Name));
        orleans.AddReminders();
        orleans.Services.AddSingleton<IReminderTable>(new PostgresReminders(options.Database, options.Name));
        orleans.AddMemoryGrainStorage("PubSubStore"); // the name that Orleans looks for
        orleans.AddMemoryStreams(LiveStreams.Provider, streams => streams.ConfigurePartitioning(2));
        orleans.AddIncomingGrainCallFilter<SealFilter>();
        orleans.AddGrainService<MemberService>();
        options.Tls?.Use(orleans);
        // A run is active where it was asked for: a child beside its parent, and a start where its request came in.
        orleans.Services.Replace(ServiceDescriptor.Singleton<PlacementStrategy>(options.Spread ? new RandomPlacement() : new PreferLocalPlacement()));
    }

    private static int FreePort(IPAddress address)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>Orleans logs where the host logs.</summary>
    private sealed class Forward(ILoggerFactory log) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => log.CreateLogger(categoryName);

        public void Dispose()
        {
        }
    }
}
