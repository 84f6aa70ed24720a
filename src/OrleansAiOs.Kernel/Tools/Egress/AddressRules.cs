using System.Net;
using System.Net.Sockets;

namespace OrleansAiOs.Kernel.Tools.Egress;

/// <summary>
/// Which addresses may be connected to. Only the address that a connection is really made to is judged, never a spelling of it: a URL can
/// write 127.0.0.1 in a hundred ways, and a name can mean another address at each look.
/// </summary>
internal static class AddressRules
{
    // Public for everybody is what is left (IANA's special-purpose registries, and what clouds put on public-looking addresses).
    private static readonly (IPNetwork Network, string What)[] Inner =
    [
        (IPNetwork.Parse("0.0.0.0/8"), "this machine"),
        (IPNetwork.Parse("10.0.0.0/8"), "a private network"),
        (IPNetwork.Parse("100.64.0.0/10"), "a carrier's inner network"),
        (IPNetwork.Parse("127.0.0.0/8"), "this machine"),
        (IPNetwork.Parse("168.63.129.16/32"), "a cloud's metadata service"),
        (IPNetwork.Parse("169.254.0.0/16"), "the local link, where clouds keep their metadata service"),
        (IPNetwork.Parse("172.16.0.0/12"), "a private network"),
        (IPNetwork.Parse("192.0.0.0/24"), "reserved"),
        (IPNetwork.Parse("192.0.2.0/24"), "for documentation"),
        (IPNetwork.Parse("192.88.99.0/24"), "a 6to4 relay"),
        (IPNetwork.Parse("192.168.0.0/16"), "a private network"),
        (IPNetwork.Parse("198.18.0.0/15"), "for benchmarks"),
        (IPNetwork.Parse("198.51.100.0/24"), "for documentation"),
        (IPNetwork.Parse("203.0.113.0/24"), "for documentation"),
        (IPNetwork.Parse("224.0.0.0/4"), "multicast"),
        (IPNetwork.Parse("240.0.0.0/4"), "reserved, or broadcast"),
        (IPNetwork.Parse("2001::/23"), "reserved; Teredo carries an address of version 4"),
        (IPNetwork.Parse("2001:db8::/32"), "for documentation"),
        (IPNetwork.Parse("2002::/16"), "6to4, which carries an address of version 4"),
        (IPNetwork.Parse("3fff::/20"), "for documentation"),
    ];

    // Not even where a tool names them: nothing that is meant to be called lives there.
    private static readonly IPNetwork[] Never =
    [
        IPNetwork.Parse("0.0.0.0/8"), IPNetwork.Parse("100.100.100.200/32"), IPNetwork.Parse("168.63.129.16/32"), IPNetwork.Parse("169.254.0.0/16"), IPNetwork.Parse("192.0.0.192/32"),
        IPNetwork.Parse("224.0.0.0/4"), IPNetwork.Parse("255.255.255.255/32"), IPNetwork.Parse("fd00:ec2::254/128"), IPNetwork.Parse("fe80::/10"), IPNetwork.Parse("ff00::/8"),
    ];

    private static readonly IPNetwork[] Carriers = [IPNetwork.Parse("2001::/32"), IPNetwork.Parse("2002::/16")];

    private static readonly IPNetwork UniqueLocal = IPNetwork.Parse("fc00::/7");

    private static readonly IPNetwork GlobalUnicast = IPNetwork.Parse("2000::/3");

    /// <summary>What speaks against connecting to an address; null if it is public.</summary>
    public static string? Objection(IPAddress address)
    {
        var plain = Plain(address);
        foreach (var (network, what) in Inner)
            if (network.Contains(plain)) return $"{plain} is {what}";
        if (plain.AddressFamily is AddressFamily.InterNetworkV6 && !GlobalUnicast.Contains(plain))
            return IPAddress.IPv6Loopback.Equals(plain) ? $"{plain} is this machine" : $"{plain} is not a public address";
        return null;
    }

    /// <summary>What speaks against connecting to an address that a tool names; null if nothing does.</summary>
    public static string? ObjectionThoughNamed(IPAddress address)
    {
        var plain = Plain(address);
        if (Array.Exists(Never, network => network.Contains(plain))) return $"{plain} is never called, whoever names it";
        if (plain.AddressFamily is AddressFamily.InterNetwork || IPAddress.IPv6Loopback.Equals(plain) || UniqueLocal.Contains(plain)) return null;
        return GlobalUnicast.Contains(plain) && !Array.Exists(Carriers, network => network.Contains(plain)) ? null : $"{plain} is no address that can be named: it is special, or carries another";
    }

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4()
        // The base library compares the zone too; it says where the address is meant, not which it is.
        : address.AddressFamily is AddressFamily.InterNetworkV6 ? new IPAddress(address.GetAddressBytes()) : address;
}
