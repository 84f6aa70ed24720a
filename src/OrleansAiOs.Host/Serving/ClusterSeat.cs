using System.Net;
using Npgsql;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.History;
#if CLUSTER_HOST
using OrleansAiOs.Cluster;
using OrleansAiOs.Cluster.History;
#endif

namespace OrleansAiOs.Host.Serving;

/// <summary>A host's place in a cluster. A program that was built where the packages for one are not to be had says so.</summary>
internal static class ClusterSeat
{
    /// <summary>Where other members are to reach this host: an IP address, with a port or any free one; nothing for any port of this machine.</summary>
    /// <exception cref="StartRefusedException">It is no address, or one beyond this machine.</exception>
    public static IPEndPoint Parse(string address)
    {
        if (address.Length == 0) return new IPEndPoint(IPAddress.Loopback, 0);
        if (!IPEndPoint.TryParse(address, out var point)) throw new StartRefusedException($"'{address}' is not where other hosts can reach this one: --cluster takes an IP address, with :PORT or without.");
        // Whoever can speak to a member's port can speak for all tenants.
        return IPAddress.IsLoopback(point.Address) ? point
            : throw new StartRefusedException($"Members reach each other without TLS yet, so {point.Address} is refused: --cluster takes loopback addresses only.");
    }

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
    public static async Task<IAsyncDisposable> TakeAsync(IPEndPoint address, WorkflowHost engine, NpgsqlDataSource database, ILoggerFactory log, CancellationToken cancellation)
    {
#if CLUSTER_HOST
        return await ClusterMember.JoinAsync(engine, new ClusterOptions { Database = database, Address = address.Address, Port = address.Port, Log = log }, cancellation);
#else
        await Task.CompletedTask;
        throw new StartRefusedException("This program has no cluster: it was built where the packages of Microsoft Orleans were not to be had. Build it where they are; hosts share a database without one by --share.");
#endif
    }
}
