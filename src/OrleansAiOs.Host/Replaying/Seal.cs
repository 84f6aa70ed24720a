using System.Diagnostics.Tracing;
using System.Net.NetworkInformation;

namespace OrleansAiOs.Host.Replaying;

/// <summary>
/// What keeps replayed code from the world. A process of its own in an empty network namespace (Linux, where the system allows one)
/// reaches nobody, not even this machine. Anywhere else sockets are only watched: who opens one has its replay fail, though what it sent
/// may have left. Both are watched, so that code which tries is told of either way.
/// </summary>
internal sealed class Seal : EventListener
{
    public const string Namespace = "network-namespace";
    public const string Watched = "watched-sockets";

    private static readonly Dictionary<string, string[]> Tripwires = new(StringComparer.Ordinal)
    {
        ["System.Net.Sockets"] = ["ConnectStart"],
        ["System.Net.Http"] = ["RequestStart"],
        ["System.Net.NameResolution"] = ["ResolutionStart"],
    };

    [ThreadStatic]
    private static string? reached;

    /// <summary>Which seal this process has. Its parent says in which namespace it stands itself: one with no other interface than a dead loopback is empty.</summary>
    public static string OfThisProcess(string? parentsNamespace)
    {
        if (!OperatingSystem.IsLinux() || parentsNamespace is null || NamespaceOfThisProcess is not { } own || own == parentsNamespace) return Watched;
        return NetworkInterface.GetAllNetworkInterfaces().All(network => network.NetworkInterfaceType is NetworkInterfaceType.Loopback && network.OperationalStatus is not OperationalStatus.Up) ? Namespace : Watched;
    }

    public static string? NamespaceOfThisProcess => OperatingSystem.IsLinux() ? new FileInfo("/proc/self/ns/net").LinkTarget : null;

    /// <summary>What the code that ran on this thread since the last call tried to reach; null if nothing.</summary>
    public static string? TakeReached()
    {
        var found = reached;
        reached = null;
        return found;
    }

    protected override void OnEventSourceCreated(EventSource source)
    {
        if (Tripwires.ContainsKey(source.Name)) EnableEvents(source, EventLevel.Informational);
    }

    // Raised on the thread that asks, before anything is sent.
    protected override void OnEventWritten(EventWrittenEventArgs e)
    {
        if (Tripwires.TryGetValue(e.EventSource.Name, out var names) && names.Contains(e.EventName))
            reached ??= $"{e.EventSource.Name} ({string.Join(' ', e.Payload?.Select(value => $"{value}") ?? [])})";
    }
}
