using System.Diagnostics.Tracing;
using System.Net.NetworkInformation;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Host.Replaying;

/// <summary>
/// What keeps replayed code from the world. A process of its own in an empty network namespace (Linux, where the system allows one)
/// reaches nobody, not even this machine. Everywhere sockets, requests and the looking up of names are watched too: who begins one is held
/// there for good, before anything is sent, and its replay ends with that. Where there is no namespace that is all there is, and two things
/// are not seen: a datagram to an address (no name is looked up), and code that calls the system past the base library.
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

    private static volatile string? unclaimed;

    /// <summary>What code tried to reach that is part of no replay: on a thread that it began apart from one.</summary>
    public static string? Unclaimed => unclaimed;

    /// <summary>Which seal this process has. Its parent says in which namespace it stands itself: one with no other interface than a dead loopback is empty.</summary>
    public static string OfThisProcess(string? parentsNamespace)
    {
        if (!OperatingSystem.IsLinux() || parentsNamespace is null || NamespaceOfThisProcess is not { } own || own == parentsNamespace) return Watched;
        return NetworkInterface.GetAllNetworkInterfaces().All(network => network.NetworkInterfaceType is NetworkInterfaceType.Loopback && network.OperationalStatus is not OperationalStatus.Up) ? Namespace : Watched;
    }

    public static string? NamespaceOfThisProcess => OperatingSystem.IsLinux() ? new FileInfo("/proc/self/ns/net").LinkTarget : null;

    protected override void OnEventSourceCreated(EventSource source)
    {
        if (Tripwires.ContainsKey(source.Name)) EnableEvents(source, EventLevel.Informational);
    }

    // Raised on the thread that asks, before anything is sent. What is thrown in here is swallowed: so the thread is kept.
    protected override void OnEventWritten(EventWrittenEventArgs e)
    {
        if (!Tripwires.TryGetValue(e.EventSource.Name, out var names) || !names.Contains(e.EventName)) return;
        var what = $"reached out of the replay, to {e.EventSource.Name} ({string.Join(' ', e.Payload?.Select(value => $"{value}") ?? [])})";
        if (Replayer.Hold(what)) return;
        unclaimed ??= what;
        Thread.Sleep(Timeout.Infinite);
    }
}
