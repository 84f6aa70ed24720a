using OrleansAiOs.Host.Cli;

namespace OrleansAiOs.Host.Demo;

/// <summary>What the demo's runs are on.</summary>
internal interface IDemoHosts : IAsyncDisposable
{
    /// <summary>Where the next request goes, with the owner's key.</summary>
    HostAddress Next();

    /// <summary>Which of several hosts an incarnation is; empty where there is one only.</summary>
    string NameOf(string? incarnation);

    /// <summary>The hosts' clock, if it is the demo's to move; null if it is the system's.</summary>
    DemoClock? Clock { get; }
}
