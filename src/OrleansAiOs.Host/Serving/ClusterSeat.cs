using System.Net;
using Npgsql;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.History;
#if CLUSTER_HOST
using System.Security.Cryptography;
using OrleansAiOs.Cluster;
using OrleansAiOs.Cluster.History;
#endif

namespace OrleansAiOs.Host.Serving;

/// <summary>Where a member of a cluster is reached, and what it shows to the others.</summary>
/// <param name="Address">An address other hosts can reach; port 0 takes a free one.</param>
/// <param name="Certificate">A PEM file: the member's certificate and its key. Null on this machine alone.</param>
/// <param name="Authority">A PEM file: who issues members' certificates.</param>
/// <param name="Connection">The same database as another user, who alone may write who is a member; null where the hosts' own user may.</param>
internal sealed record ClusterPlace(IPEndPoint Address, string? Certificate, string? Authority, string? Connection)
{
    /// <param name="address">An IP address, with a port or without; nothing for any port of this machine.</param>
    /// <param name="setting">CLUSTER_CERTIFICATE, CLUSTER_AUTHORITY and CLUSTER_CONNECTION.</param>
    /// <exception cref="StartRefusedException">It is no address, or one beyond this machine without what members have to show there.</exception>
    public static ClusterPlace Parse(string address, Func<string, string?> setting)
    {
        var point = new IPEndPoint(IPAddress.Loopback, 0);
        if (address.Length > 0 && (!IPEndPoint.TryParse(address, out point!) || point.Address.Equals(IPAddress.Any) || point.Address.Equals(IPAddress.IPv6Any)))
            throw new StartRefusedException($"'{address}' is not where other hosts can reach this one: --cluster takes an IP address, with :PORT or without.");
        var place = new ClusterPlace(point, setting("CLUSTER_CERTIFICATE"), setting("CLUSTER_AUTHORITY"), setting("CLUSTER_CONNECTION") is { Length: > 0 } connection ? connection : null);
        if (place.Certificate is null != place.Authority is null)
            throw new StartRefusedException("AIOS_CLUSTER_CERTIFICATE and AIOS_CLUSTER_AUTHORITY belong together: this member's certificate with its key, and who issues members' certificates.");
        // Whoever can speak to a member's port could speak for all tenants.
        if (!IPAddress.IsLoopback(point.Address) && place.Certificate is null)
            throw new StartRefusedException($"Members beyond this machine prove to each other who they are: for {point.Address}, set AIOS_CLUSTER_CERTIFICATE and AIOS_CLUSTER_AUTHORITY.");
        return place;
    }
}

/// <summary>A host's place in a cluster. A program that was built where the packages for one are not to be had says so.</summary>
internal static class ClusterSeat
{
#if CLUSTER_HOST
    /// <summary>Why this program can be in no cluster; null if it can.</summary>
    public static string? Lacking => null;
#else
    public static string? Lacking => "This program has no cluster: it was built where the packages of Microsoft Orleans were not to be had. Build it where they are.";
#endif

    /// <summary>What appends: the store itself, or Marten over the same tables.</summary>
    /// <param name="store">The store.</param>
    /// <param name="connection">Its database.</param>
    /// <param name="which">AIOS_HISTORY: native, marten; native if it is not set.</param>
    /// <param name="log">Where trouble with appends is written.</param>
    /// <exception cref="StartRefusedException">It is neither, or this program has no Marten.</exception>
    public static IRunStore History(PostgresStore store, string connection, string? which, ILogger log) => which switch
    {
        null or "" or "native" => store,
#if CLUSTER_HOST
        "marten" => new MartenHistory(store, connection, log),
#else
        "marten" => throw new StartRefusedException("This program has no Marten: it was built where its packages were not to be had. Build it where they are, or leave AIOS_HISTORY out."),
#endif
        _ => throw new StartRefusedException($"AIOS_HISTORY is '{which}': native or marten."),
    };

    /// <summary>Joins the members of the database. To be given up before the engine stops.</summary>
    public static async Task<IAsyncDisposable> TakeAsync(ClusterPlace place, WorkflowHost engine, NpgsqlDataSource database, StreamSeal secret, ILoggerFactory log, CancellationToken cancellation)
    {
#if CLUSTER_HOST
        var own = place.Connection is null ? null : await MembersSource.OpenAsync(place.Connection, database, log, cancellation);
        try
        {
            return new Seat(await ClusterMember.JoinAsync(engine, Options(own ?? database), cancellation), own);
        }
        catch
        {
            if (own is not null) await own.DisposeAsync();
            throw;
        }

        ClusterOptions Options(NpgsqlDataSource members) => new()
        {
            Database = members,
            Secret = secret.KeyFor("aios-cluster-members"),
            Tls = place.Certificate is null ? null : Tls(place),
            Address = place.Address.Address,
            Port = place.Address.Port,
            Log = log,
        };
#else
        await Task.CompletedTask;
        throw new StartRefusedException($"{Lacking} Hosts share a database without one by --share.");
#endif
    }

#if CLUSTER_HOST
    /// <summary>A member, and the connections that it alone uses.</summary>
    private sealed class Seat(ClusterMember member, NpgsqlDataSource? own) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await member.DisposeAsync();
            if (own is not null) await own.DisposeAsync();
        }
    }

    private static MemberTls Tls(ClusterPlace place)
    {
        try
        {
            return MemberTls.Load(place.Certificate!, place.Authority!);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException($"The certificates of AIOS_CLUSTER_CERTIFICATE ({place.Certificate}) and AIOS_CLUSTER_AUTHORITY ({place.Authority}) cannot be read: {e.Message}");
        }
    }
#endif
}
