using System.Net;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace OrleansAiOs.Cluster;

/// <summary>How a host joins a cluster.</summary>
public sealed record ClusterOptions
{
    /// <summary>The database of the runs; the cluster's members stand in it.</summary>
    public required NpgsqlDataSource Database { get; init; }

    /// <summary>What members seal their messages with: 32 bytes that all of them share, and nobody else knows.</summary>
    public required byte[] Secret { get; init; }

    /// <summary>How members prove to each other who they are; needed where their addresses are beyond this machine.</summary>
    public MemberTls? Tls { get; init; }

    /// <summary>Where other members reach this host.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>The port for members; 0 takes a free one.</summary>
    public int Port { get; init; }

    /// <summary>Members of one name belong together.</summary>
    public string Name { get; init; } = "aios";

    public required ILoggerFactory Log { get; init; }

    /// <summary>What is logged of Orleans' own, and of what it stands on: at Information each placement of a grain is two lines.</summary>
    public LogLevel OrleansLog { get; init; } = LogLevel.Warning;

    /// <summary>In a test: runs are active on any member, so that what is sent to them crosses.</summary>
    internal bool Spread { get; init; }
}
