namespace OrleansAiOs.Sandbox;

/// <summary>How a sandbox starts. The defaults are a friendly one, in memory, on any free port.</summary>
public sealed record SandboxOptions
{
    /// <summary>The port on 127.0.0.1; 0 takes any free one. Only <see cref="SandboxServer"/> listens.</summary>
    public int Port { get; init; }

    /// <summary>Where the journal lives, so that the books survive a kill; null keeps them in memory.</summary>
    public string? DataFolder { get; init; }

    public Hostility Hostility { get; init; } = Hostility.None;

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
